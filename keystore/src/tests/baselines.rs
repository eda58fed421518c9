//! States and expiry of baselines.

use vouchsafe_protocol::UnixTime;

use super::{BY, Fixture, NOW, name};
use crate::registry::RegisterError;
use crate::registry::documents::types::DocumentKind;
use crate::registry::{BASELINE_NOTICE, BaselineState};

/// A baseline of a unified kernel image that expires then.
pub(super) fn baseline(ends_at: UnixTime) -> String {
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
