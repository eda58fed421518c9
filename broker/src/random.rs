//! Randomness: challenges' nonces and decision ids.
//!
//! The first bytes cost the library tens of milliseconds for seeding itself; [`warm`] pays that at start.

use aws_lc_rs::rand;
use vouchsafe_protocol::{DecisionId, Nonce};

/// The system gives no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the random generator failed")]
pub struct RandomError;

/// Seeds the generator.
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn warm() -> Result<(), RandomError> {
    bytes::<32>().map(|_| ())
}

pub(crate) fn nonce() -> Result<Nonce, RandomError> {
    bytes().map(Nonce)
}

pub(crate) fn decision_id() -> Result<DecisionId, RandomError> {
    bytes().map(DecisionId)
}

/// A number of 0 to 255, by chance.
pub(crate) fn byte() -> Result<u8, RandomError> {
    bytes::<1>().map(|[byte]| byte)
}

fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
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
        assert_ne!(decision_id().unwrap(), decision_id().unwrap());
    }
}
