//! T41: a change needs a permit for it.

use vouchsafe_policy::operators::{
    OperatorAction, OperatorIdentity, OperatorRole, Permit, Permits, WHOLE_BROKER, authorize_operator,
    operator_permits,
};

use super::{BY, Fixture, LIFETIME, NOW, name, path};
use crate::db::StoreError;
use crate::log::DecisionFilter;
use crate::registry::accounts::OperatorError;
use crate::registry::change::Actor;
use crate::registry::chips::ChipFilter;
use crate::registry::documents::types::DocumentKind;
use crate::registry::secrets::types::SecretError;

/// For an administrator whom the second change added, after those of [`Fixture::new`].
fn permit(action: OperatorAction, namespace: &str) -> Permit {
    let (name, role) = ("boss".to_owned(), OperatorRole::Administrator);
    let operator = OperatorIdentity { name, role, namespaces: vec![], epoch: 2 };
    authorize_operator(&operator, action, namespace).expect("administrators may")
}

#[test]
fn t41_every_kind_of_change_needs_its_own_permission() {
    use OperatorAction as A;
    let changes = [
        ("secret.put", "prod/db", Some((A::ManageSecrets, "prod"))),
        ("secret.set-policy", "prod/db", Some((A::ManageSecrets, "prod"))),
        ("volume.forget", "prod/db@1/2", Some((A::ManageSecrets, "prod"))),
        ("policy.put", "prod/db", Some((A::ManagePolicies, "prod"))),
        ("baseline.revoke", "prod/db", Some((A::ManageBaselines, "prod"))),
        ("guardrails.put", "broker/guardrails", Some((A::ManageGuardrails, WHOLE_BROKER))),
        ("keyring.add", "2", Some((A::ManageKeyring, WHOLE_BROKER))),
        ("operator.add", "kim", Some((A::ManageOperators, WHOLE_BROKER))),
        ("secret.put", "no-namespace", None),
        ("other.put", "prod/db", None),
        ("secret", "prod/db", None),
    ];
    for (change, target, covered) in changes {
        for action in A::ALL {
            for namespace in ["prod", "dev", WHOLE_BROKER] {
                let permit = permit(action, namespace);
                let taken = Actor::permitted(&permit, NOW).authorize(change, target);
                let expected = covered == Some((action, namespace));
                assert_eq!(taken.is_ok(), expected, "{change} of {target} by {action} in {namespace}");
            }
        }
    }
}

#[tokio::test]
async fn t41_a_change_without_its_permission_leaves_nothing_behind() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    keystore.add_operator(BY, "boss", OperatorRole::Administrator, &[], LIFETIME).await.unwrap();
    let epoch = keystore.epoch().await.unwrap();
    let new = "prod/q".parse().unwrap();
    for permit in [
        permit(OperatorAction::ManagePolicies, "dev"),
        permit(OperatorAction::ManageSecrets, "prod"),
        permit(OperatorAction::ReadObjects, "prod"),
    ] {
        let by = Actor::permitted(&permit, NOW);
        let refused = keystore.put_document(by, DocumentKind::Policy, &name("prod/q"), "text").await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("policy.put of prod/q"), "{refused}");
    }
    let policies = permit(OperatorAction::ManagePolicies, "prod");
    let by = Actor::permitted(&policies, NOW);
    // The error does not say whether there is such a secret.
    let refused = keystore.retire_secret(by, &new, None).await.unwrap_err();
    assert!(matches!(refused, SecretError::Store(StoreError::NotPermitted { .. })), "{refused}");
    assert_eq!(keystore.epoch().await.unwrap(), epoch);
    keystore.put_document(by, DocumentKind::Policy, &name("prod/q"), "text").await.unwrap();
    assert_eq!(keystore.epoch().await.unwrap(), epoch + 1);
}

