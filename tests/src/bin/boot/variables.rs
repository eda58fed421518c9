//! The UEFI variables of OVMF in their flash file: adds an image to the Secure Boot database.
//!
//! The store is append-only (EDK2, MdeModulePkg/Include/Guid/VariableFormat.h): the old `db` is marked as deleted, and a
//! copy with one more signature list follows after the last variable.

use std::ops::Range;

use anyhow::Context as _;
use vouchsafe_protocol::Digest32;

/// Allows the image with this Authenticode digest.
pub(crate) fn allow_image(flash: &mut [u8], digest: &Digest32) -> anyhow::Result<()> {
    let (database, free) = find(flash)?;
    let mut grown = flash.get(database.clone()).context("the variable db")?.to_vec();
    let list = signature_list(digest);
    let data = number(&grown, DATA_SIZE)? + list.len();
    grown.extend(list);
    put(&mut grown, DATA_SIZE, &u32::try_from(data)?.to_le_bytes())?;
    put(flash, free, &grown)?;
    put(flash, database.start + STATE, &[DELETED])
}

/// Where `db` is, header included, and where free space begins.
fn find(flash: &[u8]) -> anyhow::Result<(Range<usize>, usize)> {
    let (mut at, mut database) = (FIRST_VARIABLE, None);
    while flash.get(at..at + 2) == Some(&START) {
        let header = flash.get(at..).context("a variable")?;
        let name = HEADER..HEADER + number(header, NAME_SIZE)?;
        let end = name.end + number(header, DATA_SIZE)?;
        if header.get(STATE) == Some(&ADDED) && header.get(name) == Some(b"d\0b\0\0\0") {
            database = Some(at..at + end);
        }
        at += end.next_multiple_of(4);
    }
    Ok((database.context("the variable db is not among the firmware's variables")?, at))
}

/// `EFI_SIGNATURE_LIST` with one `EFI_CERT_SHA256` (UEFI specification, 32.4.1).
fn signature_list(digest: &Digest32) -> Vec<u8> {
    let sizes = [76_u32, 0, 48].map(u32::to_le_bytes).concat();
    [&CERT_SHA256[..], &sizes, &[0; 16], digest.as_bytes()].concat()
}

fn number(header: &[u8], at: usize) -> anyhow::Result<usize> {
    let bytes = header.get(at..at + 4).context("a variable's header")?;
    Ok(usize::try_from(u32::from_le_bytes(bytes.try_into()?))?)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> anyhow::Result<()> {
    bytes.get_mut(at..at + value.len()).context("room for a variable")?.copy_from_slice(value);
    Ok(())
}

/// After the headers of the firmware volume (0x48 bytes) and of the variable store (28).
const FIRST_VARIABLE: usize = 0x64;
/// `AUTHENTICATED_VARIABLE_HEADER`: its size, its first field, and offsets.
const HEADER: usize = 60;
const START: [u8; 2] = 0x55aa_u16.to_le_bytes();
const STATE: usize = 2;
const NAME_SIZE: usize = 36;
const DATA_SIZE: usize = 40;
/// States of a variable.
const ADDED: u8 = 0x3f;
const DELETED: u8 = 0x3d;
/// c1c41626-504c-4092-aca9-41f936934328
const CERT_SHA256: [u8; 16] =
    [0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28];
