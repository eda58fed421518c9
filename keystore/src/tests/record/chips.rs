//! T20: chips first seen, and the alarm.

use std::sync::{Arc, Mutex};

use super::*;
use crate::chips::{ChipEvent, FirstSeen, MAX_CHIPS, Subject};
use crate::registry::chips::{ChipFilter, SeenChip};
use crate::registry::open::OpenError;
use crate::{Keystore, StoreError};
use vouchsafe_policy::chip::Chip;

fn chip(id: &str) -> Chip {
    Chip::stored(format!("sev-snp:{id}"))
}

fn instance() -> Subject {
    Subject::Instance("1/2".to_owned())
}

fn policy(name: &str) -> Subject {
    Subject::Policy(ObjectName::parse(name).unwrap())
}

/// A grant to instance 1/2 on this chip.
fn on(epoch: u64, nonce: u8, id: &str) -> NewGrant {
    NewGrant { chip: Some(chip(id)), ..grant(epoch, nonce, nonce) }
}

/// The same without evidence that names the instance.
fn alone(epoch: u64, nonce: u8, id: &str, policies: &[&str]) -> NewGrant {
    let mut grant = on(epoch, nonce, id);
    grant.record.instance = None;
    let secret = grant.record.secrets[0].clone();
    let of = |name: &&str| GrantedSecret { policy: ObjectName::parse(name).unwrap(), ..secret.clone() };
    grant.record.secrets = policies.iter().map(of).collect();
    grant
}

type Events = Arc<Mutex<Vec<(Subject, ChipEvent)>>>;

fn watch(keystore: &Keystore) -> Events {
    let events = Events::default();
    let kept = events.clone();
    keystore.watch_chips(move |subject, event| kept.lock().unwrap().push((subject.clone(), event)));
    events
}

fn taken(events: &Events) -> Vec<(Subject, ChipEvent)> {
    std::mem::take(&mut *events.lock().unwrap())
}

/// Chips with the previous chip, newest first.
async fn listed(keystore: &Keystore) -> Vec<(u64, Subject, String, Option<String>)> {
    let seen = keystore.chips(&ChipFilter::default()).await.unwrap();
    let shown = |SeenChip { index, seen: FirstSeen { chip, earlier, subject }, .. }| {
        (index, subject, chip.to_string(), earlier.map(|chip| chip.to_string()))
    };
    seen.into_iter().map(shown).collect()
}

fn first(index: u64, subject: Subject, id: &str) -> (u64, Subject, String, Option<String>) {
    (index, subject, format!("sev-snp:{id}"), None)
}

fn moved(index: u64, id: &str, earlier: &str) -> (u64, Subject, String, Option<String>) {
    (index, instance(), format!("sev-snp:{id}"), Some(format!("sev-snp:{earlier}")))
}

#[tokio::test]
async fn t20_a_second_chip_of_an_instance_raises_the_alarm_once() {
    let fixture = Fixture::new().await;
    let (keystore, epoch) = (&fixture.keystore, fixture.keystore.epoch().await.unwrap());
    let events = watch(keystore);
    keystore.record(on(epoch, 1, "aa")).await.unwrap();
    assert_eq!(taken(&events), [(instance(), ChipEvent::First)]);
    keystore.record(on(epoch, 2, "aa")).await.unwrap();
    assert_eq!(taken(&events), []);
    let leaf = keystore.record(on(epoch, 3, "bb")).await.unwrap();
    assert_eq!(taken(&events), [(instance(), ChipEvent::Moved)]);
    for (nonce, id) in [(4, "bb"), (5, "aa"), (6, "bb")] {
        keystore.record(on(epoch, nonce, id)).await.unwrap();
    }
    // Without hardware evidence no chip is seen.
    keystore.record(grant(epoch, 7, 7)).await.unwrap();
    assert_eq!(taken(&events), []);
    assert_eq!(listed(keystore).await, [moved(1, "bb", "aa"), first(0, instance(), "aa")]);

    let seen = keystore.chips(&ChipFilter::default()).await.unwrap().remove(0);
    assert_eq!((seen.first_seen_at, seen.grant.index), (NOW, leaf));
    assert_eq!(seen.grant.record.id(), DecisionId([3; 16]));
    // The grant's own record also has the chip, and that of the next grant has none.
    let chips = async |id| match keystore.decision(DecisionId([id; 16])).await.unwrap().unwrap().record {
        LogRecord::Grant(record) => record.chips,
        other => panic!("{other:?}"),
    };
    let expected = FirstSeen { chip: chip("bb"), earlier: Some(chip("aa")), subject: instance() };
    assert_eq!(chips(3).await, [expected]);
    assert_eq!(chips(4).await, []);
}

