//! Who may operate the broker.

use super::super::operators::*;
use super::*;

const ACTIONS: [OperatorAction; 8] = [
    OperatorAction::ReadRecords,
    OperatorAction::ReadObjects,
    OperatorAction::ManageSecrets,
    OperatorAction::ManagePolicies,
    OperatorAction::ManageBaselines,
    OperatorAction::ManageGuardrails,
    OperatorAction::ManageOperators,
    OperatorAction::ManageCollateral,
];

fn operator(role: Role, namespaces: &[&str]) -> OperatorIdentity {
    let namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
    OperatorIdentity { name: "kim".to_owned(), role, namespaces }
}

fn allowed(operator: &OperatorIdentity, namespace: &str) -> Vec<OperatorAction> {
    let may = |action: &OperatorAction| authorize_operator(operator, *action, namespace).is_ok();
    ACTIONS.into_iter().filter(may).collect()
}

#[test]
fn t41_administrators_may_do_everything() {
    let admin = operator(Role::Administrator, &[]);
    for namespace in ["prod", "shared", WHOLE_BROKER] {
        assert_eq!(allowed(&admin, namespace), ACTIONS);
    }
}

#[test]
fn t41_operators_stay_in_their_namespaces() {
    let kim = operator(Role::Operator, &["prod"]);
    assert_eq!(allowed(&kim, "prod"), ACTIONS[..5]);
    assert_eq!(allowed(&kim, "dev"), []);
    assert_eq!(allowed(&kim, WHOLE_BROKER), []);
    assert_eq!(allowed(&operator(Role::Operator, &[]), "prod"), []);
}

#[test]
fn t41_shared_objects_are_the_administrators() {
    assert_eq!(allowed(&operator(Role::Operator, &["shared"]), "shared"), ACTIONS[..2]);
}

#[test]
fn t41_auditors_read() {
    for namespace in ["prod", WHOLE_BROKER] {
        assert_eq!(allowed(&operator(Role::Auditor, &["prod"]), namespace), ACTIONS[..2]);
    }
}

#[test]
fn t41_without_a_permit_or_with_an_error_nothing_is_allowed() {
    let admin = operator(Role::Administrator, &[]);
    let empty = OperatorPolicy::compile("").unwrap();
    let refused = empty.authorize(&admin, OperatorAction::ReadObjects, "prod").unwrap_err();
    assert_eq!((refused.action, refused.namespace.as_str()), (OperatorAction::ReadObjects, "prod"));
    let errs = "@id(\"all\") permit (principal, action, resource);
                @id(\"errs\") forbid (principal, action, resource)
                when { principal has namespaces && 9223372036854775807 + 1 == 0 };";
    let errs = OperatorPolicy::compile(errs).unwrap();
    let kim = operator(Role::Operator, &["prod"]);
    assert!(errs.authorize(&admin, OperatorAction::ReadObjects, "prod").is_ok());
    assert!(errs.authorize(&kim, OperatorAction::ReadObjects, "prod").is_err());
}

#[test]
fn operators_policies_cannot_speak_of_releases() {
    let text = permitting("principal has vtpm").replace("@for(\"app\")", "");
    assert!(matches!(OperatorPolicy::compile(&text), Err(PolicyError::Invalid { .. })));
    let text = include_str!("../../../../config/policies/operators.cedar");
    assert!(CompiledPolicy::compile(&name("prod/p"), text).is_err());
}
