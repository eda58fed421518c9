//! Inputs of hashes and signatures: every field is length-prefixed, every use has its label.

/// Collects the input of a hash, a MAC, a signature or an AEAD's associated data.
///
/// Layout: for each field its length as 4 bytes big-endian, then its bytes. The label is the first field. So
/// different lists of fields never give the same bytes.
pub(crate) struct Preimage(Vec<u8>);

impl Preimage {
    pub(crate) fn new(label: &'static [u8]) -> Self {
        Self(Vec::with_capacity(512)).field(label)
    }

    pub(crate) fn field(mut self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).expect("fields are bounded far below 4 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn number(self, value: u64) -> Self {
        self.field(&value.to_be_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
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
}
