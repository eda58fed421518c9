//! CRC32C, which goes with every value to and from the service (RFC 3720, appendix B.4). It finds damage, not manipulation.

use crc::{CRC_32_ISCSI, Crc};

/// The checksum as the API has it: an int64 in JSON, which is a text.
pub(super) fn of(bytes: &[u8]) -> String {
    CRC32C.checksum(bytes).to_string()
}

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_3720_agree() {
        assert_eq!(of(&[0; 32]), 0x8a91_36aa_u32.to_string());
        assert_eq!(of(&[0xff; 32]), 0x62a8_ab43_u32.to_string());
        assert_eq!(of(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e_u32.to_string());
    }
}
