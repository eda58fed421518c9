//! PCR 7 (PFP 1.06 §3.3.4.8): Secure Boot variables before the separator, authorities after it. The variables
//! may be in any order: each is identified by name and vendor, and may occur only once.

use std::sync::LazyLock;

use vouchsafe_protocol::Digest48;

use super::boot::Authority;
use super::boot::SecureBoot;
use super::digest::EventDigest;
use super::error::EventLogError;
use super::event::Event;
use super::rules::require_covered;
use super::variable::Variable;

/// State machine of PCR 7.
#[derive(Default)]
pub(super) struct SecureBootReader {
    /// Variables seen so far, by position in [`VARIABLES`].
    seen: [bool; VARIABLES.len()],
    on: Option<bool>,
    state: SecureBoot,
}

impl SecureBootReader {
    /// A variable before the separator, `UEFI_VARIABLE_DATA` (PFP 1.06 §10.2.6). Returns its name.
    pub(super) fn variable(&mut self, event: &Event<'_>) -> Result<&'static str, EventLogError> {
        let number = event.number;
        require_covered(event)?;
        let variable = Variable::parse(event.data)
            .filter(|variable| variable.excess == 0)
            .ok_or(EventLogError::MalformedVariable { event: number })?;
        let (known, seen) = VARIABLES
            .iter()
            .zip(&mut self.seen)
            .find(|((name, vendor), _)| *name == variable.name && *vendor == variable.vendor)
            .ok_or(EventLogError::UnknownSecureBootVariable { event: number })?;
        if std::mem::replace(seen, true) {
            return Err(EventLogError::SecondSecureBootVariable { event: number, variable: known.0 });
        }
        let digest = (!variable.value.is_empty()).then_some(event.digest);
        match known.0 {
            SECURE_BOOT => self.on = Some(flag(variable.value, number)?),
            "PK" => self.state.pk = digest,
            "KEK" => self.state.kek = digest,
            "db" => self.state.db = digest,
            "dbx" => self.state.dbx = digest,
            _ => {}
        }
        Ok(known.0)
    }

    /// An authority after the separator: the entry that verified an image (PFP 1.06 §3.3.4.8; signature
    /// databases, UEFI 2.10 §32.4.1). Returns its name.
    pub(super) fn authority(&mut self, event: &Event<'_>) -> Result<String, EventLogError> {
        let data_covered = event.digest.covers(&[event.data]);
        // Some versions of shim log one byte more than they measure; that byte is ignored.
        let covered = if data_covered {
            event.data
        } else {
            event.data.split_last().map_or(event.data, |(_, rest)| rest)
        };
        if !data_covered && !event.digest.covers(&[covered]) {
            let Event { number, pcr, event_type, .. } = *event;
            return Err(EventLogError::DigestMismatch { event: number, pcr, event_type });
        }
        let variable = Variable::parse(covered)
            .filter(|variable| variable.excess == 0 || (!data_covered && variable.excess <= SHIM_PADDING))
            .ok_or(EventLogError::MalformedVariable { event: event.number })?;
        self.state.authorities.push(Authority {
            name: variable.name.clone(),
            digest: event.digest,
            data_covered,
        });
        Ok(variable.name)
    }

    /// The claims, once all events have been processed.
    pub(super) fn finish(self) -> Result<SecureBoot, EventLogError> {
        let mut state = self.state;
        state.enabled = self.on.ok_or(EventLogError::SecureBootMissing)?;
        if state.enabled {
            for (variable, digest) in [("PK", state.pk), ("KEK", state.kek), ("db", state.db)] {
                digest.ok_or(EventLogError::SecureBootWithoutKeys { variable })?;
            }
            if state.authorities.is_empty() {
                return Err(EventLogError::SecureBootWithoutAuthority);
            }
        }
        Ok(state)
    }
}

/// One byte, 0 or 1. Firmware without Secure Boot has no such variable and measures it as empty (PFP 1.06 §3.3.4.8).
fn flag(value: &[u8], event: usize) -> Result<bool, EventLogError> {
    match value {
        [] | [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(EventLogError::SecureBootValue { event }),
    }
}

/// Digests in CCEL of the variable `SecureBoot`: empty, off and on.
pub(super) static SECURE_BOOT_DIGESTS: LazyLock<[EventDigest; 3]> = LazyLock::new(|| {
    let name: Vec<u8> = SECURE_BOOT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let digest = |value: &[u8]| {
        let lengths = [SECURE_BOOT.len() as u64, value.len() as u64].map(u64::to_le_bytes);
        Digest48::of_parts(&[&EFI_GLOBAL_VARIABLE, lengths.as_flattened(), &name, value]).into()
    };
    [digest(&[]), digest(&[0]), digest(&[1])]
});

const SECURE_BOOT: &str = "SecureBoot";
/// `EFI_GLOBAL_VARIABLE` (UEFI 2.10 §3.3), 8be4df61-93ca-11d2-aa0d-00e098032b8c
const EFI_GLOBAL_VARIABLE: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
/// d719b2cb-3d3a-4596-a3bc-dad00e67656f
const EFI_IMAGE_SECURITY_DATABASE: [u8; 16] =
    [0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f];

/// The variables that may be measured (PFP 1.06 §3.3.4.8).
const VARIABLES: [(&str, [u8; 16]); 9] = [
    (SECURE_BOOT, EFI_GLOBAL_VARIABLE),
    ("PK", EFI_GLOBAL_VARIABLE),
    ("KEK", EFI_GLOBAL_VARIABLE),
    ("db", EFI_IMAGE_SECURITY_DATABASE),
    ("dbx", EFI_IMAGE_SECURITY_DATABASE),
    ("dbt", EFI_IMAGE_SECURITY_DATABASE),
    ("dbr", EFI_IMAGE_SECURITY_DATABASE),
    ("AuditMode", EFI_GLOBAL_VARIABLE),
    ("DeployedMode", EFI_GLOBAL_VARIABLE),
];
/// Padding that shim's older code adds to the structure.
const SHIM_PADDING: usize = 5;
