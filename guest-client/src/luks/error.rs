//! Why a LUKS header was refused.

use std::fmt;

/// The two copies of the metadata in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// At the start of the device.
    Primary,
    /// Behind the first one.
    Secondary,
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        })
    }
}

macro_rules! header_errors {
    ($($(#[$doc:meta])* $name:literal $variant:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),* })? : $text:literal;)*) => {
        /// Why a LUKS header was refused. `place` is the path of a member of the metadata, such as `keyslots.0.kdf`.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum HeaderError {
            $($(#[$doc])* #[error($text)] $variant $({ $($(#[$field_doc])* $field: $type),* })?,)*
        }

        impl HeaderError {
            /// A name that programs can rely on.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }
        }
    };
}

header_errors! {
    /// Fewer bytes than the header has.
    "truncated" Truncated {
        /// Bytes of a complete header, as far as it is known.
        needed: u64,
        /// Bytes that there are.
        found: u64
    }: "it is cut off: {found} bytes of {needed}";
    /// A copy with more than the header.
    "trailing" Trailing {
        /// Bytes of a complete header.
        needed: u64,
        /// Bytes that there are.
        found: u64
    }: "the copy has {found} bytes, and the header {needed}";
    /// Another magic number.
    "not-luks" NotLuks: "there is no LUKS header";
    /// The older format has no checksum, and allows any cipher.
    "luks1" Luks1: "LUKS1 is not supported: convert the volume with `cryptsetup convert --type luks2`";
    /// A version that does not exist yet.
    "version" Version {
        /// The number.
        found: u16
    }: "LUKS version {found} is not supported";
    /// A size that cryptsetup does not write, or a larger one than we read.
    "header-size" HeaderSize {
        /// Bytes of one copy.
        found: u64
    }: "one copy of its metadata cannot have {found} bytes";
    /// A copy states another position than its own.
    "header-offset" HeaderOffset {
        /// The copy.
        copy: Copy
    }: "the {copy} copy is not made for its position";
    /// Bytes without a meaning, which are zero.
    "padding" Padding {
        /// The copy.
        copy: Copy
    }: "the padding of the {copy} copy is not zero";
    /// A text that is not one.
    "binary-text" BinaryText {
        /// The copy.
        copy: Copy,
        /// The field.
        field: &'static str
    }: "the {field} of the {copy} copy is malformed";
    /// Another checksum than SHA-256.
    "checksum-algorithm" ChecksumAlgorithm {
        /// The copy.
        copy: Copy
    }: "the checksum of the {copy} copy is not of the kind sha256";
    /// The checksum does not match.
    "checksum" Checksum {
        /// The copy.
        copy: Copy
    }: "the checksum of the {copy} copy does not match";
    /// The second copy does not begin with its magic number.
    "secondary-magic" SecondaryMagic: "there is no second copy of its metadata";
    /// The copies have to say the same.
    "copies-differ" CopiesDiffer {
        /// The field.
        field: &'static str
    }: "its two copies differ in {field}: repair it with `cryptsetup repair`";
    /// No object between the binary header and zeros.
    "json-area" JsonArea: "its JSON area is not one object, followed by zeros";
    /// Not JSON.
    "json-syntax" JsonSyntax {
        /// Line of the text.
        line: usize,
        /// Column of the line.
        column: usize
    }: "its metadata is not JSON (line {line}, column {column})";
    /// A member that is there twice: readers differ in which one counts.
    "json-duplicate" JsonDuplicate {
        /// The name.
        name: String
    }: "its metadata has the member \"{name}\" twice";
    /// A NUL in a text, where cryptsetup would see the end.
    "json-nul" JsonNul: "its metadata has a NUL in a text";
    /// Deeper than any metadata is.
    "json-depth" JsonDepth: "its metadata is nested too deeply";
    /// More values than any metadata has.
    "json-values" JsonValues: "its metadata has too many values";
    /// A member that has to be there.
    "member-missing" MemberMissing {
        /// Which one.
        place: String
    }: "{place} is missing";
    /// A member that we do not know.
    "member-unknown" MemberUnknown {
        /// Which one.
        place: String
    }: "{place} is not known";
    /// A value of another kind.
    "member-type" MemberType {
        /// Which one.
        place: String
    }: "{place} has a value of the wrong kind";
    /// A number in another form than cryptsetup writes, or too large.
    "member-number" MemberNumber {
        /// Which one.
        place: String
    }: "{place} is not a number as it has to be";
    /// An object whose name is not its number.
    "object-name" ObjectName {
        /// Which one.
        place: String
    }: "{place} is not the name of such an object";
    /// The metadata states another size of itself.
    "json-size" JsonSize {
        /// The stated bytes.
        found: u64
    }: "config.json_size is {found}, and the area has another size";
    /// The area of key slots does not fit between metadata and data.
    "keyslots-size" KeyslotsSize {
        /// The stated bytes.
        found: u64
    }: "config.keyslots_size is {found}: that does not fit between metadata and data";
    /// No segment, or several.
    "segment-count" SegmentCount {
        /// Their number.
        found: usize
    }: "it has {found} segments, and one is supported";
    /// A segment that is not encrypted by dm-crypt.
    "segment-type" SegmentType {
        /// The type.
        found: String
    }: "a segment of the type {found} is not supported";
    /// The superblock of dm-integrity is on the disk, outside of the header.
    "integrity" Integrity: "integrity is not supported: a part of its metadata is on the disk itself";
    /// Re-encryption is under way, or was not completed.
    "reencryption" Reencryption: "a re-encryption is not completed: `cryptsetup reencrypt --resume-only` completes it";
    /// Another cipher than ours, in place of which nothing is accepted.
    "cipher" Cipher {
        /// The cipher.
        found: String
    }: "the cipher {found} is not supported: only aes-xts-plain64 is";
    /// Not 512, 1024, 2048 or 4096.
    "sector-size" SectorSize {
        /// The size in bytes.
        found: u64
    }: "sectors of {found} bytes are not supported";
    /// Sectors are not numbered from zero.
    "iv-tweak" IvTweak {
        /// The first number.
        found: u64
    }: "segments.0.iv_tweak is {found}, and only 0 is supported";
    /// The segment is not the rest of the device.
    "segment-size" SegmentSize {
        /// The size.
        found: String
    }: "segments.0.size is {found}: the segment has to be the rest of the device (dynamic)";
    /// Data too close to the metadata, too far away, or between sectors.
    "data-offset" DataOffset {
        /// Bytes from the start of the device.
        found: u64
    }: "the data begins at byte {found}: that does not fit";
    /// No key can open it.
    "no-keyslot" NoKeyslot: "it has no key slot";
    /// Neither `luks2` nor a part of re-encryption.
    "keyslot-type" KeyslotType {
        /// Its number.
        slot: u8,
        /// The type.
        found: String
    }: "key slot {slot}: the type {found} is not supported";
    /// Not 32 or 64 bytes, or not as in the other slots.
    "key-size" KeySize {
        /// Its number.
        slot: u8,
        /// Bytes.
        found: u64
    }: "key slot {slot}: a key of {found} bytes is not supported";
    /// A priority that does not exist.
    "priority" Priority {
        /// Its number.
        slot: u8,
        /// The priority.
        found: u64
    }: "key slot {slot}: there is no priority {found}";
    /// Not the anti-forensic splitter of LUKS1 with 4000 stripes.
    "af" Af {
        /// Its number.
        slot: u8
    }: "key slot {slot}: the anti-forensic splitter is not luks1 with 4000 stripes";
    /// Not `raw`.
    "area-type" AreaType {
        /// Its number.
        slot: u8,
        /// The type.
        found: String
    }: "key slot {slot}: an area of the type {found} is not supported";
    /// Another cipher of the key material.
    "area-cipher" AreaCipher {
        /// Its number.
        slot: u8,
        /// The cipher.
        found: String
    }: "key slot {slot}: the cipher {found} is not supported: only aes-xts-plain64 is";
    /// Not 32 or 64 bytes.
    "area-key-size" AreaKeySize {
        /// Its number.
        slot: u8,
        /// Bytes.
        found: u64
    }: "key slot {slot}: its area is encrypted with a key of {found} bytes, which is not supported";
    /// Outside of the area of key slots, or too small for the key.
    "area-bounds" AreaBounds {
        /// Its number.
        slot: u8
    }: "key slot {slot}: its area is outside of the header, or too small";
    /// Two slots share bytes.
    "area-overlap" AreaOverlap {
        /// The number of one.
        slot: u8,
        /// The number of the other.
        other: u8
    }: "key slots {slot} and {other}: their areas overlap";
    /// Neither SHA-256 nor SHA-512.
    "hash" Hash {
        /// Where it is used.
        place: String,
        /// Its name.
        found: String
    }: "{place}: the hash {found} is not supported: sha256 and sha512 are";
    /// Neither PBKDF2 nor Argon2.
    "kdf-type" KdfType {
        /// Its number.
        slot: u8,
        /// The type.
        found: String
    }: "key slot {slot}: the key derivation {found} is not supported";
    /// Too few iterations, or so many that a boot would not end.
    "kdf-iterations" KdfIterations {
        /// Where.
        place: String,
        /// Their number.
        found: u64
    }: "{place}: {found} iterations are not supported";
    /// Memory that an initrd may not have, or none.
    "kdf-memory" KdfMemory {
        /// Its number.
        slot: u8,
        /// KiB.
        found: u64
    }: "key slot {slot}: key derivation with {found} KiB of memory is not supported";
    /// No pass, or so many that a boot would not end.
    "kdf-time" KdfTime {
        /// Its number.
        slot: u8,
        /// Passes over the memory.
        found: u64
    }: "key slot {slot}: key derivation with {found} passes is not supported with that much memory";
    /// More threads than cryptsetup uses, or none.
    "kdf-cpus" KdfCpus {
        /// Its number.
        slot: u8,
        /// Threads.
        found: u64
    }: "key slot {slot}: key derivation with {found} threads is not supported";
    /// All slots and the digest together.
    "kdf-total" KdfTotal: "trying all of its key slots would take minutes: use fewer or cheaper ones";
    /// What cryptsetup would try before the key that it is given.
    "token" Token {
        /// The type.
        found: String
    }: "it has a token of the type {found}, which is another way to a key: remove it with `cryptsetup token remove`";
    /// Not base64 of 32 bytes.
    "salt" Salt {
        /// Where.
        place: String
    }: "{place} is not base64 of 32 bytes";
    /// No digest of the volume key, or several.
    "digest-count" DigestCount {
        /// Their number.
        found: usize
    }: "it has {found} digests of volume keys, and one is supported";
    /// Not PBKDF2.
    "digest-type" DigestType {
        /// The type.
        found: String
    }: "a digest of the type {found} is not supported";
    /// The digest is not that of every key slot.
    "digest-keyslots" DigestKeyslots: "its digest does not belong to every key slot, each once";
    /// The digest is not that of the segment.
    "digest-segments" DigestSegments: "its digest does not belong to the segment";
    /// Not base64, or of another length than the hash.
    "digest-length" DigestLength: "its digest of the volume key does not have the length of its hash";
    /// A feature that an older cryptsetup must not ignore.
    "requirement" Requirement {
        /// Its name.
        found: String
    }: "it requires {found}, which is not supported";
    /// A flag that we do not know.
    "flag" Flag {
        /// Its name.
        found: String
    }: "its flag {found} is not supported";
}
