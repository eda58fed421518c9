//! Operators' tokens: their form, how long they are valid, and what is stored of them.

use std::fmt;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::encoding::to_base64url;
use vouchsafe_protocol::{Digest32, UnixTime};
use zeroize::Zeroizing;

use super::error::OperatorError;
use crate::primitives::{RandomError, random};

/// An operator's token: `vouchsafe-operator.`, an id, a dot, and 256 random bits.
pub struct OperatorToken(Zeroizing<String>);

impl OperatorToken {
    /// A new token.
    ///
    /// # Errors
    /// Without random bytes.
    pub fn generate() -> Result<Self, RandomError> {
        let (id, key) = (hex::encode(random::<8>()?.as_slice()), random::<32>()?);
        let key = Zeroizing::new(to_base64url(key.as_slice()));
        let mut token = Zeroizing::new(String::with_capacity(128));
        token.extend([PREFIX, &id, ".", &key]);
        Ok(Self(token))
    }

    /// Reads a token. `None` if the text does not have the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (_, key) = text.strip_prefix(PREFIX)?.split_once('.')?;
        id_of(text)?;
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_key = key.len() == KEY && key.bytes().all(base64url);
        is_key.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text to hand to the operator.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the broker stores of it.
    #[must_use]
    pub fn hashed(&self) -> HashedToken {
        let id = id_of(&self.0).expect("both constructors check the form");
        HashedToken { id, hash: Digest32::of(self.0.as_bytes()) }
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken([REDACTED])")
    }
}

fn id_of(token: &str) -> Option<TokenId> {
    let (id, _) = token.strip_prefix(PREFIX)?.split_once('.')?;
    TokenId::try_from(id.to_owned()).ok()
}

/// What is stored of a token. It recognises the token and does not reveal it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedToken {
    /// The id in the token, by which its row is found.
    pub id: TokenId,
    /// SHA-256 of the token's text.
    pub hash: Digest32,
}

/// The id of a token: 16 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

impl TokenId {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not the id of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a token is 16 lower-case hex digits")]
pub struct InvalidTokenId;

impl TryFrom<String> for TokenId {
    type Error = InvalidTokenId;

    fn try_from(text: String) -> Result<Self, InvalidTokenId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if text.len() == 16 && text.bytes().all(is_digit) { Ok(Self(text)) } else { Err(InvalidTokenId) }
    }
}

impl From<TokenId> for String {
    fn from(TokenId(text): TokenId) -> Self {
        text
    }
}

/// How long a new token is valid. In JSON a number of seconds, or `"never"` for one that never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "LifetimeText", into = "LifetimeText")]
pub enum TokenLifetime {
    /// For so many seconds.
    Seconds(u64),
    /// It never ends.
    Never,
}

impl TokenLifetime {
    /// The longest time, other than [`Self::Never`]: 366 days.
    pub const MAX: u64 = 366 * DAY;
    /// The longest time for which a replaced token stays valid: 7 days.
    pub const MAX_OVERLAP: u64 = 7 * DAY;

    /// The end of a token that is issued at this time.
    ///
    /// # Errors
    /// [`OperatorError::Lifetime`] for 0 and beyond [`Self::MAX`].
    pub fn end(self, issued_at: UnixTime) -> Result<Option<UnixTime>, OperatorError> {
        match self {
            Self::Never => Ok(None),
            Self::Seconds(seconds @ 1..=Self::MAX) => Ok(Some(issued_at.plus(seconds))),
            Self::Seconds(seconds) => Err(OperatorError::Lifetime { seconds }),
        }
    }
}

/// 90 days.
impl Default for TokenLifetime {
    fn default() -> Self {
        Self::Seconds(90 * DAY)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum LifetimeText {
    Seconds(u64),
    Word(String),
}

impl TryFrom<LifetimeText> for TokenLifetime {
    type Error = &'static str;

    fn try_from(text: LifetimeText) -> Result<Self, &'static str> {
        match text {
            LifetimeText::Seconds(seconds) => Ok(Self::Seconds(seconds)),
            LifetimeText::Word(word) if word == NEVER => Ok(Self::Never),
            LifetimeText::Word(_) => Err("expected a number of seconds or \"never\""),
        }
    }
}

impl From<TokenLifetime> for LifetimeText {
    fn from(lifetime: TokenLifetime) -> Self {
        match lifetime {
            TokenLifetime::Seconds(seconds) => Self::Seconds(seconds),
            TokenLifetime::Never => Self::Word(NEVER.to_owned()),
        }
    }
}

const PREFIX: &str = "vouchsafe-operator.";
/// Characters of 32 bytes in base64url.
const KEY: usize = 43;
const DAY: u64 = 86_400;
const NEVER: &str = "never";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t41_only_a_whole_token_is_one() {
        let token = OperatorToken::generate().unwrap();
        let text = token.expose();
        let again = OperatorToken::parse(text).unwrap();
        assert_eq!((again.expose(), again.hashed()), (text, token.hashed()));
        assert_eq!(format!("{token:?}"), "OperatorToken([REDACTED])");
        let short = text.get(..text.len() - 1).unwrap();
        for other in [
            short.to_owned(),
            format!("{text}A"),
            format!("{short}+"),
            format!("{short}\n"),
            text.replacen('.', "-", 1),
            text.replacen("operator", "guest", 1),
            format!("vouchsafe-operator.0123456789ABCDEF.{}", "A".repeat(43)),
            format!("vouchsafe-operator.0123456789abcde.{}", "A".repeat(44)),
            "vouchsafe-operator.0123456789abcdef.weak".to_owned(),
            String::new(),
        ] {
            assert!(OperatorToken::parse(&other).is_none(), "{other}");
        }
    }

    #[test]
    fn lifetimes_have_a_limit_and_one_form_in_json() {
        let at = UnixTime(1_800_000_000);
        for (lifetime, json, end) in [
            (TokenLifetime::Seconds(1), "1", Some(at.plus(1))),
            (TokenLifetime::Seconds(31_622_400), "31622400", Some(at.plus(31_622_400))),
            (TokenLifetime::default(), "7776000", Some(at.plus(7_776_000))),
            (TokenLifetime::Never, "\"never\"", None),
        ] {
            assert_eq!(lifetime.end(at).unwrap(), end);
            assert_eq!(serde_json::to_string(&lifetime).unwrap(), json);
            assert_eq!(serde_json::from_str::<TokenLifetime>(json).unwrap(), lifetime);
        }
        for seconds in [0, 31_622_401, u64::MAX] {
            let refused = TokenLifetime::Seconds(seconds).end(at).unwrap_err();
            assert!(matches!(refused, OperatorError::Lifetime { seconds: found } if found == seconds));
        }
        for json in ["-1", "1.5", "\"\"", "\"Never\"", "null", "{}"] {
            assert!(serde_json::from_str::<TokenLifetime>(json).is_err(), "{json}");
        }
    }
}
