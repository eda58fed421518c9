//! T32, T33: the header of a volume, in the transaction of each grant.

use vouchsafe_protocol::messages::VolumeState;
use vouchsafe_protocol::{
    BrokerIdentity, Bytes, DecisionId, Digest32, Nonce, Suite, VolumeAction, VolumeHeaders,
};

use super::record::grant;
use super::{BY, Fixture, NOW, PEER, name, path};
use crate::Keystore;
use crate::db::StoreError;
use crate::log::DecisionFilter;
use crate::record::*;
use crate::registry::volumes::{ForgetError, VolumeFilter};
use crate::volumes::{VolumeId, VolumeRefusal};

const OLD: Digest32 = Digest32([1; 32]);
const NEXT: Digest32 = Digest32([2; 32]);
const OTHER: Digest32 = Digest32([3; 32]);
/// The path in the grants of these tests.
const PATH: &str = "prod/db_1/disk";

fn volume() -> VolumeId {
    format!("{PATH}@1/2").parse().unwrap()
}

fn state(current: Digest32, generation: u64, pending: Option<Digest32>) -> VolumeState {
    VolumeState { current, generation, pending }
}

fn registering(digest: Digest32) -> VolumeAction {
    VolumeAction::RegisterVolume { path: path(PATH), digest }
}

fn advancing(from: Digest32, to: Digest32) -> VolumeAction {
    VolumeAction::AdvanceVolume { path: path(PATH), from, to }
}

fn new(action: VolumeAction, epoch: u64, nonce: u8) -> NewVolume {
    NewVolume {
        action,
        at: NOW,
        binding: GrantBinding {
            broker: BrokerIdentity([4; 32]),
            public_key: Bytes(vec![5; 32]),
            suite: Suite::X25519,
        },
        claims: Digest32([6; 32]),
        decision: DecisionId([nonce; 16]),
        epoch,
        evidence: vec![EvidencePiece { kind: "quote", bytes: [nonce; 40][..].into() }],
        guardrails: GuardrailsRef { digest: Digest32([7; 32]), version: None },
        instance: "1/2".to_owned(),
        nonce: Nonce([nonce; 32]),
        nonce_expires_at: NOW.plus(60),
        peer: Some(PEER),
        policy: name("prod/p"),
        policy_digest: Digest32([8; 32]),
    }
}

async fn act(keystore: &Keystore, action: VolumeAction, nonce: u8) -> Result<VolumeState, RecordError> {
    let epoch = keystore.epoch().await.unwrap();
    keystore.record_volume(new(action, epoch, nonce)).await
}

async fn release(keystore: &Keystore, header: Option<Digest32>, nonce: u8) -> Result<u64, RecordError> {
    let mut grant = grant(keystore.epoch().await.unwrap(), nonce, nonce);
    let header = header.map(|header| (path(PATH), header));
    grant.record.headers = VolumeHeaders::new(header).unwrap();
    keystore.record(grant).await
}

fn refused<T>(refusal: VolumeRefusal) -> Result<T, RecordError> {
    Err(RecordError::Volume(Box::new(refusal)))
}

async fn changes(keystore: &Keystore) -> Vec<VolumeRecord> {
    let filter = DecisionFilter { outcome: Some(Outcome::Volume), ..DecisionFilter::default() };
    let logged = keystore.decisions(&filter, None).await.unwrap();
    let volumes = logged.into_iter().rev().map(|logged| match logged.record {
        LogRecord::Volume(record) => record,
        other => panic!("{other:?}"),
    });
    volumes.collect()
}

#[tokio::test]
async fn t32_a_registered_volume_is_released_for_its_header_only() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    // Before it is registered, any header does, or none.
    release(keystore, None, 1).await.unwrap();
    release(keystore, Some(OTHER), 2).await.unwrap();
    let registered = state(OLD, 1, None);
    assert_eq!(act(keystore, registering(OLD), 3).await, Ok(registered));
    release(keystore, Some(OLD), 4).await.unwrap();
    let no_header = VolumeRefusal::NoHeader { volume: volume(), registered };
    assert_eq!(release(keystore, None, 5).await, refused(no_header));
    let other = VolumeRefusal::OtherHeader { volume: volume(), presented: OTHER, registered };
    assert_eq!(release(keystore, Some(OTHER), 6).await, refused(other));
    assert_eq!(keystore.grant_failures(), None, "it is the guest's affair");
    let filter = DecisionFilter { outcome: Some(Outcome::Granted), ..DecisionFilter::default() };
    assert_eq!(keystore.decisions(&filter, None).await.unwrap().len(), 3, "refused grants are not on record");
}

