use std::fs;

use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_keystore::record::{DecisionFilter, Outcome};
use vouchsafe_protocol::{Bytes, VolumeHeaders};

use super::*;
use crate::attested::evidence::assemble;
use crate::clock;
use crate::testing::{Fixture, PATH, crls, managed, reads_records, records};

/// A grant as `decisions evidence` exports it.
async fn granted(fixture: &Fixture, kinds: Kinds) -> DecisionFile {
    let asked = fixture.ask(&SimulatedVm::new(), kinds, fixture.challenge(), &[PATH]);
    let id = DecisionId(asked.request.challenge.nonce.0.first_chunk().copied().expect("32 bytes"));
    fixture.release(id, asked.request).await.map(|_| ()).expect("granted");
    recorded(fixture, Outcome::Granted).await
}

async fn recorded(fixture: &Fixture, outcome: Outcome) -> DecisionFile {
    let newest = DecisionFilter { outcome: Some(outcome), limit: Some(1), ..DecisionFilter::default() };
    let record = records(fixture.keystore(), newest).await.pop().expect("on record");
    let reads = reads_records();
    let kept = fixture.keystore().permitted_lists(&reads).evidence_of(record.id()).await;
    let evidence = kept.expect("sound rows").and_then(assemble).unwrap_or_default();
    // Written to a file and read back.
    let file = DecisionFile { record, evidence };
    serde_json::from_str(&serde_json::to_string(&file).expect("JSON")).expect("as it was written")
}

/// The command with the anchors of the fixture and, with `lists`, its CRLs.
fn command(fixture: &Fixture, lists: bool) -> Decision {
    let at = |name: &str| fixture.folder.path().join(name);
    let collateral = if lists { vec![at("google.crl"), at("amd.crl")] } else { Vec::new() };
    for (path, crl) in collateral.iter().zip(crls(clock::now())) {
        fs::write(path, crl).expect("written");
    }
    let anchor = vec![at("google.der"), at("amd.der")];
    Decision {
        file: at("decision.json"),
        broker: vec![fixture.broker.identity()],
        collateral,
        endorsement: Vec::new(),
        anchor,
        audience: Vec::new(),
    }
}

fn mismatch(result: Result<Verified, Stop>) -> Mismatch {
    match result.expect_err("refused") {
        Stop::Mismatch(mismatch) => mismatch,
        Stop::Failure(failure) => panic!("{failure}"),
    }
}

