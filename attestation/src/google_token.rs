//! Tokens of Google Cloud Attestation.
//!
//! A token is Google's signed statement about a VM that Google itself verified. Both kinds are accepted:
//! OIDC, under a key of the issuer's key set, and PKI, under a certificate that chains to the pinned
//! Confidential Space root. Everything else that a JWT could be is refused: other algorithms, headers that
//! say where to find a key, unknown parameters.
//!
//! A token does not state: kernel, command line, PCRs, boot phase; and for a plain VM nothing about
//! debugging.
//!
//! The claims are those of Google's page `token-claims`, which the tokens name as their `eat_profile` (RFC 9711 §4.3.2).
//!
//! Left out, and why:
//! - `jti` (RFC 7519 §4.1.7): Google's tokens have none. A token commits to one request by its nonce, and a
//!   replay is useless without the request's private key.
//! - The time between `iat` and `exp`: [`MAX_TOKEN_AGE`] is the shorter limit.
//! - `sub` (RFC 7519 §4.1.2) against `submods.gce`: both are set by Google, and only the latter has ids that
//!   are never reused.
//! - `kid` in addition to `x5c` (RFC 7515 §4.1.4): the certificate's key is used, whatever the id.
//! - The leaf's key usage: Google's leaf has none.
//! - `hwmodel`, `secboot`, `dbgstat`, `attester_tcb`: no value is required here; they are claims, for
//!   policies to evaluate.

pub(crate) mod claims;
mod error;
mod json;
mod jws;
pub(crate) mod keys;
mod read;
#[cfg(test)]
mod tests;

use aws_lc_rs::signature::ParsedPublicKey;
use subtle::ConstantTimeEq as _;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::challenge::CLOCK_SKEW;
use vouchsafe_protocol::limits::MAX_CHALLENGE_LIFETIME;
use vouchsafe_protocol::request::TokenNonce;

pub use self::claims::Container;
pub use self::claims::GoogleTokenClaims;
pub use self::claims::SoftwareName;
pub use self::claims::TokenKind;
pub use self::claims::TokenTdxTcb;
pub use self::error::TokenError;
pub use self::error::TokenPart;
use self::error::shown;
use self::json::Members;
use self::jws::Jws;
use self::jws::KeyHint;
pub use self::keys::KEYS_FRESH;
pub use self::keys::MAX_JWKS;
pub use self::keys::MAX_KEYS;
pub use self::keys::MAX_KEYS_AGE;
pub use self::keys::TokenKeys;
pub use self::keys::TokenKeysError;
use self::read::Claims;
use self::read::Submodules;
use crate::anchors::Purpose;
use crate::anchors::Root;
use crate::inputs::VerifyInputs;
use crate::x509::MissingCrl;
use crate::x509::Revocation;
use crate::x509::VerifiedChain;

/// The issuer of the tokens: RFC 7519 §4.1.1, compared byte for byte.
pub const ISSUER: &str = "https://confidentialcomputing.googleapis.com";

/// Maximum age of a token in seconds, since a challenge does not live longer and the token commits to one.
pub const MAX_TOKEN_AGE: u64 = MAX_CHALLENGE_LIFETIME;

/// An authentic, current token for one of the audiences. The request that it was made for has not been
/// checked yet.
#[derive(Debug)]
#[must_use]
pub struct UnboundToken {
    claims: GoogleTokenClaims,
    now: UnixTime,
}

impl UnboundToken {
    /// The claims, if the token was made for exactly this request and not before its challenge could exist.
    ///
    /// # Errors
    /// [`TokenError::NonceCount`], [`TokenError::NonceMismatch`], [`TokenError::TooOld`].
    pub fn bind(self, nonce: &TokenNonce) -> Result<GoogleTokenClaims, TokenError> {
        if !nonce.matches(self.one_nonce()?) {
            return Err(TokenError::NonceMismatch);
        }
        let issued_at = self.claims.issued_at;
        if issued_at.plus(MAX_TOKEN_AGE + CLOCK_SKEW) < self.now {
            return Err(TokenError::TooOld { issued_at });
        }
        Ok(self.claims)
    }

