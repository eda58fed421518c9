//! Files encrypted with age, version 1, to X25519 recipients: <https://c2sp.org/age>. Such a file can also be decrypted with the
//! program `age`.
//!
//! Guaranteed: what [`decrypt`] returns successfully is complete and as it was encrypted. Not guaranteed: who encrypted it, since
//! anyone can encrypt to a recipient. Other types of recipients, passphrases and the armored form are refused.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::str::FromStr;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519, agree};
use zeroize::Zeroizing;

use self::header::{Header, Stanza};
use crate::primitives::{RandomError, random};

mod bech32;
mod error;
mod header;
mod payload;

pub use error::{DecryptError, EncryptError, HeaderError};
use error::{FILE_KEY, FileKey, TAG};

/// Someone to whom a file is encrypted: `age1…`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; KEY]);

/// The secret key of a recipient: `AGE-SECRET-KEY-1…`.
pub struct Identity {
    secret: PrivateKey,
    recipient: Recipient,
}

/// The text is not a recipient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text} is not an age recipient: one of type X25519 is age1 with 58 more characters, as `age-keygen -y IDENTITY_FILE` prints it"
)]
pub struct RecipientError {
    text: String,
}

/// Why a file has no identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Only comments and empty lines.
    #[error("it has no age identity, which is a line AGE-SECRET-KEY-1…")]
    None,
    /// A line is not an identity. Only its number is shown.
    #[error(
        "line {line} is not an age identity of type X25519, which is AGE-SECRET-KEY-1 with 58 more characters"
    )]
    Malformed {
        /// Its number, from 1.
        line: usize,
    },
}

/// Encrypts everything that can be read from `from`. Reads, encrypts and writes 64 KiB at a time.
///
/// # Errors
/// [`EncryptError`]; what was written then is not complete.
pub fn encrypt(
    recipients: &[Recipient],
    from: &mut impl Read,
    to: &mut impl Write,
) -> Result<(), EncryptError> {
    let file_key = random::<FILE_KEY>()?;
    let stanzas = recipients.iter().map(|recipient| recipient.wrap(&file_key)).collect::<Result<_, _>>()?;
    to.write_all(&Header::new(stanzas, &file_key).to_bytes())?;
    payload::encrypt(&file_key, from, to)
}

/// Decrypts a file with the first of the identities that can. Until it has returned successfully, what was written must not be
/// used.
///
/// # Errors
/// [`DecryptError`].
pub fn decrypt(
    identities: &[Identity],
    from: &mut impl BufRead,
    to: &mut impl Write,
) -> Result<(), DecryptError> {
    let header = Header::read(from)?;
    let file_key = file_key(identities, &header)?;
    if !header.is_authentic(&file_key) {
        return Err(DecryptError::HeaderMac);
    }
    payload::decrypt(&file_key, from, to)
}

/// Whether a file begins as one that is encrypted with age.
///
/// # Errors
/// Those of reading.
pub fn is_encrypted(file: &mut impl Read) -> io::Result<bool> {
    let mut start = Vec::new();
    file.take(header::VERSION.len() as u64).read_to_end(&mut start)?;
    Ok(start == header::VERSION)
}

fn file_key(identities: &[Identity], header: &Header) -> Result<Zeroizing<FileKey>, DecryptError> {
    for stanza in header.stanzas() {
        let Some(wrapped) = Wrapped::of(stanza)? else { continue };
        for identity in identities {
            if let Some(file_key) = identity.unwrap_key(&wrapped)? {
                return Ok(file_key);
            }
        }
    }
    Err(DecryptError::OtherRecipients)
}

impl Recipient {
    fn wrap(&self, file_key: &FileKey) -> Result<Stanza, EncryptError> {
        let small_order = EncryptError::SmallOrder { recipient: self.to_string() };
        let ephemeral = PrivateKey::generate(&X25519).map_err(|_| RandomError)?;
        let share = public(&ephemeral).ok_or(RandomError)?;
        let key = wrap_key(&ephemeral, &self.0, &share, self).ok_or(small_order)?;
        Ok(Stanza::new([TYPE.to_owned(), header::to_base64(&share)], payload::seal_key(&key, file_key)))
    }
}

