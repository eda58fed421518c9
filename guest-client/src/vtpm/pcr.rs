//! One PCR: its value, and its extension in every bank.

use tss_esapi::constants::CapabilityType;
use tss_esapi::handles::PcrHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::structures::{CapabilityData, DigestValues, MaxBuffer};
use vouchsafe_protocol::Digest32;

use super::connection::Vtpm;
use super::error::{Step, VtpmError};
use super::quote::{Asked, MAX_BANKS, selected};

/// What one bank was extended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankDigest {
    /// Name of the bank's hash as systemd writes it in its log, such as `sha256`; `None` for one that it does not use.
    pub hash: Option<&'static str>,
    /// The digest.
    pub digest: Vec<u8>,
}

impl Vtpm {
    /// The value of a PCR in the SHA-256 bank.
    ///
    /// # Errors
    /// [`VtpmError::NoPcr`] when that bank is not active, or the TPM's error.
    pub fn read_pcr(&mut self, index: u8) -> Result<Digest32, VtpmError> {
        let asked = Asked { bank: HashingAlgorithm::Sha256, pcrs: &[index], nonce: &[] };
        let value = self.read_pcrs(&asked)?.remove(&index).and_then(|value| value.try_into().ok());
        value.map(Digest32).ok_or(VtpmError::NoPcr { index })
    }

    /// Extends a PCR with the hash of `word` in every active bank, with one command. The TPM computes the hashes: it knows the
    /// algorithms of its banks.
    ///
    /// # Errors
    /// The TPM's error; then no bank is extended.
    pub fn extend_pcr(&mut self, index: u8, word: &str) -> Result<Vec<BankDigest>, VtpmError> {
        let step = Step::Extend(index);
        let mut digests = DigestValues::new();
        let mut extended = Vec::new();
        for bank in self.banks_with(index)? {
            let (digest, _) = self.plain(step, |context| {
                let word = MaxBuffer::try_from(word.as_bytes().to_vec())?;
                context.hash(word, bank, Hierarchy::Null)
            })?;
            extended.push(BankDigest { hash: name(bank), digest: digest.value().to_vec() });
            digests.set(bank, digest);
        }
        self.authorised(step, |context| context.pcr_extend(PcrHandle::try_from(u32::from(index))?, digests))?;
        Ok(extended)
    }

    /// The active banks that have this PCR.
    fn banks_with(&mut self, index: u8) -> Result<Vec<HashingAlgorithm>, VtpmError> {
        let (data, _) = self.plain(Step::ListBanks, |context| {
            context.get_capability(CapabilityType::AssignedPcr, 0, MAX_BANKS)
        })?;
        let CapabilityData::AssignedPcr(assigned) = data else { return Ok(vec![]) };
        let banks = assigned.get_selections().iter().map(|selection| selection.hashing_algorithm());
        Ok(banks.filter(|bank| selected(&assigned, *bank).contains(&index)).collect())
    }
}

const fn name(bank: HashingAlgorithm) -> Option<&'static str> {
    match bank {
        HashingAlgorithm::Sha1 => Some("sha1"),
        HashingAlgorithm::Sha256 => Some("sha256"),
        HashingAlgorithm::Sha384 => Some("sha384"),
        HashingAlgorithm::Sha512 => Some("sha512"),
        _ => None,
    }
}