/// The other broker has granted before, so its batches take the fast path.
#[tokio::test]
async fn t32_a_volume_that_another_broker_registered_is_noticed() {
    let fixture = Fixture::new().await;
    let other = fixture.again().await.unwrap();
    release(&other, None, 1).await.unwrap();
    release(&other, None, 2).await.unwrap();
    let registered = act(&fixture.keystore, registering(OLD), 3).await.unwrap();
    let no_header = VolumeRefusal::NoHeader { volume: volume(), registered };
    for nonce in [4, 5] {
        other.epoch().await.unwrap();
        assert_eq!(release(&other, None, nonce).await, refused(no_header.clone()));
    }
    release(&other, Some(OLD), 6).await.unwrap();
}

#[tokio::test]
async fn t33_a_grant_for_the_announced_header_makes_it_the_current_one() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    act(keystore, registering(OLD), 1).await.unwrap();
    assert_eq!(act(keystore, advancing(OLD, NEXT), 2).await, Ok(state(OLD, 1, Some(NEXT))));
    // Until the VM has written it, the current one is accepted and stays.
    release(keystore, Some(OLD), 3).await.unwrap();
    let granted = release(keystore, Some(NEXT), 4).await.unwrap();
    let registered = state(NEXT, 2, None);
    let rolled_back = VolumeRefusal::OtherHeader { volume: volume(), presented: OLD, registered };
    assert_eq!(release(keystore, Some(OLD), 5).await, refused(rolled_back));
    release(keystore, Some(NEXT), 6).await.unwrap();

    let changes = changes(keystore).await;
    let kinds: Vec<_> = changes.iter().map(|record| (record.change, record.changes, record.state)).collect();
    assert_eq!(
        kinds,
        [
            (VolumeChange::Registered, 1, state(OLD, 1, None)),
            (VolumeChange::Advanced, 2, state(OLD, 1, Some(NEXT))),
            (VolumeChange::Promoted, 3, registered),
        ]
    );
    assert_eq!(changes[2].decision, DecisionId([4; 16]), "that of the grant");
    let logged = keystore.decision(DecisionId([4; 16])).await.unwrap().unwrap();
    assert_eq!((logged.index, logged.record.outcome()), (granted, Outcome::Granted));
}

#[tokio::test]
async fn t33_of_concurrent_grants_one_makes_the_announced_header_the_current_one() {
    let fixture = Fixture::new().await;
    let other = fixture.again().await.unwrap();
    act(&fixture.keystore, registering(OLD), 1).await.unwrap();
    act(&fixture.keystore, advancing(OLD, NEXT), 2).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for nonce in 10..50 {
        let keystore = if nonce % 2 == 0 { fixture.keystore.clone() } else { other.clone() };
        tasks.spawn(async move { release(&keystore, Some(NEXT), nonce).await });
    }
    let results = tasks.join_all().await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let changes = changes(&fixture.keystore).await;
    assert_eq!(changes.len(), 3);
    assert_eq!(changes[2].state, state(NEXT, 2, None));
    fixture.keystore.close().await;
    other.close().await;
    fixture.again().await.expect("the log is whole");
}

#[tokio::test]
async fn t33_a_grant_that_is_not_recorded_changes_nothing() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    act(keystore, registering(OLD), 1).await.unwrap();
    release(keystore, Some(OLD), 2).await.unwrap();
    act(keystore, advancing(OLD, NEXT), 3).await.unwrap();
    for nonce in [2, 3] {
        assert_eq!(release(keystore, Some(NEXT), nonce).await, Err(RecordError::NonceSpent));
    }
    let mut stale = grant(keystore.epoch().await.unwrap() - 1, 4, 4);
    stale.record.headers = VolumeHeaders::new([(path(PATH), NEXT)]).unwrap();
    assert!(matches!(keystore.record(stale).await, Err(RecordError::EpochMoved { .. })));
    assert_eq!(changes(keystore).await.last().unwrap().state, state(OLD, 1, Some(NEXT)));
}