    /// The claims for inspection, if the token has exactly this nonce, whatever its age.
    ///
    /// # Errors
    /// [`TokenError::NonceCount`], [`TokenError::NonceMismatch`].
    pub fn with_nonce(self, nonce: &[u8]) -> Result<GoogleTokenClaims, TokenError> {
        if bool::from(self.one_nonce()?.as_bytes().ct_eq(nonce)) {
            Ok(self.claims)
        } else {
            Err(TokenError::NonceMismatch)
        }
    }

    /// The claims for inspection, whatever the token's nonces.
    #[must_use]
    pub fn inspect(self) -> GoogleTokenClaims {
        self.claims
    }

    /// The only nonce: RFC 9711 §4.1 allows several, but the others could belong to other requests.
    fn one_nonce(&self) -> Result<&str, TokenError> {
        match self.claims.nonces.as_slice() {
            [nonce] => Ok(nonce),
            nonces => Err(TokenError::NonceCount { found: nonces.len() }),
        }
    }
}

/// Verifies a token that was made for the request that `nonce` commits to (T07).
///
/// # Errors
/// One variant for each reason.
pub fn verify_token(
    token: &str,
    nonce: &TokenNonce,
    inputs: &VerifyInputs<'_>,
) -> Result<GoogleTokenClaims, TokenError> {
    verify_unbound(token, inputs)?.bind(nonce)
}

/// Verifies everything about a token except the request that it was made for.
///
/// # Errors
/// One variant for each reason.
pub fn verify_unbound(token: &str, inputs: &VerifyInputs<'_>) -> Result<UnboundToken, TokenError> {
    // 1. The form: three parts (RFC 7515 §7.1), RS256 only (RFC 8725 §3.1), no header parameter that is
    //    unknown or says where a key is (RFC 8725 §3.10; T39).
    let jws = Jws::parse(token)?;

    // 2. The key: from a chain to a trusted root (`x5c`, RFC 7515 §4.1.6), or from the issuer's key set
    //    (`kid`, §4.1.4); then the signature, over the bytes as received (RFC 7515 §5.2).
    let signer = match &jws.key {
        KeyHint::Certificates(chain) => verify_pki(&jws, chain, inputs)?,
        KeyHint::Id(kid) => verify_oidc(&jws, kid, inputs)?,
    };

    // 3. Issuer, audience and times (RFC 7519 §4.1); 4. every known claim of its kind. That there is exactly one nonce
    //    (RFC 9711 §4.1) is checked with its value.
    let claims = read_claims(&jws.claims()?, signer, inputs)?;
    Ok(UnboundToken { claims, now: inputs.now })
}

/// The verified signer of a token.
struct Signer {
    kind: TokenKind,
    root: Root,
    anchor: Option<Digest32>,
    key_id: Option<String>,
    revocation: Revocation,
    missing_crls: Vec<MissingCrl>,
    crl_issuers: Vec<Vec<u8>>,
}

/// Google docs, PKI tokens: leaf, intermediate and root, where the root is byte-equal to the trusted one. In
/// RFC 7515 §4.1.6 the leaf comes first, and each certificate is signed by the next.
fn verify_pki(
    jws: &Jws<'_>,
    certificates: &[Vec<u8>],
    inputs: &VerifyInputs<'_>,
) -> Result<Signer, TokenError> {
    let [leaf, intermediate, root] = certificates else {
        return Err(TokenError::CertificateCount { found: certificates.len() });
    };
    let sha256 = Digest32::of(root);
    if !inputs.anchors.serving(Purpose::ConfidentialSpace).any(|ca| ca.sha256 == sha256) {
        return Err(TokenError::UnknownRoot { sha256 });
    }
    let chain = inputs.chain(leaf, std::slice::from_ref(intermediate), Purpose::ConfidentialSpace)?;
    if chain.anchor() != sha256 || chain.intermediates() != 1 {
        return Err(TokenError::ChainOrder);
    }
    check_signature(jws, chain.rs256_key().ok_or(TokenError::KeyNotRsa)?)?;
    Ok(pki_signer(&chain))
}

fn pki_signer(chain: &VerifiedChain) -> Signer {
    let (anchor, revocation) = (Some(chain.anchor()), chain.revocation());
    let (missing_crls, crl_issuers) = (chain.missing_crls().to_vec(), chain.crl_issuers().to_vec());
    let (kind, root) = (TokenKind::Pki, chain.root());
    Signer { kind, root, anchor, key_id: None, revocation, missing_crls, crl_issuers }
}