impl Identity {
    /// The identities in the text of a file: one per line, beside empty lines and comments (`#`).
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn parse_file(text: &str) -> Result<Vec<Self>, IdentityError> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let parsed = lines.map(|(line, text)| Self::parse(text).ok_or(IdentityError::Malformed { line }));
        let identities: Vec<Self> = parsed.collect::<Result<_, _>>()?;
        if identities.is_empty() { Err(IdentityError::None) } else { Ok(identities) }
    }

    fn parse(text: &str) -> Option<Self> {
        let secret = bech32::decode(IDENTITY, text)?;
        let secret = PrivateKey::from_private_key(&X25519, secret.as_slice()).ok()?;
        let recipient = Recipient(public(&secret)?);
        Some(Self { secret, recipient })
    }

    /// The recipient whose files it decrypts.
    #[must_use]
    pub const fn recipient(&self) -> Recipient {
        self.recipient
    }

    /// The file key, if it is wrapped for this identity.
    fn unwrap_key(&self, wrapped: &Wrapped) -> Result<Option<Zeroizing<FileKey>>, HeaderError> {
        let key = wrap_key(&self.secret, &wrapped.share, &wrapped.share, &self.recipient);
        // The share has a small order: not made by a program that encrypts.
        let key = key.ok_or(HeaderError::Stanza)?;
        Ok(payload::open_key(&key, &wrapped.body))
    }
}

/// A file key wrapped for an X25519 recipient.
struct Wrapped {
    share: [u8; KEY],
    body: [u8; FILE_KEY + TAG],
}

impl Wrapped {
    /// Whether the stanza is of this type, and what it says.
    fn of(stanza: &Stanza) -> Result<Option<Self>, HeaderError> {
        let [kind, arguments @ ..] = stanza.arguments() else { return Err(HeaderError::Stanza) };
        if kind != TYPE {
            return Ok(None);
        }
        let [share] = arguments else { return Err(HeaderError::Stanza) };
        let share = header::from_base64(share.as_bytes()).and_then(|share| share.try_into().ok());
        let body = stanza.body().try_into().ok();
        let (Some(share), Some(body)) = (share, body) else { return Err(HeaderError::Stanza) };
        Ok(Some(Self { share, body }))
    }
}

/// `HKDF[share || recipient, "age-encryption.org/v1/X25519"](X25519(secret, peer), 32)`; none if the shared secret is zero.
fn wrap_key(
    secret: &PrivateKey,
    peer: &[u8; KEY],
    share: &[u8; KEY],
    recipient: &Recipient,
) -> Option<Zeroizing<[u8; 32]>> {
    let salt = [share.as_slice(), recipient.0.as_slice()].concat();
    let peer = UnparsedPublicKey::new(&X25519, peer.as_slice());
    agree(secret, peer, (), |shared| Ok(payload::derive(shared, &salt, WRAP_LABEL))).ok()
}

fn public(secret: &PrivateKey) -> Option<[u8; KEY]> {
    let public: agreement::PublicKey = secret.compute_public_key().ok()?;
    public.as_ref().try_into().ok()
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = bech32::decode(RECIPIENT, text);
        let key = key.ok_or_else(|| RecipientError { text: text.to_owned() })?;
        Ok(Self(*key))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode(RECIPIENT, &self.0))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity([REDACTED] of {})", self.recipient)
    }
}

/// Length of a key and of a point of Curve25519.
const KEY: usize = 32;
/// Type of a stanza.
const TYPE: &str = "X25519";
const WRAP_LABEL: &[u8] = b"age-encryption.org/v1/X25519";
/// Human-readable parts of Bech32.
const RECIPIENT: &str = "age";
const IDENTITY: &str = "AGE-SECRET-KEY-";

#[cfg(test)]
mod tests;
