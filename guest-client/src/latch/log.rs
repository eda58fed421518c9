//! systemd's measurement log, a JSON text sequence (RFC 7464), as far as one PCR needs it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use serde_json::{Value, json};
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::limits::MAX_USERSPACE_LOG;

use crate::vtpm::BankDigest;

/// The log, locked while this exists.
pub(super) struct MeasurementLog {
    file: File,
    text: Vec<u8>,
}

impl MeasurementLog {
    /// Opens and locks the log; makes it, as systemd would, if it does not exist.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        }
        let flags = (OFlags::NOFOLLOW | OFlags::NOCTTY).bits().cast_signed();
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        let mut log = Self { file, text: Vec::new() };
        let bound = u64::try_from(MAX_USERSPACE_LOG).unwrap_or(u64::MAX);
        (&log.file).take(bound).read_to_end(&mut log.text)?;
        Ok(log)
    }

    /// Appends the extension of a PCR with a word, in the form of systemd's own entries.
    pub(super) fn append(&mut self, pcr: u8, word: &str, digests: &[BankDigest]) -> io::Result<()> {
        let named = digests.iter().filter_map(|bank| {
            let hash = bank.hash?;
            Some(json!({"hashAlg": hash, "digest": hex::encode(&bank.digest)}))
        });
        let digests: Vec<Value> = named.collect();
        let entry =
            json!({"pcr": pcr, "digests": digests, "content_type": "vouchsafe", "content": {"string": word}});
        let record = format!("{RECORD_SEPARATOR}{entry}\n");
        self.file.write_all(record.as_bytes())?;
        self.text.extend_from_slice(record.as_bytes());
        Ok(())
    }

    /// The SHA-256 digests that a PCR was extended with, in order. Entries in another form are left out.
    pub(super) fn digests(&self, pcr: u8) -> Vec<Digest32> {
        let text = String::from_utf8_lossy(&self.text);
        let entries = text.split(RECORD_SEPARATOR).filter_map(|entry| serde_json::from_str(entry).ok());
        entries.filter_map(|entry: Value| sha256(&entry, pcr)).collect()
    }
}

fn sha256(entry: &Value, pcr: u8) -> Option<Digest32> {
    if entry.get("pcr")?.as_u64()? != u64::from(pcr) {
        return None;
    }
    let mut digests = entry.get("digests")?.as_array()?.iter();
    let bank = digests.find(|bank| bank.get("hashAlg").and_then(Value::as_str) == Some("sha256"))?;
    bank.get("digest")?.as_str()?.parse().ok()
}

const RECORD_SEPARATOR: char = '\u{1e}';

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_appended_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log/systemd/tpm2-measure.log");
        let mut log = MeasurementLog::open(&path).unwrap();
        assert_eq!(log.digests(15), []);
        let digests = [
            BankDigest { hash: Some("sha1"), digest: vec![1; 20] },
            BankDigest { hash: Some("sha256"), digest: vec![2; 32] },
            BankDigest { hash: None, digest: vec![3; 32] },
        ];
        log.append(15, "a word", &digests).unwrap();
        log.append(11, "another", &[BankDigest { hash: Some("sha256"), digest: vec![4; 32] }]).unwrap();
        assert_eq!(log.digests(15), [Digest32([2; 32])]);
        drop(log);
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.split(RECORD_SEPARATOR).nth(1).unwrap();
        let entry: Value = serde_json::from_str(first.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(entry["content"], json!({"string": "a word"}));
        assert_eq!(entry["digests"].as_array().unwrap().len(), 2);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, format!("{RECORD_SEPARATOR}broken\n{}", &text)).unwrap();
        let log = MeasurementLog::open(&path).unwrap();
        assert_eq!((log.digests(15), log.digests(11)), (vec![Digest32([2; 32])], vec![Digest32([4; 32])]));
    }
}
