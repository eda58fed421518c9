//! Checkpoints of the decision log: its size and root, signed by the broker's identity, as text that can be kept
//! elsewhere. Whoever has one can show later that the log was cut off or rewritten.
//!
//! The format is C2SP tlog-checkpoint in a C2SP signed note, so that witnesses and tools of others read it. The origin
//! is `vouchsafe/` and the identity's 43 characters; it is also the name of the key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::Digest32;
use crate::encoding::to_base64url;
use crate::identity::{BrokerIdentity, IdentityKey};

/// The state of the decision log at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of records.
    pub size: u64,
    /// Root of the Merkle tree over them, RFC 6962 §2.1.
    pub root: Digest32,
}

/// Why a text is not a checkpoint of this broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text is not laid out like one.
    #[error(
        "not a checkpoint: it has an origin, a number of records, a root, an empty line and signatures, each in a line of its own"
    )]
    Malformed,
    /// It is of another log.
    #[error("a checkpoint of another broker: its origin is not {expected}")]
    Origin {
        /// The origin that this broker's checkpoints have.
        expected: String,
    },
    /// The broker has not signed it.
    #[error("the checkpoint has no valid signature of {broker}")]
    Signature {
        /// The broker whose signature it lacks.
        broker: BrokerIdentity,
    },
}

impl Checkpoint {
    /// The checkpoint as a signed note.
    #[must_use]
    pub fn sign(&self, key: &IdentityKey) -> String {
        let broker = key.identity();
        let text = self.text(&broker);
        let mut signature = key_id(&broker).to_vec();
        // Everything else that an identity signs begins with the length of a label, whose first byte is 0.
        signature.extend_from_slice(&key.sign(text.as_bytes()));
        format!("{text}\n{DASH}{} {}\n", origin(&broker), STANDARD.encode(signature))
    }

    /// Reads a signed note. Signatures of others, such as witnesses, are passed over.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &str, broker: &BrokerIdentity) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        let (text, signatures) = note.split_once("\n\n").ok_or(malformed.clone())?;
        let mut lines = text.split('\n');
        if lines.next() != Some(&*origin(broker)) {
            return Err(CheckpointError::Origin { expected: origin(broker) });
        }
        let size = lines.next().and_then(decimal).ok_or(malformed.clone())?;
        let root = lines.next().and_then(|line| STANDARD.decode(line).ok()).ok_or(malformed.clone())?;
        let root = Digest32(root.try_into().map_err(|_| malformed.clone())?);
        let mut signatures = signatures.strip_suffix('\n').ok_or(malformed)?.split('\n');
        let signed = format!("{text}\n");
        if signatures.any(|line| is_signature(line, signed.as_bytes(), broker)) {
            Ok(Self { size, root })
        } else {
            Err(CheckpointError::Signature { broker: *broker })
        }
    }

    /// What is signed: C2SP tlog-checkpoint.
    fn text(&self, broker: &BrokerIdentity) -> String {
        format!("{}\n{}\n{}\n", origin(broker), self.size, STANDARD.encode(self.root.as_bytes()))
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records, root {}", self.size, self.root)
    }
}

/// Without a leading zero, so that a number has one spelling.
fn decimal(line: &str) -> Option<u64> {
    let number: u64 = line.parse().ok()?;
    (number.to_string() == line).then_some(number)
}

fn is_signature(line: &str, signed: &[u8], broker: &BrokerIdentity) -> bool {
    let Some((name, encoded)) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')) else {
        return false;
    };
    let Ok(bytes) = STANDARD.decode(encoded) else { return false };
    let Some((id, signature)) = bytes.split_first_chunk::<4>() else { return false };
    name == origin(broker) && *id == key_id(broker) && broker.signed(signed, signature)
}

fn origin(broker: &BrokerIdentity) -> String {
    format!("vouchsafe/{}", to_base64url(&broker.0))
}

/// C2SP signed-note: the first bytes of SHA-256(key name || 0x0a || 0x01 for Ed25519 || public key).
fn key_id(broker: &BrokerIdentity) -> [u8; 4] {
    let [a, b, c, d, ..] = Digest32::of_parts(&[origin(broker).as_bytes(), &[0x0a, 0x01], &broker.0]).0;
    [a, b, c, d]
}

/// An em dash and a space begin a line with a signature.
const DASH: &str = "\u{2014} ";

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const CHECKPOINT: Checkpoint = Checkpoint { size: 5, root: Digest32([7; 32]) };

    fn broker(seed: u8) -> IdentityKey {
        IdentityKey::from_seed(&Zeroizing::new([seed; 32])).unwrap()
    }

    #[test]
    fn a_checkpoint_is_a_signed_note() {
        let (key, note) = (broker(1), CHECKPOINT.sign(&broker(1)));
        assert_eq!(Checkpoint::open(&note, &key.identity()), Ok(CHECKPOINT));
        let known = concat!(
            "vouchsafe/iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\n5\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n",
            "\u{2014} vouchsafe/iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w ",
            "Qp28Gd2JR5AxNQ6if0ObiN6SHvY0UTL/xjQaBEI69DiZ7/q32DbTY9LA9ScpAJwxBtZmdjQG3i7vXCZWxCobLWtvFAU=\n"
        );
        assert_eq!(note, known);
        // A witness has signed it too.
        let witnessed = format!("{note}\u{2014} witness.example/w1 AAAAAGFiY2Q=\n");
        assert_eq!(Checkpoint::open(&witnessed, &key.identity()), Ok(CHECKPOINT));
    }

    #[test]
    fn t58_an_edited_checkpoint_proves_nothing() {
        let (broker, other) = (broker(1).identity(), broker(2));
        let note = CHECKPOINT.sign(&self::broker(1));
        let opened = |text: &str| Checkpoint::open(text, &broker).unwrap_err();
        let signature = CheckpointError::Signature { broker };
        for (from, to) in [
            ("\n5\n", "\n6\n"),
            ("Bwc=", "Bwg="),
            ("Bwc=\n", "Bwc=\nmore\n"),
            ("\u{2014} vouchsafe", "- vouchsafe"),
            ("\u{2014} vouchsafe", "\u{2014} other"),
        ] {
            assert_eq!(opened(&note.replacen(from, to, 1)), signature, "{from:?}");
        }
        for (from, to) in
            [("\n5\n", "\n05\n"), ("\n5\n", "\n+5\n"), ("\n5\n", "\n\n"), ("Bwc=\n", "\n"), ("\n\n", "\n")]
        {
            assert_eq!(opened(&note.replacen(from, to, 1)), CheckpointError::Malformed, "{from:?} {to:?}");
        }
        assert_eq!(opened(note.trim_end()), CheckpointError::Malformed);
        assert_eq!(opened(""), CheckpointError::Malformed);
        let foreign = opened(&CHECKPOINT.sign(&other));
        assert_eq!(foreign, CheckpointError::Origin { expected: origin(&broker) });
        // Signed by another key under this broker's name.
        let (text, _) = note.split_once("\n\n").unwrap();
        let mut forged = key_id(&broker).to_vec();
        forged.extend_from_slice(&other.sign(format!("{text}\n").as_bytes()));
        let forged = format!("{text}\n\n{DASH}{} {}\n", origin(&broker), STANDARD.encode(forged));
        assert_eq!(opened(&forged), signature);
    }
}
