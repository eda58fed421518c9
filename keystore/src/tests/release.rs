//! From registration to an opened secret, with a simulated VM whose claims come from the verifier.

use std::collections::BTreeSet;

use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::test_util::ca::CrlSpec;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_anchors, shared_google};
use vouchsafe_attestation::verify::{Endorsements, verify};
use vouchsafe_attestation::{Collateral, VerifiedClaims};
use vouchsafe_attestation::{VerifyCache, VerifyInputs};
use vouchsafe_policy::{
    Acceptance, Baseline, DenialReason, Dropped, Guardrails, PolicyTemplate, Purpose, PurposeMismatch,
    TemplateRoot,
};
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Digest32, Digest48, GuestKey, Nonce, PlaintextSecret, ReleasePaths, Suite,
    UnixTime,
};

use super::{BY, Fixture, NOW, name, path, secret};
use crate::log::DecisionFilter;
use crate::registry::documents::types::DocumentError;
use crate::registry::error::RegisterError;
use crate::registry::secrets::types::{NewVersion, SecretError};
use crate::release::UnsealError;

pub(super) const BROKER: BrokerIdentity = BrokerIdentity([1; 32]);

pub(super) fn paths(all: &[&str]) -> ReleasePaths {
    ReleasePaths::new(all.iter().map(|text| path(text)).collect()).expect("sorted")
}

pub(super) fn claims(vm: &SimulatedVm, all: &[&str]) -> VerifiedClaims {
    let key = GuestKey::generate(Suite::X25519);
    verified(vm, BoundRequest::release(&BROKER, Nonce([7; 32]), key.public().clone(), &paths(all)))
}

/// The claims of a VM with a vTPM, for this request.
pub(super) fn verified(vm: &SimulatedVm, bound: BoundRequest) -> VerifiedClaims {
    let crl = shared_google().root_crl(&CrlSpec::current(UnixTime(NOW.0 - 60), NOW.plus(60)));
    let collateral = Collateral::new(&[crl], &[]).expect("a CRL");
    let (anchors, endorsements, cache) = (shared_anchors(), Endorsements::default(), VerifyCache::default());
    let inputs = VerifyInputs {
        anchors: &anchors,
        collateral: &collateral,
        endorsements: &endorsements,
        audiences: &[],
        now: NOW,
        cache: &cache,
    };
    verify(&vm.evidence(Kinds::VTPM, &bound), bound, &inputs).expect("good evidence")
}

fn template(purpose: Purpose, project_number: u64) -> String {
    let mut template = PolicyTemplate::new(purpose, project_number, Technology::SevSnp);
    template.vtpm_root = TemplateRoot::Extra;
    template.accepts = [Acceptance::Pcr7Alone, Acceptance::Instance].into();
    template.generate()
}

pub(super) const PROJECT: u64 = 620_438_545_889;

/// A keystore with `prod/db/token` under a real policy.
pub(super) async fn fixture() -> Fixture {
    let fixture = Fixture::new().await;
    let text = template(Purpose::App, PROJECT);
    fixture.keystore.put_policy(BY, &name("prod/app"), &text).await.expect("a good policy");
    let (path, policy) = (path(PATH), name("prod/app"));
    let version = NewVersion { path: &path, purpose: Purpose::App, policy: &policy };
    fixture.keystore.put_secret(BY, version, &secret(b"the token")).await.expect("a secret");
    fixture
}

pub(super) const PATH: &str = "prod/db/token";

#[tokio::test]
async fn a_grant_opens_what_it_names() {
    let fixture = fixture().await;
    let input = fixture.keystore.decision_input(paths(&[PATH]).as_slice()).await.expect("sound rows");
    assert!(input.names_project(PROJECT));
    assert!(!input.names_project(PROJECT + 1));
    let grant = input.decide(&claims(&SimulatedVm::new(), &[PATH]), &BROKER, NOW).expect("granted");
    let opened = fixture.keystore.unseal(&grant, &input).expect("opens");
    assert_eq!(opened.iter().map(PlaintextSecret::expose).collect::<Vec<_>>(), [b"the token"]);
}

