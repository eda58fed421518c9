//! What items are checked against.

use vouchsafe_protocol::UnixTime;

use crate::anchors::TrustAnchors;

/// Everything in addition to the stored collateral that decides whether an item is accepted.
#[derive(Clone, Copy, Debug)]
pub struct CheckInputs<'a> {
    /// Trust anchors: the built-in ones, and those of the configuration.
    pub anchors: &'a TrustAnchors,
    /// The time of the check.
    pub now: UnixTime,
    /// The key that must have signed a CRL, an encoded `SubjectPublicKeyInfo`, if a verified certificate
    /// names the CRL.
    pub crl_issuer: Option<&'a [u8]>,
}
