//! Headers for tests and for the fuzzer: any metadata under checksums that match.

use vouchsafe_protocol::Digest32;

/// Both copies of the metadata, each of 16 KiB. A text that is too long for them is cut off.
#[must_use]
pub fn metadata(json: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 2 * SIZE];
    for (secondary, copy) in [false, true].into_iter().zip(bytes.chunks_exact_mut(SIZE)) {
        put(copy, 0, if secondary { b"SKUL\xba\xbe\0\x02" } else { b"LUKS\xba\xbe\0\x02" });
        put(copy, 8, &(SIZE as u64).to_be_bytes());
        put(copy, 16, &3_u64.to_be_bytes());
        put(copy, 72, b"sha256");
        put(copy, 104, &[if secondary { 2 } else { 1 }; 64]);
        put(copy, 168, UUID.as_bytes());
        put(copy, 256, &(if secondary { SIZE as u64 } else { 0 }).to_be_bytes());
        put(copy, 4096, json.get(..SIZE - 4096).unwrap_or(json));
        seal(copy);
    }
    bytes
}

/// Computes the checksum of one copy.
pub fn seal(copy: &mut [u8]) {
    put(copy, 448, &[0; 64]);
    let Digest32(sum) = Digest32::of(copy);
    put(copy, 448, &sum);
}

fn put(bytes: &mut [u8], offset: usize, part: &[u8]) {
    if let Some(place) = bytes.get_mut(offset..offset + part.len()) {
        place.copy_from_slice(part);
    }
}

/// Metadata as cryptsetup 2.6.1 writes it: a slot with PBKDF2, and one with Argon2id.
pub const JSON: &str = concat!(
    r#"{"keyslots":{"0":{"type":"luks2","key_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},"#,
    r#""area":{"type":"raw","offset":"32768","size":"258048","encryption":"aes-xts-plain64","key_size":64},"#,
    r#""kdf":{"type":"pbkdf2","hash":"sha256","iterations":1000,"salt":"X9JhAHTu1CfIbnlEEUlk7PSHBGVrJMdd52pdLoisucY="}},"#,
    r#""1":{"type":"luks2","key_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},"#,
    r#""area":{"type":"raw","offset":"290816","size":"258048","encryption":"aes-xts-plain64","key_size":64},"#,
    r#""kdf":{"type":"argon2id","time":4,"memory":32768,"cpus":1,"salt":"RkB0h2mZT+rKwzXRWjBHjGoYPR0dAb0/XRX93MYOq6I="}}},"#,
    r#""tokens":{},"segments":{"0":{"type":"crypt","offset":"16777216","size":"dynamic","iv_tweak":"0","encryption":"aes-xts-plain64","sector_size":4096}},"#,
    r#""digests":{"0":{"type":"pbkdf2","keyslots":["0","1"],"segments":["0"],"hash":"sha256","iterations":1000,"#,
    r#""salt":"QdIi26vxfm48DIgsAUSMWGKfIhyczOukIQLEbuGxtyA=","digest":"CcMGWRSqzdJj9ksmdy4ul7QD8B5aHRdy8p3Y0a5w/yI="}},"#,
    r#""config":{"json_size":"12288","keyslots_size":"16744448"}}"#
);

const SIZE: usize = 16384;
const UUID: &str = "06a0f593-8a90-4292-9736-edb999c33559";
