//! Tokens of operators end, and are replaced.

use vouchsafe_policy::operators::{OperatorAction, authorize_operator};

use super::*;
use crate::log::DecisionFilter;
use crate::log::record::{LogRecord, TokenRecord};
use crate::registry::accounts::{Login, OperatorToken, RotatedToken, Rotation};

const HOUR: TokenLifetime = TokenLifetime::Seconds(3600);

async fn add(fixture: &Fixture, name: &str, role: OperatorRole, lifetime: TokenLifetime) -> OperatorToken {
    let namespaces = ["prod".to_owned()];
    let namespaces: &[String] = if role == OperatorRole::Administrator { &[] } else { &namespaces };
    fixture.keystore.add_operator(BY, name, role, namespaces, lifetime).await.expect("added")
}

async fn login(fixture: &Fixture, token: &OperatorToken, now: UnixTime) -> Result<Login, LoginError> {
    fixture.keystore.authenticate(token.expose(), now).await
}

/// Whether the token is accepted, has ended, or is unknown.
async fn state(fixture: &Fixture, token: &OperatorToken, now: UnixTime) -> &'static str {
    match login(fixture, token, now).await {
        Ok(_) => "valid",
        Err(LoginError::Expired { .. }) => "expired",
        Err(LoginError::Unknown) => "unknown",
        Err(error) => panic!("{error}"),
    }
}

fn rotation<'a>(name: &'a str, token: &OperatorToken) -> Rotation<'a> {
    Rotation { name, token: token.hashed(), lifetime: Some(HOUR), overlap: 0 }
}

/// Bob replaces the token that he presents.
async fn rotate_own(
    fixture: &Fixture,
    with: &OperatorToken,
    rotation: Rotation<'_>,
    at: UnixTime,
) -> Result<RotatedToken, OperatorError> {
    let login = login(fixture, with, at).await.expect("a valid token");
    fixture.keystore.rotate_token(Actor::own(&login, at), rotation).await
}

