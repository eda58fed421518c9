//! Inputs of MACs, AEADs and key derivations: every field is length-prefixed, every use has its label.
//!
//! Layout: for each field its length as 4 bytes big-endian, then its bytes; numbers as 8 bytes big-endian.
//! The label is the first field. So different lists of fields never result in the same bytes.

/// Collects fields.
pub(crate) struct Preimage(Vec<u8>);

impl Preimage {
    pub(crate) fn new(label: &'static [u8]) -> Self {
        Self(Vec::with_capacity(256)).field(label)
    }

    pub(crate) fn field(mut self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).expect("fields are bounded far below 4 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.field(text.as_bytes())
    }

    pub(crate) fn number(self, value: u64) -> Self {
        self.field(&value.to_be_bytes())
    }

    pub(crate) fn flag(self, value: bool) -> Self {
        self.field(&[u8::from(value)])
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_fields_changes_the_preimage() {
        let one = Preimage::new(b"l").field(b"ab").field(b"c");
        let two = Preimage::new(b"l").field(b"a").field(b"bc");
        assert_ne!(one.as_bytes(), two.as_bytes());
        assert_eq!(Preimage::new(b"l").flag(true).as_bytes(), b"\0\0\0\x01l\0\0\0\x01\x01");
    }
}
