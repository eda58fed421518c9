use super::*;

fn entry(guid: Guid, offset: u32, length: u32) -> Vec<u8> {
    [guid.0.as_slice(), &offset.to_le_bytes(), &length.to_le_bytes()].concat()
}

/// VCEK `one` and ARK `three`, one after the other.
fn good() -> Vec<u8> {
    let header = [entry(Guid::VCEK, 72, 3), entry(Guid::ARK, 75, 5), vec![0; 24]].concat();
    [header, b"onethree".to_vec()].concat()
}

fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut table = good();
    table[at..at + bytes.len()].copy_from_slice(bytes);
    table
}

#[test]
fn entries_are_found_by_guid() {
    let table = CertificateTable::parse(&good()).unwrap();
    assert_eq!(table.get(Guid::VCEK), Some(b"one".as_slice()));
    assert_eq!(table.get(Guid::ARK), Some(b"three".as_slice()));
    assert_eq!(table.get(Guid::VLEK), None);
    assert_eq!(table.iter().count(), 2);
}

#[test]
fn guids_are_in_the_order_of_their_text() {
    assert_eq!(Guid::VCEK.0[..4], [0x63, 0xda, 0x75, 0x8d]);
    assert_eq!(Guid::VCEK.to_string(), "63da758d-e664-4564-adc5-f4b93be8accd");
    assert_eq!(Guid::GCE_ENDORSEMENT.to_string(), "9f4116cd-c503-4f5a-8f6f-fb68882f4ce2");
}

#[test]
fn an_empty_table_and_zero_padding_are_fine() {
    assert_eq!(CertificateTable::parse(&[0; 24]).unwrap(), CertificateTable::default());
    assert_eq!(CertificateTable::parse(&[0; 4096]).unwrap(), CertificateTable::default());
    let padded = [good(), vec![0; 4000]].concat();
    assert_eq!(CertificateTable::parse(&padded), CertificateTable::parse(&good()));
}

#[test]
fn an_empty_entry_counts_as_absent() {
    let table = CertificateTable::parse(&[entry(Guid::VCEK, 48, 0), vec![0; 24]].concat()).unwrap();
    assert_eq!(table.get(Guid::VCEK), None);
}

#[test]
fn t30_table_larger_than_the_limit_is_refused() {
    let length = MAX_TABLE + 1;
    assert_eq!(CertificateTable::parse(&vec![0; length]), Err(CertificateTableError::TooLarge { length }));
}

#[test]
fn t30_table_without_its_end_is_refused() {
    for length in 0..72 {
        let error = CertificateTable::parse(&good()[..length]);
        assert_eq!(error, Err(CertificateTableError::Unterminated), "{length}");
    }
}

#[test]
fn t30_too_many_entries_are_refused() {
    let mut table = Vec::new();
    for index in 0..=u8::try_from(MAX_ENTRIES).unwrap() {
        table.extend(entry(Guid([index + 1; 16]), 4096, 0));
    }
    table.resize(8192, 0);
    assert_eq!(CertificateTable::parse(&table), Err(CertificateTableError::TooManyEntries));
}

#[test]
fn t30_place_without_guid_is_refused() {
    let error = CertificateTable::parse(&patched(64, &[1]));
    assert_eq!(error, Err(CertificateTableError::NoGuid { index: 2 }));
}

#[test]
fn t30_guid_twice_is_refused() {
    let error = CertificateTable::parse(&patched(24, &Guid::VCEK.0));
    assert_eq!(error, Err(CertificateTableError::Duplicate { guid: Guid::VCEK }));
}

#[test]
fn t30_entry_inside_the_entries_is_refused() {
    let error = CertificateTable::parse(&patched(16, &71_u32.to_le_bytes()));
    assert_eq!(error, Err(CertificateTableError::InHeader { guid: Guid::VCEK, offset: 71, header: 72 }));
}

#[test]
fn t30_entry_beyond_the_table_is_refused() {
    for (offset, length) in [(75_u32, 6_u32), (80, 1), (u32::MAX, u32::MAX), (81, 0)] {
        let place = [offset.to_le_bytes(), length.to_le_bytes()].concat();
        let (offset, length) = (offset as usize, length as usize);
        let expected = CertificateTableError::OutOfBounds { guid: Guid::ARK, offset, length };
        assert_eq!(CertificateTable::parse(&patched(40, &place)), Err(expected));
    }
}

#[test]
fn t30_bytes_of_no_entry_are_refused() {
    let table = [good(), vec![0, 0, 9]].concat();
    assert_eq!(CertificateTable::parse(&table), Err(CertificateTableError::Trailing { offset: 82 }));
}

#[test]
fn t30_no_mutation_of_one_byte_panics() {
    let table = good();
    for at in 0..table.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let _ = CertificateTable::parse(&patched(at, &[value]));
        }
    }
}