async fn newest(fixture: &Fixture) -> crate::log::record::OperatorRecord {
    let filter = DecisionFilter { limit: Some(1), ..DecisionFilter::default() };
    let mut logged = fixture.keystore.decisions(&filter, None).await.expect("the log");
    match logged.remove(0).record {
        LogRecord::Operator(record) => record,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn t41_a_token_is_refused_from_its_end_on() {
    let fixture = Fixture::new().await;
    let token = add(&fixture, "bob", OperatorRole::Editor, HOUR).await;
    let end = NOW.plus(3600);
    assert_eq!(login(&fixture, &token, NOW).await.unwrap().ends_at(), Some(end));
    assert_eq!(state(&fixture, &token, UnixTime(end.0 - 1)).await, "valid");
    for now in [end, end.plus(1), UnixTime(u64::MAX)] {
        let refused = login(&fixture, &token, now).await.unwrap_err();
        let expected = matches!(&refused, LoginError::Expired { operator, ended_at } if operator == "bob" && *ended_at == end);
        assert!(expected, "{refused}");
        assert_eq!(refused.to_string(), "the token of operator bob has ended");
    }
    // Only who has the token learns that it has ended.
    let mut other = token.expose().to_owned();
    let last = if other.pop() == Some('A') { 'B' } else { 'A' };
    other.push(last);
    let refused = fixture.keystore.authenticate(&other, end).await.unwrap_err();
    assert!(matches!(refused, LoginError::Unknown), "{refused}");
    assert_eq!(
        newest(&fixture).await.token,
        Some(TokenRecord { expires_at: Some(end), previous_until: None })
    );
}

#[tokio::test]
async fn t41_a_token_that_never_ends_is_listed_as_such() {
    let fixture = Fixture::new().await;
    let token = add(&fixture, "robot", OperatorRole::Auditor, TokenLifetime::Never).await;
    add(&fixture, "bob", OperatorRole::Administrator, HOUR).await;
    assert_eq!(login(&fixture, &token, UnixTime(u64::MAX)).await.unwrap().ends_at(), None);
    let all = fixture.keystore.operators().await.unwrap();
    let ends: Vec<_> = all.iter().map(|operator| (operator.name.as_str(), operator.expires_at)).collect();
    assert_eq!(ends, [("bob", Some(NOW.plus(3600))), ("robot", None)]);
    let expected = [(OperatorRole::Administrator, Some(NOW.plus(3600))), (OperatorRole::Auditor, None)];
    assert_eq!(fixture.keystore.token_ends().await.unwrap(), expected);
}

#[tokio::test]
async fn t41_a_permission_ends_with_its_token() {
    let fixture = Fixture::new().await;
    let token = add(&fixture, "bob", OperatorRole::Administrator, HOUR).await;
    let bob = login(&fixture, &token, NOW).await.unwrap();
    let permit = authorize_operator(bob.identity(), OperatorAction::ManagePolicies, "prod").unwrap();
    let put = async |at| {
        let by = Actor::permitted(&permit, at);
        fixture.keystore.put_document(by, DocumentKind::Policy, &name("prod/q"), "text").await
    };
    put(UnixTime(NOW.0 + 3599)).await.unwrap();
    let refused = put(NOW.plus(3600)).await.unwrap_err();
    assert!(matches!(refused, DocumentError::Store(StoreError::AccountGone { .. })), "{refused}");
}

#[tokio::test]
async fn t41_a_rotated_token_ends_at_once() {
    let fixture = Fixture::new().await;
    let old = add(&fixture, "bob", OperatorRole::Editor, HOUR).await;
    let before = login(&fixture, &old, NOW).await.unwrap();
    let new = OperatorToken::generate().unwrap();
    let at = NOW.plus(60);
    let answer = rotate_own(&fixture, &old, rotation("bob", &new), at).await.unwrap();
    let expected =
        RotatedToken { name: "bob".to_owned(), expires_at: Some(at.plus(3600)), previous_until: None };
    assert_eq!(answer, expected);
    assert_eq!([state(&fixture, &old, at).await, state(&fixture, &new, at).await], ["unknown", "valid"]);
    assert_eq!(state(&fixture, &new, at.plus(3600)).await, "expired");
    // Permissions that the old token gave are gone, too.
    let permit = authorize_operator(before.identity(), OperatorAction::ManagePolicies, "prod").unwrap();
    let by = Actor::permitted(&permit, at);
    let refused = fixture.keystore.put_document(by, DocumentKind::Policy, &name("prod/q"), "text").await;
    assert!(matches!(refused, Err(DocumentError::Store(StoreError::AccountGone { .. }))));

    let record = newest(&fixture).await;
    let named = [&*record.action, &*record.operator, &*record.target];
    assert_eq!(named, ["operator.rotate", "bob", "bob"]);
    assert_eq!((record.at, record.account.as_ref().unwrap().role), (at, OperatorRole::Editor));
    assert_eq!(record.authority, record.account, "by the token itself");
    let ends = TokenRecord { expires_at: Some(at.plus(3600)), previous_until: None };
    assert_eq!(record.token, Some(ends));
}

#[tokio::test]
async fn t41_an_overlap_ends_with_its_time_or_the_token() {
    let fixture = Fixture::new().await;
    for (name, lifetime, until) in
        [("bob", HOUR, NOW.plus(600)), ("kim", TokenLifetime::Seconds(300), NOW.plus(300))]
    {
        // An administrator, whose new token may outlive the old one.
        let old = add(&fixture, name, OperatorRole::Administrator, lifetime).await;
        let new = OperatorToken::generate().unwrap();
        let rotation = Rotation { overlap: 600, ..rotation(name, &new) };
        let answer = rotate_own(&fixture, &old, rotation.clone(), NOW).await.unwrap();
        assert_eq!(answer.previous_until, Some(until));
        let login = login(&fixture, &old, UnixTime(until.0 - 1)).await.unwrap();
        assert_eq!(login.ends_at(), Some(until));
        assert_eq!(
            [state(&fixture, &old, until).await, state(&fixture, &new, until).await],
            ["expired", "valid"]
        );
        // What it permits is the same, and it replaces nothing.
        let permit = authorize_operator(login.identity(), OperatorAction::ManagePolicies, "prod").unwrap();
        let by = Actor::permitted(&permit, NOW);
        fixture.keystore.put_document(by, DocumentKind::Policy, &super::name("prod/q"), name).await.unwrap();
        let third = OperatorToken::generate().unwrap();
        let refused = rotate_own(&fixture, &old, self::rotation(name, &third), NOW).await.unwrap_err();
        assert!(matches!(&refused, OperatorError::Replaced { name: found } if found == name), "{refused}");
        // The answer is repeated to it, and a further rotation ends it.
        assert_eq!(rotate_own(&fixture, &old, rotation, NOW).await.unwrap(), answer);
        rotate_own(&fixture, &new, self::rotation(name, &third), NOW).await.unwrap();
        assert_eq!([state(&fixture, &old, NOW).await, state(&fixture, &new, NOW).await], ["unknown"; 2]);
    }
}

#[tokio::test]
async fn t41_nobody_but_an_administrator_gets_a_longer_life_by_rotation() {
    use TokenLifetime::{Never, Seconds};
    let fixture = Fixture::new().await;
    let days = TokenLifetime::default();
    add(&fixture, "root", OperatorRole::Administrator, Never).await;
    for (role, granted, asked, expected) in [
        (OperatorRole::Editor, HOUR, Some(HOUR), Ok(Some(3600))),
        (OperatorRole::Editor, HOUR, Some(Seconds(1)), Ok(Some(1))),
        (OperatorRole::Editor, HOUR, None, Ok(Some(3600))),
        (OperatorRole::Editor, HOUR, Some(Seconds(3601)), Err(3600)),
        (OperatorRole::Auditor, HOUR, Some(days), Err(3600)),
        (OperatorRole::Auditor, HOUR, Some(Never), Err(3600)),
        (OperatorRole::Auditor, Never, Some(Never), Ok(None)),
        (OperatorRole::Auditor, Never, None, Ok(Some(7_776_000))),
        (OperatorRole::Administrator, HOUR, Some(Never), Ok(None)),
        (OperatorRole::Administrator, HOUR, None, Ok(Some(7_776_000))),
    ] {
        let old = add(&fixture, "bob", role, granted).await;
        let new = OperatorToken::generate().unwrap();
        // From its issue on, not from now on: what is left of it does not count.
        let at = NOW.plus(1800);
        let rotation = Rotation { lifetime: asked, ..rotation("bob", &new) };
        match (rotate_own(&fixture, &old, rotation.clone(), at).await, expected) {
            (Ok(answer), Ok(seconds)) => {
                assert_eq!(answer.expires_at, seconds.map(|seconds| at.plus(seconds)), "{role} {asked:?}");
            }
            (Err(OperatorError::LongerThanGranted { name, granted }), Err(expected)) => {
                assert_eq!((name.as_str(), granted), ("bob", expected), "{role} {asked:?}");
                assert_eq!(state(&fixture, &old, at).await, "valid");
                // An administrator gives it.
                let by = Actor::offline("alice", at);
                let answer = fixture.keystore.rotate_token(by, rotation).await.unwrap();
                assert_eq!(answer.expires_at, asked.unwrap().end(at).unwrap());
            }
            (found, expected) => panic!("{role} {asked:?}: {found:?}, not {expected:?}"),
        }
        fixture.keystore.remove_operator(Actor::offline("alice", at), "bob").await.unwrap();
    }
}

#[tokio::test]
async fn a_repeated_rotation_changes_nothing() {
    let fixture = Fixture::new().await;
    let old = add(&fixture, "bob", OperatorRole::Auditor, HOUR).await;
    let new = OperatorToken::generate().unwrap();
    let answer = rotate_own(&fixture, &old, rotation("bob", &new), NOW).await.unwrap();
    let epoch = fixture.keystore.epoch().await.unwrap();
    let again = rotate_own(&fixture, &new, rotation("bob", &new), NOW.plus(600)).await.unwrap();
    assert_eq!(again, answer);
    let by_administrator = fixture.keystore.rotate_token(BY, rotation("bob", &new)).await.unwrap();
    assert_eq!(by_administrator, answer);
    assert_eq!(fixture.keystore.epoch().await.unwrap(), epoch);
    // Once it has ended it is not issued again.
    let later = Actor::offline("alice", NOW.plus(3600));
    let refused = fixture.keystore.rotate_token(later, rotation("bob", &new)).await.unwrap_err();
    assert!(matches!(refused, OperatorError::TokenUsed { .. }), "{refused}");
}

#[tokio::test]
async fn an_administrator_replaces_the_token_of_another_even_an_ended_one() {
    let fixture = Fixture::new().await;
    let lost = add(&fixture, "bob", OperatorRole::Editor, HOUR).await;
    let new = OperatorToken::generate().unwrap();
    let at = NOW.plus(7200);
    assert_eq!(state(&fixture, &lost, at).await, "expired");
    let rotation = Rotation { overlap: 600, lifetime: Some(TokenLifetime::Never), ..rotation("bob", &new) };
    let answer = fixture.keystore.rotate_token(Actor::offline("alice", at), rotation).await.unwrap();
    assert_eq!((answer.expires_at, answer.previous_until), (None, None), "nothing is left of the old one");
    assert_eq!([state(&fixture, &lost, at).await, state(&fixture, &new, at).await], ["unknown", "valid"]);
    let found = login(&fixture, &new, at).await.unwrap();
    assert_eq!(
        (found.identity().name.as_str(), found.identity().namespaces.as_slice()),
        ("bob", &["prod".to_owned()][..])
    );
}

#[tokio::test]
async fn t41_each_wrong_rotation_is_refused_and_leaves_nothing() {
    let fixture = Fixture::new().await;
    let bob = add(&fixture, "bob", OperatorRole::Editor, HOUR).await;
    let kim = add(&fixture, "kim", OperatorRole::Editor, HOUR).await;
    let new = OperatorToken::generate().unwrap();
    let good = rotation("bob", &new);
    let (before, epoch) =
        (fixture.keystore.operators().await.unwrap(), fixture.keystore.epoch().await.unwrap());
    for (wrong, expected) in [
        (Rotation { name: "nobody", ..good.clone() }, "there is no operator nobody"),
        (
            Rotation { lifetime: Some(TokenLifetime::Seconds(0)), ..good.clone() },
            "a token is valid for 1 second to 366 days, or never ends: 0 seconds are not possible",
        ),
        (
            Rotation { lifetime: Some(TokenLifetime::Seconds(31_622_401)), ..good.clone() },
            "a token is valid for 1 second to 366 days, or never ends: 31622401 seconds are not possible",
        ),
        (
            Rotation { overlap: 604_801, ..good.clone() },
            "a replaced token stays valid for at most 7 days: 604801 seconds are too long",
        ),
        (
            Rotation { token: kim.hashed(), ..good.clone() },
            "the new token of operator bob has been used before: generate another one",
        ),
    ] {
        let refused = fixture.keystore.rotate_token(BY, wrong).await.unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
    // Nobody replaces the token of another without the permission for it.
    let own = login(&fixture, &kim, NOW).await.unwrap();
    let reads = authorize_operator(own.identity(), OperatorAction::ReadObjects, "prod").unwrap();
    for by in [Actor::own(&own, NOW), Actor::permitted(&reads, NOW)] {
        let refused = fixture.keystore.rotate_token(by, good.clone()).await.unwrap_err();
        assert_eq!(refused.to_string(), "the permission does not cover operator.rotate of bob");
    }
    // Nor does a token permit anything else.
    let refused = fixture.keystore.remove_operator(Actor::own(&own, NOW), "kim").await.unwrap_err();
    assert_eq!(refused.to_string(), "the permission does not cover operator.remove of kim");
    // Once it has ended, or its account is gone, it replaces nothing.
    let late = Actor::own(&own, NOW.plus(3600));
    let refused = fixture.keystore.rotate_token(late, rotation("kim", &new)).await.unwrap_err();
    assert!(matches!(refused, OperatorError::Store(StoreError::AccountGone { .. })), "{refused}");
    assert_eq!(fixture.keystore.operators().await.unwrap(), before);
    assert_eq!(fixture.keystore.epoch().await.unwrap(), epoch);
    fixture.keystore.remove_operator(BY, "kim").await.unwrap();
    let refused =
        fixture.keystore.rotate_token(Actor::own(&own, NOW), rotation("kim", &new)).await.unwrap_err();
    assert!(matches!(refused, OperatorError::Store(StoreError::AccountGone { .. })), "{refused}");
    assert_eq!(state(&fixture, &bob, NOW).await, "valid");
}

#[tokio::test]
async fn t41_the_last_administrator_is_the_last_with_a_valid_token() {
    let fixture = Fixture::new().await;
    add(&fixture, "root", OperatorRole::Administrator, TokenLifetime::Never).await;
    add(&fixture, "bob", OperatorRole::Administrator, HOUR).await;
    let later = Actor::offline("alice", NOW.plus(3600));
    let refused = fixture.keystore.remove_operator(later, "root").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "root is the last administrator with a valid token: add another one first"
    );
    fixture.keystore.remove_operator(later, "bob").await.unwrap();
}

#[tokio::test]
async fn t42_an_end_that_was_edited_is_noticed() {
    let fixture = Fixture::new().await;
    let first = add(&fixture, "bob", OperatorRole::Editor, HOUR).await;
    let token = OperatorToken::generate().unwrap();
    let overlap = Rotation { overlap: 600, ..rotation("bob", &token) };
    rotate_own(&fixture, &first, overlap, NOW).await.unwrap();
    fixture.sql("CREATE TABLE good AS SELECT * FROM operators").await;
    for edit in [
        "UPDATE operators SET expires_at = 0",
        "UPDATE operators SET expires_at = expires_at + 1",
        "UPDATE operators SET previous_expires_at = previous_expires_at + 1",
        "UPDATE operators SET previous_expires_at = 0",
        "UPDATE operators SET previous_epoch = row_version",
        "UPDATE operators SET previous_id = '', previous_hash = '', previous_epoch = 0, previous_expires_at = 0",
        "UPDATE operators SET previous_hash = token_hash",
        "UPDATE operators SET previous_id = 'x'",
    ] {
        fixture.sql(edit).await;
        let error = login(&fixture, &token, NOW).await.unwrap_err();
        let tampered =
            matches!(&error, LoginError::Store(StoreError::RowTampered { table: "operators", .. }));
        assert!(tampered, "{edit}: {error}");
        fixture.sql("DELETE FROM operators").await;
        fixture.sql("INSERT INTO operators SELECT * FROM good").await;
    }
    assert_eq!(state(&fixture, &token, NOW).await, "valid");
    assert_eq!(state(&fixture, &first, NOW).await, "valid");
}

/// The row that an earlier version wrote: the same, without the columns.
#[tokio::test]
async fn t42_a_row_without_an_end_cannot_take_one() {
    let fixture = Fixture::new().await;
    let token = add(&fixture, "bob", OperatorRole::Editor, TokenLifetime::Never).await;
    for edit in [
        "UPDATE operators SET expires_at = 1",
        "UPDATE operators SET previous_epoch = 1",
        "UPDATE operators SET previous_hash = X'00'",
    ] {
        fixture.sql(edit).await;
        let error = login(&fixture, &token, NOW).await.unwrap_err();
        assert!(matches!(error, LoginError::Store(StoreError::RowTampered { .. })), "{edit}: {error}");
        fixture.sql("UPDATE operators SET expires_at = 0, previous_epoch = 0, previous_hash = ''").await;
    }
    assert_eq!(state(&fixture, &token, NOW).await, "valid");
}
