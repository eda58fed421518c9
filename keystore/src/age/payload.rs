//! The payload of a file: a nonce, then chunks of 64 KiB under ChaCha20-Poly1305; and the file key under the same cipher.

use std::io::{Read, Write};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::{DecryptError, EncryptError, FILE_KEY, FileKey, TAG};
use crate::primitives::random;

pub(super) fn encrypt(
    file_key: &FileKey,
    from: &mut impl Read,
    to: &mut impl Write,
) -> Result<(), EncryptError> {
    let nonce = random::<SALT>()?;
    to.write_all(nonce.as_slice())?;
    let key = cipher(&derive(file_key, nonce.as_slice(), LABEL));
    let mut chunks = Chunks::new(from, CHUNK);
    while let Some((counter, last, mut chunk)) = chunks.next()? {
        seal(&key, chunk_nonce(counter, last), &mut chunk);
        to.write_all(&chunk)?;
    }
    Ok(())
}

pub(super) fn decrypt(
    file_key: &FileKey,
    from: &mut impl Read,
    to: &mut impl Write,
) -> Result<(), DecryptError> {
    let mut nonce = Vec::new();
    from.take(SALT as u64).read_to_end(&mut nonce)?;
    if nonce.len() != SALT {
        return Err(DecryptError::Payload { chunk: 0 });
    }
    let key = cipher(&derive(file_key, &nonce, LABEL));
    let mut chunks = Chunks::new(from, CHUNK + TAG);
    while let Some((counter, last, mut chunk)) = chunks.next()? {
        let opened = open(&key, chunk_nonce(counter, last), &mut chunk);
        // Only an empty payload ends with an empty chunk.
        let opened = opened.filter(|plain| counter == 0 || !plain.is_empty());
        to.write_all(opened.ok_or(DecryptError::Payload { chunk: counter })?)?;
    }
    Ok(())
}

/// The file key, wrapped under a key that is used once.
pub(super) fn seal_key(key: &[u8; 32], file_key: &FileKey) -> Vec<u8> {
    let mut body = Vec::with_capacity(FILE_KEY + TAG);
    body.extend_from_slice(file_key);
    seal(&cipher(key), [0; NONCE_LEN], &mut body);
    body
}

/// The reverse of [`seal_key`].
pub(super) fn open_key(key: &[u8; 32], body: &[u8; FILE_KEY + TAG]) -> Option<Zeroizing<FileKey>> {
    let mut body = Zeroizing::new(*body);
    let file_key = open(&cipher(key), [0; NONCE_LEN], body.as_mut_slice())?;
    let file_key: FileKey = (&*file_key).try_into().ok()?;
    Some(Zeroizing::new(file_key))
}

/// `HKDF[salt, info](ikm, 32)`, RFC 5869 with SHA-256.
pub(super) fn derive(ikm: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, out.as_mut_slice());
    expanded.expect("32 bytes are less than 255 blocks of SHA-256");
    out
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has 32 bytes"))
}

fn seal(key: &LessSafeKey, nonce: [u8; NONCE_LEN], buffer: &mut Vec<u8>) {
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), buffer)
        .expect("a chunk is far below the limit of the cipher");
}

fn open<'b>(key: &LessSafeKey, nonce: [u8; NONCE_LEN], buffer: &'b mut [u8]) -> Option<&'b mut [u8]> {
    key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), buffer).ok()
}

/// A counter of 11 bytes, big endian, and 1 for the last chunk.
fn chunk_nonce(counter: u64, last: bool) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    let [.., c0, c1, c2, c3, c4, c5, c6, c7, flag] = &mut nonce;
    [*c0, *c1, *c2, *c3, *c4, *c5, *c6, *c7] = counter.to_be_bytes();
    *flag = u8::from(last);
    nonce
}

/// Reads chunks of `size` bytes; the last one may be shorter, and is empty if there is nothing to read at all.
struct Chunks<'r, R> {
    from: &'r mut R,
    size: usize,
    counter: u64,
    next: Option<Vec<u8>>,
}

impl<'r, R: Read> Chunks<'r, R> {
    const fn new(from: &'r mut R, size: usize) -> Self {
        Self { from, size, counter: 0, next: None }
    }

    /// The next chunk, with its number and whether it is the last one.
    fn next(&mut self) -> std::io::Result<Option<(u64, bool, Vec<u8>)>> {
        let current = match self.next.take() {
            Some(chunk) => chunk,
            None if self.counter == 0 => self.read()?,
            None => return Ok(None),
        };
        let following = if current.len() < self.size { Vec::new() } else { self.read()? };
        let last = following.is_empty();
        self.next = (!last).then_some(following);
        let counter = self.counter;
        self.counter += 1;
        Ok(Some((counter, last, current)))
    }

    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        // With room for the tag.
        let mut chunk = Vec::with_capacity(CHUNK + TAG);
        self.from.take(self.size as u64).read_to_end(&mut chunk)?;
        Ok(chunk)
    }
}

const CHUNK: usize = 64 * 1024;
/// Length of the nonce of a file.
const SALT: usize = 16;
const LABEL: &[u8] = b"payload";
