//! Conditions that must hold after a restart. A finding is a sentence that describes a violation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_keystore::registry::{SecretSummary, VersionState};
use vouchsafe_protocol::limits::MAX_PATHS;
use vouchsafe_protocol::{ReasonCode, ReleasePaths, SecretPath};
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::fleet::{Answer, Asked, Guest, Kind, Operators};

use super::ledger::{Ledger, Received, Version};
use super::log::Log;

/// Queries a broker after a restart.
pub(crate) struct Checker {
    vm: Arc<SimulatedVm>,
    log: Log,
}

impl Checker {
    pub(crate) fn new(broker: &Broker, vms: &[Arc<SimulatedVm>]) -> anyhow::Result<Self> {
        let mut log = Log::default();
        log.read_on(&Operators::new(broker)?)?;
        let vm = vms.first().map(Arc::clone).ok_or_else(|| anyhow::anyhow!("a VM"))?;
        Ok(Self { vm, log })
    }

    /// All findings after this round.
    pub(crate) fn check(&mut self, broker: &Broker, ledger: &mut Ledger) -> anyhow::Result<Vec<String>> {
        let operators = Operators::new(broker)?;
        let guest = Guest::new(broker, Arc::clone(&self.vm), Kind::Snp)?;
        let (received, answered) = ledger.take_received();
        let mut findings = replayed(&guest, &answered)?;
        self.log.read_on(&operators)?;
        let listed = versions(&operators)?;
        for version in ledger.acknowledged().filter(|version| !listed.contains(version)) {
            findings.push(format!("{}: its acknowledged put is gone", name(version)));
        }
        for answer in &received {
            self.check_received(answer, &listed, ledger, &mut findings);
        }
        self.check_whole(&listed, ledger, &mut findings);
        let paths: BTreeSet<_> = listed.iter().map(|(path, _)| path.clone()).collect();
        for (version, value) in serve(&guest, &paths)? {
            if !ledger.fits(&version, &value) {
                findings.push(format!("{} is served with another value", name(&version)));
            }
        }
        ledger.settle();
        Ok(findings)
    }

    /// Everything that a guest received is recorded and was the value of a version.
    fn check_received(
        &self,
        answer: &Received,
        listed: &BTreeSet<Version>,
        ledger: &Ledger,
        findings: &mut Vec<String>,
    ) {
        let decision = &answer.decision;
        match self.log.grant(decision) {
            None => findings.push(format!("the grant {decision} of an answer that a guest has")),
            Some(granted) if !granted.iter().eq(answer.secrets.iter().map(|(version, _)| version)) => {
                findings.push(format!("the grant {decision} is on record for other secrets"));
            }
            Some(_) => {}
        }
        for (version, value) in &answer.secrets {
            if !listed.contains(version) {
                findings.push(format!("{}: a guest has it", name(version)));
            }
            if !ledger.fits(version, value) {
                findings.push(format!("{}: a guest received another value", name(version)));
            }
        }
    }

    /// Versions have no gaps, each was put by a test and has its record.
    fn check_whole(&self, listed: &BTreeSet<Version>, ledger: &mut Ledger, findings: &mut Vec<String>) {
        let mut by_path: BTreeMap<&SecretPath, Vec<u64>> = BTreeMap::new();
        for (path, version) in listed {
            by_path.entry(path).or_default().push(*version);
        }
        for (path, versions) in by_path {
            let count = versions.len() as u64;
            if !versions.iter().copied().eq(1..=count) {
                findings.push(format!("{path} has versions {versions:?}"));
            }
            if self.log.puts(path) != count {
                let puts = self.log.puts(path);
                findings.push(format!("{path} has {count} versions and {puts} puts on record"));
            }
            let version = |version: u64| (path.clone(), version);
            let new: Vec<_> =
                versions.into_iter().map(version).filter(|version| !ledger.knows(version)).collect();
            if new.len() > ledger.open_at(path) {
                findings.push(format!("{path} has versions that nobody put: {new:?}"));
            }
            new.into_iter().for_each(|version| ledger.found(version));
        }
    }

    /// Also reads the older versions, by repeatedly retiring the newest.
    pub(crate) fn read_every_version(&self, broker: &Broker, ledger: &Ledger) -> anyhow::Result<Vec<String>> {
        let operators = Operators::new(broker)?;
        let guest = Guest::new(broker, Arc::clone(&self.vm), Kind::Snp)?;
        let mut findings = Vec::new();
        let mut seen = BTreeSet::new();
        let mut paths: BTreeSet<_> = ledger.paths();
        while !paths.is_empty() {
            let served = serve(&guest, &paths)?;
            paths.clear();
            for (version, value) in served {
                if !ledger.fits(&version, &value) {
                    findings.push(format!("{} is served with another value", name(&version)));
                }
                let (path, number) = &version;
                if *number > 1 {
                    let retire = json!({ "path": path, "version": number });
                    let _done: Value = operators.post("/v1/secrets/retire", &retire)?;
                    paths.insert(path.clone());
                }
                seen.insert(version);
            }
        }
        let unread = ledger.acknowledged().filter(|version| !seen.contains(version));
        findings.extend(unread.map(|version| format!("{} is not served", name(version))));
        Ok(findings)
    }
}

/// An answered request is not answered a second time, not even by the restarted broker.
fn replayed(guest: &Guest, answered: &[Asked]) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for asked in answered {
        match guest.send(asked)? {
            // Challenges of a rotation live so shortly that a slow start outlives them.
            Answer::Refused(ReasonCode::NonceSpent | ReasonCode::ChallengeExpired) => {}
            Answer::Refused(code) => findings.push(format!("a spent nonce: {code}")),
            Answer::Granted(_) => findings.push("a spent nonce: it was granted again".to_owned()),
        }
    }
    Ok(findings)
}

/// Every version that is listed; all of them are active.
fn versions(operators: &Operators) -> anyhow::Result<BTreeSet<Version>> {
    let secrets: Vec<SecretSummary> = operators.get("/v1/secrets")?;
    let active = |secret: SecretSummary| {
        let SecretSummary { path, versions, .. } = secret;
        versions
            .into_iter()
            .filter(|version| version.state == VersionState::Active)
            .map(move |version| (path.clone(), version.version))
    };
    Ok(secrets.into_iter().flat_map(active).collect())
}

/// The released version of each path and its value, as a guest gets it.
fn serve(guest: &Guest, paths: &BTreeSet<SecretPath>) -> anyhow::Result<Vec<(Version, Vec<u8>)>> {
    let paths: Vec<SecretPath> = paths.iter().cloned().collect();
    let mut served = Vec::with_capacity(paths.len());
    for some in paths.chunks(MAX_PATHS) {
        let (_, opened) = guest.fetch(&ReleasePaths::sort(some.to_vec())?)?;
        let secrets = opened.secrets.into_iter();
        served.extend(secrets.map(|one| ((one.path, one.version), one.secret.expose().to_vec())));
    }
    Ok(served)
}

fn name((path, version): &Version) -> String {
    format!("version {version} of {path}")
}
