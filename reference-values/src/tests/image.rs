//! Authenticode digests, and one refusal for each way in which a file is not an image.

use crate::test_util::{CHECKSUM, DIRECTORY, ImageBuilder};
use crate::{EfiImage, ImageError};
use vouchsafe_protocol::Digest32;

fn image() -> ImageBuilder {
    ImageBuilder::program(b"code").section(".data", &[7; 700])
}

fn digest(bytes: &[u8]) -> Digest32 {
    EfiImage::parse(bytes).expect("an image").digest()
}

fn refusal(bytes: &[u8]) -> ImageError {
    EfiImage::parse(bytes).expect_err("refused")
}

/// Writes `value` over four bytes.
fn with(mut bytes: Vec<u8>, at: usize, value: u32) -> Vec<u8> {
    bytes.splice(at..at + 4, value.to_le_bytes());
    bytes
}

/// Offset of a field in a section header; sections are numbered from 0.
const fn section(number: usize, field: usize) -> usize {
    0x40 + 4 + 20 + 240 + 40 * number + 8 + 4 * field
}

const RAW_SIZE: usize = 2;
const RAW_PLACE: usize = 3;

#[test]
fn the_digest_is_that_of_the_covered_parts() {
    let plain = image();
    assert_eq!(digest(&plain.bytes()), plain.digest());
    let trailed = ImageBuilder { trailer: b"more".to_vec(), ..image() };
    assert_eq!(digest(&trailed.bytes()), trailed.digest());
    assert_ne!(trailed.digest(), plain.digest());
    // The same file, hashed by another program.
    let known = "cb390d7fff121198d799c8f95eafc183dd685a2329335ef7e3a921e12760ddac";
    assert_eq!(plain.digest().to_string(), known);
}

#[test]
fn signing_changes_no_digest() {
    let signed = ImageBuilder { certificates: vec![9; 64], checksum: 77, ..image() };
    assert_ne!(signed.bytes(), image().bytes());
    assert_eq!(digest(&signed.bytes()), image().digest());
}

#[test]
fn every_other_byte_counts() {
    let bytes = ImageBuilder { certificates: vec![9; 8], trailer: vec![5; 8], ..image() }.bytes();
    let original = digest(&bytes);
    let covered = bytes.len() - 8;
    for at in [1, CHECKSUM - 1, CHECKSUM + 4, DIRECTORY - 1, DIRECTORY + 8, 0x3ff, 0x400, covered - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        // A changed header may be invalid; if it is valid, it is a different image.
        assert!(
            EfiImage::parse(&changed).is_ok_and(|image| image.digest() != original) || at < 0x400,
            "{at}"
        );
    }
}

#[test]
fn a_file_that_is_not_an_image_is_refused_by_name() {
    assert_eq!(refusal(b""), ImageError::NotPe);
    assert_eq!(refusal(b"MZ"), ImageError::NotPe);
    assert_eq!(refusal(&image().bytes()[..0x80]), ImageError::NotPe);
    assert_eq!(refusal(&with(image().bytes(), 0x40, 0)), ImageError::NotPe);
    let size_of_headers = 0x40 + 4 + 20 + 60;
    assert_eq!(refusal(&with(image().bytes(), size_of_headers, u32::MAX)), ImageError::Headers);
    assert_eq!(refusal(&with(image().bytes(), size_of_headers, 0x20)), ImageError::Headers);
}

#[test]
fn sections_lie_in_the_file_one_after_the_other() {
    let moved = |number, value| refusal(&with(image().bytes(), section(number, RAW_PLACE), value));
    assert_eq!(moved(0, 0x200), ImageError::SectionBounds { number: 1 });
    assert_eq!(moved(1, 0x500), ImageError::SectionGap { number: 2 });
    assert_eq!(moved(1, 0x800), ImageError::SectionGap { number: 2 });
    let long = with(image().bytes(), section(1, RAW_SIZE), 0x10000);
    assert_eq!(refusal(&long), ImageError::SectionBounds { number: 2 });
    let wraps = with(image().bytes(), section(1, RAW_SIZE), u32::MAX);
    assert_eq!(refusal(&wraps), ImageError::SectionBounds { number: 2 });
}

#[test]
fn certificates_end_the_file() {
    let signed = ImageBuilder { certificates: vec![9; 64], ..image() }.bytes();
    let mut longer = signed.clone();
    longer.push(0);
    assert_eq!(refusal(&longer), ImageError::CertificateTable);
    assert_eq!(refusal(&signed[..signed.len() - 1]), ImageError::CertificateTable);
    assert_eq!(refusal(&with(signed, DIRECTORY, 0x400)), ImageError::CertificateTable);
}
