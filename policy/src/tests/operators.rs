//! Permissions of operators.

use super::super::operators::*;
use super::*;

fn operator(role: OperatorRole, namespaces: &[&str]) -> OperatorIdentity {
    let namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
    OperatorIdentity { name: "kim".to_owned(), role, namespaces, epoch: 1 }
}

fn allowed(operator: &OperatorIdentity, namespace: &str) -> Vec<OperatorAction> {
    let may = |action: &OperatorAction| authorize_operator(operator, *action, namespace).is_ok();
    OperatorAction::ALL.into_iter().filter(may).collect()
}

/// The permission table, spelled out for an operator with these namespaces.
fn covers(scope: Scope, namespaces: &[&str], namespace: &str) -> bool {
    let assigned = namespaces.contains(&namespace) || namespaces.contains(&WHOLE_BROKER);
    match scope {
        Scope::Everywhere => true,
        Scope::Assigned => assigned,
        Scope::AssignedNotShared => assigned && namespace != "shared",
        Scope::Nowhere => false,
    }
}

#[test]
fn t41_the_table_of_authority_and_the_policy_agree() {
    let mut compared = 0;
    for role in OperatorRole::ALL {
        let everywhere: &[&[&str]] = match role {
            OperatorRole::Auditor => &[&[WHOLE_BROKER], &[WHOLE_BROKER, "prod"]],
            // `add_operator` does not allow all namespaces for the other roles.
            OperatorRole::Administrator | OperatorRole::Editor => &[],
        };
        for namespaces in
            [&[][..], &["prod"], &["shared"], &["prod", "shared"], &["dev"]].iter().chain(everywhere)
        {
            let kim = operator(role, namespaces);
            for namespace in ["prod", "dev", "shared", WHOLE_BROKER] {
                for action in OperatorAction::ALL {
                    let allowed = authorize_operator(&kim, action, namespace).is_ok();
                    let expected = covers(role.scope(action), namespaces, namespace);
                    assert_eq!(allowed, expected, "{role} of {namespaces:?}: {action} in {namespace}");
                    let permits = operator_permits(&kim, action);
                    // Asked twice: the second answer comes from the cache.
                    let covered = [(); 2].map(|()| permits.cover(action, namespace));
                    assert_eq!(covered, [expected; 2], "{role} of {namespaces:?}: {action} in {namespace}");
                    let others = OperatorAction::ALL.into_iter().filter(|other| *other != action);
                    assert!(!others.into_iter().any(|other| permits.cover(other, namespace)));
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, (5 + 5 + 7) * 4 * 10);
}

#[test]
fn t41_an_editor_stays_in_its_namespaces() {
    use OperatorAction as A;
    let kim = operator(OperatorRole::Editor, &["prod"]);
    let all = [
        A::ReadRecords,
        A::ReadObjects,
        A::ReadGuardrails,
        A::ManageSecrets,
        A::ManagePolicies,
        A::ManageBaselines,
    ];
    assert_eq!(allowed(&kim, "prod"), all);
    assert_eq!(allowed(&kim, "dev"), [A::ReadGuardrails]);
    assert_eq!(allowed(&kim, WHOLE_BROKER), [A::ReadGuardrails]);
    assert_eq!(
        allowed(&operator(OperatorRole::Editor, &["shared"]), "shared"),
        all[..3],
        "shared is written elsewhere"
    );
}

#[test]
fn t41_an_auditor_reads_its_namespaces_only() {
    use OperatorAction as A;
    let reads = [A::ReadRecords, A::ReadObjects, A::ReadGuardrails];
    let ann = operator(OperatorRole::Auditor, &["prod"]);
    assert_eq!(allowed(&ann, "prod"), reads);
    assert_eq!(allowed(&ann, "dev"), [A::ReadGuardrails]);
    assert_eq!(allowed(&ann, WHOLE_BROKER), [A::ReadGuardrails]);
    let all = operator(OperatorRole::Auditor, &[WHOLE_BROKER]);
    for namespace in ["prod", "shared", WHOLE_BROKER] {
        assert_eq!(allowed(&all, namespace), reads);
    }
}

#[test]
fn t41_without_a_permit_or_with_an_error_nothing_is_allowed() {
    let admin = operator(OperatorRole::Administrator, &[]);
    let empty = OperatorPolicy::compile("").unwrap();
    let refused = empty.authorize(&admin, OperatorAction::ReadObjects, "prod").unwrap_err();
    assert_eq!((refused.action, refused.namespace.as_str()), (OperatorAction::ReadObjects, "prod"));
    let errs = "@id(\"all\") permit (principal, action, resource);
                @id(\"errs\") forbid (principal, action, resource)
                when { principal has namespaces && 9223372036854775807 + 1 == 0 };";
    let errs = OperatorPolicy::compile(errs).unwrap();
    let kim = operator(OperatorRole::Editor, &["prod"]);
    assert!(errs.authorize(&admin, OperatorAction::ReadObjects, "prod").is_ok());
    assert!(errs.authorize(&kim, OperatorAction::ReadObjects, "prod").is_err());
}

#[test]
fn t41_a_permit_covers_what_it_was_given_for_and_nothing_else() {
    let admin = operator(OperatorRole::Administrator, &[]);
    for action in OperatorAction::ALL {
        for namespace in ["prod", WHOLE_BROKER] {
            let permit = authorize_operator(&admin, action, namespace).unwrap();
            assert_eq!(permit.operator(), &admin);
            for other in OperatorAction::ALL {
                for elsewhere in ["prod", "pro", "dev", "", WHOLE_BROKER] {
                    let same = (other, elsewhere) == (action, namespace);
                    assert_eq!(
                        permit.covers(other, elsewhere),
                        same,
                        "{action} in {namespace}: {other} in {elsewhere}"
                    );
                }
            }
        }
    }
}

#[test]
fn operators_policies_cannot_speak_of_releases() {
    let text = permitting("principal has vtpm").replace("@for(\"app\")", "");
    assert!(matches!(OperatorPolicy::compile(&text), Err(PolicyError::Invalid { .. })));
    let text = include_str!("../../../config/policies/operators.cedar");
    assert!(CompiledPolicy::compile(&name("prod/p"), text).is_err());
}

#[test]
fn t41_permissions_for_lists_name_the_namespaces_they_are_for() {
    use OperatorAction as A;
    let of = |role, namespaces: &[&str], action| {
        operator_permits(&operator(role, namespaces), action).namespaces()
    };
    assert_eq!(of(OperatorRole::Administrator, &[], A::ReadRecords), None);
    assert_eq!(of(OperatorRole::Auditor, &[WHOLE_BROKER], A::ReadRecords), None);
    assert_eq!(of(OperatorRole::Editor, &["prod"], A::ReadRecords), Some(vec!["prod".to_owned()]));
    let some = of(OperatorRole::Editor, &["prod", "shared"], A::ManagePolicies);
    assert_eq!(some, Some(vec!["prod".to_owned()]));
    assert_eq!(of(OperatorRole::Auditor, &["prod"], A::ManageSecrets), Some(vec![]));
}