#[tokio::test]
async fn a_grant_opens_nothing_of_another_epoch() {
    let fixture = fixture().await;
    let before = fixture.keystore.decision_input(paths(&[PATH]).as_slice()).await.expect("sound rows");
    let grant = before.decide(&claims(&SimulatedVm::new(), &[PATH]), &BROKER, NOW).expect("granted");
    fixture
        .keystore
        .put_guardrails(BY, vouchsafe_policy::SHIPPED_GUARDRAILS, &BTreeSet::new())
        .await
        .expect("good guardrails");
    let after = fixture.keystore.decision_input(paths(&[PATH]).as_slice()).await.expect("sound rows");
    assert!(after.epoch() > before.epoch());
    let refused = fixture.keystore.unseal(&grant, &after).map(|_| ());
    assert_eq!(refused, Err(UnsealError::NotServed { path: path(PATH) }));
}

#[tokio::test]
async fn t50_absent_and_retired_paths_are_denied_in_the_same_way() {
    let fixture = fixture().await;
    fixture.keystore.retire_secret(BY, &path(PATH), None).await.expect("retired");
    let asked = [PATH, "prod/db/unknown"];
    let input = fixture.keystore.decision_input(paths(&asked).as_slice()).await.expect("sound rows");
    let denial = input.decide(&claims(&SimulatedVm::new(), &asked), &BROKER, NOW).expect_err("denied");
    let reasons: Vec<_> = denial.paths.iter().map(|denied| &denied.reason).collect();
    assert!(matches!(reasons[..], [DenialReason::Retired, DenialReason::Absent]), "{reasons:?}");
}

#[tokio::test]
async fn t38_a_policy_with_findings_is_not_registered() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let before = keystore.epoch().await.expect("an epoch");
    let bare =
        "@id(\"all\") @for(\"app\") permit (principal is Vm, action == Action::\"release\", resource);";
    let refused = keystore.put_policy(BY, &name("prod/bare"), bare).await;
    assert!(matches!(refused, Err(RegisterError::Check(_))), "{refused:?}");
    let refused = keystore.put_policy(BY, &name("prod/bare"), "permit (").await;
    assert!(matches!(refused, Err(RegisterError::Policy(_))), "{refused:?}");
    let refused = keystore.put_baseline(BY, &name("prod/b"), "{}").await;
    assert!(matches!(refused, Err(RegisterError::Baseline(_))), "{refused:?}");
    let refused = keystore.put_guardrails(BY, bare, &BTreeSet::new()).await;
    assert!(matches!(refused, Err(RegisterError::Policy(_))), "{refused:?}");
    assert_eq!(keystore.epoch().await.expect("an epoch"), before);
}

#[tokio::test]
async fn t38_policy_and_secret_are_for_the_same_purpose() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let disk = template(Purpose::Disk, PROJECT);
    let refused = keystore.put_policy(BY, &name("prod/app"), &disk).await;
    assert!(matches!(refused, Err(RegisterError::Purpose { .. })), "{refused:?}");
    // The reverse, and for a secret that is moved: `put`, `generate` and `set_secret_policy` all check it.
    keystore.put_policy(BY, &name("prod/disk"), &disk).await.expect("a good policy");
    let mismatch = |result: &Result<(), SecretError>| {
        matches!(
            result,
            Err(SecretError::Purpose(PurposeMismatch {
                secret: Purpose::App,
                found: Some(Purpose::Disk),
                ..
            }))
        )
    };
    let (path_of_new, for_disk) = (path("prod/db/new"), name("prod/disk"));
    let new = NewVersion { path: &path_of_new, purpose: Purpose::App, policy: &for_disk };
    let put = keystore.put_secret(BY, new, &secret(b"v")).await.map(drop);
    let generated = keystore.generate_secret(BY, new, 32).await.map(drop);
    let each = keystore.generate_per_instance(BY, new).await.map(drop);
    let moved = keystore.set_secret_policy(BY, &path(PATH), &for_disk).await;
    for refused in [put, generated, each, moved] {
        assert!(mismatch(&refused), "{refused:?}");
    }
    let unknown = keystore.set_secret_policy(BY, &path(PATH), &name("prod/none")).await;
    assert!(matches!(unknown, Err(SecretError::NoSuchPolicy { .. })), "{unknown:?}");
    let kept = keystore.secret(&path(PATH)).await.expect("sound rows").expect("a secret");
    assert_eq!(kept.policy, name("prod/app"));
}

#[tokio::test]
async fn t54_it_is_known_whether_the_guardrails_in_force_read_revocation() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let reads = async || keystore.compiled_guardrails().await.expect("sound rows").read_revocation();
    assert!(reads().await, "the shipped ones do");
    let text = "@id(\"v\") @reason(\"r\") forbid (principal is Vm, action == Action::\"release\", resource)\
                when { principal has snp && principal.snp.vmpl != 0 };";
    let all: BTreeSet<_> = Guardrails::compile(text).expect("good").dropped().into_keys().collect();
    keystore.put_guardrails(BY, text, &all).await.expect("good guardrails");
    assert!(!reads().await);
    let text = text.replace("vmpl != 0", "revocation != Revocation::\"fresh\"");
    keystore.put_guardrails(BY, &text, &all).await.expect("good guardrails");
    assert!(reads().await);
}

