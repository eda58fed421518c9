//! A quote over the PCRs that the broker requires, with their values.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use tss_esapi::constants::{AlgorithmIdentifier, CapabilityType};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::structures::{
    Attest, AttestInfo, CapabilityData, Data, PcrSelectionList, PcrSlot, QuoteInfo, Signature,
    SignatureScheme,
};
use tss_esapi::traits::Marshall as _;
use vouchsafe_protocol::Digest32;

use super::connection::Vtpm;
use super::error::{QuotePart, Step, VtpmError};
use super::key::AttestationKey;

/// The PCRs of a release: 0 to 9 and 11 to 15. PCR 10 belongs to IMA and changes while it is read.
pub const PCRS: [u8; 15] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15];

/// Number of attempts while PCRs change.
const ATTEMPTS: u32 = 3;

/// A signed statement of the TPM, and the PCR values that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// `TPMS_ATTEST`.
    pub attest: Vec<u8>,
    /// `TPMT_SIGNATURE`.
    pub signature: Vec<u8>,
    /// Values of the SHA-256 bank, whose digest is in the quote.
    pub pcrs: BTreeMap<u8, Digest32>,
}

/// The same over every PCR of one bank, for Google's verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankQuote {
    /// `TPM_ALG_ID` of the bank's hash.
    pub algorithm: u16,
    /// `TPMS_ATTEST`.
    pub attest: Vec<u8>,
    /// `TPMT_SIGNATURE`.
    pub signature: Vec<u8>,
    /// Values of the bank, whose digest is in the quote.
    pub pcrs: BTreeMap<u8, Vec<u8>>,
}

impl Vtpm {
    /// Quotes [`PCRS`] of the SHA-256 bank with `nonce` and reads their values; starts over, three times in
    /// all, if they changed in between.
    ///
    /// # Errors
    /// [`VtpmError::UnexpectedQuote`] when the TPM signed something else, [`VtpmError::PcrsMoved`], or the
    /// TPM's error.
    pub fn quote(&mut self, key: &AttestationKey, nonce: &[u8; 32]) -> Result<Quote, VtpmError> {
        let asked = Asked { bank: HashingAlgorithm::Sha256, pcrs: &PCRS, nonce };
        let quoted = self.quote_still(key, &asked)?;
        let fixed = |(pcr, value): (u8, Vec<u8>)| {
            <[u8; 32]>::try_from(value.as_slice())
                .map(|value| (pcr, Digest32(value)))
                .map_err(|_| VtpmError::NoPcr { index: pcr })
        };
        let pcrs = quoted.pcrs.into_iter().map(fixed).collect::<Result<_, _>>()?;
        Ok(Quote { attest: quoted.attest, signature: quoted.signature, pcrs })
    }

    /// Quotes all PCRs of each SHA-2 bank of this TPM, with `nonce`: one quote per bank.
    ///
    /// # Errors
    /// As for [`Self::quote`]; also when `nonce` exceeds the TPM's limit, or there is no such bank.
    pub fn quote_banks(&mut self, key: &AttestationKey, nonce: &[u8]) -> Result<Vec<BankQuote>, VtpmError> {
        let banks = self.banks()?;
        let all: Vec<u8> = (0..PCR_COUNT).collect();
        let quotes = banks.into_iter().map(|bank| self.quote_still(key, &Asked { bank, pcrs: &all, nonce }));
        let quotes: Vec<_> = quotes.collect::<Result<_, _>>()?;
        if quotes.is_empty() { Err(VtpmError::NoPcr { index: 0 }) } else { Ok(quotes) }
    }

    /// Banks of SHA-256, SHA-384 and SHA-512 that hold all PCRs.
    fn banks(&mut self) -> Result<Vec<HashingAlgorithm>, VtpmError> {
        let (data, _) = self.plain(Step::ListBanks, |context| {
            context.get_capability(CapabilityType::AssignedPcr, 0, MAX_BANKS)
        })?;
        let CapabilityData::AssignedPcr(assigned) = data else { return Ok(vec![]) };
        let sha2 = [HashingAlgorithm::Sha256, HashingAlgorithm::Sha384, HashingAlgorithm::Sha512];
        let whole = |bank: &HashingAlgorithm| selected(&assigned, *bank).len() == usize::from(PCR_COUNT);
        Ok(sha2.into_iter().filter(whole).collect())
    }

    fn quote_still(&mut self, key: &AttestationKey, asked: &Asked<'_>) -> Result<BankQuote, VtpmError> {
        for _ in 0..ATTEMPTS {
            let (attest, signature) = self.quote_once(key, asked)?;
            let pcrs = self.read_pcrs(asked)?;
            let info = check_statement(&attest, asked)?;
            if covers(info, &pcrs)? {
                let failed = |source| VtpmError::Tpm { step: Step::Quote, source };
                let attest = attest.marshall().map_err(failed)?;
                let signature = signature.marshall().map_err(failed)?;
                return Ok(BankQuote {
                    algorithm: AlgorithmIdentifier::from(asked.bank).into(),
                    attest,
                    signature,
                    pcrs,
                });
            }
        }
        Err(VtpmError::PcrsMoved { attempts: ATTEMPTS })
    }

