//! Checkpoints in a file: a signed note, or lines of the broker's log.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use vouchsafe_keystore::audit::SignedCheckpoint;
use vouchsafe_protocol::checkpoint::CheckpointError;
use vouchsafe_protocol::text::printable;
use vouchsafe_protocol::{BrokerIdentity, Checkpoint, Succession};

use super::super::failure::Failure;

/// A line of the log. Other lines have other fields.
#[derive(Deserialize)]
struct Line {
    checkpoint: String,
}

/// These identities of one broker, and all that they name as their successors. A checkpoint was signed when its identity was in use, so
/// it does not matter whether a statement has expired since.
pub(super) fn successors(brokers: &[BrokerIdentity], statements: &[Succession]) -> Vec<BrokerIdentity> {
    let mut known = brokers.to_vec();
    for statement in statements.iter().filter(|statement| statement.verify_signature().is_ok()) {
        if known.contains(&statement.from()) && !known.contains(&statement.to()) {
            known.push(statement.to());
        }
    }
    known
}

/// All checkpoints in a file, or in standard input for `-`. Each of them has to be signed by this broker, as one of its identities.
pub(super) fn read(file: &Path, brokers: &[BrokerIdentity]) -> Result<Vec<SignedCheckpoint>, Failure> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    parse(&text.map_err(|error| Failure::file(file, error))?, brokers)
        .map_err(|fault| Failure::file(file, fault))
}

fn parse(text: &str, brokers: &[BrokerIdentity]) -> Result<Vec<SignedCheckpoint>, String> {
    if text.starts_with("vouchsafe/") {
        return open(text, brokers).map(|checkpoint| vec![checkpoint]);
    }
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Ok(Line { checkpoint }) = serde_json::from_str(line) {
            let opened = open(&checkpoint, brokers);
            found.push(opened.map_err(|error| format!("line {number}: {error}"))?);
        }
    }
    if found.is_empty() {
        return Err("no line of it is a log.checkpoint".to_owned());
    }
    Ok(found)
}

/// A checkpoint names its signer.
fn open(note: &str, brokers: &[BrokerIdentity]) -> Result<SignedCheckpoint, String> {
    for &signer in brokers {
        match Checkpoint::open(note, &signer) {
            Err(CheckpointError::Origin { .. }) => {}
            Ok(checkpoint) => return Ok(SignedCheckpoint { signer, checkpoint }),
            Err(error) => return Err(error.to_string()),
        }
    }
    let known: Vec<_> = brokers.iter().map(ToString::to_string).collect();
    Err(format!(
        "a checkpoint of another broker: its origin is {}, and not that of {}. If this broker signed as that identity earlier, give it \
         with another --broker",
        printable(note.lines().next().unwrap_or_default()),
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::{Digest32, IdentityKey, UnixTime};
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn checkpoints_are_found_in_a_note_and_in_a_log() {
        let key = IdentityKey::from_seed(&Zeroizing::new([1; 32])).unwrap();
        let broker = key.identity();
        let at = |size| Checkpoint { size, root: Digest32([7; 32]) };
        let signed = |size| SignedCheckpoint { signer: broker, checkpoint: at(size) };
        let line = |size| {
            let checkpoint = at(size).sign(&key);
            serde_json::json!({ "event": "log.checkpoint", "size": size, "checkpoint": checkpoint })
                .to_string()
        };
        let brokers = [broker];
        assert_eq!(parse(&at(3).sign(&key), &brokers), Ok(vec![signed(3)]));
        let log = format!(
            "Starting vouchsafe.service...\n{}\n{{\"event\":\"broker.listening\"}}\nno JSON\n{}\n",
            line(1),
            line(2)
        );
        assert_eq!(parse(&log, &brokers), Ok(vec![signed(1), signed(2)]));
        let none = parse("{\"event\":\"broker.listening\"}\n", &brokers).unwrap_err();
        assert_eq!(none, "no line of it is a log.checkpoint");
        let edited = parse(&format!("{}\n{}\n", line(1), line(2).replace("\\n2\\n", "\\n3\\n")), &brokers);
        assert!(edited.unwrap_err().starts_with("line 2: the checkpoint has no valid signature of ed25519:"));
        assert!(parse("vouchsafe/", &brokers).unwrap_err().starts_with("not a checkpoint"));
        assert_eq!(parse("", &brokers).unwrap_err(), none);
    }

    #[test]
    fn t58_checkpoints_are_verified_across_rotations() {
        let key = |seed| IdentityKey::from_seed(&Zeroizing::new([seed; 32])).unwrap();
        let id = |seed| key(seed).identity();
        let says = |from, to| Succession::sign(&key(from), id(to), UnixTime(1000), 1);
        let statements = [says(1, 2), says(2, 3), says(8, 9)];
        let known = successors(&[id(1)], &statements);
        assert_eq!(known, [id(1), id(2), id(3)]);
        let at = |size| Checkpoint { size, root: Digest32([7; 32]) };
        let line = |size, seed| serde_json::json!({ "checkpoint": at(size).sign(&key(seed)) }).to_string();
        let log = [line(1, 1), line(2, 2), line(3, 3)].join("\n");
        let signed = |size, seed| SignedCheckpoint { signer: id(seed), checkpoint: at(size) };
        assert_eq!(parse(&log, &known), Ok(vec![signed(1, 1), signed(2, 2), signed(3, 3)]));
        // An identity before the known one is not among its successors.
        let error = parse(&log, &successors(&[id(2)], &statements)).unwrap_err();
        assert!(error.starts_with("line 1: a checkpoint of another broker"), "{error}");
        let error = parse(&log, &successors(&[id(2), id(1)], &[])).unwrap_err();
        let of = id(3).to_string().replace("ed25519:", "vouchsafe/");
        let named = format!(
            "line 3: a checkpoint of another broker: its origin is {of}, and not that of {}, {}. If this broker",
            id(2),
            id(1)
        );
        assert!(error.starts_with(&named), "{error}");
        // A statement that somebody else signed names nobody.
        let mut forged = serde_json::to_value(says(8, 4)).unwrap();
        forged["from"] = serde_json::to_value(id(1)).unwrap();
        let forged: Succession = serde_json::from_value(forged).unwrap();
        assert_eq!(successors(&[id(1)], &[forged]), [id(1)]);
        assert_eq!(parse(&line(9, 9), &known).unwrap_err().split(':').next(), Some("line 1"));
    }
}
