//! The binary header of each copy.

use super::super::{Copy, Header, HeaderError, metadata_length};
use super::{REAL, changed, fake};

fn refused(header: &[u8], error: HeaderError) {
    assert_eq!(Header::parse(header), Err(error));
}

/// A change of the second copy alone, under a checksum that matches.
fn second(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut header = REAL.clone();
    let half = header.len() / 2;
    let copy = &mut header[half..];
    copy[offset..offset + bytes.len()].copy_from_slice(bytes);
    fake::seal(copy);
    header
}

fn both(offset: usize, bytes: &[u8]) -> Vec<u8> {
    changed(|copy| copy[offset..offset + bytes.len()].copy_from_slice(bytes))
}

#[test]
fn t32_a_header_that_is_cut_off_is_refused() {
    for found in [0, 5, 7, 15] {
        refused(&REAL[..found], HeaderError::Truncated { needed: 4096, found: found as u64 });
    }
    for found in [16, 4096, REAL.len() - 1] {
        refused(&REAL[..found], HeaderError::Truncated { needed: 32768, found: found as u64 });
    }
}

#[test]
fn t32_another_format_is_refused() {
    refused(&[0; 32768], HeaderError::NotLuks);
    refused(&both(6, &[0, 1]), HeaderError::Luks1);
    refused(&both(6, &[0, 3]), HeaderError::Version { found: 3 });
    refused(&both(6, &[2, 0]), HeaderError::Version { found: 0x200 });
}

#[test]
fn t32_an_odd_size_of_the_metadata_is_refused() {
    for found in [0, 4096, 0x4001, 0x40_0000, u64::MAX] {
        let header = both(8, &found.to_be_bytes());
        assert_eq!(metadata_length(&header), Err(HeaderError::HeaderSize { found }));
    }
}

#[test]
fn t32_a_checksum_that_does_not_match_is_refused() {
    for (offset, copy) in [(5000, Copy::Primary), (20000, Copy::Secondary), (448, Copy::Primary)] {
        let mut header = REAL.clone();
        header[offset] ^= 1;
        refused(&header, HeaderError::Checksum { copy });
    }
}

#[test]
fn t32_another_checksum_algorithm_is_refused() {
    refused(&both(72, b"sha512"), HeaderError::ChecksumAlgorithm { copy: Copy::Primary });
    refused(&both(72, b"sha1\0\0"), HeaderError::ChecksumAlgorithm { copy: Copy::Primary });
    refused(&second(72, b"sha512"), HeaderError::ChecksumAlgorithm { copy: Copy::Secondary });
}

#[test]
fn t32_a_copy_in_another_place_is_refused() {
    refused(&both(256, &1_u64.to_be_bytes()), HeaderError::HeaderOffset { copy: Copy::Primary });
    refused(&second(256, &0_u64.to_be_bytes()), HeaderError::HeaderOffset { copy: Copy::Secondary });
}

#[test]
fn t32_padding_with_content_is_refused() {
    for offset in [264, 447, 512, 4095] {
        refused(&both(offset, b"x"), HeaderError::Padding { copy: Copy::Primary });
    }
    let mut header = REAL.clone();
    header[480] = 1;
    refused(&header, HeaderError::Padding { copy: Copy::Primary });
}

#[test]
fn t32_malformed_texts_of_the_binary_header_are_refused() {
    let copy = Copy::Primary;
    for (offset, bytes, field) in [
        (24, &b"a\0b"[..], "label"),
        (24, &[b'a'; 48][..], "label"),
        (24, &b"\x1b[0m"[..], "label"),
        (24, &b"\xff"[..], "label"),
        (208, &b"a\0b"[..], "subsystem"),
        (168, &b"../"[..], "UUID"),
        (168, &b"A"[..], "UUID"),
        (203, &b"\0"[..], "UUID"),
    ] {
        refused(&both(offset, bytes), HeaderError::BinaryText { copy, field });
    }
}

#[test]
fn t32_without_a_second_copy_a_header_is_refused() {
    refused(&second(0, b"LUKS"), HeaderError::SecondaryMagic);
    let mut header = REAL.clone();
    let half = header.len() / 2;
    header[half..].fill(0);
    refused(&header, HeaderError::SecondaryMagic);
}

#[test]
fn t32_copies_that_differ_are_refused() {
    for (offset, bytes, field) in [
        (7, &b"\x03"[..], "version"),
        (8, &0x8000_u64.to_be_bytes()[..], "size"),
        (16, &99_u64.to_be_bytes()[..], "their sequence number"),
        (168, &b"00000000"[..], "the UUID"),
        (24, &b"label"[..], "the label"),
        (208, &b"subsystem"[..], "the subsystem"),
        (4096, &b" "[..], "their metadata"),
        (16383, &b" "[..], "their metadata"),
    ] {
        refused(&second(offset, bytes), HeaderError::CopiesDiffer { field });
    }
}