/// One refused path refuses all, and promotes none.
#[tokio::test]
async fn t33_a_grant_of_two_volumes_is_all_or_nothing() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let epoch = keystore.epoch().await.unwrap();
    let data = path("prod/db_1/data");
    let on_data = VolumeAction::RegisterVolume { path: data.clone(), digest: OTHER };
    for (action, nonce) in [(registering(OLD), 1), (on_data, 2), (advancing(OLD, NEXT), 3)] {
        keystore.record_volume(new(action, epoch, nonce)).await.unwrap();
    }
    let ask = |header, nonce| {
        let mut grant = grant(epoch, nonce, nonce);
        let second = GrantedSecret { path: data.clone(), ..grant.record.secrets[0].clone() };
        grant.record.secrets.push(second);
        grant.record.headers = VolumeHeaders::new([(path(PATH), NEXT), (data.clone(), header)]).unwrap();
        keystore.record(grant)
    };
    assert!(matches!(ask(OLD, 4).await, Err(RecordError::Volume(_))));
    assert_eq!(changes(keystore).await.len(), 3);
    ask(OTHER, 5).await.unwrap();
    assert_eq!(changes(keystore).await[3].state, state(NEXT, 2, None));
}

#[tokio::test]
async fn t32_volumes_of_other_instances_and_paths_are_independent() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    act(keystore, registering(OLD), 1).await.unwrap();
    let epoch = keystore.epoch().await.unwrap();
    let mut elsewhere = grant(epoch, 2, 2);
    elsewhere.record.instance = Some("1/3".to_owned());
    keystore.record(elsewhere).await.unwrap();
    let mut anonymous = grant(epoch, 3, 3);
    anonymous.record.instance = None;
    keystore.record(anonymous).await.unwrap();
    let mut other = grant(epoch, 4, 4);
    other.record.secrets[0].path = path("prod/db_1/data");
    keystore.record(other).await.unwrap();
    let of_another = NewVolume { instance: "1/3".to_owned(), ..new(registering(NEXT), epoch, 5) };
    assert_eq!(keystore.record_volume(of_another).await, Ok(state(NEXT, 1, None)));
    release(keystore, Some(OLD), 6).await.unwrap();
}

#[tokio::test]
async fn t32_an_action_that_changes_nothing_is_not_recorded() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let registered = act(keystore, registering(OLD), 1).await.unwrap();
    assert_eq!(act(keystore, registering(OLD), 1).await, Ok(registered));
    let refusal = VolumeRefusal::Registered { volume: volume(), presented: NEXT, registered };
    assert_eq!(act(keystore, registering(NEXT), 2).await, refused(refusal));
    let announced = act(keystore, advancing(OLD, NEXT), 3).await.unwrap();
    assert_eq!(act(keystore, advancing(OLD, NEXT), 4).await, Ok(announced));
    let refusal = VolumeRefusal::NotCurrent { volume: volume(), from: NEXT, registered: announced };
    assert_eq!(act(keystore, advancing(NEXT, OTHER), 5).await, refused(refusal));
    assert_eq!(changes(keystore).await.len(), 2);
}

#[tokio::test]
async fn t05_an_action_on_a_volume_spends_its_nonce() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    release(keystore, None, 1).await.unwrap();
    assert_eq!(act(keystore, registering(OLD), 1).await, Err(RecordError::NonceSpent));
    act(keystore, registering(OLD), 2).await.unwrap();
    assert_eq!(act(keystore, advancing(OLD, NEXT), 2).await, Err(RecordError::NonceSpent));
    let other = fixture.again().await.unwrap();
    assert_eq!(act(&other, advancing(OLD, NEXT), 2).await, Err(RecordError::NonceSpent));
    assert_eq!(release(&other, Some(OLD), 2).await, Err(RecordError::NonceSpent));
}

#[tokio::test]
async fn t51_a_change_overtakes_an_action_on_a_volume() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.put("prod/db", b"value").await;
    let stale = fixture.keystore.record_volume(new(registering(OLD), epoch, 1)).await;
    assert_eq!(stale, Err(RecordError::EpochMoved { epoch: epoch + 1 }));
    act(&fixture.keystore, registering(OLD), 1).await.unwrap();
}