fn drops(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn t38_shipped_guardrails_are_dropped_by_name_only() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let text = vouchsafe_policy::SHIPPED_GUARDRAILS.replace("@id(\"snp-vmpl-0\")", "@id(\"ours\")");
    let put = async |drop: &[&str]| keystore.put_guardrails(BY, &text, &drops(drop)).await;
    let Err(RegisterError::DropsShippedRules { rules }) = put(&[]).await else { panic!("taken") };
    assert_eq!(rules, [("snp-vmpl-0".to_owned(), Dropped::Missing)]);
    for other in ["snp-no-debug", "unknown"] {
        let Err(RegisterError::NotDropped { id }) = put(&["snp-vmpl-0", other]).await else {
            panic!("taken")
        };
        assert_eq!(id, other);
    }
    assert_eq!(put(&["snp-vmpl-0"]).await.expect("named"), 1);
    assert_eq!(keystore.guardrails().await.expect("sound rows"), (text, false));
}

#[tokio::test]
async fn guardrails_can_be_reset_and_put_again() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let in_force =
        async || keystore.decision_input(paths(&[PATH]).as_slice()).await.expect("sound rows").guardrails();
    let shipped = in_force().await;
    assert_eq!(shipped.version, None);
    assert!(!keystore.reset_guardrails(BY).await.expect("no change"));
    let ours = "@id(\"ours\") forbid (principal is Vm, action == Action::\"release\", resource) \
                when { context.purpose == Purpose::\"disk\" };";
    let all: BTreeSet<_> = Guardrails::compile(ours).expect("good").dropped().into_keys().collect();
    keystore.put_guardrails(BY, ours, &all).await.expect("named");
    let put = in_force().await;
    assert_eq!((put.version, put.digest), (Some(1), Digest32::of(ours.as_bytes())));
    assert!(keystore.reset_guardrails(BY).await.expect("reset"));
    assert_eq!(in_force().await, shipped);
    assert!(keystore.guardrails().await.expect("sound rows").1);
    keystore.put_guardrails(BY, ours, &all).await.expect("named");
    assert_eq!(in_force().await.version, Some(2));
    let logged = keystore.decisions(&DecisionFilter::default(), None).await.expect("sound rows");
    let actions: Vec<_> = logged
        .iter()
        .filter_map(|logged| match &logged.record {
            crate::record::LogRecord::Operator(change) => Some(change.action.as_str()),
            _ => None,
        })
        .take(3)
        .collect();
    assert_eq!(actions, ["guardrails.put", "guardrails.reset", "guardrails.put"]);
}

/// A policy on vTPM and report that relies on its baseline for the firmware.
const BY_BASELINE: &str = r#"
@id("release") @for("app")
permit (principal is Vm, action == Action::"release", resource is Secret)
when {
  principal has vtpm.instance && principal.vtpm.root == Root::"extra" &&
  principal.vtpm.instance.project_number == "1" &&
  principal has technology && principal.technology == Technology::"sev-snp" &&
  principal has snp.root && principal.snp.root == Root::"extra" && !principal.snp.policy.debug &&
  principal.snp.reported_tcb.boot_loader >= 1 && principal.snp.reported_tcb.tee >= 1 &&
  principal.snp.reported_tcb.snp >= 1 && principal.snp.reported_tcb.microcode >= 1 &&
  principal in Baseline::"prod/web"
};
"#;

