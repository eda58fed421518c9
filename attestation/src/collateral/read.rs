//! Items of a file, by its form.

use serde::Deserialize;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::limits::MAX_ENDORSEMENT;

use super::crl::StoredCrl;
use super::error::ItemError;
use super::item::Item;
use super::tdx::TdxDescription;
use super::tdx::TdxItemError;
use crate::anchors::Root;
use crate::google_token::MAX_JWKS;
use crate::google_token::TokenKeys;
use crate::snp::VekStore;
use crate::tdx::TdxCollateral;
use crate::x509::CollateralError;
use crate::x509::MAX_CRLS;
use crate::x509::read_file;

/// Parses a file: with a measurement the launch endorsement for it; else JSON, or CRLs and certificates in PEM or DER.
pub(super) fn read(file: &[u8], measurement: Option<Digest48>) -> Result<Vec<Item>, ItemError> {
    if let Some(measurement) = measurement {
        return Ok(vec![launch(measurement, file)?]);
    }
    if file.trim_ascii_start().first() == Some(&b'{') {
        return Ok(vec![read_json(file)?]);
    }
    let (mut crls, mut certificates) = (Vec::new(), Vec::new());
    read_file(file, &mut crls, &mut certificates)?;
    if crls.len() > MAX_CRLS {
        return Err(CollateralError::TooLarge.into());
    }
    let crls = crls.into_iter().map(|der| Ok(Item::Crl(StoredCrl::parse(der)?)));
    crls.chain(certificates.into_iter().map(|der| Ok(Item::Certificate(der)))).collect()
}

fn read_json(file: &[u8]) -> Result<Item, ItemError> {
    if file.len() <= MAX_JWKS && TokenKeys::extra(file, UnixTime(0)).is_ok() && is_key_set(file) {
        return Ok(Item::TokenKeys(Root::Extra, file.to_vec()));
    }
    tdx(file)
}

/// Whether JSON is meant as a key set.
#[must_use]
pub fn is_key_set(json: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(json).ok();
    value.is_some_and(|value| value.get("keys").is_some_and(serde_json::Value::is_array))
}

/// Whether a file is meant as a bundle: a JSON object with the member `signer`, which no other collateral has.
#[must_use]
pub fn is_bundle(file: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Signed {
        #[expect(dead_code, reason = "that it is there is what counts")]
        signer: serde::de::IgnoredAny,
    }
    serde_json::from_slice::<Signed>(file).is_ok()
}

/// Intel's collateral, with the platform that it is for by its own account.
fn tdx(json: &[u8]) -> Result<Item, ItemError> {
    let collateral = TdxCollateral::parse(json).map_err(TdxItemError::from)?;
    let described = TdxDescription::read(&collateral)?;
    Ok(Item::Tdx(described.platform, Box::new(collateral)))
}

/// An endorsement contains the bytes of the measurements that it is for.
pub(super) fn launch(measurement: Digest48, bytes: &[u8]) -> Result<Item, ItemError> {
    let has = bytes.windows(48).any(|window| window == measurement.as_bytes());
    if bytes.len() > MAX_ENDORSEMENT || !has {
        return Err(ItemError::Endorsement { measurement });
    }
    Ok(Item::Launch(measurement, bytes.to_vec()))
}

/// Certificates of chips, and all others, each in their order.
#[must_use]
pub fn split(certificates: Vec<Vec<u8>>) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let of_a_chip = |der: &Vec<u8>| VekStore::new(std::slice::from_ref(der)).chips() > 0;
    certificates.into_iter().partition(of_a_chip)
}
