//! Secret bytes in memory: erased when dropped, never printed, never cloned, never serialised.

use std::fmt;

use zeroize::Zeroizing;

use crate::limits::MAX_SECRET;

/// A secret's size is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has 1 to {MAX_SECRET} bytes, not {length}")]
pub struct SecretSizeError {
    /// Its length.
    pub length: usize,
}

/// A secret in the clear.
///
/// ```compile_fail
/// let secret = vouchsafe_protocol::PlaintextSecret::new(vec![1]).unwrap();
/// let copy = secret.clone();
/// ```
///
/// ```compile_fail
/// let secret = vouchsafe_protocol::PlaintextSecret::new(vec![1]).unwrap();
/// let text = serde_json::to_string(&secret);
/// ```
pub struct PlaintextSecret(Zeroizing<Vec<u8>>);

impl PlaintextSecret {
    /// Takes ownership of the bytes; the vector's memory is erased when the secret is dropped.
    ///
    /// # Errors
    /// When the length is 0 or above [`MAX_SECRET`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretSizeError> {
        let bytes = Zeroizing::new(bytes);
        if bytes.is_empty() || bytes.len() > MAX_SECRET {
            return Err(SecretSizeError { length: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The bytes. The name makes every use easy to find.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PlaintextSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaintextSecret([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t34_debug_of_a_secret_is_redacted() {
        let secret = PlaintextSecret::new(b"hunter2".to_vec()).unwrap();
        assert_eq!(format!("{secret:?}"), "PlaintextSecret([REDACTED])");
        assert_eq!(format!("{:?}", Some(secret)), "Some(PlaintextSecret([REDACTED]))");
    }

    #[test]
    fn empty_and_oversized_secrets_are_refused() {
        assert_eq!(PlaintextSecret::new(vec![]).unwrap_err(), SecretSizeError { length: 0 });
        let length = MAX_SECRET + 1;
        assert_eq!(PlaintextSecret::new(vec![0; length]).unwrap_err(), SecretSizeError { length });
    }
}
