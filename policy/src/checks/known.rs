//! What registration knows about the baselines that policies name.

use std::collections::BTreeMap;

use vouchsafe_protocol::{ObjectName, UnixTime};

use crate::baseline::{Baseline, NamedBaseline};

/// The existing baselines, with the facts that a policy's check uses: contents, not names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownBaselines(BTreeMap<ObjectName, KnownBaseline>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownBaseline {
    revoked: bool,
    ends_at: UnixTime,
    lists_snp: bool,
    lists_tdx: bool,
}

impl KnownBaselines {
    /// Adds a baseline, replacing one with the same name.
    pub fn insert(&mut self, name: ObjectName, baseline: &Baseline, revoked: bool) {
        let firmware = &baseline.firmware;
        self.0.insert(
            name,
            KnownBaseline {
                revoked,
                ends_at: baseline.ends_at,
                lists_snp: !firmware.snp_measurements.is_empty(),
                lists_tdx: !firmware.tdx_measurements.is_empty(),
            },
        );
    }

    /// Adds a baseline with unknown content: it counts as current and as listing all firmware.
    pub fn assume(&mut self, name: ObjectName) {
        let ends_at = UnixTime(u64::MAX);
        self.0.insert(name, KnownBaseline { revoked: false, ends_at, lists_snp: true, lists_tdx: true });
    }

    pub(super) fn contains(&self, name: &ObjectName) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn is_revoked(&self, name: &ObjectName) -> bool {
        self.0.get(name).is_some_and(|known| known.revoked)
    }

    /// Time of expiry, if it has expired.
    pub(super) fn ended(&self, name: &ObjectName, now: UnixTime) -> Option<UnixTime> {
        self.0.get(name).map(|known| known.ends_at).filter(|ends_at| now >= *ends_at)
    }

    /// Whether membership determines the VM's launch measurement. A missing baseline has a finding of its
    /// own.
    pub(super) fn lists_firmware(&self, name: &ObjectName, kind: &str) -> bool {
        self.0.get(name).is_none_or(|known| if kind == "snp" { known.lists_snp } else { known.lists_tdx })
    }
}

impl<'a> FromIterator<&'a NamedBaseline> for KnownBaselines {
    fn from_iter<T: IntoIterator<Item = &'a NamedBaseline>>(baselines: T) -> Self {
        let mut known = Self::default();
        for named in baselines {
            known.insert(named.name.clone(), &named.baseline, named.revoked);
        }
        known
    }
}
