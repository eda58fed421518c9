//! Documents that an earlier version accepted and this one does not: every decision that depends on one is a
//! denial that names it, and operators can find it.

use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_policy::{Baseline, BaselineError, Purpose};
use vouchsafe_protocol::UnixTime;

use super::release::{BROKER, PATH, claims, fixture, paths};
use super::{BY, Fixture, NOW, name, path, secret};
use crate::registry::baselines::BaselineState;
use crate::registry::documents::types::DocumentKind;
use crate::registry::secrets::types::NewVersion;
use crate::release::GuardrailsError;

/// Its kernel is started without anything that measures the initrd.
const UNMEASURED: &str = r#"{
  "version": 1, "ends_at": 1900000000, "technology": "sev-snp",
  "kernel_image": ["0000000000000000000000000000000000000000000000000000000000000001"],
  "options": ["root=/dev/sda1"]
}"#;

const BY_BASELINE: &str = r#"
@id("either") @for("app") @accepts("firmware")
permit (principal is Vm, action == Action::"release", resource is Secret)
when { principal in Baseline::"prod/old" || principal in Baseline::"prod/new" };
"#;

/// Puts a secret under a policy of this text, without any check of it.
async fn put(fixture: &Fixture, at: &str, policy: &str, text: &str) {
    let (at, policy) = (path(at), name(policy));
    // A secret is put under a policy that compiles, which an earlier version's did.
    let taken = r#"@id("all") @for("app") permit (principal is Vm, action == Action::"release", resource);"#;
    let keystore = &fixture.keystore;
    keystore.put_document(BY, DocumentKind::Policy, &policy, taken).await.expect("stored");
    let new = NewVersion { path: &at, purpose: Purpose::App, policy: &policy };
    keystore.put_secret(BY, new, &secret(b"value")).await.expect("a secret");
    keystore.put_document(BY, DocumentKind::Policy, &policy, text).await.expect("stored");
}

/// The result of the decision about a path: empty if it is granted.
async fn denial(fixture: &Fixture, at: &str) -> String {
    let input =
        fixture.keystore.decision_input(paths(&[at]).as_slice()).await.expect("what is stored is read");
    match input.decide(&claims(&SimulatedVm::new(), &[at]), &BROKER, NOW) {
        Ok(_) => String::new(),
        Err(denial) => denial.to_string(),
    }
}

