//! Decisions of the past.

use vouchsafe_policy::CheckError;
use vouchsafe_protocol::UnixTime;

use super::{BY, Fixture, NOW, name};
use crate::registry::RegisterError;

/// A policy that requires membership and no further measurements.
fn policy(baseline: &str) -> String {
    format!(
        "@id(\"all\") @for(\"app\") permit (principal is Vm, action == Action::\"release\", resource) when {{ \
         principal in Baseline::\"{baseline}\" && principal has snp.root && principal.snp.root == Root::\"amd\" }};"
    )
}

/// A baseline without measurements of firmware.
async fn put(fixture: &Fixture, baseline: &str) {
    let ends_at = UnixTime(NOW.0 + 1000);
    let [uki, kernel, arguments, initrd] = ["01", "02", "03", "04"].map(|byte| byte.repeat(32));
    let text = format!(
        "{{\"version\":1,\"ends_at\":{ends_at},\"technology\":\"sev-snp\",\"uki\":[\"{uki}\"],\"sections\":\
         {{\".linux\":[\"{kernel}\"],\".cmdline\":[\"{arguments}\"],\".initrd\":[\"{initrd}\"]}}}}"
    );
    fixture.keystore.put_baseline(BY, &name(baseline), &text).await.unwrap();
}

#[tokio::test]
async fn t38_a_replay_reads_no_baseline_of_another_namespace() {
    let fixture = Fixture::new().await;
    for baseline in ["prod/web", "shared/web", "dev/web"] {
        put(&fixture, baseline).await;
    }
    let replay =
        async |of: &str, baseline| fixture.keystore.replay_policy(&name(of), &policy(baseline)).await;
    for (of, baseline) in [("prod/p", "prod/web"), ("prod/p", "shared/web"), ("shared/p", "shared/web")] {
        let read = replay(of, baseline).await.unwrap().baselines;
        assert_eq!(read.iter().map(|named| named.name.clone()).collect::<Vec<_>>(), [name(baseline)]);
    }
    // The answer does not reveal whether the baseline exists.
    for (of, baseline) in [("prod/p", "dev/web"), ("prod/p", "dev/none"), ("shared/p", "dev/web")] {
        let RegisterError::Check(found) = replay(of, baseline).await.unwrap_err() else { panic!("{of}") };
        let foreign = CheckError::ForeignBaseline { id: "all".to_owned(), name: name(baseline) };
        assert_eq!(found.as_slice(), [foreign], "{of} {baseline}");
    }
    // A permitted baseline that does not exist behaves as always: no VM is a member.
    assert!(replay("prod/p", "prod/none").await.unwrap().baselines.is_empty());
}

#[tokio::test]
async fn t38_a_check_tells_nothing_of_a_baseline_of_another_namespace() {
    let fixture = Fixture::new().await;
    let findings = async |baseline: &str| {
        let checked = fixture.keystore.check_policy(&name("prod/p"), &policy(baseline), NOW).await;
        let RegisterError::Check(found) = checked.unwrap_err() else { panic!("{baseline}") };
        found.as_slice().to_vec()
    };
    let before = findings("dev/web").await;
    put(&fixture, "dev/web").await;
    assert_eq!(findings("dev/web").await, before);
    // For the policy's own baseline it is reported that it lists no firmware.
    put(&fixture, "prod/web").await;
    let known = findings("prod/web").await;
    assert!(known.iter().any(|found| found.to_string().contains("snp.measurement")), "{known:?}");
    assert!(!before.iter().any(|found| found.to_string().contains("snp.measurement")), "{before:?}");
}
