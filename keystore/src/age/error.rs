//! What can go wrong with an encrypted file, and sizes that header and payload share.

use std::io;

use crate::primitives::RandomError;

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It begins with something else.
    #[error("it does not begin with the line age-encryption.org/v1")]
    Version,
    /// A stanza has not the form that its type prescribes.
    #[error("a recipient is malformed")]
    Stanza,
    /// The last line is not a MAC.
    #[error("the line with its MAC is malformed")]
    Mac,
    /// It does not end within the first 256 KiB.
    #[error("it is cut off, or longer than 256 KiB")]
    Length,
}

/// Why a file was not encrypted.
#[derive(Debug, thiserror::Error)]
pub enum EncryptError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A recipient's key has small order: nobody has its secret key, and anyone could decrypt the file.
    #[error("{recipient} is not the key of a recipient: it has a small order")]
    SmallOrder {
        /// The recipient.
        recipient: String,
    },
}

/// Why a file was not decrypted.
#[derive(Debug, thiserror::Error)]
pub enum DecryptError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The header is malformed.
    #[error("its header is not that of an age file: {0}")]
    Header(#[from] HeaderError),
    /// It is encrypted to others.
    #[error("none of the identities given can decrypt it: it was encrypted to other recipients")]
    OtherRecipients,
    /// The header was changed after the file was encrypted.
    #[error("its header was changed")]
    HeaderMac,
    /// The payload was changed or cut off.
    #[error("it was changed or cut off: chunk {chunk} of 64 KiB does not authenticate")]
    Payload {
        /// The first chunk that does not, from 0.
        chunk: u64,
    },
}

pub(super) type FileKey = [u8; FILE_KEY];
pub(super) const FILE_KEY: usize = 16;
/// Length of a tag of ChaCha20-Poly1305.
pub(super) const TAG: usize = 16;
