//! Fetched items, each validated in isolation.
//!
//! The address that an item was fetched from proves nothing: only the item's content decides.

use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;

use super::crl::StoredCrl;
use super::error::ItemError;
use super::item::Item;
use super::missing::Chip;
use super::missing::Issuer;
use super::pcs::PcsAnswers;
use super::read;
use super::tdx::TdxDescription;
use super::tdx::TdxItemError;
use crate::anchors::Purpose;
use crate::anchors::Root;
use crate::anchors::TrustAnchors;
use crate::google_token::TokenKeys;
use crate::snp::VekStore;
use crate::tdx::Platform;
use crate::x509;
use crate::x509::ChainRequest;
use crate::x509::Collateral;
use crate::x509::MissingCrl;
use crate::x509::read_file;
use crate::x509::verify_issuer;

impl Item {
    /// A CRL. Its signer and its validity are checked when it is stored.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn fetched_crl(bytes: Vec<u8>) -> Result<(Self, Option<UnixTime>), ItemError> {
        let crl = StoredCrl::parse(bytes)?;
        let until = crl.summary().next_update;
        Ok((Self::Crl(crl), until))
    }

    /// The certificate of an issuing CA, DER or PEM, with the CRLs that it names. The address is not
    /// authenticated: the certificate is accepted if it belongs to a CA below an anchor and has the requested
    /// key identifier.
    ///
    /// # Errors
    /// When it is not the requested CA.
    pub fn fetched_issuer(
        bytes: Vec<u8>,
        issuer: &Issuer,
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<(Self, Vec<MissingCrl>), ItemError> {
        let der = only_certificate(bytes);
        let crls = verify_issuer(&der, issuer.key_id.as_deref(), Purpose::GoogleAk, anchors, now)
            .map_err(ItemError::Issuer)?;
        Ok((Self::Certificate(der), crls))
    }

    /// The certificate of a chip, DER, with the last second of its chain's validity.
    ///
    /// # Errors
    /// When it is that of another chip or TCB, or its chain is refused.
    pub fn fetched_vek(
        bytes: Vec<u8>,
        chip: &Chip,
        anchors: &TrustAnchors,
        collateral: &Collateral,
        now: UnixTime,
    ) -> Result<(Self, UnixTime), ItemError> {
        if !VekStore::new(std::slice::from_ref(&bytes)).has(&chip.id, &chip.tcb) {
            return Err(ItemError::OtherChip);
        }
        let (certificates, purpose) = (&[][..], Purpose::AmdVcek);
        let request = ChainRequest { leaf: &bytes, certificates, purpose, anchors, collateral, now };
        let until = x509::verify_chain(&request).map_err(ItemError::VekChain)?.not_after();
        Ok((Self::Certificate(bytes), until))
    }

    /// Intel's collateral for a platform, with the time until which all of it is valid; `None` while a part is missing.
    /// Its signatures are verified when it is stored.
    ///
    /// # Errors
    /// When it cannot be read, or is for another platform.
    pub fn fetched_tdx(
        answers: PcsAnswers,
        platform: &Platform,
    ) -> Result<Option<(Self, UnixTime)>, ItemError> {
        let Some(collateral) = answers.assemble() else { return Ok(None) };
        let described = TdxDescription::read(&collateral)?;
        if described.platform != *platform {
            return Err(TdxItemError::OtherPlatform { found: described.platform }.into());
        }
        Ok(Some((Self::Tdx(*platform, Box::new(collateral)), described.until)))
    }

    /// A key set of this root, which its address decides about.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn fetched_token_keys(root: Root, bytes: Vec<u8>, now: UnixTime) -> Result<Self, ItemError> {
        match root {
            Root::Google => TokenKeys::from_google(&bytes, now)?,
            _ => TokenKeys::extra(&bytes, now)?,
        };
        Ok(Self::TokenKeys(root, bytes))
    }

    /// The launch endorsement for a measurement. Its signature is verified when it is stored.
    ///
    /// # Errors
    /// When it does not contain the measurement, or is too large.
    pub fn fetched_launch(bytes: &[u8], measurement: Digest48) -> Result<Self, ItemError> {
        read::launch(measurement, bytes)
    }
}

/// The only certificate of a file, DER or PEM; any other file as it is, for the verifier to refuse.
fn only_certificate(bytes: Vec<u8>) -> Vec<u8> {
    let (mut crls, mut certificates) = (Vec::new(), Vec::new());
    let is_read = read_file(&bytes, &mut crls, &mut certificates).is_ok() && crls.is_empty();
    match certificates.pop() {
        Some(certificate) if is_read && certificates.is_empty() => certificate,
        _ => bytes,
    }
}
