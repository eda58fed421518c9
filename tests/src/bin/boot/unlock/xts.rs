//! AES-XTS as dm-crypt has it by the name `aes-xts-plain64`: sectors of 512 bytes, numbered from 0.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};

/// Encrypts a file system with the key of the volume: two AES keys, one for data and one for tweaks (IEEE
/// 1619-2018, 5.3).
pub(super) fn encrypt(content: &mut [u8], volume_key: &[u8; 64]) {
    let (data, tweaks) = volume_key.split_at(32);
    let cipher = |key: &[u8]| Aes256::new_from_slice(key).expect("32 bytes are a key");
    let (data, tweaks) = (cipher(data), cipher(tweaks));
    for (sector, number) in content.chunks_exact_mut(SECTOR).zip(0_u128..) {
        let mut first = number.to_le_bytes().into();
        tweaks.encrypt_block(&mut first);
        let mut tweak = u128::from_le_bytes(first.into());
        for bytes in sector.chunks_exact_mut(16) {
            let plain = bytes.iter().rev().fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
            let mut block = (plain ^ tweak).to_le_bytes().into();
            data.encrypt_block(&mut block);
            let encrypted = u128::from_le_bytes(block.into()) ^ tweak;
            bytes.copy_from_slice(&encrypted.to_le_bytes());
            let carry = if tweak >> 127 == 0 { 0 } else { 0x87 };
            tweak = tweak << 1 ^ carry;
        }
    }
}

/// Bytes of a sector.
const SECTOR: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_10_of_ieee_1619() {
        // XTS-AES-256, data unit 0xff, of which this implementation reaches the number by 255 sectors before it.
        let key1 = hex::decode("2718281828459045235360287471352662497757247093699959574966967627").unwrap();
        let key2 = hex::decode("3141592653589793238462643383279502884197169399375105820974944592").unwrap();
        let key: [u8; 64] = [key1, key2].concat().try_into().unwrap();
        let plain: Vec<u8> = (0..512_u16).map(|at| at.to_le_bytes()[0]).collect();
        let mut content = vec![0; 255 * SECTOR];
        content.extend(plain);
        encrypt(&mut content, &key);
        let encrypted = hex::encode(content.split_at(255 * SECTOR).1);
        assert!(encrypted.starts_with("1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b"));
    }
}
