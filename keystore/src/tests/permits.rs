//! T41: a change needs the permission for it.

use vouchsafe_policy::operators::{
    OperatorAction, OperatorIdentity, OperatorRole, Permit, WHOLE_BROKER, authorize_operator,
};

use super::{Fixture, NOW, name};
use crate::registry::change::Actor;
use crate::registry::documents::types::DocumentKind;
use crate::registry::secrets::types::SecretError;

fn permit(action: OperatorAction, namespace: &str) -> Permit {
    let operator =
        OperatorIdentity { name: "boss".to_owned(), role: OperatorRole::Administrator, namespaces: vec![] };
    authorize_operator(&operator, action, namespace).expect("administrators may")
}

#[test]
fn t41_every_kind_of_change_needs_its_own_permission() {
    use OperatorAction as A;
    let changes = [
        ("secret.put", "prod/db", Some((A::ManageSecrets, "prod"))),
        ("secret.set-policy", "prod/db", Some((A::ManageSecrets, "prod"))),
        ("policy.put", "prod/db", Some((A::ManagePolicies, "prod"))),
        ("baseline.revoke", "prod/db", Some((A::ManageBaselines, "prod"))),
        ("guardrails.put", "broker/guardrails", Some((A::ManageGuardrails, WHOLE_BROKER))),
        ("operator.add", "kim", Some((A::ManageOperators, WHOLE_BROKER))),
        ("secret.put", "no-namespace", None),
        ("other.put", "prod/db", None),
        ("secret", "prod/db", None),
    ];
    for (change, target, covered) in changes {
        for action in A::ALL {
            for namespace in ["prod", "dev", WHOLE_BROKER] {
                let permit = permit(action, namespace);
                let taken = Actor::permitted(&permit, NOW).check(change, target);
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
    let refused = keystore.retire_secret(by, &new, None).await.unwrap_err();
    assert!(matches!(refused, SecretError::Unknown { .. }), "{refused}");
    assert_eq!(keystore.epoch().await.unwrap(), epoch);
    keystore.put_document(by, DocumentKind::Policy, &name("prod/q"), "text").await.unwrap();
    assert_eq!(keystore.epoch().await.unwrap(), epoch + 1);
}
