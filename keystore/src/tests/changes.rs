//! Operators' accounts and documents, and the record of every change.

use super::*;
use crate::log::DecisionFilter;

#[tokio::test]
async fn operators_authenticate_until_they_are_removed() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let root = keystore.add_operator(BY, "root", OperatorRole::Administrator, &[], LIFETIME).await.unwrap();
    let bob =
        keystore.add_operator(BY, "bob", OperatorRole::Editor, &["prod".to_owned()], LIFETIME).await.unwrap();
    assert_eq!(format!("{bob:?}"), "OperatorToken([REDACTED])");
    let login = keystore.authenticate(bob.expose(), NOW).await.unwrap();
    let found = login.identity();
    assert_eq!((found.name.as_str(), found.role), ("bob", OperatorRole::Editor));
    assert_eq!(found.namespaces, ["prod"]);
    let mut forged = bob.expose().to_owned();
    forged.pop();
    for token in ["", "vouchsafe-operator.", &forged, &format!("{}x", bob.expose()), &root.expose()[..40]] {
        let refused = keystore.authenticate(token, NOW).await.unwrap_err();
        assert!(matches!(refused, LoginError::Unknown), "T41: {token}");
    }
    let again = keystore
        .add_operator(BY, "bob", OperatorRole::Auditor, &["prod".to_owned()], LIFETIME)
        .await
        .unwrap_err();
    assert!(matches!(again, OperatorError::Exists { .. }));
    let unnamed =
        keystore.add_operator(BY, "Bob Smith", OperatorRole::Auditor, &[], LIFETIME).await.unwrap_err();
    assert!(matches!(unnamed, OperatorError::Name { .. }));
    for (role, namespaces, refused) in [
        (OperatorRole::Administrator, &["prod"][..], "AdministratorNamespace"),
        (OperatorRole::Editor, &[], "NoNamespace { role: Editor }"),
        (OperatorRole::Auditor, &[], "NoNamespace { role: Auditor }"),
        (OperatorRole::Editor, &["*"], "EveryNamespace"),
        (OperatorRole::Auditor, &["*", "prod"], "EveryNamespace"),
        (OperatorRole::Auditor, &["Prod"], "Name { text: \"Prod\" }"),
    ] {
        let namespaces: Vec<_> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        let error = keystore.add_operator(BY, "kim", role, &namespaces, LIFETIME).await.unwrap_err();
        assert_eq!(format!("{error:?}"), refused, "T41");
    }
    keystore.add_operator(BY, "ann", OperatorRole::Auditor, &["*".to_owned()], LIFETIME).await.unwrap();
    keystore.remove_operator(BY, "ann").await.unwrap();
    keystore.remove_operator(BY, "bob").await.unwrap();
    assert!(matches!(keystore.authenticate(bob.expose(), NOW).await, Err(LoginError::Unknown)));
    assert!(matches!(keystore.remove_operator(BY, "bob").await, Err(OperatorError::Unknown { .. })));
    let last = keystore.remove_operator(BY, "root").await.unwrap_err();
    assert!(matches!(last, OperatorError::LastAdministrator { .. }));
    assert_eq!(keystore.operators().await.unwrap().len(), 1);
}

#[tokio::test]
async fn documents_have_versions_and_can_be_revoked() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let (kind, base) = (DocumentKind::Baseline, name("prod/base"));
    assert_eq!(keystore.put_document(BY, kind, &base, "one").await.unwrap(), 1);
    assert_eq!(keystore.put_document(BY, kind, &base, "two").await.unwrap(), 2);
    let current = keystore.document(kind, &base, None).await.unwrap().unwrap();
    assert_eq!((current.text.as_str(), current.version, current.created_by.as_str()), ("two", 2, "alice"));
    assert_eq!(keystore.document(kind, &base, Some(1)).await.unwrap().unwrap().text, "one");
    assert_eq!(keystore.document(kind, &base, Some(3)).await.unwrap(), None);
    assert_eq!(keystore.document(DocumentKind::Policy, &base, None).await.unwrap(), None);
    fixture.put("prod/db", b"value").await;
    assert!(!keystore.stored_input(&[path("prod/db")]).await.unwrap().baselines[&base].revoked);
    keystore.revoke_baseline(BY, &base).await.unwrap();
    assert!(keystore.stored_input(&[path("prod/db")]).await.unwrap().baselines[&base].revoked);
    let revoked = keystore.put_document(BY, kind, &base, "three").await.unwrap_err();
    assert!(matches!(revoked, DocumentError::Revoked { .. }));
    let unknown = keystore.revoke_baseline(BY, &name("prod/none")).await.unwrap_err();
    assert!(matches!(unknown, DocumentError::Unknown { .. }));
    let large = keystore.put_document(BY, kind, &name("prod/l"), &"x".repeat(1 << 21)).await.unwrap_err();
    assert!(matches!(large, DocumentError::TooLarge { .. }));
}

#[tokio::test]
async fn every_change_is_on_record_and_raises_the_epoch() {
    let fixture = Fixture::new().await;
    let before = fixture.keystore.epoch().await.unwrap();
    fixture.put("prod/db", b"value").await;
    assert_eq!(fixture.keystore.epoch().await.unwrap(), before + 1);
    let logged = fixture.keystore.decisions(&DecisionFilter::default(), None).await.unwrap();
    let crate::record::LogRecord::Operator(record) = &logged[0].record else { panic!("no operator record") };
    assert_eq!((record.action.as_str(), record.target.as_str()), ("secret.put", "prod/db"));
    assert_eq!((record.operator.as_str(), record.epoch), ("alice", before + 1));
    assert_eq!(fixture.keystore.decision(record.id).await.unwrap().unwrap(), logged[0]);
}

#[tokio::test]
async fn t41_the_address_of_an_operator_is_on_record() {
    let fixture = Fixture::new().await;
    for peer in [Some(PEER), Some("2001:db8::7".parse().unwrap()), None] {
        fixture
            .keystore
            .put_document(BY.connected_from(peer), DocumentKind::Baseline, &name("prod/b"), "x")
            .await
            .unwrap();
        let logged = fixture.keystore.decisions(&DecisionFilter::default(), None).await.unwrap();
        assert_eq!(logged[0].record.peer(), peer);
        assert_eq!(logged[0].record.canonical().contains("\"peer\":"), peer.is_some());
    }
}
