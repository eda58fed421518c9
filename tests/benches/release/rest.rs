//! Secrets at rest: sealing one into the keystore and opening it again.

use criterion::Criterion;
use tokio::runtime::Runtime;
use vouchsafe_keystore::registry::{Actor, NewVersion, TokenLifetime};
use vouchsafe_keystore::{Keyring, Keystore};
use vouchsafe_policy::Purpose;
use vouchsafe_policy::operators::{
    OperatorAction, OperatorIdentity, OperatorRole, Permit, authorize_operator,
};
use vouchsafe_protocol::{ObjectName, PlaintextSecret, ReleasePaths, SecretPath};

use crate::bare::TwoOpens;
use crate::case::{Case, Judge, NOW, PATH, POLICY};

/// Sealing is measured as an operator sees it, including the commit to disk, which dominates; opening is the
/// work for each release.
pub(super) fn seal_and_unseal(c: &mut Criterion, judge: &Judge, vtpm: &Case) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("vouchsafe.db");
    let keyring = Keyring::generate(NOW).expect("randomness");
    let keystore = runtime.block_on(Keystore::create(&file, keyring)).expect("a new keystore");
    runtime
        .block_on(keystore.add_first_administrator("bench", TokenLifetime::default(), NOW))
        .expect("an operator");
    let policy = ObjectName::parse(POLICY).expect("a name");
    let (policies, secrets) = (permit(OperatorAction::ManagePolicies), permit(OperatorAction::ManageSecrets));
    let by = Actor::permitted(&policies, NOW);
    runtime.block_on(keystore.put_policy(by, &policy, vtpm.policy_text())).expect("a policy");
    let path = SecretPath::parse(PATH).expect("a path");
    let secret = PlaintextSecret::new(vec![9; 32]).expect("32 bytes");
    let by = Actor::permitted(&secrets, NOW);
    let put = || {
        let version = NewVersion { path: &path, purpose: Purpose::Disk, policy: &policy };
        runtime.block_on(keystore.put_secret(by, version, &secret)).expect("sealed")
    };
    put();

    let paths = ReleasePaths::new(vec![path.clone()]).expect("one path");
    let input = runtime.block_on(keystore.decision_input(paths.as_slice())).expect("sound rows");
    let claims = vtpm.verify(judge, &judge.cache());
    let grant = input.decide(&claims, &judge.broker(), NOW).expect("granted");
    let bare = TwoOpens::new();
    let mut group = c.benchmark_group("at_rest");
    group.bench_function("bare_aes_gcm", |b| b.iter(|| bare.open()));
    group.bench_function("unseal", |b| b.iter(|| keystore.unseal(&grant, &input).expect("opens")));
    group.bench_function("consider", |b| {
        b.iter(|| runtime.block_on(keystore.decision_input(paths.as_slice())).expect("sound rows"));
    });
    group.bench_function("put_durably", |b| b.iter(put));
    group.finish();
    runtime.block_on(keystore.close());
}

/// The administrator's, who came with the first change: in the namespace of the policy and the secret.
fn permit(action: OperatorAction) -> Permit {
    let (name, namespaces) = ("bench".to_owned(), Vec::new());
    let operator = OperatorIdentity { name, role: OperatorRole::Administrator, namespaces, epoch: 1 };
    authorize_operator(&operator, action, "prod").expect("administrators may")
}
