//! Points of small order on edwards25519: public keys that anyone can sign for.

/// Whether this encodes a point whose order divides 8. Verification of Ed25519 (RFC 8032 §5.1.7) accepts
/// signatures under such a key that were made without any private key.
pub(super) fn is_small_order(key: [u8; 32]) -> bool {
    let [y @ .., last] = key;
    SMALL_ORDER.iter().any(|point| point.starts_with(&y) && point.ends_with(&[last & 0x7f]))
}

/// Curve25519's prime p = 2^255 - 19 as 32 bytes little-endian, plus `offset`.
const fn prime_plus(offset: i8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed_u8.wrapping_add_signed(offset);
    bytes[31] = 0x7f;
    bytes
}

const fn number(first: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = first;
    bytes
}

/// The y coordinate of every point whose order divides 8, in each encoding that fits into 255 bits: orders 4,
/// 1, 2 and 8.
const SMALL_ORDER: [[u8; 32]; 7] = [
    number(0),
    prime_plus(0),
    number(1),
    prime_plus(1),
    prime_plus(-1),
    *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
    *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
];

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;
    use crate::identity::BrokerIdentity;

    /// Signatures under such a key need no private key: R is the neutral point, S is zero, and at least one
    /// message in eight verifies.
    #[test]
    fn t06_nothing_is_signed_by_an_identity_that_anyone_can_sign_for() {
        let mut forged = [0; 64];
        forged[0] = 1;
        let mut accepted = 0;
        for point in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut key = point;
                key[31] |= sign;
                let identity = BrokerIdentity(key);
                assert!(identity.is_weak());
                let messages = (0_u32..64).map(u32::to_be_bytes);
                let mut fits = messages.filter(|message| {
                    UnparsedPublicKey::new(&ED25519, &key).verify(message, &forged).is_ok()
                });
                if let Some(message) = fits.next() {
                    accepted += 1;
                    assert!(!identity.signed(&message, &forged), "{identity}");
                }
            }
        }
        assert_eq!(accepted, 8, "keys under which the library accepts such signatures");
    }
}
