//! Endorsement certificates of AMD chips, by chip: for reports whose host gives none (kernels before 6.7).
//!
//! Nothing in it is trusted: a certificate counts when it verifies, like one that came with the report.

use std::collections::BTreeMap;

use der::asn1::ObjectIdentifier;

use crate::chain::Certificate;
use crate::chain::MAX_CERTIFICATE;

/// How many certificates of one chip are kept, one for each TCB: the last ones.
pub const MAX_VEKS_OF_CHIP: usize = 8;

/// VCEKs by the chip that they are for. Never changes: what is fetched later makes a new store.
#[derive(Clone, Debug, Default)]
pub struct VekStore {
    by_chip: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
}

impl VekStore {
    /// Sorts certificates, DER, by chip. What is no VCEK is left out.
    #[must_use]
    pub fn new(certificates: &[Vec<u8>]) -> Self {
        let mut by_chip: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for der in certificates.iter().filter(|der| der.len() <= MAX_CERTIFICATE) {
            let parsed = Certificate::parse(der);
            let Some(id) = parsed.as_ref().and_then(|certificate| certificate.extension(HARDWARE_ID)) else {
                continue;
            };
            let of_chip = by_chip.entry(id.to_vec()).or_default();
            if !of_chip.contains(der) {
                of_chip.push(der.clone());
            }
            if of_chip.len() > MAX_VEKS_OF_CHIP {
                of_chip.remove(0);
            }
        }
        Self { by_chip }
    }

    /// How many chips have a certificate here.
    #[must_use]
    pub fn chips(&self) -> usize {
        self.by_chip.len()
    }

    /// Certificates for the chip that a report names in its 64 bytes; none for a masked one.
    pub(super) fn of_chip(&self, chip: &[u8]) -> &[Vec<u8>] {
        // Turin's ids have 8 bytes, zeros follow.
        let short = chip.split_at_checked(8).filter(|(_, rest)| rest.iter().all(|byte| *byte == 0));
        let id = short.map_or(chip, |(id, _)| id);
        if id.iter().all(|byte| *byte == 0) {
            return &[];
        }
        self.by_chip.get(id).map_or(&[], Vec::as_slice)
    }
}

/// AMD VCEK specification 0.51, table 8: hwID.
const HARDWARE_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.4");