#[tokio::test]
async fn t20_the_alarm_is_right_after_a_restart_and_across_brokers() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.keystore.record(on(epoch, 1, "aa")).await.unwrap();
    fixture.keystore.close().await;

    let [one, other] = [fixture.again().await.unwrap(), fixture.again().await.unwrap()];
    let (first_events, other_events) = (watch(&one), watch(&other));
    one.record(on(epoch, 2, "aa")).await.unwrap();
    one.record(on(epoch, 3, "bb")).await.unwrap();
    other.record(on(epoch, 4, "bb")).await.unwrap();
    other.record(on(epoch, 5, "cc")).await.unwrap();
    one.record(on(epoch, 6, "cc")).await.unwrap();
    assert_eq!(taken(&first_events), [(instance(), ChipEvent::Moved)]);
    assert_eq!(taken(&other_events), [(instance(), ChipEvent::Moved)]);
    let expected = [moved(2, "cc", "bb"), moved(1, "bb", "aa"), first(0, instance(), "aa")];
    assert_eq!(listed(&one).await, expected);
}

#[tokio::test]
async fn t20_hardware_alone_counts_for_each_policy_of_the_grant() {
    let fixture = Fixture::new().await;
    let (keystore, epoch) = (&fixture.keystore, fixture.keystore.epoch().await.unwrap());
    let events = watch(keystore);
    keystore.record(alone(epoch, 1, "aa", &["prod/p", "prod/q", "prod/p"])).await.unwrap();
    let both = [(policy("prod/p"), ChipEvent::First), (policy("prod/q"), ChipEvent::First)];
    assert_eq!(taken(&events), both);
    keystore.record(alone(epoch, 2, "bb", &["prod/p"])).await.unwrap();
    assert_eq!(taken(&events), [(policy("prod/p"), ChipEvent::Moved)]);
    // The same chip with evidence that names the instance is the first chip of that instance.
    keystore.record(on(epoch, 3, "bb")).await.unwrap();
    assert_eq!(taken(&events), [(instance(), ChipEvent::First)]);
    let of = async |subject| {
        let filter = ChipFilter { subject: Some(subject), ..ChipFilter::default() };
        keystore.chips(&filter).await.unwrap().len()
    };
    assert_eq!([of(policy("prod/p")).await, of(policy("prod/q")).await, of(instance()).await], [2, 1, 1]);
    assert_eq!(of(policy("prod/r")).await, 0);
}

#[test]
fn a_page_of_chips_has_1_to_1000_and_100_by_default() {
    let limit = |limit| ChipFilter { limit, ..ChipFilter::default() }.limit();
    assert_eq!([None, Some(0), Some(1), Some(1000), Some(1001)].map(limit), [100, 1, 1, 1000, 1000]);
}

#[tokio::test]
async fn chips_are_listed_page_by_page() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    for nonce in 1..=5 {
        fixture.keystore.record(on(epoch, nonce, &nonce.to_string())).await.unwrap();
    }
    let page = async |before| {
        let filter = ChipFilter { before, limit: Some(2), ..ChipFilter::default() };
        let page = fixture.keystore.chips(&filter).await.unwrap();
        page.iter().map(|chip| chip.index).collect::<Vec<_>>()
    };
    assert_eq!(
        [page(None).await, page(Some(3)).await, page(Some(1)).await],
        [vec![4, 3], vec![2, 1], vec![0]]
    );
}