/// Neither is the text checked nor the writer acquired: the call returns while another task has the writer.
#[tokio::test]
async fn t41_the_permission_is_checked_before_anything_else() {
    let fixture = Fixture::new().await;
    let _held = fixture.hold().await;
    let other = permit(OperatorAction::ReadObjects, "prod");
    let by = Actor::permitted(&other, NOW);
    let name = name("prod/q");
    let refused = [
        fixture.keystore.put_policy(by, &name, "nonsense").await.unwrap_err().to_string(),
        fixture.keystore.put_baseline(by, &name, "nonsense").await.unwrap_err().to_string(),
        fixture.keystore.put_guardrails(by, "nonsense", &[].into()).await.unwrap_err().to_string(),
        fixture.keystore.reset_guardrails(by).await.unwrap_err().to_string(),
        fixture.keystore.remove_operator(by, "nobody").await.unwrap_err().to_string(),
        fixture.keystore.destroy_secret(by, &path("prod/db"), None).await.unwrap_err().to_string(),
    ];
    for refused in refused {
        assert!(refused.starts_with("the permission does not cover"), "{refused}");
    }
}

/// Operator `kim`, authenticated.
async fn kim(fixture: &Fixture, role: OperatorRole, namespaces: &[&str]) -> OperatorIdentity {
    let namespaces: Vec<_> = namespaces.iter().map(|name| (*name).to_owned()).collect();
    let token = fixture.keystore.add_operator(BY, "kim", role, &namespaces, LIFETIME).await.expect("added");
    fixture.keystore.authenticate(token.expose(), NOW).await.expect("an operator").identity().clone()
}

/// Every kind of change by this operator, as permitted before: why each is refused.
async fn refused_changes(fixture: &Fixture, operator: &OperatorIdentity) -> Vec<String> {
    use OperatorAction as A;
    let of = |action, namespace| authorize_operator(operator, action, namespace).expect("permitted");
    let (secrets, policies) = (of(A::ManageSecrets, "prod"), of(A::ManagePolicies, "prod"));
    let (baselines, guardrails) = (of(A::ManageBaselines, "prod"), of(A::ManageGuardrails, WHOLE_BROKER));
    let operators = of(A::ManageOperators, WHOLE_BROKER);
    let by = |permit| Actor::permitted(permit, NOW);
    let (keystore, name, kind) = (&fixture.keystore, name("prod/p"), DocumentKind::Policy);
    let administrator = OperatorRole::Administrator;
    vec![
        keystore
            .add_operator(by(&operators), "eve", administrator, &[], LIFETIME)
            .await
            .unwrap_err()
            .to_string(),
        keystore.remove_operator(by(&operators), "root").await.unwrap_err().to_string(),
        keystore.destroy_secret(by(&secrets), &path("prod/db"), None).await.unwrap_err().to_string(),
        keystore.put_document(by(&policies), kind, &name, "text").await.unwrap_err().to_string(),
        keystore.revoke_baseline(by(&baselines), &name).await.unwrap_err().to_string(),
        keystore.reset_guardrails(by(&guardrails)).await.unwrap_err().to_string(),
    ]
}

#[tokio::test]
async fn t41_the_permission_of_an_account_that_is_gone_changes_nothing() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    fixture.put("prod/db", b"value").await;
    keystore.add_operator(BY, "root", OperatorRole::Administrator, &[], LIFETIME).await.unwrap();
    let before = kim(&fixture, OperatorRole::Administrator, &[]).await;
    // Removed; added anew within the same second, with other rights, and with the same.
    for anew in [None, Some((OperatorRole::Editor, &["prod"][..])), Some((OperatorRole::Administrator, &[]))]
    {
        keystore.remove_operator(BY, "kim").await.unwrap();
        if let Some((role, namespaces)) = anew {
            let now = kim(&fixture, role, namespaces).await;
            let permit = authorize_operator(&now, OperatorAction::ManagePolicies, "prod").unwrap();
            let by = Actor::permitted(&permit, NOW);
            keystore.put_document(by, DocumentKind::Policy, &name("prod/q"), "text").await.unwrap();
        }
        let (epoch, operators) = (keystore.epoch().await.unwrap(), keystore.operators().await.unwrap());
        for refused in refused_changes(&fixture, &before).await {
            assert_eq!(refused, "the account of operator \"kim\" is not the one that was authenticated");
        }
        assert_eq!(keystore.epoch().await.unwrap(), epoch);
        assert_eq!(keystore.operators().await.unwrap(), operators);
        assert_eq!(fixture.served("prod/db").await.unwrap(), b"value");
        if anew.is_none() {
            kim(&fixture, OperatorRole::Auditor, &["prod"]).await;
        }
    }
}

