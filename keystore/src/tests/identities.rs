//! Rotation of the broker's identity: in steps, each of which is whole or not there.

use vouchsafe_protocol::succession::{MAX_SUCCESSION_LIFETIME, MAX_SUCCESSIONS, SuccessionError};
use vouchsafe_protocol::{BrokerIdentity, SuccessionAnswer};

use super::*;
use crate::keyring::locked::KeyringFile;
use crate::log::DecisionFilter;
use crate::log::record::LogRecord;
use crate::registry::identities::types::{Identities, IdentityError, IdentityState};
use crate::registry::secrets::types::Erasure;
use crate::rotation::Resealed;

/// Of challenges, in seconds.
const CHALLENGES: u64 = 60;
const OVERLAP: u64 = 7_776_000;
const LATER: Actor<'static> = Actor::offline("alice", UnixTime(NOW.0 + CHALLENGES));

impl Fixture {
    async fn identities(&self) -> Identities {
        self.keystore.identities().await.expect("sound rows")
    }

    async fn states(&self) -> Vec<(BrokerIdentity, IdentityState)> {
        self.identities().await.all().iter().map(|found| (found.identity, found.state)).collect()
    }

    async fn next(&self) -> BrokerIdentity {
        self.keystore.add_identity(BY).await.expect("added")
    }

    /// The next identity, promoted.
    async fn rotated_identity(&self) -> BrokerIdentity {
        self.rotated_for(OVERLAP).await
    }

    async fn rotated_for(&self, overlap: u64) -> BrokerIdentity {
        let next = self.next().await;
        self.promoted(next, overlap).await.expect("promoted");
        next
    }

    async fn promoted(&self, identity: BrokerIdentity, overlap: u64) -> Result<(), IdentityError> {
        self.keystore.promote_identity(BY, identity, overlap).await
    }

    /// The sealed key of an identity.
    async fn sealed(&self, id: i64) -> Vec<u8> {
        sqlx::query_scalar("SELECT sealed FROM identities WHERE id = $1")
            .bind(id)
            .fetch_one(self.keystore.pools().readers.of(crate::db::Reader::Release))
            .await
            .expect("a row")
    }

    async fn removed(&self, identity: &BrokerIdentity) -> Result<Erasure, IdentityError> {
        self.keystore.remove_identity(LATER, identity, CHALLENGES).await
    }

    async fn started_again(self) -> Self {
        self.keystore.close().await;
        let keystore = Keystore::open(&self.path(), self.keyring()).await.expect("opens");
        Self { keystore, folder: self.folder }
    }
}

fn verified(
    answer: &SuccessionAnswer,
    pinned: BrokerIdentity,
    now: BrokerIdentity,
) -> Result<u64, SuccessionError> {
    answer.verify(&[pinned], &now, NOW).map(|succeeded| succeeded.remaining)
}

#[tokio::test]
async fn an_identity_is_added_promoted_and_the_one_before_removed() {
    use IdentityState::{Next, Previous, Primary, Removed};
    let fixture = Fixture::new().await;
    let first = fixture.keystore.identity().await.unwrap().identity();
    assert_eq!(fixture.states().await, [(first, Primary)]);
    let next = fixture.next().await;
    let identities = fixture.identities().await;
    assert_eq!(fixture.states().await, [(first, Primary), (next, Next)]);
    assert_eq!(identities.primary().identity(), first);
    assert_eq!(identities.succession(), SuccessionAnswer::default());
    assert!(identities.has_signed_as(&first) && !identities.has_signed_as(&next));
    // Each step survives a restart.
    let fixture = fixture.started_again().await;
    fixture.promoted(next, OVERLAP).await.unwrap();
    let fixture = fixture.started_again().await;
    assert_eq!(fixture.states().await, [(first, Previous), (next, Primary)]);
    let identities = fixture.identities().await;
    assert_eq!(verified(&identities.succession(), first, next), Ok(OVERLAP));
    let keys: Vec<_> = identities.keys().map(|key| key.identity()).collect();
    assert_eq!(keys, [next, first]);
    assert_eq!(fixture.removed(&first).await.unwrap(), Erasure::Done);
    let fixture = fixture.started_again().await;
    assert_eq!(fixture.states().await, [(first, Removed), (next, Primary)]);
    let identities = fixture.identities().await;
    assert_eq!((identities.succession(), identities.keys().count()), (SuccessionAnswer::default(), 1));
    assert!(!identities.has_signed_as(&first));
    let records = fixture.keystore.decisions(&DecisionFilter::default(), None).await.unwrap();
    let mut steps: Vec<_> = records
        .into_iter()
        .filter_map(|logged| match logged.record {
            LogRecord::Operator(change) if change.action.starts_with("identity.") => {
                Some(format!("{} {} by {}", change.action, change.target, change.operator))
            }
            _ => None,
        })
        .collect();
    steps.reverse();
    let expected = [("add", next), ("promote", next), ("remove", first)];
    assert_eq!(steps, expected.map(|(step, of)| format!("identity.{step} {of} by alice")));
}

