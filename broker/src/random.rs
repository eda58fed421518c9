//! Randomness for challenge nonces and decision ids.
//!
//! The library takes tens of milliseconds to seed its generator; [`warm`] does that at start.

use aws_lc_rs::rand;
use vouchsafe_keystore::RandomError;
use vouchsafe_protocol::{DecisionId, Nonce};

use crate::clock;

/// Seeds the generator.
///
/// # Errors
/// When the system provides no randomness.
pub(crate) fn warm() -> Result<(), RandomError> {
    bytes::<32>().map(|_| ())
}

pub(crate) fn nonce() -> Result<Nonce, RandomError> {
    bytes().map(Nonce)
}

/// 48 bits of milliseconds since 1970, big-endian, then 80 random bits: neighbours in time are neighbours in
/// the index.
pub(crate) fn decision_id() -> Result<DecisionId, RandomError> {
    let chance = u128::from_be_bytes(bytes()?) & CHANCE;
    Ok(DecisionId((clock::now_in_milliseconds() << 80 | chance).to_be_bytes()))
}

/// A random byte.
pub(crate) fn byte() -> Result<u8, RandomError> {
    bytes::<1>().map(|[byte]| byte)
}

const CHANCE: u128 = (1 << 80) - 1;

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| RandomError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t05_nonces_differ() {
        warm().unwrap();
        assert_ne!(nonce().unwrap(), nonce().unwrap());
    }

    #[test]
    fn decision_ids_differ_and_follow_the_time() {
        let ids: Vec<_> = (0..1000).map(|_| decision_id().unwrap().0).collect();
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        let time = |id: &[u8; 16]| id[..6].to_vec();
        assert!(ids.is_sorted_by_key(time));
        let milliseconds = u128::from_be_bytes(ids[999]) >> 80;
        assert!(clock::now_in_milliseconds() - milliseconds < 60_000);
    }
}
