//! What captured evidence is bound to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vouchsafe_protocol::Digest32;

/// The binding of captured evidence, which is not for a release: derived from a nonce, so that evidence for a
/// release cannot be made this way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureBinding {
    /// `extraData` of the quote.
    pub quote_nonce: [u8; 32],
    /// Report data of the hardware report.
    pub report_data: [u8; 64],
    /// `eat_nonce` of the token.
    pub token_nonce: String,
}

impl CaptureBinding {
    /// The binding for `nonce`.
    // SHA-256(label || nonce); both of fixed length. Report data: the same and 32 zeros. Token: the same in base64url.
    #[must_use]
    pub fn new(nonce: &[u8; 32]) -> Self {
        let Digest32(quote_nonce) = Digest32::of_parts(&[CAPTURE_LABEL, nonce]);
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(&quote_nonce);
        Self { quote_nonce, report_data, token_nonce: URL_SAFE_NO_PAD.encode(quote_nonce) }
    }
}

const CAPTURE_LABEL: &[u8; 20] = b"vouchsafe/v1 capture";
