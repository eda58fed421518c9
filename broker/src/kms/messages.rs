//! Requests and answers of `cryptoKeys.encrypt` and `cryptoKeys.decrypt`, version 1 of the REST API, with their checksums.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchsafe_protocol::text::printable;
use zeroize::Zeroizing;

use super::checksum;
use super::key::KmsKey;
use super::problem::Problem;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EncryptRequest {
    #[serde(serialize_with = "text")]
    plaintext: Zeroizing<String>,
    additional_authenticated_data: String,
    plaintext_crc32c: String,
    additional_authenticated_data_crc32c: String,
}

impl EncryptRequest {
    pub(super) fn new(plaintext: &[u8], associated_data: &[u8]) -> Self {
        Self {
            plaintext: Zeroizing::new(STANDARD.encode(plaintext)),
            additional_authenticated_data: STANDARD.encode(associated_data),
            plaintext_crc32c: checksum::of(plaintext),
            additional_authenticated_data_crc32c: checksum::of(associated_data),
        }
    }
}

fn text<S: Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DecryptRequest {
    ciphertext: String,
    additional_authenticated_data: String,
    ciphertext_crc32c: String,
    additional_authenticated_data_crc32c: String,
}

impl DecryptRequest {
    pub(super) fn new(ciphertext: &[u8], associated_data: &[u8]) -> Self {
        Self {
            ciphertext: STANDARD.encode(ciphertext),
            additional_authenticated_data: STANDARD.encode(associated_data),
            ciphertext_crc32c: checksum::of(ciphertext),
            additional_authenticated_data_crc32c: checksum::of(associated_data),
        }
    }
}

/// The answer to an [`EncryptRequest`]. Members that are not there are empty or false, as in protobuf.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Encrypted {
    name: String,
    ciphertext: Base64,
    ciphertext_crc32c: String,
    verified_plaintext_crc32c: bool,
    verified_additional_authenticated_data_crc32c: bool,
}

/// Reads the answer to a request to encrypt: the ciphertext, if it is that of what was sent, by a version of the key.
///
/// # Errors
/// [`Problem::Answer`], [`Problem::OtherKey`] and [`Problem::Checksum`].
pub fn encrypted(body: &[u8], key: &KmsKey) -> Result<Vec<u8>, Problem> {
    serde_json::from_slice::<Encrypted>(body).map_err(|_| NOT_DOCUMENTED)?.checked(key)
}

impl Encrypted {
    fn checked(self, key: &KmsKey) -> Result<Vec<u8>, Problem> {
        if !key.has_version(&self.name) {
            return Err(Problem::OtherKey { name: printable(&self.name).chars().take(QUOTED).collect() });
        }
        if !self.verified_plaintext_crc32c || !self.verified_additional_authenticated_data_crc32c {
            return Err(Problem::Checksum("it did not verify the checksums of the request"));
        }
        let Base64(ciphertext) = self.ciphertext;
        if self.ciphertext_crc32c != checksum::of(&ciphertext) {
            return Err(Problem::Checksum("the checksum of the ciphertext is wrong"));
        }
        if ciphertext.is_empty() { Err(NOT_DOCUMENTED) } else { Ok(ciphertext.to_vec()) }
    }
}

/// The answer to a [`DecryptRequest`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Decrypted {
    plaintext: Base64,
    plaintext_crc32c: String,
}

/// Reads the answer to a request to decrypt: the plaintext, as it was sent. The service itself verifies what it was sent.
///
/// # Errors
/// [`Problem::Answer`] and [`Problem::Checksum`].
pub fn decrypted(body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Problem> {
    serde_json::from_slice::<Decrypted>(body).map_err(|_| NOT_DOCUMENTED)?.checked()
}

impl Decrypted {
    fn checked(self) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let Base64(plaintext) = self.plaintext;
        if self.plaintext_crc32c == checksum::of(&plaintext) {
            return Ok(plaintext);
        }
        Err(Problem::Checksum("the checksum of the plaintext is wrong"))
    }
}

/// Bytes that are erased, as base64.
#[derive(Default)]
struct Base64(Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = STANDARD.decode(text.as_bytes()).map(Zeroizing::new);
        bytes.map(Self).map_err(|_| serde::de::Error::custom("expected base64"))
    }
}

/// An error of Google's APIs (`google.rpc.Status`), as far as the answer has one.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorMember,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorMember {
    status: String,
    message: String,
}

/// Reads any other answer than a success, by its HTTP status.
#[must_use]
pub fn refused(code: u16, body: &[u8]) -> Problem {
    let ErrorMember { status, message } =
        serde_json::from_slice(body).map_or_else(|_| ErrorMember::default(), |ErrorBody { error }| error);
    let message = printable(&message).chars().take(QUOTED).collect::<String>();
    // A sentence follows.
    let message = message.trim_end_matches(['.', ' ']).to_owned();
    let message = if message.is_empty() { "no reason given".to_owned() } else { message };
    match (code, status.as_str()) {
        (400, "FAILED_PRECONDITION") => Problem::NotUsable { message },
        (400, "INVALID_ARGUMENT") => Problem::InvalidArgument { message },
        (401, _) => Problem::Unauthenticated { message },
        (403, _) => Problem::Denied { message },
        (404, _) => Problem::NoSuchKey { message },
        (429 | 500..=599, _) => Problem::Unavailable { status: code, message },
        _ => Problem::Refused { status: code, message },
    }
}

const NOT_DOCUMENTED: Problem = Problem::Answer("it is not the JSON that Google documents");
/// Characters of a text of the service that are shown.
const QUOTED: usize = 400;
