//! This version opens the database of the vectors, reads its content and releases secrets from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vouchsafe_attestation::test_util::ca::CrlSpec;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_anchors, shared_google};
use vouchsafe_attestation::verify::{Endorsements, verify};
use vouchsafe_attestation::{Collateral, VerifiedClaims};
use vouchsafe_attestation::{VerifyCache, VerifyInputs};
use vouchsafe_keystore::Keystore;
use vouchsafe_keystore::chips::Subject;
use vouchsafe_keystore::record::{DecisionFilter, LogRecord, LoggedRecord};
use vouchsafe_keystore::registry::{ChipFilter, DocumentKind, VersionState};
use vouchsafe_policy::operators::{
    OperatorAction, OperatorIdentity, Permit, Permits, WHOLE_BROKER, authorize_operator, operator_permits,
};
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, GuestKey, Nonce, ReleasePaths, SecretPath, Suite, UnixTime,
};

use super::stored::{self, KNOWN, Stored};

pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);
pub(crate) const TOKEN: &str = "prod/db/token";
pub(crate) const PER_INSTANCE: &str = "prod/db/per-instance";
pub(crate) const INSTANCE: &str = "123456789012/4567890123456789012";

/// The expected content of the database.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    /// The broker's identity, whose seed is sealed in `identities`.
    pub(crate) identity: BrokerIdentity,
    /// The token of operator `bob`.
    pub(crate) token: String,
    /// Secrets in hex, as released to a simulated VM.
    pub(crate) secrets: BTreeMap<String, String>,
}

pub(crate) fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).expect("a path")
}

/// The permits of administrator `alice`.
pub(crate) fn permit(action: OperatorAction, namespace: &str) -> Permit {
    let role = "administrator".parse().expect("a role");
    let alice = OperatorIdentity { name: "alice".to_owned(), role, namespaces: Vec::new(), epoch: 1 };
    authorize_operator(&alice, action, namespace).expect("an administrator may")
}

pub(crate) fn permits(action: OperatorAction) -> Permits {
    let role = "administrator".parse().expect("a role");
    let alice = OperatorIdentity { name: "alice".to_owned(), role, namespaces: Vec::new(), epoch: 1 };
    operator_permits(&alice, action)
}

/// The log, the newest record first.
pub(crate) async fn log(keystore: &Keystore) -> Vec<LoggedRecord> {
    let records = permits(OperatorAction::ReadRecords);
    let page = keystore.permitted_lists(&records).decisions(DecisionFilter::default()).await;
    page.expect("the log").records
}

fn claims(broker: &BrokerIdentity, paths: &ReleasePaths) -> VerifiedClaims {
    let key = GuestKey::generate(Suite::X25519);
    let bound = BoundRequest::release(broker, Nonce([7; 32]), key.public().clone(), paths);
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
    verify(&SimulatedVm::new().evidence(Kinds::VTPM, &bound), bound, &inputs).expect("good evidence")
}

/// Releases both secrets, like the broker.
pub(crate) async fn released(keystore: &Keystore) -> BTreeMap<String, String> {
    let identity = keystore.identity().await.expect("an identity").identity();
    let paths = ReleasePaths::sort([TOKEN, PER_INSTANCE].map(path).to_vec()).expect("two paths");
    let input = keystore.decision_input(paths.as_slice()).await.expect("sound rows");
    let grant = input.decide(&claims(&identity, &paths), &identity, NOW).expect("granted");
    let opened = keystore.unseal(&grant, &input).expect("opens");
    let values = opened.iter().map(|secret| hex::encode(secret.expose()));
    paths.as_slice().iter().map(ToString::to_string).zip(values).collect()
}

#[tokio::test]
async fn secrets_identity_and_token_of_an_earlier_version_are_the_known_ones() {
    let known: Known = serde_json::from_str(&stored::read(KNOWN)).expect("JSON");
    let stored = Stored::of_vectors().await;
    let keystore = stored.open().await;
    assert_eq!(keystore.identity().await.expect("an identity").identity(), known.identity);
    assert_eq!(released(&keystore).await, known.secrets);
    // It was issued before tokens had an end.
    let login = keystore.authenticate(&known.token, UnixTime(u64::MAX)).await.expect("an operator");
    let operator = login.identity();
    assert_eq!((operator.name.as_str(), &operator.namespaces), ("bob", &vec!["prod".to_owned()]));
    assert_eq!(login.ends_at(), None);
}

#[tokio::test]
async fn every_row_of_an_earlier_version_is_read() {
    let stored = Stored::of_vectors().await;
    let keystore = stored.open().await;
    let objects = permits(OperatorAction::ReadObjects);
    for kind in [DocumentKind::Policy, DocumentKind::Baseline, DocumentKind::Guardrails] {
        let documents = keystore.permitted_lists(&objects).documents(kind).await.expect("sound rows");
        assert!(!documents.is_empty(), "{kind}");
        for document in documents {
            assert_eq!(document.revoked, kind == DocumentKind::Baseline, "{}", document.name);
            for version in 1..=document.version {
                let permit = permit(OperatorAction::ReadObjects, document.name.namespace());
                let keystore = keystore.permitted(&permit);
                let found = keystore.document(kind, &document.name, Some(version)).await.expect("sound rows");
                assert!(found.is_some(), "{kind} {} version {version}", document.name);
            }
        }
    }
    let secrets = keystore.permitted_lists(&objects).secrets().await.expect("sound rows");
    let states: Vec<_> =
        secrets.iter().flat_map(|secret| secret.versions.iter().map(|version| version.state)).collect();
    for state in [VersionState::Active, VersionState::Retired, VersionState::Destroyed] {
        assert!(states.contains(&state), "{state:?}");
    }
    let permit = permit(OperatorAction::ManageOperators, WHOLE_BROKER);
    let operators = keystore.permitted(&permit).operators().await.expect("sound rows");
    assert_eq!(operators.len(), 2);
    assert!(operators.iter().all(|operator| operator.expires_at.is_none()), "tokens had no end");
}

#[tokio::test]
async fn chips_and_evidence_of_an_earlier_version_are_read() {
    let stored = Stored::of_vectors().await;
    let keystore = stored.open().await;
    let records = permits(OperatorAction::ReadRecords);
    let records = keystore.permitted_lists(&records);
    let chips = records.chips(ChipFilter::default()).await.expect("sound rows").chips;
    let seen: Vec<_> = chips.iter().map(|chip| (chip.seen.chip.as_str(), &chip.seen.subject)).collect();
    assert_eq!(seen, [("sev-snp:aa", &Subject::Instance(INSTANCE.to_owned()))]);
    let mut pieces = 0;
    for leaf in log(&keystore).await {
        let LogRecord::Grant(grant) = leaf.record else { continue };
        pieces += records.evidence_of(grant.decision).await.expect("sound rows").expect("whole").len();
    }
    assert_eq!(pieces, 1);
}