async fn findings(fixture: &Fixture, policy: &str) -> String {
    let all = fixture.keystore.policy_findings(NOW).await.expect("read");
    let found = all.into_iter().find(|found| found.policy == name(policy));
    found.map(|found| found.findings.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn a_baseline_that_is_no_longer_taken_denies_by_name_until_it_is_replaced() {
    let fixture = Fixture::new().await;
    let (keystore, old) = (&fixture.keystore, name("prod/old"));
    assert_eq!(Baseline::parse(UNMEASURED), Err(BaselineError::UnmeasuredInitrd));
    keystore.put_document(BY, DocumentKind::Baseline, &old, UNMEASURED).await.expect("stored");
    put(&fixture, "prod/web/key", "prod/web", BY_BASELINE).await;
    let captured = claims(&SimulatedVm::new(), &["prod/web/key"]);
    let good = Baseline::capture(captured.claims(), 1, UnixTime(NOW.0 + 1000)).expect("a baseline").to_json();

    // The other baseline of the policy can still be put, and does not help: a forbid could name the old one.
    keystore.put_baseline(BY, &name("prod/new"), &good).await.expect("a good baseline");
    let denied = denial(&fixture, "prod/web/key").await;
    assert!(denied.contains("baseline prod/old cannot be read"), "{denied}");
    assert!(denied.contains("nothing measures the initrd"), "{denied}");
    let found = findings(&fixture, "prod/web").await;
    assert!(found.contains("either: baseline prod/old cannot be read"), "{found}");
    assert!(found.contains("nothing measures the initrd"), "{found}");
    let states = keystore.baseline_states(NOW).await.expect("read");
    assert_eq!(
        states.iter().map(|(state, _)| *state).collect::<Vec<_>>(),
        [BaselineState::EndsSoon, BaselineState::Unreadable]
    );

    // Policies that name it are rejected, and its text can be read to correct it.
    let refused = keystore.put_policy(BY, &name("prod/other"), BY_BASELINE).await.unwrap_err().to_string();
    assert!(refused.contains("baseline prod/old cannot be read"), "{refused}");
    let stored = keystore.document(DocumentKind::Baseline, &old, None).await.expect("read");
    assert_eq!(stored.expect("there").text, UNMEASURED);
    let replayed = keystore.replay_policy(&name("prod/web"), BY_BASELINE).await.expect("read");
    assert_eq!(replayed.baselines.iter().filter(|named| named.baseline.is_err()).count(), 1);

    keystore.put_baseline(BY, &old, &good).await.expect("a new version in its place");
    assert_eq!(denial(&fixture, "prod/web/key").await, "");
    assert!(!findings(&fixture, "prod/web").await.contains("cannot be read"));
}

#[tokio::test]
async fn a_baseline_that_is_no_longer_taken_can_be_revoked() {
    let fixture = Fixture::new().await;
    let (keystore, old) = (&fixture.keystore, name("prod/old"));
    keystore.put_document(BY, DocumentKind::Baseline, &old, UNMEASURED).await.expect("stored");
    put(&fixture, "prod/web/key", "prod/web", BY_BASELINE).await;
    let captured = claims(&SimulatedVm::new(), &["prod/web/key"]);
    let good = Baseline::capture(captured.claims(), 1, UnixTime(NOW.0 + 1000)).expect("a baseline").to_json();
    keystore.put_baseline(BY, &name("prod/new"), &good).await.expect("a good baseline");
    keystore.revoke_baseline(BY, &old).await.expect("revoked");
    assert_eq!(denial(&fixture, "prod/web/key").await, "");
    let found = findings(&fixture, "prod/web").await;
    assert!(found.contains("baseline prod/old is revoked"), "{found}");
}

#[tokio::test]
async fn a_policy_that_no_longer_compiles_denies_by_name_and_is_found() {
    let fixture = fixture().await;
    put(&fixture, "prod/web/key", "prod/web", "permit (principal is Nobody, action, resource);").await;
    let denied = denial(&fixture, "prod/web/key").await;
    assert!(denied.contains("policy prod/web cannot be read by this version"), "{denied}");
    let found = findings(&fixture, "prod/web").await;
    assert!(found.contains("does not compile with this version"), "{found}");
    // Others are served as before, and a request for both is denied as a whole.
    assert_eq!(denial(&fixture, PATH).await, "");
    let both = [PATH, "prod/web/key"];
    let input =
        fixture.keystore.decision_input(paths(&both).as_slice()).await.expect("what is stored is read");
    let denied = input.decide(&claims(&SimulatedVm::new(), &both), &BROKER, NOW).expect_err("denied");
    assert_eq!(denied.paths.len(), 1);
}

#[tokio::test]
async fn guardrails_that_no_longer_compile_deny_everything_by_name() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let guardrails = name("shared/guardrails");
    let text = "forbid (principal is Nobody, action, resource);";
    keystore.put_document(BY, DocumentKind::Guardrails, &guardrails, text).await.expect("stored");
    let denied = denial(&fixture, PATH).await;
    assert!(denied.contains("guardrails shared/guardrails cannot be read by this version"), "{denied}");
    let input = keystore.decision_input(paths(&[PATH]).as_slice()).await.expect("read");
    assert!(input.names_project(super::release::PROJECT), "the owner's refusals are worth a record");
    assert!(matches!(keystore.compiled_guardrails().await, Err(GuardrailsError::Unreadable(_))));
    keystore.reset_guardrails(BY).await.expect("reset");
    assert_eq!(denial(&fixture, PATH).await, "");
}
