//! Parser for JWS in compact form: RFC 7515 §7.1, RS256 only, every header parameter known.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vouchsafe_protocol::encoding::from_base64url;

use super::error::TokenError;
use super::error::TokenPart;
use super::error::shown;
use super::json;
use super::json::Flaw;
use super::json::Json;
use super::json::Members;

/// A token whose header is valid. Its signature has not been verified.
#[derive(Debug)]
pub(super) struct Jws<'a> {
    /// Header and payload as signed.
    pub(super) signed: &'a [u8],
    pub(super) key: KeyHint,
    pub(super) signature: Vec<u8>,
    payload: &'a str,
}

/// How the token identifies its key.
#[derive(Debug)]
pub(super) enum KeyHint {
    /// `x5c`, decoded.
    Certificates(Vec<Vec<u8>>),
    /// `kid` alone.
    Id(String),
}

impl<'a> Jws<'a> {
    /// Splits a token and parses its header.
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        let parts: Vec<&str> = token.splitn(4, '.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err(TokenError::PartCount { found: parts.len() });
        };
        bound(TokenPart::Header, header, MAX_HEADER)?;
        bound(TokenPart::Payload, payload, MAX_PAYLOAD)?;
        bound(TokenPart::Signature, signature, MAX_SIGNATURE)?;
        let signed = token.get(..header.len() + 1 + payload.len()).unwrap_or_default().as_bytes();
        let key = key_hint(&members(TokenPart::Header, header)?)?;
        Ok(Self { signed, key, signature: decode(TokenPart::Signature, signature)?, payload })
    }

    /// The claims. Call this only after the signature has been verified.
    pub(super) fn claims(&self) -> Result<Members, TokenError> {
        members(TokenPart::Payload, self.payload)
    }
}

fn bound(part: TokenPart, text: &str, limit: usize) -> Result<(), TokenError> {
    let found = text.len();
    if found > limit { Err(TokenError::TooLarge { part, found, limit }) } else { Ok(()) }
}

fn decode(part: TokenPart, text: &str) -> Result<Vec<u8>, TokenError> {
    from_base64url(text).ok_or(TokenError::Encoding { part })
}

fn members(part: TokenPart, text: &str) -> Result<Members, TokenError> {
    json::object(&decode(part, text)?).map_err(|flaw| match flaw {
        Flaw::NotAnObject => TokenError::NotAnObject { part },
        Flaw::Duplicate(name) => TokenError::DuplicateMember { part, name: shown(&name) },
    })
}

fn key_hint(header: &Members) -> Result<KeyHint, TokenError> {
    // RFC 7515 §4.1 and §4.1.11: `jku`, `x5u` and `jwk` say where a key is, `crit`, `b64` and `zip` change
    // what is signed. A genuine token has none of them, and no unknown ones.
    if let Some(name) = header.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(TokenError::HeaderParameter { name: shown(name) });
    }
    // RFC 7515 §4.1.1, §4.1.9: `none` and the HMACs are refused like all other algorithms.
    let algorithm = text(header, "alg")?.ok_or(TokenError::HeaderMalformed { name: "alg" })?;
    if algorithm != "RS256" {
        return Err(TokenError::Algorithm { found: shown(algorithm) });
    }
    let object_type = text(header, "typ")?.ok_or(TokenError::HeaderMalformed { name: "typ" })?;
    if object_type != "JWT" {
        return Err(TokenError::ObjectType { found: shown(object_type) });
    }
    let kid = text(header, "kid")?;
    match header.get("x5c") {
        Some(Json::List(chain)) => Ok(KeyHint::Certificates(certificates(chain)?)),
        Some(_) => Err(TokenError::HeaderMalformed { name: "x5c" }),
        None => match kid {
            Some(kid) if kid.len() <= MAX_KEY_ID => Ok(KeyHint::Id(kid.to_owned())),
            Some(_) => Err(TokenError::HeaderMalformed { name: "kid" }),
            None => Err(TokenError::NoKeyId),
        },
    }
}

fn text<'a>(header: &'a Members, name: &'static str) -> Result<Option<&'a str>, TokenError> {
    match header.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(TokenError::HeaderMalformed { name }),
    }
}

/// RFC 7515 §4.1.6: DER in standard base64, padded.
fn certificates(chain: &[Json]) -> Result<Vec<Vec<u8>>, TokenError> {
    if chain.len() != CHAIN_LENGTH {
        return Err(TokenError::CertificateCount { found: chain.len() });
    }
    let decode = |(index, item): (usize, &Json)| match item {
        Json::Text(text) => STANDARD.decode(text).map_err(|_| TokenError::CertificateEncoding { index }),
        _ => Err(TokenError::HeaderMalformed { name: "x5c" }),
    };
    chain.iter().enumerate().map(decode).collect()
}

/// The header parameters of Google's tokens.
const KNOWN: [&str; 4] = ["alg", "typ", "kid", "x5c"];
/// Leaf, intermediate, root.
const CHAIN_LENGTH: usize = 3;
/// Upper limit of characters in a header; Google's, with the chain, has 8700.
const MAX_HEADER: usize = 16 * 1024;
/// Upper limit of characters in the claims; Google's have 2200.
const MAX_PAYLOAD: usize = 16 * 1024;
/// Characters of the signature of a 4096-bit key: RS256 has as many bytes as its modulus (RFC 7518 §3.3).
const MAX_SIGNATURE: usize = 683;
/// Upper limit of characters in a key id.
pub(super) const MAX_KEY_ID: usize = 256;