#[tokio::test]
async fn t20_one_batch_with_two_chips_raises_one_alarm() {
    let fixture = Fixture::new().await;
    let (keystore, epoch) = (&fixture.keystore, fixture.keystore.epoch().await.unwrap());
    let events = watch(keystore);
    // While the writer is blocked, grants queue up for one batch.
    let held = fixture.hold().await;
    let (answers, answered) = std::sync::mpsc::channel();
    let recording: Vec<_> = [(1, "aa"), (2, "bb"), (3, "aa"), (4, "bb"), (4, "cc")]
        .into_iter()
        .map(|(nonce, id)| {
            let (keystore, grant, answers) = (keystore.clone(), on(epoch, nonce, id), answers.clone());
            std::thread::spawn(move || {
                keystore.record_then(grant, move |result| answers.send(result.is_ok()).unwrap());
            })
        })
        .collect();
    recording.into_iter().for_each(|thread| thread.join().unwrap());
    drop(held);
    let answered = tokio::task::spawn_blocking(move || answered.iter().take(5).filter(|ok| *ok).count());
    // Two of them share a nonce: the second one left nothing.
    assert_eq!(answered.await.unwrap(), 4);
    let events = taken(&events);
    let rows = listed(keystore).await;
    assert_eq!(events.iter().filter(|(_, event)| *event == ChipEvent::First).count(), 1);
    assert_eq!(events.len(), rows.len());
    assert!((2..=3).contains(&rows.len()), "{rows:?}");
}

#[tokio::test]
async fn t20_a_grant_that_is_not_recorded_leaves_no_chip() {
    let fixture = Fixture::new().await;
    let (keystore, epoch) = (&fixture.keystore, fixture.keystore.epoch().await.unwrap());
    let events = watch(keystore);
    let stale = keystore.record(on(epoch - 1, 1, "aa")).await;
    assert_eq!(stale, Err(RecordError::EpochMoved { epoch }));
    keystore.record(grant(epoch, 2, 2)).await.unwrap();
    assert_eq!(keystore.record(on(epoch, 2, "bb")).await, Err(RecordError::NonceSpent));
    fixture.sql("CREATE TRIGGER t BEFORE INSERT ON log_leaves BEGIN SELECT RAISE(IGNORE); END").await;
    assert_eq!(keystore.record(on(epoch, 3, "cc")).await, Err(RecordError::Unknown));
    fixture.sql("DROP TRIGGER t").await;
    assert!(keystore.record_refusal(refusal(4, Some("1/2"))));
    assert_eq!(listed(keystore).await, []);
    assert_eq!(taken(&events), []);
    // And a failed grant is not cached: its chip is recorded when it succeeds.
    keystore.record(on(epoch, 3, "cc")).await.unwrap();
    assert_eq!(taken(&events), [(instance(), ChipEvent::First)]);
}

#[tokio::test]
async fn t20_a_known_chip_costs_no_statement() {
    let fixture = Fixture::new().await;
    let (keystore, epoch) = (&fixture.keystore, fixture.keystore.epoch().await.unwrap());
    keystore.record(on(epoch, 1, "aa")).await.unwrap();
    keystore.record(alone(epoch, 2, "aa", &["prod/p", "prod/q"])).await.unwrap();
    fixture.sql("ALTER TABLE chips RENAME TO gone").await;
    fixture.sql("ALTER TABLE chips_head RENAME TO gone_head").await;
    keystore.record(on(epoch, 3, "aa")).await.unwrap();
    keystore.record(alone(epoch, 4, "aa", &["prod/q"])).await.unwrap();
    keystore.record(grant(epoch, 5, 5)).await.unwrap();
    assert_eq!(keystore.record(on(epoch, 6, "bb")).await, Err(RecordError::Unknown));
}

#[tokio::test]
async fn t20_an_edited_chip_is_noticed() {
    for (statement, notices_grant) in [
        ("UPDATE chips SET chip = 'sev-snp:bb'", true),
        ("UPDATE chips SET mac = x'00'", true),
        ("UPDATE chips SET first_seen_at = 1", true),
        ("UPDATE chips SET decision = '03030303030303030303030303030303'", true),
        ("UPDATE chips SET leaf = leaf - 1", true),
        ("UPDATE chips_head SET size = size - 1", true),
        ("UPDATE chips_head SET mac = x'00'", true),
        ("DELETE FROM chips_head", true),
        // Recording a grant reads only its own subject; the list reads everything.
        ("UPDATE chips SET subject = 'instance 1/3'", false),
    ] {
        let fixture = Fixture::new().await;
        let epoch = fixture.keystore.epoch().await.unwrap();
        fixture.keystore.record(on(epoch, 1, "aa")).await.unwrap();
        let other = fixture.again().await.unwrap();
        assert_ne!(fixture.sql(statement).await, 0, "{statement}");
        let recorded = other.record(on(epoch, 2, "bb")).await;
        assert_eq!(recorded == Err(RecordError::Unknown), notices_grant, "{statement}: {recorded:?}");
        if !statement.contains("chips_head") {
            let noticed = fixture.keystore.chips(&ChipFilter::default()).await.unwrap_err();
            assert!(matches!(noticed, StoreError::RowTampered { table: "chips", .. }), "{statement}");
        }
    }
}