    fn quote_once(
        &mut self,
        key: &AttestationKey,
        asked: &Asked<'_>,
    ) -> Result<(Attest, Signature), VtpmError> {
        let handle = key.handle;
        self.authorised(Step::Quote, |context| {
            let nonce = Data::try_from(asked.nonce.to_vec())?;
            // The scheme is the key's own: a restricted key accepts no other.
            context.quote(handle, nonce, SignatureScheme::Null, selection(asked.bank, asked.pcrs)?)
        })
    }

    /// Reads the PCRs; a TPM returns at most eight at a time, some fewer.
    pub(super) fn read_pcrs(&mut self, asked: &Asked<'_>) -> Result<BTreeMap<u8, Vec<u8>>, VtpmError> {
        let mut values = BTreeMap::new();
        loop {
            let missing: Vec<u8> =
                asked.pcrs.iter().copied().filter(|pcr| !values.contains_key(pcr)).collect();
            let Some(first) = missing.first() else { return Ok(values) };
            let (_, read, digests) =
                self.plain(Step::ReadPcrs, |context| context.pcr_read(selection(asked.bank, &missing)?))?;
            let before = values.len();
            for (pcr, digest) in selected(&read, asked.bank).into_iter().zip(digests.value()) {
                values.insert(pcr, digest.value().to_vec());
            }
            if values.len() == before || values.keys().any(|pcr| !asked.pcrs.contains(pcr)) {
                return Err(VtpmError::NoPcr { index: *first });
            }
        }
    }
}

/// The request of a quote.
pub(super) struct Asked<'a> {
    pub(super) bank: HashingAlgorithm,
    pub(super) pcrs: &'a [u8],
    pub(super) nonce: &'a [u8],
}

fn selection(bank: HashingAlgorithm, pcrs: &[u8]) -> tss_esapi::Result<PcrSelectionList> {
    let slots = pcrs.iter().map(|pcr| PcrSlot::try_from(1_u32 << pcr)).collect::<Result<Vec<_>, _>>()?;
    PcrSelectionList::builder().with_selection(bank, &slots).build()
}

/// Indices of `bank` in `list`, ascending.
pub(super) fn selected(list: &PcrSelectionList, bank: HashingAlgorithm) -> Vec<u8> {
    let banks = list.get_selections().iter();
    let wanted = banks.filter(|selection| selection.hashing_algorithm() == bank);
    let masks = wanted.flat_map(|selection| selection.selected()).map(u32::from);
    let mut pcrs: Vec<u8> = masks.filter_map(|mask| u8::try_from(mask.trailing_zeros()).ok()).collect();
    pcrs.sort_unstable();
    pcrs
}

/// Checks that the statement is a quote over our nonce and our PCRs.
fn check_statement<'a>(attest: &'a Attest, asked: &Asked<'_>) -> Result<&'a QuoteInfo, VtpmError> {
    let unexpected = |part| Err(VtpmError::UnexpectedQuote { part });
    let AttestInfo::Quote { info } = attest.attested() else {
        return unexpected(QuotePart::Type);
    };
    if attest.extra_data().value() != asked.nonce {
        return unexpected(QuotePart::ExtraData);
    }
    if info.pcr_selection().len() != 1 || selected(info.pcr_selection(), asked.bank) != asked.pcrs {
        return unexpected(QuotePart::Selection);
    }
    Ok(info)
}

/// Whether the digest in the quote is that of `pcrs`: of the concatenation of their values, with the hash of
/// the signing scheme. TPM 2.0 part 3, 18.4.
fn covers(info: &QuoteInfo, pcrs: &BTreeMap<u8, Vec<u8>>) -> Result<bool, VtpmError> {
    let values: Vec<u8> = pcrs.values().flatten().copied().collect();
    let quoted = info.pcr_digest().value();
    let algorithm = match quoted.len() {
        32 => &SHA256,
        48 => &SHA384,
        _ => return Err(VtpmError::UnexpectedQuote { part: QuotePart::Digest }),
    };
    Ok(digest(algorithm, &values).as_ref() == quoted)
}

/// PCRs of a bank. PC Client Platform TPM Profile §4.6.
const PCR_COUNT: u8 = 24;
/// More than any TPM has.
pub(super) const MAX_BANKS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t03_the_selection_is_sha256_without_pcr_10() {
        let list = selection(HashingAlgorithm::Sha256, &PCRS).unwrap();
        assert_eq!(selected(&list, HashingAlgorithm::Sha256), PCRS);
        assert!(selected(&list, HashingAlgorithm::Sha384).is_empty());
        assert_eq!(list.len(), 1);
        assert!(!PCRS.contains(&10));
    }
}