#[tokio::test]
async fn t42_a_change_trusts_no_account_that_was_tampered_with() {
    let fixture = Fixture::new().await;
    let kim = kim(&fixture, OperatorRole::Editor, &["prod"]).await;
    let permit = authorize_operator(&kim, OperatorAction::ManageSecrets, "prod").unwrap();
    for tampering in
        ["UPDATE operators SET namespaces = 'prod dev'", "DELETE FROM operators WHERE name = 'kim'"]
    {
        fixture.sql(tampering).await;
        let by = Actor::permitted(&permit, NOW);
        let refused = fixture.keystore.retire_secret(by, &path("prod/db"), None).await.unwrap_err();
        let tampered =
            matches!(&refused, SecretError::Store(StoreError::RowTampered { table: "operators", .. }));
        assert!(tampered, "{refused}");
    }
}

#[tokio::test]
async fn t41_without_a_permission_only_the_first_operator_is_added() {
    let fixture = Fixture::new().await;
    fixture.keystore.add_first_administrator("alice", LIFETIME, NOW).await.unwrap();
    let again = fixture.keystore.add_first_administrator("eve", LIFETIME, NOW).await.unwrap_err();
    assert!(matches!(again, OperatorError::NotFirst), "{again}");
    assert_eq!(fixture.keystore.operators().await.unwrap().len(), 1);
}

fn permits(role: OperatorRole, namespaces: &[&str], action: OperatorAction) -> Permits {
    let namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
    operator_permits(&OperatorIdentity { name: "kim".to_owned(), role, namespaces, epoch: 1 }, action)
}

#[tokio::test]
async fn t41_lists_contain_exactly_what_the_permits_cover() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    for policy in ["dev/p", "shared/p"] {
        fixture.policy(policy, "1").await;
    }
    let read = async |namespaces: &[&str]| {
        let (objects, records) = (
            permits(OperatorRole::Auditor, namespaces, OperatorAction::ReadObjects),
            permits(OperatorRole::Auditor, namespaces, OperatorAction::ReadRecords),
        );
        let (lists, records) =
            (fixture.keystore.permitted_lists(&objects), fixture.keystore.permitted_lists(&records));
        let all = DecisionFilter::default();
        (
            lists.secrets().await.unwrap().len(),
            lists.documents(DocumentKind::Policy).await.unwrap().len(),
            lists.policy_findings(NOW).await.unwrap().len(),
            records.decisions(all).await.unwrap().records.len(),
        )
    };
    assert_eq!(read(&["prod"]).await, (1, 1, 1, 2));
    assert_eq!(read(&["dev", "shared"]).await, (0, 2, 2, 2));
    assert_eq!(read(&["other"]).await, (0, 0, 0, 0));
    assert_eq!(read(&[WHOLE_BROKER]).await, (1, 3, 3, 4));
}

#[tokio::test]
async fn t41_permissions_for_one_action_list_nothing_of_another() {
    let fixture = Fixture::new().await;
    let of = |action| permits(OperatorRole::Administrator, &[], action);
    let (objects, records) = (of(OperatorAction::ReadObjects), of(OperatorAction::ReadRecords));
    let refused = fixture.keystore.permitted_lists(&records).secrets().await.unwrap_err();
    assert!(matches!(refused, StoreError::NotPermitted { .. }), "{refused}");
    let lists = fixture.keystore.permitted_lists(&objects);
    let refused = lists.decisions(DecisionFilter::default()).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotPermitted { .. }), "{refused}");
    assert!(matches!(lists.chips(ChipFilter::default()).await, Err(StoreError::NotPermitted { .. })));
}