#[tokio::test]
async fn t20_an_edited_chip_affects_no_other_subject() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.keystore.record(on(epoch, 1, "aa")).await.unwrap();
    let other = fixture.again().await.unwrap();
    fixture.sql("UPDATE chips SET mac = x'00'").await;
    let mut elsewhere = on(epoch, 3, "cc");
    elsewhere.record.instance = Some("1/9".to_owned());
    // They may be in one batch or in two: either way the one does not make the other fail.
    let (edited, whole) = tokio::join!(other.record(on(epoch, 2, "bb")), other.record(elsewhere));
    assert_eq!(edited, Err(RecordError::Unknown));
    assert!(whole.is_ok(), "{whole:?}");
}

#[tokio::test]
async fn t20_a_removed_chip_is_noticed() {
    for statement in
        ["DELETE FROM chips", "DELETE FROM chips WHERE idx = 0", "DELETE FROM chips WHERE idx = 1"]
    {
        let fixture = Fixture::new().await;
        let epoch = fixture.keystore.epoch().await.unwrap();
        fixture.keystore.record(on(epoch, 1, "aa")).await.unwrap();
        fixture.keystore.record(on(epoch, 2, "bb")).await.unwrap();
        fixture.sql(statement).await;
        let opened = fixture.again().await;
        let Err(OpenError::Store(StoreError::RowTampered { table: "chips", key })) = opened else {
            panic!("{statement}: {opened:?}")
        };
        assert_eq!(key, "all");
    }
}

#[tokio::test]
async fn t20_a_head_put_back_is_noticed_while_the_broker_runs() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.keystore.record(on(epoch, 1, "aa")).await.unwrap();
    fixture.sql("CREATE TABLE old AS SELECT * FROM chips_head").await;
    fixture.keystore.record(on(epoch, 2, "bb")).await.unwrap();
    fixture.sql("DELETE FROM chips WHERE idx = 1").await;
    fixture.sql("UPDATE chips_head SET (size, mac) = (SELECT size, mac FROM old)").await;
    assert_eq!(fixture.keystore.record(on(epoch, 3, "cc")).await, Err(RecordError::Unknown));
}

#[tokio::test]
async fn t20_a_chip_that_is_silently_left_out_is_not_recorded() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.sql("CREATE TRIGGER t BEFORE INSERT ON chips BEGIN SELECT RAISE(IGNORE); END").await;
    assert_eq!(fixture.keystore.record(on(epoch, 1, "aa")).await, Err(RecordError::Unknown));
}

#[tokio::test]
async fn t20_t44_a_subject_has_a_bounded_number_of_chips() {
    let fixture = Fixture::new().await;
    let (keystore, epoch) = (&fixture.keystore, fixture.keystore.epoch().await.unwrap());
    let events = watch(keystore);
    let many = u8::try_from(MAX_CHIPS - 1).unwrap();
    for nonce in 0..=many {
        keystore.record(on(epoch, nonce, &nonce.to_string())).await.unwrap();
    }
    let seen = taken(&events);
    assert_eq!(seen.iter().filter(|(_, event)| *event == ChipEvent::Moved).count(), MAX_CHIPS - 1);
    let wide = |byte: u8, id: &str| {
        let mut grant = on(epoch, byte, id);
        grant.record.nonce.0[31] = 0xff - byte;
        grant
    };
    // One more is granted and raises one alarm; it is not stored.
    for byte in [1, 2] {
        keystore.record(wide(byte, "more")).await.unwrap();
    }
    assert_eq!(taken(&events), [(instance(), ChipEvent::NotKept)]);
    assert_eq!(fixture.sql("UPDATE chips SET idx = idx").await, MAX_CHIPS as u64);
    // Stored chips are known after a restart, the other one is not.
    let other = fixture.again().await.unwrap();
    let events = watch(&other);
    other.record(wide(3, "7")).await.unwrap();
    other.record(wide(4, "more")).await.unwrap();
    assert_eq!(taken(&events), [(instance(), ChipEvent::NotKept)]);
}
