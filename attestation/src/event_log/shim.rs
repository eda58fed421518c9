//! Whether shim was configured not to verify what it starts: its variable `MokSBState` (`mokutil
//! --disable-validation`).
//!
//! The firmware's Secure Boot stays enabled all the while, so only shim's own measurements show it. Since
//! release 13 shim measures the variable into PCR 7 as a `UEFI_VARIABLE_DATA`, name included, and its value
//! into PCR 14. Releases 10 to 12 measure only the value, right after `MokList`; any byte but zero disables
//! verification. The value's digest alone is ambiguous: since 15.5 `MokListTrusted` is also one byte in PCR
//! 14, 1 on most machines, always after `MokList` and `MokListX`.
//!
//! Does not guarantee anything for shims before release 10: they do not measure this variable. Their digests
//! are among the EFI applications. References: shim, `measure_mok` in shim.c (10 to 14),
//! `mok_state_variables` in mok.c (15 and later).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;

use super::boot::Authority;
use super::boot::LoggedEvent;
use super::digest::EventDigest;

/// Whether shim's verification was disabled, from the events of each register. True as soon as one event can
/// only be that of a nonzero `MokSBState`, whatever the log labels it.
pub(super) fn validation_disabled(
    authorities: &[Authority],
    events: &BTreeMap<u8, Vec<LoggedEvent>>,
) -> bool {
    let of = |register: u8| events.get(&register).into_iter().flatten();
    let named =
        |authority: &Authority| authority.name == VARIABLE && !VARIABLE_IS_ZERO.contains(&authority.digest);
    let relabelled = |event: &LoggedEvent| VARIABLE_IS_SET.contains(&event.digest);
    let is_set = |event: &LoggedEvent| VALUE_IS_SET.contains(&event.digest);
    let labelled = |event: &LoggedEvent| event.untrusted_name.as_deref() == Some(VARIABLE) && is_set(event);
    authorities.iter().any(named)
        // CCEL's register 1 corresponds to PCR 7, its register 3 to PCR 14.
        || of(7).chain(of(1)).any(relabelled)
        || of(14).chain(of(3)).any(labelled)
        || of(14).take(FIRST_TRUSTED).any(is_set)
}

/// In both banks.
fn digests(parts: &[&[u8]]) -> [EventDigest; 2] {
    [Digest32::of_parts(parts).into(), Digest48::of_parts(parts).into()]
}

/// The variable with this value, as shim measures it into PCR 7.
fn variable(value: u8) -> [EventDigest; 2] {
    let name: Vec<u8> = VARIABLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let lengths = [VARIABLE.len() as u64, 1].map(u64::to_le_bytes);
    digests(&[&SHIM_LOCK, lengths.as_flattened(), &name, &[value]])
}

static VARIABLE_IS_ZERO: LazyLock<[EventDigest; 2]> = LazyLock::new(|| variable(0));
static VARIABLE_IS_SET: LazyLock<BTreeSet<EventDigest>> =
    LazyLock::new(|| (1..=u8::MAX).flat_map(variable).collect());
static VALUE_IS_SET: LazyLock<BTreeSet<EventDigest>> =
    LazyLock::new(|| (1..=u8::MAX).flat_map(|value| digests(&[&[value]])).collect());

const VARIABLE: &str = "MokSBState";
/// Events that precede `MokListTrusted` in PCR 14: `MokList` and `MokListX`.
const FIRST_TRUSTED: usize = 2;
/// 605dab50-e046-4300-abb6-3dd810dd8b23
const SHIM_LOCK: [u8; 16] =
    [0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43, 0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23];
