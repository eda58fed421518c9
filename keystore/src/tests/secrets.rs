//! Secrets: how they are put and generated.

use super::*;

#[tokio::test]
async fn t38_a_secret_without_a_policy_of_its_namespace_cannot_exist() {
    let fixture = Fixture::new().await;
    let (here, missing, foreign) = (path("prod/db"), name("prod/missing"), name("test/p"));
    let fixture = &fixture;
    let here = &here;
    let put = |policy| {
        let new = NewVersion { path: here, purpose: Purpose::App, policy };
        async move { fixture.keystore.put_secret(BY, new, &secret(b"v")).await.unwrap_err() }
    };
    assert!(matches!(put(&missing).await, SecretError::NoSuchPolicy { policy } if policy == missing));
    assert!(matches!(put(&foreign).await, SecretError::ForeignPolicy { .. }));
    assert!(matches!(fixture.state("prod/db").await.unwrap(), StoredState::Absent));
    fixture.policy("shared/p", "shared").await;
    let shared = name("shared/p");
    let new = NewVersion { path: here, purpose: Purpose::App, policy: &shared };
    assert_eq!(fixture.keystore.put_secret(BY, new, &secret(b"v")).await.unwrap(), 1);
}

#[tokio::test]
async fn a_new_version_is_of_the_same_kind_and_policy() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"one").await;
    fixture.policy("prod/other", "2").await;
    let (here, other) = (path("prod/db"), name("prod/other"));
    let keystore = &fixture.keystore;
    let disk = NewVersion { purpose: Purpose::Disk, ..new(&here) };
    let refused = keystore.put_secret(BY, disk, &secret(b"v")).await.unwrap_err();
    assert!(matches!(refused, SecretError::OtherKind { purpose: Purpose::App, per_instance: false, .. }));
    let refused = keystore.generate_per_instance(BY, new(&here)).await.unwrap_err();
    assert!(matches!(refused, SecretError::OtherKind { .. }));
    let moved = NewVersion { policy: &other, ..new(&here) };
    let refused = keystore.put_secret(BY, moved, &secret(b"v")).await.unwrap_err();
    assert!(matches!(refused, SecretError::OtherPolicy { .. }));
    keystore.set_secret_policy(BY, &here, &other).await.unwrap();
    assert_eq!(keystore.put_secret(BY, moved, &secret(b"two")).await.unwrap(), 2);
    keystore.retire_secret(BY, &here, Some(2)).await.unwrap();
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"one", "rewrapped under the new policy");
}

#[tokio::test]
async fn t50_absent_and_retired_differ_in_the_stored_input() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let here = path("prod/db");
    assert!(matches!(fixture.state("prod/none").await.unwrap(), StoredState::Absent));
    fixture.keystore.retire_secret(BY, &here, None).await.unwrap();
    assert!(matches!(fixture.state("prod/db").await.unwrap(), StoredState::Retired));
    fixture.keystore.restore_secret(BY, &here, None).await.unwrap();
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"value");
}

#[tokio::test]
async fn t42_no_plaintext_is_in_the_database() {
    let fixture = Fixture::new().await;
    let value = b"plaintext that must not be found";
    fixture.put("prod/db", value).await;
    let token = fixture
        .keystore
        .add_operator(BY, "bob", OperatorRole::Editor, &["prod".to_owned()], LIFETIME)
        .await
        .unwrap();
    let bytes = fixture.bytes();
    assert!(contains(&bytes, b"prod/db"), "the scan sees what is there");
    assert!(!contains(&bytes, value));
    assert!(!contains(&bytes, &value[..12]));
    assert!(!contains(&bytes, token.expose().as_bytes()), "T34: nor an operator's token");
}

#[tokio::test]
async fn generated_secrets_have_the_length_asked_for() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    for length in [16, 32, 1024] {
        let here = path(&format!("prod/generated-{length}"));
        keystore.generate_secret(BY, new(&here), length).await.unwrap();
        assert_eq!(fixture.served(here.as_str()).await.unwrap().len(), length);
    }
    for length in [0, 15, 1025] {
        let refused = keystore.generate_secret(BY, new(&path("prod/x")), length).await.unwrap_err();
        assert!(matches!(refused, SecretError::GeneratedLength { length: found } if found == length));
    }
}

#[tokio::test]
async fn instances_are_given_values_of_their_own() {
    let fixture = Fixture::new().await;
    fixture.keystore.generate_per_instance(BY, new(&path("prod/fleet"))).await.unwrap();
    let StoredState::Active(active) = fixture.state("prod/fleet").await.unwrap() else {
        panic!("not active")
    };
    let value = |instance| fixture.keystore.unseal_active(&active, Some(instance)).unwrap().expose().to_vec();
    assert_eq!(value((1, 2)), value((1, 2)));
    assert_ne!(value((1, 2)), value((1, 3)));
    let unnamed = fixture.keystore.unseal_active(&active, None).unwrap_err();
    assert_eq!(unnamed, UnsealError::NoInstance { path: path("prod/fleet") });
}
