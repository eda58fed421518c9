//! Endorsement certificates of AMD chips, by chip: for reports that come without one (kernels before 6.7).
//!
//! No certificate in it is trusted: each must verify, like one that came with the report. The key
//! distribution service's certificate for a chip and a TCB (AMD 57230 §4) is stored under these two.

use std::collections::BTreeMap;

use der::asn1::ObjectIdentifier;

use super::tcb::Tcb;
use super::vek;
use super::vek::BOOT_LOADER;
use super::vek::FMC;
use super::vek::HARDWARE_ID;
use super::vek::MICROCODE;
use super::vek::SNP;
use super::vek::TEE;
use crate::x509::Certificate;
use crate::x509::MAX_CERTIFICATE;

/// Upper limit of certificates per chip; the most recent ones are kept.
pub const MAX_VEKS_OF_CHIP: usize = 8;

/// VCEKs by chip. Never changes: a later fetch makes a new store.
#[derive(Clone, Debug, Default)]
pub struct VekStore {
    by_chip: BTreeMap<Vec<u8>, Vec<StoredVek>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct StoredVek {
    tcb: [u8; 8],
    der: Vec<u8>,
}

impl VekStore {
    /// Sorts certificates (DER) by chip, ignoring those that are not VCEKs.
    #[must_use]
    pub fn new(certificates: &[Vec<u8>]) -> Self {
        let mut by_chip: BTreeMap<Vec<u8>, Vec<StoredVek>> = BTreeMap::new();
        for der in certificates.iter().filter(|der| der.len() <= MAX_CERTIFICATE) {
            let Some((id, tcb)) = Certificate::parse(der).as_ref().and_then(endorsed) else {
                continue;
            };
            let of_chip = by_chip.entry(id).or_default();
            let vek = StoredVek { tcb, der: der.clone() };
            if !of_chip.contains(&vek) {
                of_chip.push(vek);
            }
            if of_chip.len() > MAX_VEKS_OF_CHIP {
                of_chip.remove(0);
            }
        }
        Self { by_chip }
    }

    /// Number of chips with a certificate.
    #[must_use]
    pub fn chips(&self) -> usize {
        self.by_chip.len()
    }

    /// Whether there is a certificate for a report's chip id and `REPORTED_TCB`, given as raw bytes.
    #[must_use]
    pub fn has(&self, chip: &[u8], tcb: &[u8]) -> bool {
        self.fitting(chip, tcb).next().is_some()
    }

    /// Certificates for a report's chip id and `REPORTED_TCB`, given as raw bytes, the most recent first;
    /// none for a masked chip. A chip has another key for each TCB, so no other certificate can match.
    pub(crate) fn fitting(&self, chip: &[u8], tcb: &[u8]) -> impl Iterator<Item = &[u8]> {
        let of_chip = chip_id(chip).and_then(|id| self.by_chip.get(id)).map_or(&[][..], Vec::as_slice);
        of_chip.iter().rev().filter(move |vek| vek.tcb == tcb).map(|vek| vek.der.as_slice())
    }
}

/// The id in the form of certificates, from the 64 bytes in a report; `None` for a masked chip.
pub(crate) fn chip_id(chip: &[u8]) -> Option<&[u8]> {
    // AMD 56860 §7.3: CHIP_ID is 64 bytes, zero if MASK_CHIP_ID is set. Turin's ids have 8 bytes, padded with
    // zeros.
    let short = chip.split_at_checked(8).filter(|(_, rest)| rest.iter().all(|byte| *byte == 0));
    let id = short.map_or(chip, |(id, _)| id);
    id.iter().any(|byte| *byte != 0).then_some(id)
}

/// Chip and TCB of a VCEK, both in the form of reports.
fn endorsed(certificate: &Certificate) -> Option<(Vec<u8>, [u8; 8])> {
    let id = certificate.extension(HARDWARE_ID)?;
    let fmc = match id.len() {
        8 => Some(level_of(certificate, FMC)?),
        64 => None,
        _ => return None,
    };
    let tcb = Tcb {
        fmc,
        boot_loader: level_of(certificate, BOOT_LOADER)?,
        tee: level_of(certificate, TEE)?,
        snp: level_of(certificate, SNP)?,
        microcode: level_of(certificate, MICROCODE)?,
    };
    Some((id.to_vec(), tcb.to_bytes()))
}

fn level_of(certificate: &Certificate, oid: ObjectIdentifier) -> Option<u8> {
    vek::level(certificate.extension(oid)?)
}
