//! What registration knows of the baselines that policies name.

use std::collections::BTreeMap;

use vouchsafe_protocol::{ObjectName, UnixTime};

use crate::baseline::{Baseline, NamedBaseline};

/// The baselines that there are, as far as a policy's check looks at them: at contents, not at names.
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
    /// Adds a baseline, in the place of one of the same name.
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

    /// Adds a baseline whose content is not at hand: it counts as one of today that lists all firmware.
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

    /// When it ended, if it has.
    pub(super) fn ended(&self, name: &ObjectName, now: UnixTime) -> Option<UnixTime> {
        self.0.get(name).map(|known| known.ends_at).filter(|ends_at| now >= *ends_at)
    }

    /// Whether membership says which launch measurement the VM has. Of a baseline that there is not, a finding of its own says so.
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
