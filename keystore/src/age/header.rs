//! The header of a file: a stanza for each recipient, which has the file key wrapped, and a MAC over all of them.

use std::io::{BufRead, Read as _};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::error::{DecryptError, FileKey, HeaderError};
use super::payload::derive;

/// One recipient.
pub(super) struct Stanza {
    arguments: Vec<String>,
    body: Vec<u8>,
}

impl Stanza {
    pub(super) fn new(arguments: impl Into<Vec<String>>, body: Vec<u8>) -> Self {
        Self { arguments: arguments.into(), body }
    }

    pub(super) fn arguments(&self) -> &[String] {
        &self.arguments
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(STANZA);
        to.extend_from_slice(self.arguments.join(" ").as_bytes());
        to.push(b'\n');
        let body = to_base64(&self.body);
        let (lines, last) = body.as_bytes().as_chunks::<COLUMNS>();
        for line in lines {
            to.extend_from_slice(line);
            to.push(b'\n');
        }
        to.extend_from_slice(last);
        to.push(b'\n');
    }
}

/// A header, not yet authenticated.
pub(super) struct Header {
    stanzas: Vec<Stanza>,
    /// The header up to the MAC.
    signed: Vec<u8>,
    mac: Vec<u8>,
}

impl Header {
    pub(super) fn new(stanzas: Vec<Stanza>, file_key: &FileKey) -> Self {
        let mut signed = VERSION.to_vec();
        for stanza in &stanzas {
            stanza.write(&mut signed);
        }
        signed.extend_from_slice(MAC);
        let mac = hmac::sign(&mac_key(file_key), &signed).as_ref().to_vec();
        Self { stanzas, signed, mac }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [self.signed.as_slice(), b" ", to_base64(&self.mac).as_bytes(), b"\n"].concat()
    }

    pub(super) fn stanzas(&self) -> &[Stanza] {
        &self.stanzas
    }

    /// Compares in constant time.
    pub(super) fn is_authentic(&self, file_key: &FileKey) -> bool {
        hmac::verify(&mac_key(file_key), &self.signed, &self.mac).is_ok()
    }

    /// Reads a header, and not a byte more.
    pub(super) fn read(from: &mut impl BufRead) -> Result<Self, DecryptError> {
        let mut lines = Lines { from, signed: Vec::new() };
        if lines.next()? != VERSION {
            return Err(HeaderError::Version.into());
        }
        let mut stanzas = Vec::new();
        loop {
            let start = lines.signed.len();
            let line = lines.next()?;
            if let Some(arguments) = line.strip_prefix(STANZA) {
                let arguments = parse_arguments(arguments)?;
                stanzas.push(Stanza { arguments, body: read_body(&mut lines)? });
                continue;
            }
            let mac = line.strip_prefix(MAC).and_then(|rest| rest.strip_prefix(b" "));
            let mac = mac.and_then(|mac| from_base64(mac.strip_suffix(b"\n")?)).filter(|mac| mac.len() == 32);
            let mac = mac.ok_or(HeaderError::Mac)?;
            lines.signed.truncate(start + MAC.len());
            let is_mixed = stanzas.len() > 1
                && stanzas
                    .iter()
                    .any(|stanza| stanza.arguments.first().is_some_and(|kind| kind == PASSPHRASE));
            // A passphrase is the only stanza of its file.
            if stanzas.is_empty() || is_mixed {
                return Err(HeaderError::Stanza.into());
            }
            return Ok(Self { stanzas, signed: lines.signed, mac });
        }
    }
}

/// Lines of a header, each with its line feed, and everything read so far.
struct Lines<'r, R> {
    from: &'r mut R,
    signed: Vec<u8>,
}

impl<R: BufRead> Lines<'_, R> {
    fn next(&mut self) -> Result<Vec<u8>, DecryptError> {
        let room = MAX_HEADER.saturating_sub(self.signed.len());
        let mut line = Vec::new();
        self.from.by_ref().take(u64::try_from(room).unwrap_or_default()).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            // Another file, and not an age file that is cut off.
            let is_start = self.signed.is_empty() && !VERSION.starts_with(&line);
            return Err(if is_start { HeaderError::Version } else { HeaderError::Length }.into());
        }
        self.signed.extend_from_slice(&line);
        Ok(line)
    }
}

/// Arguments are separated by one space and consist of visible characters.
fn parse_arguments(line: &[u8]) -> Result<Vec<String>, HeaderError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let parts = line.split(|&byte| byte == b' ').map(|part| {
        let is_visible = !part.is_empty() && part.iter().all(u8::is_ascii_graphic);
        String::from_utf8(part.to_vec()).ok().filter(|_| is_visible).ok_or(HeaderError::Stanza)
    });
    parts.collect()
}

/// Lines of 64 columns, and a shorter one, which may be empty.
fn read_body(lines: &mut Lines<'_, impl BufRead>) -> Result<Vec<u8>, DecryptError> {
    let mut text = Vec::new();
    loop {
        let line = lines.next()?;
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        text.extend_from_slice(line);
        match line.len() {
            COLUMNS => {}
            length if length < COLUMNS => break,
            _ => return Err(HeaderError::Stanza.into()),
        }
    }
    from_base64(&text).ok_or_else(|| HeaderError::Stanza.into())
}

/// Base64 without padding.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// Canonical base64 without padding.
pub(super) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}

fn mac_key(file_key: &FileKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, derive(file_key, b"", MAC_LABEL).as_slice())
}

/// The first line.
pub(super) const VERSION: &[u8] = b"age-encryption.org/v1\n";
const STANZA: &[u8] = b"-> ";
const MAC: &[u8] = b"---";
const MAC_LABEL: &[u8] = b"header";
/// The type of a stanza for a passphrase.
const PASSPHRASE: &str = "scrypt";
const COLUMNS: usize = 64;
/// A stanza of a hybrid recipient has 2 KiB.
const MAX_HEADER: usize = 256 * 1024;