fn verify_oidc(jws: &Jws<'_>, kid: &str, inputs: &VerifyInputs<'_>) -> Result<Signer, TokenError> {
    let (set, key) = keys::find(&inputs.endorsements.token_keys, kid, inputs.now)?;
    check_signature(jws, key)?;
    Ok(Signer {
        kind: TokenKind::Oidc,
        root: set.root(),
        anchor: None,
        key_id: Some(kid.to_owned()),
        revocation: set.revocation(inputs.now),
        missing_crls: Vec::new(),
        crl_issuers: Vec::new(),
    })
}

/// RSASSA-PKCS1-v1_5 with SHA-256, RFC 7518 §3.3.
fn check_signature(jws: &Jws<'_>, key: &ParsedPublicKey) -> Result<(), TokenError> {
    key.verify_sig(jws.signed, &jws.signature).map_err(|_| TokenError::SignatureInvalid)
}

fn read_claims(
    members: &Members,
    signer: Signer,
    inputs: &VerifyInputs<'_>,
) -> Result<GoogleTokenClaims, TokenError> {
    let claims = Claims(members);
    let audience = check_parties(claims, inputs.audiences)?;
    let (issued_at, expires_at) = check_times(claims, inputs.now)?;
    let nonces = claims.text_or_texts("eat_nonce")?;
    read::manufacturer(claims)?;
    let software_name = read::software_name(claims)?;
    let submodules = Submodules::of(claims)?;
    Ok(GoogleTokenClaims {
        root: signer.root,
        kind: signer.kind,
        revocation: signer.revocation,
        missing_crls: signer.missing_crls,
        crl_issuers: signer.crl_issuers,
        anchor: signer.anchor,
        key_id: signer.key_id,
        audience: audience.to_owned(),
        nonces,
        issued_at,
        expires_at,
        subject: claims.text("sub")?.to_owned(),
        technology: read::technology(claims)?,
        profile: claims.maybe_text("eat_profile")?.map(str::to_owned),
        software_name,
        software_version: claims.text_or_texts("swversion")?,
        secure_boot: claims.flag("secboot")?,
        debug_disabled: read::debug_disabled(claims, software_name)?,
        attester_tcb: claims.text_or_texts("attester_tcb")?,
        tdx_tcb: read::tdx_tcb(claims)?,
        instance: submodules.instance()?,
        service_accounts: read::service_accounts(claims)?,
        container: submodules.container()?,
        support_attributes: submodules.support_attributes()?,
        monitoring_enabled: submodules.monitoring_enabled()?,
    })
}

/// Checks the issuer, and that the audience is one of ours. It must be a single string: RFC 7519 §4.1.3
/// allows a list, but a token for several audiences is valid for all of them (RFC 8725 §3.9).
fn check_parties<'a>(claims: Claims<'a>, audiences: &[String]) -> Result<&'a str, TokenError> {
    let issuer = claims.text("iss")?;
    if issuer != ISSUER {
        return Err(TokenError::IssuerMismatch { found: shown(issuer) });
    }
    let audience = claims.text("aud")?;
    if !audiences.iter().any(|known| known == audience) {
        return Err(TokenError::AudienceMismatch { found: shown(audience) });
    }
    Ok(audience)
}

/// `iat`, `nbf` and `exp` (RFC 7519 §4.1.4 to §4.1.6). Clocks may differ by [`CLOCK_SKEW`].
fn check_times(claims: Claims<'_>, now: UnixTime) -> Result<(UnixTime, UnixTime), TokenError> {
    let (issued_at, not_before) = (claims.time("iat")?, claims.time("nbf")?);
    let expires_at = claims.time("exp")?;
    let soon = now.plus(CLOCK_SKEW);
    // RFC 7519 §4.1.4: a token is invalid on or after `exp`.
    if expires_at.plus(CLOCK_SKEW) <= now {
        return Err(TokenError::Expired { expires_at });
    }
    if soon < not_before {
        return Err(TokenError::NotValidYet { not_before });
    }
    // RFC 7519 §4.1.6 does not require this check; but a token from the future would outlive the limit on its
    // age.
    if soon < issued_at {
        return Err(TokenError::IssuedInFuture { issued_at });
    }
    Ok((issued_at, expires_at))
}