#[tokio::test]
async fn t53_a_baseline_that_would_open_a_policy_is_not_put() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let captured = claims(&SimulatedVm::new(), &[PATH]);
    let open = Baseline::capture(captured.claims(), 1, UnixTime(NOW.0 + 1000)).expect("a baseline");
    let mut baseline = open.clone();
    baseline.firmware.snp_measurements = vec![Digest48([1; 48])];
    let put =
        async |baseline: &Baseline| keystore.put_baseline(BY, &name("prod/web"), &baseline.to_json()).await;

    // Without the list the policy is rejected; with it, it is accepted.
    put(&open).await.expect("nobody counts on it yet");
    let refused = keystore.put_policy(BY, &name("prod/both"), BY_BASELINE).await.map(|_| ());
    let Err(RegisterError::Check(found)) = refused else { panic!("{refused:?}") };
    assert!(found.to_string().contains("any firmware passes"), "{found}");
    put(&baseline).await.expect("a good baseline");
    keystore.put_policy(BY, &name("prod/both"), BY_BASELINE).await.expect("a good policy");

    // A later version must not remove the list; one that keeps it is accepted.
    let refused = put(&open).await;
    let Err(RegisterError::OpensPolicies { policies, .. }) = &refused else { panic!("{refused:?}") };
    assert_eq!(policies.iter().map(|opened| &opened.policy).collect::<Vec<_>>(), [&name("prod/both")]);
    assert!(refused.unwrap_err().to_string().contains("prod/both: release: any firmware passes"));
    put(&Baseline { version: 2, ..baseline.clone() }).await.expect("a good baseline");
    let found = async |now| {
        let all = keystore.policy_findings(now).await.expect("read");
        let ours = all.into_iter().find(|found| found.policy == name("prod/both"));
        ours.map(|found| found.findings.to_string()).unwrap_or_default()
    };
    assert_eq!(found(NOW).await, "");

    // When it has expired, and when it is revoked, the policy is reported.
    let ended = found(baseline.ends_at).await;
    assert!(ended.contains("expired at"), "{ended}");
    keystore.revoke_baseline(BY, &name("prod/web")).await.expect("revoked");
    let revoked = found(NOW).await;
    assert!(revoked.contains("is revoked"), "{revoked}");
}

#[tokio::test]
async fn however_many_policies_there_are_they_are_read_at_once() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let captured = claims(&SimulatedVm::new(), &[PATH]);
    let mut baseline = Baseline::capture(captured.claims(), 1, UnixTime(NOW.0 + 1000)).expect("a baseline");
    baseline.firmware.snp_measurements = vec![Digest48([1; 48])];
    let json = baseline.to_json();
    let put =
        async |text: &str| keystore.put_baseline(BY, &name(text), &json).await.expect("a good baseline");
    put("prod/web").await;
    let mut taken = Vec::new();
    for number in 0..2 {
        for policy in 0..6 {
            let policy = name(&format!("prod/both{number}-{policy}"));
            keystore.put_policy(BY, &policy, BY_BASELINE).await.expect("a good policy");
        }
        let before = keystore.views();
        let found = keystore.policy_findings(NOW).await.expect("read");
        assert_eq!(found.len(), 1, "that of the fixture: {found:?}");
        let listed = keystore.views();
        put("prod/web").await;
        let put = keystore.views();
        assert_eq!(keystore.baselines(NOW).await.expect("read").len(), 1);
        taken.push([listed - before, put - listed, keystore.views() - put]);
    }
    assert_eq!(taken[0], taken[1], "twice as many policies");
    assert_eq!((taken[0][0], taken[0][2]), (2, 1));
}

#[test]
fn t54_guardrails_are_compiled_off_the_async_workers() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let fixture = Fixture::new().await;
        let keystore = fixture.keystore.clone();
        let (free, freed) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || freed.recv().is_err());
        let text = vouchsafe_policy::SHIPPED_GUARDRAILS;
        let nothing_dropped = BTreeSet::new();
        let put = keystore.put_guardrails(BY, text, &nothing_dropped);
        tokio::pin!(put);
        let waits = tokio::time::timeout(std::time::Duration::from_millis(300), &mut put).await;
        assert!(waits.is_err(), "it waits for the one thread that may block: {waits:?}");
        drop(free);
        assert!(busy.await.expect("runs"));
        assert_eq!(put.await.expect("stored"), 1);
        // So are those that are in force.
        let (free, freed) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || freed.recv().is_err());
        let compiled = keystore.compiled_guardrails();
        tokio::pin!(compiled);
        let waits = tokio::time::timeout(std::time::Duration::from_millis(300), &mut compiled).await;
        assert!(waits.is_err());
        drop(free);
        assert!(busy.await.expect("runs"));
        compiled.await.expect("compiled");
    });
}

#[tokio::test]
async fn t51_a_document_that_was_checked_before_another_change_is_not_put() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let before = keystore.epoch().await.expect("an epoch");
    keystore.retire_secret(BY, &path(PATH), None).await.expect("retired");
    let authorized = BY.authorize("policy.put", "prod/p").expect("no permission is needed");
    let overtaken = keystore.registry().change_as_of(&authorized, before).await.map(drop);
    assert!(matches!(overtaken, Err(DocumentError::Overtaken)), "{overtaken:?}");
}
