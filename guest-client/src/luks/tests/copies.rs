//! Copies of headers.

use std::io::Write as _;
use std::path::Path;

use vouchsafe_protocol::Digest32;

use super::super::{CopyError, HeaderCopy, HeaderError};
use super::format;

fn volume() -> Vec<u8> {
    format(&["--offset=2048", "--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000"])
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn refused(result: Result<HeaderCopy, CopyError>) -> HeaderError {
    match result {
        Err(CopyError::Refused { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn t32_a_copy_is_all_bytes_before_the_data() {
    let volume = volume();
    let copy = HeaderCopy::read(file(&volume).path()).unwrap();
    assert!(copy.bytes() == &volume[..1 << 20]);
    assert_eq!(copy.digest(), Digest32::of(&volume[..1 << 20]));
    assert_eq!(HeaderCopy::reopen(file(copy.bytes()).path()).unwrap().digest(), copy.digest());
    // Key material belongs to it.
    let mut other = volume;
    other[40_000] ^= 1;
    assert_ne!(HeaderCopy::read(file(&other).path()).unwrap().digest(), copy.digest());
}

#[test]
fn t32_a_copy_of_another_length_is_refused() {
    let volume = volume();
    let needed = 1 << 20;
    let short = file(&volume[..needed - 1]);
    let fault = HeaderError::Truncated { needed: needed as u64, found: needed as u64 - 1 };
    assert_eq!(refused(HeaderCopy::reopen(short.path())), fault);
    assert_eq!(refused(HeaderCopy::read(short.path())), fault);
    let fault = HeaderError::Trailing { needed: needed as u64, found: needed as u64 + 1 };
    assert_eq!(refused(HeaderCopy::reopen(file(&volume[..=needed]).path())), fault);
    assert_eq!(
        refused(HeaderCopy::read(file(&volume[..100]).path())),
        HeaderError::Truncated { needed: 32768, found: 100 }
    );
}

#[test]
fn a_device_that_is_none_is_named() {
    let error = HeaderCopy::read(Path::new("/nowhere/disk")).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/disk: No such file"), "{error}");
    assert!(matches!(HeaderCopy::read(Path::new("/dev/null")), Err(CopyError::NotADevice(_))));
    let error = HeaderCopy::read(file(&[0; 5000]).path()).unwrap_err();
    assert!(
        error.to_string().ends_with(": LUKS header refused (not-luks): there is no LUKS header"),
        "{error}"
    );
}
