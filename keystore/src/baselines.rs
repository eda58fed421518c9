//! Stored baselines and how long they are in force.

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{ObjectName, UnixTime};

use crate::store::{Document, DocumentKind, Keystore, StoreError};
use vouchsafe_policy::Baseline;

/// Seconds before its end from which on a baseline is announced as ending: 30 days.
pub const BASELINE_NOTICE: u64 = 30 * 86_400;

/// One baseline of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineSummary {
    /// Its name.
    pub name: ObjectName,
    /// Its current version.
    pub version: u64,
    /// Whether it is in force.
    pub state: BaselineState,
    /// From this time on nothing is a member. `None` when this version cannot read the document.
    pub ends_at: Option<UnixTime>,
}

/// Whether VMs can be members of a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaselineState {
    /// It is in force, for more than [`BASELINE_NOTICE`].
    InForce,
    /// It is in force and ends within [`BASELINE_NOTICE`].
    EndsSoon,
    /// It has ended: nothing is a member.
    Ended,
    /// It was revoked: nothing is a member, for good.
    Revoked,
    /// This version cannot read it: secrets that rest on it are refused.
    Unreadable,
}

impl BaselineState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::InForce, Self::EndsSoon, Self::Ended, Self::Revoked, Self::Unreadable];

    /// As written in lists and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::EndsSoon => "ends-soon",
            Self::Ended => "ended",
            Self::Revoked => "revoked",
            Self::Unreadable => "unreadable",
        }
    }

    fn of(revoked: bool, ends_at: Option<UnixTime>, now: UnixTime) -> Self {
        match ends_at {
            _ if revoked => Self::Revoked,
            None => Self::Unreadable,
            Some(end) if end <= now => Self::Ended,
            Some(end) if end.since(now) <= BASELINE_NOTICE => Self::EndsSoon,
            Some(_) => Self::InForce,
        }
    }
}

impl std::fmt::Display for BaselineState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Keystore {
    /// All baselines by name, with their state at `now`.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn baselines(&self, now: UnixTime) -> Result<Vec<BaselineSummary>, StoreError> {
        let documents = self.current_documents(DocumentKind::Baseline).await?;
        let summary = |document: Document| {
            let ends_at = Baseline::parse(&document.text).ok().map(|baseline| baseline.ends_at);
            let state = BaselineState::of(document.revoked, ends_at, now);
            BaselineSummary { name: document.name, version: document.version, state, ends_at }
        };
        Ok(documents.into_iter().map(summary).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RegisterError;
    use crate::store::tests::{BY, Fixture, NOW, name};

    /// A baseline of a unified kernel image that ends then.
    fn baseline(ends_at: UnixTime) -> String {
        format!(
            "{{\"version\":1,\"ends_at\":{ends_at},\"technology\":\"sev-snp\",\"uki\":[\"{0}\"],\
             \"sections\":{{\".linux\":[\"{1}\"],\".cmdline\":[\"{2}\"],\".initrd\":[\"{3}\"]}}}}",
            "01".repeat(32),
            "02".repeat(32),
            "03".repeat(32),
            "04".repeat(32),
        )
    }

    #[tokio::test]
    async fn a_list_shows_when_each_baseline_ends_and_its_state() {
        let fixture = Fixture::new().await;
        let keystore = &fixture.keystore;
        let end = NOW.plus(365 * 86_400);
        for text in ["prod/a", "prod/b"] {
            keystore.put_baseline(BY, &name(text), &baseline(end)).await.unwrap();
        }
        keystore.revoke_baseline(BY, &name("prod/b")).await.unwrap();
        keystore.put_document(BY, DocumentKind::Baseline, &name("prod/c"), "{}").await.unwrap();
        let states = async |now| {
            let all = keystore.baselines(now).await.unwrap();
            all.iter().map(|baseline| (baseline.state, baseline.ends_at)).collect::<Vec<_>>()
        };
        use BaselineState as S;
        for (now, state) in [
            (NOW, S::InForce),
            (UnixTime(end.0 - BASELINE_NOTICE - 1), S::InForce),
            (UnixTime(end.0 - BASELINE_NOTICE), S::EndsSoon),
            (UnixTime(end.0 - 1), S::EndsSoon),
            (end, S::Ended),
        ] {
            let expected = [(state, Some(end)), (S::Revoked, Some(end)), (S::Unreadable, None)];
            assert_eq!(states(now).await, expected, "{now}");
        }
    }

    #[tokio::test]
    async fn t28_a_baseline_that_has_ended_is_not_put() {
        let fixture = Fixture::new().await;
        for end in [NOW, UnixTime(0)] {
            let refused = fixture.keystore.put_baseline(BY, &name("prod/a"), &baseline(end)).await;
            let Err(RegisterError::EndedBaseline { ends_at, .. }) = refused else { panic!("{refused:?}") };
            assert_eq!(ends_at, end);
        }
        fixture.keystore.put_baseline(BY, &name("prod/a"), &baseline(NOW.plus(1))).await.unwrap();
    }
}
