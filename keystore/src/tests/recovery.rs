//! An administrator is added when all tokens are lost.

use vouchsafe_policy::operators::{OperatorAction, WHOLE_BROKER, authorize_operator};

use super::*;
use crate::log::DecisionFilter;
use crate::log::record::LogRecord;

#[tokio::test]
async fn a_recovered_administrator_has_all_rights_and_a_record() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let first = keystore.add_first_administrator("admin", LIFETIME, NOW).await.unwrap();
    let rescue = keystore.recover_administrator("rescue", LIFETIME, NOW.plus(1)).await.unwrap();
    let login = keystore.authenticate(rescue.expose(), NOW.plus(1)).await.unwrap();
    let permit = authorize_operator(login.identity(), OperatorAction::ManageOperators, WHOLE_BROKER).unwrap();
    keystore.remove_operator(Actor::permitted(&permit, NOW.plus(2)), "admin").await.unwrap();
    assert!(matches!(keystore.authenticate(first.expose(), NOW).await, Err(LoginError::Unknown)));

    let newest = DecisionFilter { limit: Some(2), ..DecisionFilter::default() };
    let logged = keystore.decisions(&newest, None).await.unwrap();
    let LogRecord::Operator(record) = &logged[1].record else { panic!("{logged:?}") };
    assert_eq!(
        [&*record.action, &*record.operator, &*record.target],
        ["operator.recover", "recover-admin", "rescue"]
    );
    assert_eq!((record.at, &record.authority), (NOW.plus(1), &None));
    assert_eq!(record.account.as_ref().unwrap().role, OperatorRole::Administrator);
    assert_eq!(record.token.unwrap().expires_at, Some(NOW.plus(1 + 7_776_000)));
}

#[tokio::test]
async fn only_a_free_and_valid_name_is_recovered() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    keystore.add_first_administrator("admin", LIFETIME, NOW).await.unwrap();
    let epoch = keystore.epoch().await.unwrap();
    let taken = keystore.recover_administrator("admin", LIFETIME, NOW).await.unwrap_err();
    assert!(matches!(taken, OperatorError::Exists { name } if name == "admin"));
    let invalid = keystore.recover_administrator("Not A Name", LIFETIME, NOW).await.unwrap_err();
    assert!(matches!(invalid, OperatorError::Name { .. }));
    assert_eq!(keystore.epoch().await.unwrap(), epoch);
    // A row that somebody deleted does not make its name free.
    fixture.sql("DELETE FROM operators").await;
    let removed = keystore.recover_administrator("admin", LIFETIME, NOW).await.unwrap_err();
    assert!(
        matches!(removed, OperatorError::Store(StoreError::RowTampered { table: "operators", .. })),
        "{removed}"
    );
}
