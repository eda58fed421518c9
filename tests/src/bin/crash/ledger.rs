//! What the broker has acknowledged, and requests without an answer.

use std::collections::{BTreeMap, BTreeSet};

use vouchsafe_protocol::SecretPath;
use vouchsafe_tests::fleet::{Asked, Opened};

/// A version of a secret.
pub(crate) type Version = (SecretPath, u64);

/// The test's own record of a data directory.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Acknowledged puts and their values.
    acknowledged: BTreeMap<Version, Vec<u8>>,
    /// Values sent to a path in this round and not acknowledged.
    open: BTreeMap<SecretPath, Vec<Vec<u8>>>,
    /// Versions that exist without an acknowledgement: their value is one of these.
    unacknowledged: BTreeMap<Version, Vec<Vec<u8>>>,
    /// What guests received in this round.
    received: Vec<Received>,
    /// Answered requests of this round: their nonces are spent.
    answered: Vec<Asked>,
    releases: u64,
}

/// The content of an answer to a guest.
pub(crate) struct Received {
    /// The decision.
    pub(crate) decision: String,
    /// Version and value of each secret.
    pub(crate) secrets: Vec<(Version, Vec<u8>)>,
}

impl Ledger {
    /// Notes that a put is about to be sent.
    pub(crate) fn sent(&mut self, path: &SecretPath, value: &[u8]) {
        self.open.entry(path.clone()).or_default().push(value.to_vec());
    }

    /// Notes that the broker has acknowledged it.
    pub(crate) fn acknowledge(&mut self, path: &SecretPath, version: u64, value: Vec<u8>) {
        if let Some(open) = self.open.get_mut(path) {
            open.retain(|other| *other != value);
            if open.is_empty() {
                self.open.remove(path);
            }
        }
        self.acknowledged.insert((path.clone(), version), value);
    }

    /// A guest opened an answer.
    pub(crate) fn receive(&mut self, asked: Asked, opened: Opened) {
        let secret = |secret: vouchsafe_protocol::answer::OpenedSecret| {
            ((secret.path, secret.version), secret.secret.expose().to_vec())
        };
        let secrets = opened.secrets.into_iter().map(secret).collect();
        self.received.push(Received { decision: opened.decision, secrets });
        self.releases += 1;
        if self.answered.len() < REPLAYED {
            self.answered.push(asked);
        }
    }

    /// Whether this may be the value of that version.
    pub(crate) fn fits(&self, version: &Version, value: &[u8]) -> bool {
        let one_of = |values: Option<&Vec<Vec<u8>>>| values.is_some_and(|v| v.iter().any(|one| one == value));
        match self.acknowledged.get(version) {
            Some(acknowledged) => acknowledged == value,
            None => one_of(self.unacknowledged.get(version)) || one_of(self.open.get(&version.0)),
        }
    }

    /// Every version that was acknowledged.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = &Version> {
        self.acknowledged.keys()
    }

    /// Whether it is known already.
    pub(crate) fn knows(&self, version: &Version) -> bool {
        self.acknowledged.contains_key(version) || self.unacknowledged.contains_key(version)
    }

    /// How many puts to a path were not acknowledged in this round.
    pub(crate) fn open_at(&self, path: &SecretPath) -> usize {
        self.open.get(path).map_or(0, Vec::len)
    }

    /// Notes a version that exists without an acknowledgement.
    pub(crate) fn found(&mut self, version: Version) {
        let values = self.open.get(&version.0).cloned().unwrap_or_default();
        self.unacknowledged.insert(version, values);
    }

    /// Ends a round: what has not been found by now must never appear.
    pub(crate) fn settle(&mut self) {
        self.open.clear();
    }

    /// What guests received, and answered requests, since the last call.
    pub(crate) fn take_received(&mut self) -> (Vec<Received>, Vec<Asked>) {
        (std::mem::take(&mut self.received), std::mem::take(&mut self.answered))
    }

    /// Every path that has a version.
    pub(crate) fn paths(&self) -> BTreeSet<SecretPath> {
        let versions = self.acknowledged.keys().chain(self.unacknowledged.keys());
        versions.map(|(path, _)| path.clone()).collect()
    }

    pub(crate) fn puts(&self) -> usize {
        self.acknowledged.len()
    }

    pub(crate) const fn releases(&self) -> u64 {
        self.releases
    }

    pub(crate) fn open_puts(&self) -> usize {
        self.open.values().map(Vec::len).sum()
    }
}

/// Requests of a round that are sent again after the restart.
const REPLAYED: usize = 16;