#[tokio::test]
async fn the_key_of_a_removed_identity_is_in_no_file() {
    let fixture = Fixture::new().await;
    let sealed = fixture.sealed(1).await;
    let first = fixture.keystore.identity().await.unwrap().identity();
    fixture.rotated_identity().await;
    assert!(contains(&fixture.bytes(), &sealed));
    assert_eq!(fixture.removed(&first).await.unwrap(), Erasure::Done);
    assert!(!contains(&fixture.bytes(), &sealed));
}

#[tokio::test]
async fn a_next_identity_is_removed_without_a_trace_of_its_key() {
    let fixture = Fixture::new().await;
    let first = fixture.keystore.identity().await.unwrap().identity();
    let next = fixture.next().await;
    let sealed = fixture.sealed(2).await;
    assert!(contains(&fixture.bytes(), &sealed));
    assert_eq!(fixture.removed(&next).await.unwrap(), Erasure::Done);
    assert!(!contains(&fixture.bytes(), &sealed));
    assert_eq!(fixture.states().await, [(first, IdentityState::Primary)]);
    let other = fixture.next().await;
    assert_ne!(other, next);
    let fixture = fixture.started_again().await;
    let states = [(first, IdentityState::Primary), (other, IdentityState::Next)];
    assert_eq!(fixture.states().await, states);
}

#[tokio::test]
async fn steps_in_another_order_are_refused() {
    let fixture = Fixture::new().await;
    let first = fixture.keystore.identity().await.unwrap().identity();
    let nobody = BrokerIdentity([7; 32]);
    let promoted = fixture.promoted(nobody, OVERLAP).await;
    assert!(
        matches!(promoted, Err(IdentityError::NotNext { identity }) if identity == nobody),
        "{promoted:?}"
    );
    let signs = fixture.removed(&first).await;
    assert!(matches!(signs, Err(IdentityError::Signs { identity }) if identity == first), "{signs:?}");
    let next = fixture.next().await;
    let again = fixture.keystore.add_identity(BY).await;
    assert!(matches!(again, Err(IdentityError::AlreadyNext { identity }) if identity == next), "{again:?}");
    let seconds = MAX_SUCCESSION_LIFETIME + 1;
    let long = fixture.promoted(next, seconds).await;
    assert!(matches!(long, Err(IdentityError::Lifetime { seconds: found }) if found == seconds), "{long:?}");
    // Another one than the administrator means.
    let other = fixture.promoted(nobody, OVERLAP).await;
    assert!(matches!(other, Err(IdentityError::NotNext { identity }) if identity == nobody), "{other:?}");
    fixture.promoted(next, OVERLAP).await.unwrap();
    let early = fixture.keystore.remove_identity(BY, &first, CHALLENGES).await;
    assert!(matches!(early, Err(IdentityError::Outstanding { seconds: 60, .. })), "{early:?}");
    fixture.removed(&first).await.unwrap();
    for unknown in [first, BrokerIdentity([7; 32])] {
        let refused = fixture.removed(&unknown).await;
        assert!(matches!(refused, Err(IdentityError::Unknown { identity }) if identity == unknown));
    }
    assert_eq!(fixture.states().await.len(), 2);
}