#[tokio::test]
async fn t33_a_forgotten_volume_can_be_registered_anew() {
    let fixture = Fixture::new().await;
    let other = fixture.again().await.unwrap();
    let keystore = &fixture.keystore;
    let unknown = keystore.forget_volume(BY, &volume()).await.unwrap_err();
    assert!(matches!(unknown, ForgetError::NotRegistered { volume: named } if named == volume()));
    act(keystore, registering(OLD), 1).await.unwrap();
    act(keystore, advancing(OLD, NEXT), 2).await.unwrap();
    keystore.forget_volume(BY, &volume()).await.unwrap();
    assert_eq!(keystore.volume(&volume()).await.unwrap(), None);
    release(&other, None, 3).await.unwrap();
    let refusal = VolumeRefusal::NotRegistered { volume: volume() };
    assert_eq!(act(&other, advancing(OLD, NEXT), 4).await, refused(refusal));
    assert_eq!(act(&other, registering(OTHER), 5).await, Ok(state(OTHER, 1, None)));
    let registered = keystore.volume(&volume()).await.unwrap().unwrap();
    assert_eq!((registered.state, registered.changes), (state(OTHER, 1, None), 1));
    // Also after a restart, what was registered before stays forgotten.
    let after = fixture.again().await.unwrap();
    release(&after, Some(OTHER), 6).await.unwrap();
    assert!(matches!(release(&after, Some(OLD), 7).await, Err(RecordError::Volume(_))));
    keystore.forget_volume(BY, &volume()).await.unwrap();
    let again = keystore.forget_volume(BY, &volume()).await.unwrap_err();
    assert!(matches!(again, ForgetError::NotRegistered { .. }), "{again}");
}

#[tokio::test]
async fn t42_an_edited_record_of_a_volume_is_noticed_and_concerns_no_other() {
    for edit in [
        "UPDATE log_leaves SET record = replace(record, '0101', '0202') WHERE kind = 'volume'",
        "UPDATE log_leaves SET mac = x'00' WHERE kind = 'volume'",
        "UPDATE log_leaves SET record = (SELECT record FROM log_leaves WHERE idx = 0) WHERE kind = 'volume'",
        "UPDATE log_leaves SET kind = 'grant' WHERE kind = 'volume'",
    ] {
        let fixture = Fixture::new().await;
        let keystore = &fixture.keystore;
        act(keystore, registering(OLD), 1).await.unwrap();
        assert_eq!(fixture.sql(edit).await, 1, "{edit}");
        assert_eq!(release(keystore, Some(OLD), 2).await, Err(RecordError::Unknown), "{edit}");
        assert_eq!(act(keystore, advancing(OLD, NEXT), 3).await, Err(RecordError::Unknown), "{edit}");
        let mut elsewhere = grant(keystore.epoch().await.unwrap(), 4, 4);
        elsewhere.record.instance = Some("1/3".to_owned());
        keystore.record(elsewhere).await.expect("another volume");
        let read = keystore.volume(&volume()).await.unwrap_err();
        assert!(matches!(read, StoreError::RowTampered { table: "volumes", .. }), "{read}");
    }
}

/// The column only serves queries: until somebody reads the log, it can hide a record.
#[tokio::test]
async fn t42_a_record_hidden_from_its_volume_is_noticed_by_whoever_reads_the_log() {
    let fixture = Fixture::new().await;
    act(&fixture.keystore, registering(OLD), 1).await.unwrap();
    fixture.sql("UPDATE log_leaves SET volume = NULL").await;
    let read = fixture.keystore.decisions(&DecisionFilter::default(), None).await.unwrap_err();
    assert!(matches!(read, StoreError::RowTampered { table: "log_leaves", .. }), "{read}");
}

#[tokio::test]
async fn volumes_are_listed_by_id_and_page() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let epoch = keystore.epoch().await.unwrap();
    for (nonce, instance) in [(1, "1/2"), (2, "1/3"), (3, "1/4")] {
        let new = NewVolume { instance: instance.to_owned(), ..new(registering(OLD), epoch, nonce) };
        keystore.record_volume(new).await.unwrap();
    }
    act(keystore, advancing(OLD, NEXT), 4).await.unwrap();
    let list = async |filter: VolumeFilter| {
        let found = keystore.volume_records(&filter).await.unwrap();
        found
            .into_iter()
            .map(|(record, _)| (record.volume().to_string(), record.state.pending))
            .collect::<Vec<_>>()
    };
    let id = |instance: &str| format!("{PATH}@{instance}");
    let all = list(VolumeFilter::default()).await;
    assert_eq!(all, [(id("1/2"), Some(NEXT)), (id("1/3"), None), (id("1/4"), None)]);
    let page = VolumeFilter { after: Some(volume()), limit: Some(1), ..VolumeFilter::default() };
    assert_eq!(list(page).await, [(id("1/3"), None)]);
    let of = VolumeFilter { instance: Some("1/4".to_owned()), ..VolumeFilter::default() };
    assert_eq!(list(of).await, [(id("1/4"), None)]);
    let of = |text| VolumeFilter { path: Some(path(text)), ..VolumeFilter::default() };
    assert_eq!(list(of(PATH)).await.len(), 3);
    assert_eq!(list(of("prod/dbx1/disk")).await, [], "`_` is not a wildcard");
}
