//! Inputs of hashes, signatures, MACs, key derivations and AEADs: every field is length-prefixed, every use has
//! its label. Also for what a broker stores, so that there is one layout.

/// Collects the input of a hash, a MAC, a signature, a key derivation or an AEAD's associated data.
///
/// Layout: for each field its length as 4 bytes big-endian, then its bytes; numbers as 8 bytes big-endian. The
/// label is the first field. So different lists of fields never give the same bytes.
pub struct Preimage(Vec<u8>);

impl Preimage {
    /// The input of the use with this label, without further fields.
    #[must_use]
    pub fn new(label: &'static [u8]) -> Self {
        Self(Vec::with_capacity(512)).field(label)
    }

    /// Appends bytes.
    ///
    /// # Panics
    /// Above 4 GiB; every field is bounded far below that.
    #[must_use]
    pub fn field(mut self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).expect("fields are bounded far below 4 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends a text, UTF-8.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.field(text.as_bytes())
    }

    /// Appends a number, 8 bytes big-endian.
    #[must_use]
    pub fn number(self, value: u64) -> Self {
        self.field(&value.to_be_bytes())
    }

    /// Appends a flag, one byte of 0 or 1.
    #[must_use]
    pub fn flag(self, value: bool) -> Self {
        self.field(&[u8::from(value)])
    }

    /// The input as collected so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The complete input.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_fields_changes_the_preimage() {
        let one = Preimage::new(b"l").field(b"ab").field(b"c").into_bytes();
        let two = Preimage::new(b"l").field(b"a").field(b"bc").into_bytes();
        assert_ne!(one, two);
        assert_eq!(one, b"\0\0\0\x01l\0\0\0\x02ab\0\0\0\x01c");
    }

    #[test]
    fn texts_numbers_and_flags_are_fields() {
        let all = Preimage::new(b"l").text("ab").number(0x0102).flag(true).flag(false);
        let fields = [b"ab".as_slice(), &[0, 0, 0, 0, 0, 0, 1, 2], &[1], &[0]];
        let expected = fields.into_iter().fold(Preimage::new(b"l"), Preimage::field);
        assert_eq!(all.as_bytes(), expected.as_bytes());
    }
}
