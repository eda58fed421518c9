//! Intel's collateral: TCB info, QE identity and CRLs, by platform.
//!
//! Not trusted: each part is signed by Intel, and verified with the quote.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use vouchsafe_protocol::Digest32;

use crate::hex_bytes::Hex;

/// Upper limit of one platform's collateral, in bytes of JSON. Genuine collateral has 15 to 22 kB.
pub const MAX_TDX_COLLATERAL: usize = 1024 * 1024;

/// The CA that certified a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PckCa {
    /// Intel SGX PCK Platform CA.
    Platform,
    /// Intel SGX PCK Processor CA.
    Processor,
}

impl PckCa {
    /// As in Intel's URLs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Processor => "processor",
        }
    }
}

/// The key of the collateral that a quote needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// FMSPC of its PCK certificate.
    pub fmspc: [u8; 6],
    /// Issuer of its PCK certificate.
    pub ca: PckCa,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Hex(self.fmspc), self.ca.name())
    }
}

/// Collateral cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TdxCollateralError {
    /// Larger than any real one.
    #[error("{found} bytes, the limit is {MAX_TDX_COLLATERAL}")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Not a `QuoteCollateralV3` in JSON.
    #[error("not TDX collateral: {0}")]
    Malformed(String),
}

/// Collateral for one platform, as captured; the members of Intel's `sgx_ql_qve_collateral_t` in JSON, CRLs
/// and signatures in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TdxCollateral {
    /// Issuer chain of the PCK CRL, PEM.
    pub pck_crl_issuer_chain: String,
    /// CRL of the root CA, DER in hex.
    #[serde(with = "hex::serde")]
    pub root_ca_crl: Vec<u8>,
    /// CRL of the PCK CA, DER in hex.
    #[serde(with = "hex::serde")]
    pub pck_crl: Vec<u8>,
    /// Issuer chain of the TCB info, PEM.
    pub tcb_info_issuer_chain: String,
    /// The TCB info, exactly as it was signed.
    pub tcb_info: String,
    /// Its signature, in hex.
    #[serde(with = "hex::serde")]
    pub tcb_info_signature: Vec<u8>,
    /// Issuer chain of the QE identity, PEM.
    pub qe_identity_issuer_chain: String,
    /// The QE identity, exactly as it was signed.
    pub qe_identity: String,
    /// Its signature, in hex.
    #[serde(with = "hex::serde")]
    pub qe_identity_signature: Vec<u8>,
}

impl TdxCollateral {
    /// Reads the JSON.
    ///
    /// # Errors
    /// When it is too large, or not JSON of this form.
    pub fn parse(json: &[u8]) -> Result<Self, TdxCollateralError> {
        if json.len() > MAX_TDX_COLLATERAL {
            return Err(TdxCollateralError::TooLarge { found: json.len() });
        }
        serde_json::from_slice(json).map_err(|error| TdxCollateralError::Malformed(error.to_string()))
    }

    /// The JSON, as it is stored.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings are JSON")
    }

    /// SHA-256 of the JSON.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        Digest32::of(&self.to_json())
    }
}

/// Collateral by platform. Never changes: a later fetch makes a new store.
#[derive(Clone, Debug, Default)]
pub struct TdxCollateralStore {
    by_platform: BTreeMap<Platform, Arc<TdxCollateral>>,
}

impl TdxCollateralStore {
    /// The collateral of these platforms.
    #[must_use]
    pub fn new(items: impl IntoIterator<Item = (Platform, TdxCollateral)>) -> Self {
        let items = items.into_iter().map(|(platform, collateral)| (platform, Arc::new(collateral)));
        Self { by_platform: items.collect() }
    }

    /// The collateral for a platform, unverified.
    #[must_use]
    pub fn get(&self, platform: &Platform) -> Option<&Arc<TdxCollateral>> {
        self.by_platform.get(platform)
    }

    /// The platforms.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.by_platform.keys()
    }
}
