//! Headers that cryptsetup made, and what is wrong with them after one change.

mod binary;
mod copies;
mod json;
mod keyslots;
mod segments;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use super::{Header, HeaderError, Kdf, MAX_HEADER, fake, metadata_length};

/// The metadata of a volume with a key and a passphrase.
static REAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut header = format(&["--offset=2048", "--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000"]);
    header.truncate(metadata_length(&header).unwrap());
    header
});

/// What `cryptsetup luksFormat` makes with these arguments.
fn format(arguments: &[&str]) -> Vec<u8> {
    let volume = tempfile::NamedTempFile::new().unwrap();
    volume.as_file().set_len(20 << 20).unwrap();
    let path = volume.path().to_str().unwrap();
    let luks = ["luksFormat", "--batch-mode", "--type=luks2", "--key-file=-"];
    cryptsetup(&[&luks, arguments, &[path]].concat(), b"0123456789abcdef");
    let weak = ["--pbkdf=argon2id", "--pbkdf-memory=64", "--pbkdf-parallel=1", "--pbkdf-force-iterations=4"];
    let add = ["luksAddKey", "--batch-mode", "--key-file=-", "--keyfile-size=16"];
    cryptsetup(&[&add[..], &weak, &[path]].concat(), b"0123456789abcdefpassphrase");
    std::fs::read(volume.path()).unwrap()
}

fn cryptsetup(arguments: &[&str], input: &[u8]) {
    let mut child = Command::new("cryptsetup")
        .args(arguments)
        // Not in the search path of every user.
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("scripts/setup installs cryptsetup");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "cryptsetup {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The metadata of the real header after an edit, under checksums that match.
fn edited(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let area = &REAL[4096..REAL.len() / 2];
    let text = area.split(|byte| *byte == 0).next().unwrap();
    let mut json = serde_json::from_slice(text).unwrap();
    edit(&mut json);
    with_text(&serde_json::to_vec(&json).unwrap())
}

/// The real header with another text as metadata.
fn with_text(text: &[u8]) -> Vec<u8> {
    changed(|copy| {
        copy[4096..].fill(0);
        copy[4096..4096 + text.len()].copy_from_slice(text);
    })
}

/// The real header with a change in both copies, under checksums that match.
fn changed(change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut header = REAL.clone();
    let half = header.len() / 2;
    for copy in header.chunks_exact_mut(half) {
        change(copy);
        fake::seal(copy);
    }
    header
}

fn refused(edit: impl FnOnce(&mut Value), error: &HeaderError) {
    assert_eq!(Header::parse(&edited(edit)).as_ref(), Err(error));
}

#[test]
fn a_header_of_cryptsetup_passes() {
    let header = Header::parse(&REAL).unwrap();
    assert_eq!((header.data_offset(), header.key_bits()), (1 << 20, 512));
    let kdfs: Vec<_> = header.keyslots().iter().map(|keyslot| (keyslot.slot, keyslot.kdf)).collect();
    assert_eq!(kdfs, [(0, Kdf::Pbkdf2 { iterations: 1000 }), (1, Kdf::Argon2id { memory: 64, time: 4 })]);
    assert!(REAL.windows(36).any(|bytes| bytes == header.uuid().as_bytes()));
    assert_eq!((header.label(), header.flags().len()), ("", 0));
    // Without an edit, the same: what the other tests change is what is refused.
    assert_eq!(Header::parse(&edited(|_| {})), Ok(header));
}

#[test]
fn defaults_and_options_of_cryptsetup_pass() {
    let fast = ["--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000"];
    let header = Header::parse(&format(&fast)).unwrap();
    assert_eq!((header.data_offset(), header.sector_size()), (16 << 20, 4096));
    let options: [&str; 6] = [
        "--sector-size=512",
        "--key-size=256",
        "--hash=sha512",
        "--label=a label",
        "--luks2-metadata-size=32k",
        "--uuid=06a0f593-8a90-4292-9736-edb999c33559",
    ];
    let bytes = format(&[&fast[..], &options].concat());
    let header = Header::parse(&bytes).unwrap();
    assert_eq!(metadata_length(&bytes), Ok(65536));
    assert_eq!((header.sector_size(), header.key_bits(), header.label()), (512, 256, "a label"));
    assert_eq!(header.uuid(), "06a0f593-8a90-4292-9736-edb999c33559");
}

#[test]
fn members_that_cryptsetup_may_add_pass() {
    let header = edited(|json| {
        json["config"]["flags"] = serde_json::json!(["allow-discards", "no-read-workqueue"]);
        json["config"]["requirements"] = serde_json::json!({});
        json["keyslots"]["0"]["priority"] = 2.into();
    });
    assert_eq!(Header::parse(&header).unwrap().flags(), ["allow-discards", "no-read-workqueue"]);
}

#[test]
fn the_fake_is_like_a_real_one() {
    let header = Header::parse(&fake::metadata(fake::JSON.as_bytes())).unwrap();
    assert_eq!((header.data_offset(), header.keyslots().len()), (16 << 20, 2));
}

#[test]
fn the_limit_of_the_header_is_one_of_the_data() {
    let at = |offset: u64| edited(|json| json["segments"]["0"]["offset"] = offset.to_string().into());
    assert_eq!(Header::parse(&at(MAX_HEADER)).unwrap().data_offset(), MAX_HEADER);
    let found = MAX_HEADER + 4096;
    assert_eq!(Header::parse(&at(found)), Err(HeaderError::DataOffset { found }));
}

#[test]
fn t32_mutated_metadata_does_not_panic() {
    let text = fake::JSON.as_bytes();
    for index in 0..text.len() {
        for byte in [b'"', text[index] ^ 1] {
            let mut mutated = text.to_vec();
            mutated[index] = byte;
            if let Ok(header) = Header::parse(&fake::metadata(&mutated)) {
                assert!(header.data_offset() <= MAX_HEADER && !header.keyslots().is_empty());
            }
        }
    }
}