#[tokio::test]
async fn guests_follow_statements_over_several_rotations() {
    let fixture = Fixture::new().await;
    let mut all = vec![fixture.keystore.identity().await.unwrap().identity()];
    for _ in 0..MAX_SUCCESSIONS {
        all.push(fixture.rotated_identity().await);
    }
    let (oldest, primary) = (all[0], all[MAX_SUCCESSIONS]);
    for pinned in &all[..MAX_SUCCESSIONS] {
        assert_eq!(verified(&fixture.identities().await.succession(), *pinned, primary), Ok(OVERLAP));
    }
    // One more, and guests would not follow the statements.
    let next = fixture.next().await;
    let refused = fixture.promoted(next, OVERLAP).await;
    assert!(matches!(refused, Err(IdentityError::TooManyPrevious { oldest: found }) if found == oldest));
    // One between the oldest and the primary one is a step on the way.
    let refused = fixture.removed(&all[1]).await;
    assert!(matches!(refused, Err(IdentityError::NotOldest { identity, oldest: found })
        if (identity, found) == (all[1], oldest)));
    fixture.removed(&oldest).await.unwrap();
    let succession = fixture.identities().await.succession();
    assert_eq!(verified(&succession, oldest, primary), Err(SuccessionError::NotPinned));
    assert_eq!(verified(&succession, all[1], primary), Ok(OVERLAP));
    fixture.promoted(next, OVERLAP).await.unwrap();
}

