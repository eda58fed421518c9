//! Which PCRs a quote must cover, and that the given values are the quoted ones (T03, T26).

use std::collections::BTreeMap;

use aws_lc_rs::digest::Context;
use aws_lc_rs::digest::SHA256;
use aws_lc_rs::digest::SHA384;
use vouchsafe_protocol::Digest32;

use super::attest::Attest;
use super::error::VtpmError;
use super::partial::FIRMWARE_REGISTERS;
use super::signature::Hash;

/// The PCRs of a release, bit i for PCR i: 0 to 9 and 11 to 15. PCR 10 belongs to IMA and changes all the
/// time (UAPI.7); 16 and 23 can be reset from user space.
pub const RELEASE_PCRS: u32 = 0xfbff;

/// The required selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Exactly [`RELEASE_PCRS`].
    Exact,
    /// At least those of the firmware, PCR 0 to 7: for inspection.
    Inspected,
}

pub(super) fn check(
    attest: &Attest<'_>,
    given: &BTreeMap<u8, Digest32>,
    hash: Hash,
    rule: Selection,
) -> Result<(), VtpmError> {
    let [selection] = attest.selections.as_slice() else {
        return Err(VtpmError::SelectionCount { count: attest.selections.len() });
    };
    // A quote may select other banks as well (TPM 2.0 Part 3 §18.4), but the log is read in this one.
    if selection.algorithm != Hash::Sha256.id() {
        return Err(VtpmError::BankNotSha256 { algorithm: selection.algorithm });
    }
    if selection.size != 3 {
        return Err(VtpmError::SelectionSize { size: selection.size });
    }
    let quoted = selection.pcrs;
    let (fits, expected) = match rule {
        Selection::Exact => (quoted == RELEASE_PCRS, RELEASE_PCRS),
        Selection::Inspected => (quoted & FIRMWARE_REGISTERS == FIRMWARE_REGISTERS, FIRMWARE_REGISTERS),
    };
    if !fits {
        return Err(VtpmError::SelectedPcrs { found: quoted, expected });
    }
    // An index outside of the mask is mapped to the highest bit, which three bytes never contain.
    let bit = |pcr: &u8| 1_u32.checked_shl(u32::from(*pcr)).unwrap_or(1 << 31);
    let found = given.keys().fold(0, |found, pcr| found | bit(pcr));
    if found != quoted {
        return Err(VtpmError::GivenPcrs { found, quoted });
    }
    // TPM 2.0 Part 3 §18.4: the digest is over the values in ascending order, with the hash of
    // the signing scheme.
    let mut context = Context::new(match hash {
        Hash::Sha256 => &SHA256,
        Hash::Sha384 => &SHA384,
    });
    given.values().for_each(|value| context.update(value.as_bytes()));
    if context.finish().as_ref() == attest.pcr_digest { Ok(()) } else { Err(VtpmError::PcrDigestMismatch) }
}
