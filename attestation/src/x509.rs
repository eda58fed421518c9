//! X.509: certificates, CRLs, and chains to a pinned anchor. Independent of the kind of evidence: a purpose
//! selects anchors and algorithms, and the calling verifier interprets the leaf's extensions.

pub(crate) mod algorithms;
pub(crate) mod certificate;
mod chain;
mod collateral;
pub(crate) mod crl;
pub(crate) mod der;
mod extension;
mod identifiers;
pub(crate) mod p256;

pub use self::certificate::Certificate;
pub use self::certificate::MAX_CERTIFICATE;
pub use self::certificate::SUBJECT_ALT_NAME;
pub use self::certificate::take_leaf;
pub use self::chain::cache::ChainCache;
pub use self::chain::error::ChainError;
pub use self::chain::issuer::UnknownIssuer;
pub use self::chain::issuer::verify_issuer;
pub use self::chain::request::ChainRequest;
pub use self::chain::request::MAX_CERTIFICATES;
pub use self::chain::revocation::MissingCrl;
pub use self::chain::revocation::Revocation;
pub use self::chain::verified::VerifiedChain;
pub use self::chain::verify_chain;
pub use self::collateral::Collateral;
pub use self::collateral::CollateralError;
pub use self::collateral::CrlSummary;
pub use self::collateral::MAX_COLLATERAL_CERTIFICATES;
pub use self::collateral::MAX_CRL_LENGTH;
pub use self::collateral::MAX_CRLS;
pub use self::collateral::read_file;
pub use self::crl::crl_is_signed_by;
pub use self::crl::crl_signer;
pub use self::extension::Extension;
