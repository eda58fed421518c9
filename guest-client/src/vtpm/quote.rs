//! A quote over the PCRs that the broker asks for, and the values that it covers.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::structures::{
    Attest, AttestInfo, Data, PcrSelectionList, PcrSlot, QuoteInfo, Signature, SignatureScheme,
};
use tss_esapi::traits::Marshall as _;
use vouchsafe_protocol::Digest32;

use super::{AttestationKey, QuotePart, Step, Vtpm, VtpmError};

/// The PCRs of a release: 0 to 9 and 11 to 15. PCR 10 is IMA's and changes while it is read.
pub const PCRS: [u8; 15] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15];

/// Quotes until the PCRs stand still.
const ATTEMPTS: u32 = 3;

/// A signed statement of the TPM and the PCR values that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// `TPMS_ATTEST`.
    pub attest: Vec<u8>,
    /// `TPMT_SIGNATURE`.
    pub signature: Vec<u8>,
    /// Values of the SHA-256 bank whose digest is in the quote.
    pub pcrs: BTreeMap<u8, Digest32>,
}

impl Vtpm {
    /// Quotes [`PCRS`] of the SHA-256 bank with `nonce` and reads their values; starts over, three times
    /// in all, when they changed in between.
    ///
    /// # Errors
    /// [`VtpmError::UnexpectedQuote`] when the TPM signed something else, [`VtpmError::PcrsMoved`], or
    /// what the TPM said.
    pub fn quote(&mut self, key: &AttestationKey, nonce: &[u8; 32]) -> Result<Quote, VtpmError> {
        for _ in 0..ATTEMPTS {
            let (attest, signature) = self.quote_once(key, nonce)?;
            let pcrs = self.read_pcrs()?;
            let info = check_statement(&attest, nonce)?;
            if covers(info, &pcrs)? {
                let failed = |source| VtpmError::Tpm { step: Step::Quote, source };
                let attest = attest.marshall().map_err(failed)?;
                let signature = signature.marshall().map_err(failed)?;
                return Ok(Quote { attest, signature, pcrs });
            }
        }
        Err(VtpmError::PcrsMoved { attempts: ATTEMPTS })
    }

    fn quote_once(
        &mut self,
        key: &AttestationKey,
        nonce: &[u8; 32],
    ) -> Result<(Attest, Signature), VtpmError> {
        let handle = key.handle;
        self.authorised(Step::Quote, |context| {
            let nonce = Data::try_from(nonce.to_vec())?;
            // The scheme is the key's own: a restricted key signs with no other.
            context.quote(handle, nonce, SignatureScheme::Null, selection(&PCRS)?)
        })
    }

    /// Reads [`PCRS`]; a TPM hands out at most eight at a time, some fewer.
    fn read_pcrs(&mut self) -> Result<BTreeMap<u8, Digest32>, VtpmError> {
        let mut values = BTreeMap::new();
        loop {
            let missing: Vec<u8> = PCRS.into_iter().filter(|pcr| !values.contains_key(pcr)).collect();
            let Some(first) = missing.first() else { return Ok(values) };
            let (_, read, digests) =
                self.plain(Step::ReadPcrs, |context| context.pcr_read(selection(&missing)?))?;
            let before = values.len();
            for (pcr, digest) in selected(&read).into_iter().zip(digests.value()) {
                let value =
                    <[u8; 32]>::try_from(digest.value()).map_err(|_| VtpmError::NoPcr { index: pcr })?;
                values.insert(pcr, Digest32(value));
            }
            if values.len() == before || values.keys().any(|pcr| !PCRS.contains(pcr)) {
                return Err(VtpmError::NoPcr { index: *first });
            }
        }
    }
}

fn selection(pcrs: &[u8]) -> tss_esapi::Result<PcrSelectionList> {
    let slots = pcrs.iter().map(|pcr| PcrSlot::try_from(1_u32 << pcr)).collect::<Result<Vec<_>, _>>()?;
    PcrSelectionList::builder().with_selection(HashingAlgorithm::Sha256, &slots).build()
}

/// Indices of the SHA-256 bank in `list`, ascending.
fn selected(list: &PcrSelectionList) -> Vec<u8> {
    let banks = list.get_selections().iter();
    let sha256 = banks.filter(|bank| bank.hashing_algorithm() == HashingAlgorithm::Sha256);
    let masks = sha256.flat_map(|bank| bank.selected()).map(u32::from);
    let mut pcrs: Vec<u8> = masks.filter_map(|mask| u8::try_from(mask.trailing_zeros()).ok()).collect();
    pcrs.sort_unstable();
    pcrs
}

/// The statement is a quote, over our nonce and our PCRs.
fn check_statement<'a>(attest: &'a Attest, nonce: &[u8; 32]) -> Result<&'a QuoteInfo, VtpmError> {
    let unexpected = |part| Err(VtpmError::UnexpectedQuote { part });
    let AttestInfo::Quote { info } = attest.attested() else {
        return unexpected(QuotePart::Type);
    };
    if attest.extra_data().value() != nonce {
        return unexpected(QuotePart::ExtraData);
    }
    if info.pcr_selection().len() != 1 || selected(info.pcr_selection()) != PCRS {
        return unexpected(QuotePart::Selection);
    }
    Ok(info)
}

/// True when the digest in the quote is the digest of `pcrs`: the concatenation of their values,
/// hashed with the hash of the signing scheme. TPM 2.0 part 3, 18.4.
fn covers(info: &QuoteInfo, pcrs: &BTreeMap<u8, Digest32>) -> Result<bool, VtpmError> {
    let values: Vec<u8> = pcrs.values().flat_map(|value| value.0).collect();
    let quoted = info.pcr_digest().value();
    let algorithm = match quoted.len() {
        32 => &SHA256,
        48 => &SHA384,
        _ => return Err(VtpmError::UnexpectedQuote { part: QuotePart::Digest }),
    };
    Ok(digest(algorithm, &values).as_ref() == quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t03_the_selection_is_sha256_without_pcr_10() {
        let list = selection(&PCRS).unwrap();
        assert_eq!(selected(&list), PCRS);
        assert_eq!(list.len(), 1);
        assert!(!PCRS.contains(&10));
    }
}
