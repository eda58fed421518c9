//! The log as operators read it.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use vouchsafe_protocol::SecretPath;
use vouchsafe_tests::fleet::Operators;

use super::ledger::Version;

/// The log's content about a crash test so far.
#[derive(Default)]
pub(crate) struct Log {
    /// Number of records read.
    next: u64,
    /// Versions of each grant, by decision.
    grants: BTreeMap<String, Vec<Version>>,
    /// Puts on record, by path.
    puts: BTreeMap<SecretPath, u64>,
}

impl Log {
    /// Reads further records, and checks that none is missing.
    pub(crate) fn read_on(&mut self, operators: &Operators) -> anyhow::Result<()> {
        let mut before = None;
        let mut records: Vec<(u64, Value)> = Vec::new();
        loop {
            let from = before.map_or_else(String::new, |before: u64| format!("&before={before}"));
            let page: Value = operators.get(&format!("/v1/decisions?limit={PAGE}{from}"))?;
            let shown = page.get("records").and_then(Value::as_array).context("records")?;
            for one in shown {
                records.push((one["index"].as_u64().context("an index")?, one["record"].clone()));
            }
            let oldest = records.last().map_or(0, |(index, _)| *index);
            before = page.get("next").and_then(Value::as_u64).filter(|_| oldest > self.next);
            if before.is_none() {
                break;
            }
        }
        records.retain(|(index, _)| *index >= self.next);
        records.reverse();
        for (index, record) in records {
            ensure!(index == self.next, "the log goes from record {} to {index}", self.next);
            self.next += 1;
            self.note(&record)?;
        }
        Ok(())
    }

    /// What was granted under a decision.
    pub(crate) fn grant(&self, decision: &str) -> Option<&[Version]> {
        self.grants.get(decision).map(Vec::as_slice)
    }

    /// How many puts to a path are on record.
    pub(crate) fn puts(&self, path: &SecretPath) -> u64 {
        self.puts.get(path).copied().unwrap_or(0)
    }

    fn note(&mut self, record: &Value) -> anyhow::Result<()> {
        if let Some(grant) = record.get("grant") {
            let decision = grant["decision"].as_str().context("a decision")?.to_owned();
            let version = |secret: &Value| -> anyhow::Result<Version> {
                let path = SecretPath::parse(secret["path"].as_str().context("a path")?)?;
                Ok((path, secret["version"].as_u64().context("a version")?))
            };
            let secrets = grant["secrets"].as_array().context("secrets")?.iter().map(version);
            self.grants.insert(decision, secrets.collect::<anyhow::Result<_>>()?);
        } else if let Some(change) = record.get("operator")
            && change["action"] == "secret.put"
        {
            let path = SecretPath::parse(change["target"].as_str().context("a target")?)?;
            *self.puts.entry(path).or_default() += 1;
        }
        Ok(())
    }
}

const PAGE: u32 = 1000;