#[tokio::test]
async fn a_repeated_promotion_changes_nothing() {
    let fixture = Fixture::new().await;
    let first = fixture.keystore.identity().await.unwrap().identity();
    // It was never promoted.
    let refused = fixture.promoted(first, 0).await;
    assert!(matches!(refused, Err(IdentityError::SignsAlready { seconds: 0, .. })), "{refused:?}");
    for overlap in [OVERLAP, 0] {
        let next = fixture.rotated_for(overlap).await;
        let (before, records) = (fixture.states().await, fixture.keystore.checkpoint().size);
        let later = fixture.keystore.promote_identity(LATER, next, overlap).await;
        assert!(later.is_ok(), "{later:?}");
        assert_eq!((fixture.states().await, fixture.keystore.checkpoint().size), (before, records));
        // Nothing says that an overlap is what it is not.
        let refused = fixture.promoted(next, 60).await;
        assert!(
            matches!(refused, Err(IdentityError::SignsAlready { identity, seconds: 60 })
            if identity == next),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn the_end_of_an_overlap_is_that_of_the_soonest_step() {
    const YEAR: u64 = MAX_SUCCESSION_LIFETIME;
    const DAYS: u64 = 864_000;
    let fixture = Fixture::new().await;
    let first = fixture.keystore.identity().await.unwrap().identity();
    let ends = |identities: &Identities, all: &[BrokerIdentity]| -> Vec<Option<u64>> {
        all.iter().map(|one| identities.accepted_until(one).map(|end| end.since(NOW))).collect()
    };
    let second = fixture.rotated_for(YEAR).await;
    let identities = fixture.identities().await;
    assert_eq!(ends(&identities, &[first, second]), [Some(YEAR), None]);
    assert_eq!(identities.next_overlap_end(NOW), Some(NOW.plus(YEAR)));
    // The next step ends sooner, for both of them.
    let third = fixture.rotated_for(DAYS).await;
    let identities = fixture.identities().await;
    assert_eq!(ends(&identities, &[first, second, third]), [Some(DAYS), Some(DAYS), None]);
    assert_eq!(identities.next_overlap_end(NOW), Some(NOW.plus(DAYS)));
    // Those who have been left already do not hide those who will be.
    let fourth = fixture.rotated_for(YEAR).await;
    let identities = fixture.identities().await;
    assert_eq!(ends(&identities, &[first, second, third]), [Some(DAYS), Some(DAYS), Some(YEAR)]);
    let passed = NOW.plus(DAYS);
    assert_eq!(identities.next_overlap_end(passed), Some(NOW.plus(YEAR)));
    assert_eq!(identities.next_overlap_end(NOW.plus(YEAR)), None);
    // A step without a statement ends it for all of them.
    let fifth = fixture.rotated_for(0).await;
    let identities = fixture.identities().await;
    assert_eq!(ends(&identities, &[first, second, third, fourth, fifth]), [None; 5]);
    assert_eq!(identities.next_overlap_end(NOW), None);
}

#[tokio::test]
async fn t06_without_an_overlap_no_pin_leads_to_the_new_identity() {
    let fixture = Fixture::new().await;
    let first = fixture.keystore.identity().await.unwrap().identity();
    let second = fixture.rotated_identity().await;
    fixture.rotated_for(0).await;
    let identities = fixture.identities().await;
    assert_eq!(identities.succession(), SuccessionAnswer::default());
    // Nor to one after it, over the identity that signed nothing about its successor.
    let third = identities.primary().identity();
    let fourth = fixture.rotated_identity().await;
    let succession = fixture.identities().await.succession();
    assert_eq!(verified(&succession, third, fourth), Ok(OVERLAP));
    for pinned in [first, second] {
        assert_eq!(verified(&succession, pinned, fourth), Err(SuccessionError::NotPinned));
    }
}

#[tokio::test]
async fn an_edited_row_of_an_identity_is_noticed() {
    for edit in [
        "UPDATE identity_uses SET state = CASE state WHEN 'primary' THEN 'previous' ELSE 'primary' END",
        "UPDATE identity_uses SET state = 'removed' WHERE id = 1",
        "UPDATE identity_uses SET since = since - 1 WHERE id = 2",
        "UPDATE identity_uses SET statement = ''",
        "UPDATE identity_uses SET statement = '{}' WHERE id = 1",
        "UPDATE identity_uses SET identity = 'nobody' WHERE id = 2",
        "DELETE FROM identity_uses WHERE id = 1",
        "DELETE FROM identity_uses",
        "DELETE FROM identities WHERE id = 1",
        "DELETE FROM identities WHERE id = 2",
        "INSERT INTO identities (id, generation, sealed) SELECT 3, generation, sealed FROM identities WHERE id = 1",
    ] {
        let fixture = Fixture::new().await;
        fixture.rotated_identity().await;
        assert!(fixture.sql(edit).await > 0, "{edit}");
        let found = fixture.keystore.identities().await;
        assert!(matches!(found, Err(StoreError::RowTampered { .. })), "{edit}: {found:?}");
        assert!(fixture.keystore.add_identity(BY).await.is_err(), "{edit}");
    }
}

#[tokio::test]
async fn exchanged_keys_of_identities_are_noticed() {
    let fixture = Fixture::new().await;
    fixture.rotated_identity().await;
    for step in [
        "UPDATE identities SET id = 9 WHERE id = 1",
        "UPDATE identities SET id = 1 WHERE id = 2",
        "UPDATE identities SET id = 2 WHERE id = 9",
    ] {
        assert_eq!(fixture.sql(step).await, 1);
    }
    let found = fixture.keystore.identities().await;
    assert!(matches!(found, Err(StoreError::RowTampered { table: "identities", .. })), "{found:?}");
}

#[tokio::test]
async fn t58_an_older_row_of_an_identity_is_noticed() {
    let fixture = Fixture::new().await;
    let next = fixture.next().await;
    fixture.sql("CREATE TABLE kept AS SELECT * FROM identity_uses").await;
    fixture.promoted(next, OVERLAP).await.unwrap();
    fixture.sql("DELETE FROM identity_uses").await;
    fixture.sql("INSERT INTO identity_uses SELECT * FROM kept").await;
    let found = fixture.keystore.identities().await;
    assert!(matches!(found, Err(StoreError::RowRolledBack { table: "identity_uses", .. })), "{found:?}");
}

#[tokio::test]
async fn identities_are_resealed_with_the_keyring() {
    let fixture = Fixture::new().await;
    let first = fixture.keystore.identity().await.unwrap().identity();
    let second = fixture.rotated_identity().await;
    let root = KeyringFile::plain(fixture.folder.path().join("root.json"));
    fixture.keystore.add_generation(BY, &root).await.unwrap();
    fixture.keystore.promote_generation(BY, &root).await.unwrap();
    // Sealed under the new generation beside rows of the old one.
    let third = fixture.next().await;
    let Resealed { remaining, .. } = fixture.keystore.reseal(BY).await.unwrap();
    assert_eq!(remaining, 0);
    fixture.keystore.remove_generation(LATER, &root, 1, CHALLENGES).await.unwrap();
    let fixture = fixture.started_again().await;
    let all: Vec<_> = fixture.states().await.into_iter().map(|(identity, _)| identity).collect();
    assert_eq!(all, [first, second, third]);
}

#[tokio::test]
async fn another_broker_of_the_keystore_sees_each_step() {
    let fixture = Fixture::new().await;
    let first = fixture.keystore.identity().await.unwrap().identity();
    let other = Keystore::open_beside_others(&fixture.path(), fixture.keyring()).await.unwrap();
    let next = fixture.next().await;
    // It accepts challenges for the next identity before it knows of the promotion.
    let seen = other.identities().await.unwrap();
    let keys: Vec<_> = seen.keys().map(|key| key.identity()).collect();
    assert_eq!(keys, [first, next]);
    other.promote_identity(BY, next, OVERLAP).await.unwrap();
    assert_eq!(fixture.keystore.identity().await.unwrap().identity(), next);
    fixture.promoted(next, OVERLAP).await.unwrap();
    assert_eq!(fixture.states().await.len(), 2);
}
