//! What registration knows about the baselines that policies name.

use std::collections::BTreeMap;

use vouchsafe_protocol::{ObjectName, UnixTime};

use crate::baseline::{Baseline, BaselineError, NamedBaseline};

/// The existing baselines, with the facts that a policy's check uses: contents, not names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownBaselines(BTreeMap<ObjectName, KnownBaseline>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownBaseline {
    revoked: bool,
    content: Result<KnownContent, BaselineError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownContent {
    ends_at: UnixTime,
    lists_snp: bool,
    lists_tdx: bool,
    expiries: Vec<UnixTime>,
}

impl KnownBaselines {
    /// Adds a baseline, replacing one with the same name.
    pub fn insert(&mut self, name: ObjectName, baseline: &Baseline, revoked: bool) {
        let firmware = &baseline.firmware;
        let content = KnownContent {
            ends_at: baseline.ends_at,
            lists_snp: !firmware.snp_measurements.is_empty(),
            lists_tdx: !firmware.tdx_measurements.is_empty(),
            expiries: baseline.until.keys().copied().collect(),
        };
        self.0.insert(name, KnownBaseline { revoked, content: Ok(content) });
    }

    /// Adds a stored baseline that this version cannot read.
    pub fn insert_unreadable(&mut self, name: ObjectName, error: BaselineError, revoked: bool) {
        self.0.insert(name, KnownBaseline { revoked, content: Err(error) });
    }

    /// Adds a baseline with unknown content: it is treated as current, and as listing all firmware.
    pub fn assume(&mut self, name: ObjectName) {
        let ends_at = UnixTime(u64::MAX);
        let content = KnownContent { ends_at, lists_snp: true, lists_tdx: true, expiries: Vec::new() };
        self.0.insert(name, KnownBaseline { revoked: false, content: Ok(content) });
    }

    pub(super) fn contains(&self, name: &ObjectName) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn is_revoked(&self, name: &ObjectName) -> bool {
        self.0.get(name).is_some_and(|known| known.revoked)
    }

    /// Why it cannot be read. The content of a revoked baseline does not matter.
    pub(super) fn unreadable(&self, name: &ObjectName) -> Option<&BaselineError> {
        self.0.get(name).filter(|known| !known.revoked)?.content.as_ref().err()
    }

    /// Time of expiry, if it has expired.
    pub(super) fn ended(&self, name: &ObjectName, now: UnixTime) -> Option<UnixTime> {
        self.content(name).map(|known| known.ends_at).filter(|ends_at| now >= *ends_at)
    }

    /// When its next entries expire, if any do before it does.
    pub(super) fn next_expiry(&self, name: &ObjectName, now: UnixTime) -> Option<UnixTime> {
        let content = self.content(name)?;
        content.expiries.iter().copied().find(|until| *until > now && *until < content.ends_at)
    }

    /// Whether membership determines the VM's launch measurement. A missing or unreadable baseline is a
    /// separate finding.
    pub(super) fn lists_firmware(&self, name: &ObjectName, kind: &str) -> bool {
        self.content(name).is_none_or(|known| if kind == "snp" { known.lists_snp } else { known.lists_tdx })
    }

    fn content(&self, name: &ObjectName) -> Option<&KnownContent> {
        self.0.get(name)?.content.as_ref().ok()
    }
}

impl<'a> FromIterator<&'a NamedBaseline> for KnownBaselines {
    fn from_iter<T: IntoIterator<Item = &'a NamedBaseline>>(baselines: T) -> Self {
        let mut known = Self::default();
        for named in baselines {
            let (name, revoked) = (named.name.clone(), named.revoked);
            match &named.baseline {
                Ok(baseline) => known.insert(name, baseline, revoked),
                Err(error) => known.insert_unreadable(name, error.clone(), revoked),
            }
        }
        known
    }
}
