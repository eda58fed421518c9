//! Checkpoints in a file: a signed note, or lines of the broker's log.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use vouchsafe_protocol::{BrokerIdentity, Checkpoint};

use super::super::failure::Failure;

/// A line of the log. Other lines have other fields.
#[derive(Deserialize)]
struct Line {
    checkpoint: String,
}

/// All checkpoints in a file, or in standard input for `-`. Each of them has to be signed by this broker.
pub(super) fn read(file: &Path, broker: &BrokerIdentity) -> Result<Vec<Checkpoint>, Failure> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    parse(&text.map_err(|error| Failure::file(file, error))?, broker)
        .map_err(|fault| Failure::file(file, fault))
}

fn parse(text: &str, broker: &BrokerIdentity) -> Result<Vec<Checkpoint>, String> {
    if text.starts_with("vouchsafe/") {
        return Checkpoint::open(text, broker)
            .map(|checkpoint| vec![checkpoint])
            .map_err(|error| error.to_string());
    }
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Ok(Line { checkpoint }) = serde_json::from_str(line) {
            let opened = Checkpoint::open(&checkpoint, broker);
            found.push(opened.map_err(|error| format!("line {number}: {error}"))?);
        }
    }
    if found.is_empty() {
        return Err("no line of it is a log.checkpoint".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::{Digest32, IdentityKey};
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn checkpoints_are_found_in_a_note_and_in_a_log() {
        let key = IdentityKey::from_seed(&Zeroizing::new([1; 32])).unwrap();
        let broker = key.identity();
        let at = |size| Checkpoint { size, root: Digest32([7; 32]) };
        let line = |size| {
            let checkpoint = at(size).sign(&key);
            serde_json::json!({ "event": "log.checkpoint", "size": size, "checkpoint": checkpoint })
                .to_string()
        };
        assert_eq!(parse(&at(3).sign(&key), &broker), Ok(vec![at(3)]));
        let log = format!(
            "Starting vouchsafe.service...\n{}\n{{\"event\":\"broker.listening\"}}\nno JSON\n{}\n",
            line(1),
            line(2)
        );
        assert_eq!(parse(&log, &broker), Ok(vec![at(1), at(2)]));
        let none = parse("{\"event\":\"broker.listening\"}\n", &broker).unwrap_err();
        assert_eq!(none, "no line of it is a log.checkpoint");
        let edited = parse(&format!("{}\n{}\n", line(1), line(2).replace("\\n2\\n", "\\n3\\n")), &broker);
        assert!(edited.unwrap_err().starts_with("line 2: the checkpoint has no valid signature of ed25519:"));
        assert!(parse("vouchsafe/", &broker).unwrap_err().starts_with("not a checkpoint"));
        assert_eq!(parse("", &broker).unwrap_err(), none);
    }
}