fn change(file: &mut DecisionFile, change: impl FnOnce(&mut GrantRecord)) {
    let LogRecord::Grant(grant) = &mut file.record else { panic!("a grant") };
    change(grant);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_verified_again_from_its_record() {
    let fixture = Fixture::new().await;
    for kinds in [Kinds::VTPM, Kinds::BOTH] {
        let file = granted(&fixture, kinds).await;
        let verified = command(&fixture, true).again(&file).expect("as it was decided");
        let LogRecord::Grant(grant) = &file.record else { panic!("a grant") };
        assert_eq!((verified.claims_digest, verified.verified_at), (grant.claims, grant.at));
        assert_eq!(verified.broker, fixture.broker.identity());
        let guardrails = grant.guardrails.expect("noted");
        assert_eq!(guardrails.version, None);
        assert_eq!(guardrails.digest, Digest32::of(vouchsafe_policy::SHIPPED_GUARDRAILS.as_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t33_a_request_about_a_volume_is_verified_again_from_its_record() {
    let fixture = Fixture::new().await;
    let path = PATH.parse().expect("a path");
    let action = VolumeAction::RegisterVolume { path, digest: Digest32([1; 32]) };
    fixture.change_volume(&SimulatedVm::new(), action).await.expect("registered");
    let mut file = recorded(&fixture, Outcome::Volume).await;
    let command = command(&fixture, true);
    let verified = command.again(&file).expect("as it was decided");
    assert_eq!(verified.decision, file.record.id());
    let LogRecord::Volume(volume) = &mut file.record else { panic!("a change of a volume") };
    volume.state.current = Digest32([2; 32]);
    assert_eq!(mismatch(command.again(&file)).name(), "vtpm-nonce-mismatch");
    let LogRecord::Volume(volume) = &mut file.record else { panic!("a change of a volume") };
    volume.change = VolumeChange::Promoted;
    assert!(matches!(mismatch(command.again(&file)), Mismatch::NotAGrant { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_the_broker_is_the_collateral_of_its_decisions() {
    let fixture = Fixture::new().await;
    let file = granted(&fixture, Kinds::BOTH).await;
    let bundle = managed(fixture.broker.collateral_service()).export(clock::now());
    let path = fixture.folder.path().join("bundle.json");
    fs::write(&path, serde_json::to_vec(&bundle).expect("JSON")).expect("written");
    let mut command = command(&fixture, false);
    command.collateral = vec![path];
    command.again(&file).expect("as it was decided");
    // A grant of another broker proves nothing.
    let mut foreign = file;
    change(&mut foreign, |grant| {
        grant.binding.as_mut().expect("kept").broker = BrokerIdentity([1; 32]);
    });
    command.broker = vec![BrokerIdentity([1; 32])];
    assert!(matches!(command.again(&foreign), Err(Stop::Failure(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_a_record_and_bundle_of_a_forger_are_refused() {
    let (fixture, forger) = (Fixture::new().await, Fixture::new().await);
    let known = fixture.broker.identity();
    let forged = granted(&forger, Kinds::BOTH).await;
    let bundle = managed(forger.broker.collateral_service()).export(clock::now());
    let path = forger.folder.path().join("bundle.json");
    fs::write(&path, serde_json::to_vec(&bundle).expect("JSON")).expect("written");
    let mut command = command(&forger, false);
    command.collateral = vec![path];
    command.again(&forged).expect("sound by its own word");
    command.broker = vec![known];
    let refused = mismatch(command.again(&forged));
    assert_eq!(refused.name(), "other-broker");
    assert_eq!(
        refused.to_string(),
        format!("the record is of broker {}, not of {known}", forger.broker.identity())
    );
    // The broker is checked first, whatever else is wrong with the record.
    let mut worse = granted(&forger, Kinds::VTPM).await;
    change(&mut worse, |grant| grant.secrets.clear());
    worse.evidence = Evidence::default();
    assert!(matches!(mismatch(command.again(&worse)), Mismatch::OtherBroker { .. }));
    // If the known broker is written into the record, the bundle is still not signed by it.
    let mut named = forged;
    change(&mut named, |grant| grant.binding.as_mut().expect("kept").broker = known);
    let Err(Stop::Failure(failure)) = command.again(&named) else { panic!("refused") };
    let said = format!("signed by {}, not by {known}", forger.broker.identity());
    assert!(failure.to_string().contains(&said), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_another_transcript_is_refused() {
    let fixture = Fixture::new().await;
    let mut command = command(&fixture, true);
    type Broken = fn(&mut GrantRecord);
    let changes: [(&str, Broken); 5] = [
        ("broker", |grant| grant.binding.as_mut().expect("kept").broker = BrokerIdentity([1; 32])),
        ("nonce", |grant| grant.nonce.0[0] ^= 1),
        ("key", |grant| grant.binding.as_mut().expect("kept").public_key.0[0] ^= 1),
        ("headers", |grant| {
            let header = (grant.secrets[0].path.clone(), Digest32([1; 32]));
            grant.headers = VolumeHeaders::new([header]).expect("one header");
        }),
        ("paths", |grant| grant.secrets[0].path = "prod/db/other".parse().expect("a path")),
    ];
    for (what, broken) in changes {
        let mut file = granted(&fixture, Kinds::VTPM).await;
        change(&mut file, broken);
        // The record's fields are accepted, so the changed transcript is what fails.
        let LogRecord::Grant(GrantRecord { binding: Some(binding), .. }) = &file.record else {
            panic!("a grant")
        };
        command.broker = vec![binding.broker];
        let refused = mismatch(command.again(&file));
        assert!(matches!(&refused, Mismatch::Refused(VerifyError::Vtpm(_))), "{what}: {refused:?}");
        assert_eq!(refused.name(), "vtpm-nonce-mismatch", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_does_not_match_its_evidence_is_refused() {
    let fixture = Fixture::new().await;
    let command = command(&fixture, true);
    let mut file = granted(&fixture, Kinds::VTPM).await;
    file.evidence.vtpm.as_mut().expect("a quote").ca_certificates.push(Bytes(vec![1]));
    assert!(matches!(mismatch(command.again(&file)), Mismatch::OtherEvidence));
    let mut file = granted(&fixture, Kinds::VTPM).await;
    change(&mut file, |grant| grant.claims.0[0] ^= 1);
    assert!(matches!(mismatch(command.again(&file)), Mismatch::OtherClaims { .. }));
    let mut file = granted(&fixture, Kinds::VTPM).await;
    change(&mut file, |grant| grant.binding = None);
    assert!(matches!(mismatch(command.again(&file)), Mismatch::NoBinding));
    let mut file = granted(&fixture, Kinds::VTPM).await;
    change(&mut file, |grant| grant.secrets.clear());
    assert!(matches!(mismatch(command.again(&file)), Mismatch::Malformed));
    let operator = recorded(&fixture, Outcome::Operator).await;
    assert!(matches!(mismatch(command.again(&operator)), Mismatch::NotAGrant { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_collateral_gives_other_claims() {
    let fixture = Fixture::new().await;
    let file = granted(&fixture, Kinds::VTPM).await;
    let refused = mismatch(command(&fixture, false).again(&file));
    assert!(
        matches!(refused, Mismatch::OtherClaims { .. }),
        "without lists revocation is absent: {refused:?}"
    );
}
