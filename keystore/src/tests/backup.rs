//! Copies of the database: made while it is used, put in place, and noticed when they are old.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::backup::{BackupError, CopySummary, Loss, LossChoice, Restore, Restored, back_up};
use crate::log::DecisionFilter;
use crate::log::record::LogRecord;
use crate::registry::open::lock;

const LATER: UnixTime = UnixTime(NOW.0 + 1000);

impl Fixture {
    async fn back_up(&self, name: &str) -> Result<CopySummary, BackupError> {
        back_up(&self.path(), &self.keyring(), &[], &self.file(name)).await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn restore(&self, name: &str, loss: LossChoice) -> Result<Restored, BackupError> {
        let (file, database) = (self.file(name), self.path());
        Restore { file: &file, identities: &[], database: &database, newest: None, loss, at: LATER }
            .run(self.keyring())
            .await
    }

    /// Closed, and opened again.
    async fn reopened(self) -> Self {
        Self { keystore: self.again().await.expect("it opens"), folder: self.folder }
    }

    /// A keystore with a first value, a copy with it, and a second value that is not in the copy; closed.
    async fn behind() -> Self {
        let fixture = Self::new().await;
        fixture.put("prod/db", b"first").await;
        fixture.back_up("copy.db").await.expect("a copy");
        fixture.put("prod/db", b"second").await;
        fixture.keystore.record(record::grant(3, 1, 1)).await.expect("a record");
        fixture.keystore.close().await;
        fixture
    }
}

/// Names of the files in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = files.collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_copy_made_under_load_is_complete_and_has_no_destroyed_value() {
    let fixture = Fixture::new().await;
    fixture.put("prod/old", b"destroyed value").await;
    let StoredState::Active(active) = fixture.state("prod/old").await.unwrap() else { panic!("not active") };
    let (data, key) = active.sealed_bytes();
    fixture.keystore.destroy_secret(BY, &path("prod/old"), None).await.unwrap();
    fixture.put("prod/db", b"value").await;
    let before = fixture.keystore.registry().log().pins.seen();
    let writing = fixture.keystore.clone();
    let writer = tokio::spawn(async move {
        for nonce in 1..200 {
            writing.record(record::grant(before.epoch, nonce, nonce)).await.unwrap();
        }
    });
    let copied = fixture.back_up("copy.db").await.unwrap();
    writer.await.unwrap();
    let after = fixture.keystore.registry().log().pins.seen();
    assert_eq!(copied.epoch, before.epoch);
    assert!((before.size..=after.size).contains(&copied.records), "{copied:?}");
    assert!(copied.newest_at.is_some_and(|at| at >= NOW));
    let file = fixture.file("copy.db");
    assert_eq!(copied.bytes, fs::metadata(&file).unwrap().len());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&file).unwrap();
    assert!(!contains(&bytes, data) && !contains(&bytes, key));
    assert!(!names(fixture.folder.path()).iter().any(|name| name.starts_with("copy.db-")));
}

#[tokio::test]
async fn a_copy_that_is_not_good_is_removed_and_nothing_is_overwritten() {
    let fixture = Fixture::new().await;
    fixture.back_up("copy.db").await.unwrap();
    let exists = fixture.back_up("copy.db").await.unwrap_err();
    assert!(matches!(exists, BackupError::Exists { .. }), "{exists}");
    let other = Keyring::generate(NOW).unwrap();
    let wrong = back_up(&fixture.path(), &other, &[], &fixture.file("new.db")).await.unwrap_err();
    assert!(matches!(wrong, BackupError::Open(OpenError::WrongKeyring { .. })), "{wrong}");
    let missing = back_up(&fixture.file("none.db"), &other, &[], &fixture.file("new.db")).await.unwrap_err();
    assert!(matches!(missing, BackupError::Open(OpenError::Missing { .. })), "{missing}");
    fixture.sql("UPDATE log_leaves SET record = replace(record, 'alice', 'malice')").await;
    let edited = fixture.back_up("new.db").await.unwrap_err();
    assert!(
        matches!(edited, BackupError::Store(StoreError::RowTampered { table: "log_leaves", .. })),
        "{edited}"
    );
    fixture
        .sql("DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)")
        .await;
    let version = fixture.back_up("new.db").await.unwrap_err();
    assert!(matches!(version, BackupError::OtherVersion { .. }), "{version}");
    assert!(!names(fixture.folder.path()).iter().any(|name| name.starts_with("new.db")));
}

#[tokio::test]
async fn t43_a_broker_restored_elsewhere_is_the_same_broker() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let identity = fixture.keystore.identity().await.unwrap().identity();
    let copied = fixture.back_up("copy.db").await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let database = elsewhere.path().join("vouchsafe.db");
    let (file, loss) = (fixture.file("copy.db"), LossChoice::Refuse);
    let restore =
        Restore { file: &file, identities: &[], database: &database, newest: None, loss, at: LATER };
    let restored = restore.run(fixture.keyring()).await.unwrap();
    assert_eq!((restored.copy.root, restored.copy.records), (copied.root, copied.records));
    assert_eq!((restored.compared, restored.loss, restored.moved), (false, None, vec![]));
    assert_eq!(names(elsewhere.path()), ["vouchsafe.db", "vouchsafe.db.lock", "vouchsafe.head"]);
    assert_eq!(fs::metadata(&database).unwrap().permissions().mode() & 0o777, 0o600);

    let keystore = Keystore::open(&database, fixture.keyring()).await.unwrap();
    let restored = Fixture { folder: elsewhere, keystore };
    assert_eq!(restored.served("prod/db").await.unwrap(), b"value");
    assert_eq!(restored.keystore.identity().await.unwrap().identity(), identity);
    assert_eq!(restored.keystore.restored_at(), Some(LATER));
    assert_eq!(fixture.keystore.restored_at(), None);
    let newest = DecisionFilter { limit: Some(1), ..DecisionFilter::default() };
    let logged = restored.keystore.decisions(&newest, None).await.unwrap();
    let LogRecord::Operator(record) = &logged[0].record else { panic!("{logged:?}") };
    assert_eq!([&*record.action, &*record.operator], ["keystore.restore", "restore"]);
    assert_eq!((&*record.target, &record.authority), ("2 records", &None));
}

#[tokio::test]
async fn t42_an_older_copy_is_restored_only_with_its_loss() {
    let fixture = Fixture::behind().await;
    let before = fs::read(fixture.path()).unwrap();
    let lock = lock(&fixture.path()).unwrap();
    let running = fixture.restore("copy.db", LossChoice::Accept).await.unwrap_err();
    assert!(matches!(running, BackupError::Open(OpenError::InUse { .. })), "{running}");
    drop(lock);
    let refused = fixture.restore("copy.db", LossChoice::Refuse).await.unwrap_err();
    let BackupError::Older { loss, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*loss, Loss { records: 2, changes: 1 });
    assert!(refused.to_string().contains("at least 2; changes by operators among them: 1"), "{refused}");
    assert_eq!(fs::read(fixture.path()).unwrap(), before);
    assert!(!names(fixture.folder.path()).iter().any(|name| name.contains("restoring")));
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"second");
    fixture.keystore.close().await;

    let restored = fixture.restore("copy.db", LossChoice::Accept).await.unwrap();
    assert_eq!((restored.compared, restored.loss), (true, Some(Loss { records: 2, changes: 1 })));
    // Reading the head of the database in place leaves an empty write-ahead log.
    let ends = ["", "-wal", "-shm"].map(|end| format!("vouchsafe.db.before-1800001000{end}"));
    let moved = [&ends[..], &["vouchsafe.head.before-1800001000".to_owned()]].concat();
    assert_eq!(restored.moved, moved.iter().map(|name| fixture.file(name)).collect::<Vec<_>>());
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"first");
    fixture.keystore.close().await;

    // What was moved is the whole database.
    for (from, to) in moved.iter().zip(["other.db", "other.db-wal", "other.db-shm", "other.head"]) {
        fs::copy(fixture.file(from), fixture.file(to)).unwrap();
    }
    let keystore = Keystore::open(&fixture.file("other.db"), fixture.keyring()).await.unwrap();
    let old = Fixture { folder: fixture.folder, keystore };
    assert_eq!(old.served("prod/db").await.unwrap(), b"second");
}

#[tokio::test]
async fn t42_a_database_in_place_alone_proves_nothing_about_the_copy() {
    let fixture = Fixture::behind().await;
    // An old copy that somebody has put in place, without its newest head.
    fs::remove_file(fixture.file("vouchsafe.head")).unwrap();
    fs::copy(fixture.file("copy.db"), fixture.path()).unwrap();
    let restored = fixture.restore("copy.db", LossChoice::Refuse).await.unwrap();
    assert_eq!((restored.compared, restored.loss), (false, None));
}

#[tokio::test]
async fn a_database_whose_newest_head_is_damaged_is_restored_onto_itself() {
    let fixture = Fixture::behind().await;
    fs::write(fixture.file("vouchsafe.head"), b"damaged").unwrap();
    let restored = fixture.restore("vouchsafe.db", LossChoice::Accept).await.unwrap();
    assert_eq!(restored.loss, None);
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"second");
}

#[tokio::test]
async fn t42_every_head_that_is_shown_counts() {
    // The database in place may be newer than its file.
    let fixture = Fixture::behind().await;
    let newest = fs::read(fixture.file("vouchsafe.head")).unwrap();
    fs::remove_file(fixture.file("vouchsafe.head")).unwrap();
    let older = |refused: &BackupError| matches!(refused, BackupError::Older { .. });
    assert!(older(&fixture.restore("copy.db", LossChoice::Refuse).await.unwrap_err()));
    // The file beside a damaged database.
    fs::write(fixture.path(), b"damaged").unwrap();
    fs::write(fixture.file("vouchsafe.head"), &newest).unwrap();
    assert!(older(&fixture.restore("copy.db", LossChoice::Refuse).await.unwrap_err()));
    // A file kept elsewhere.
    fs::remove_file(fixture.path()).unwrap();
    fs::rename(fixture.file("vouchsafe.head"), fixture.file("kept.head")).unwrap();
    let (file, database, kept) = (fixture.file("copy.db"), fixture.path(), fixture.file("kept.head"));
    let shown = |newest| {
        let restore = Restore {
            file: &file,
            identities: &[],
            database: &database,
            newest,
            loss: LossChoice::Refuse,
            at: LATER,
        };
        restore.run(fixture.keyring())
    };
    assert!(older(&shown(Some(&*kept)).await.unwrap_err()));
    let absent = shown(Some(Path::new("/nonexistent"))).await.unwrap_err();
    assert!(matches!(absent, BackupError::Io { .. }), "{absent}");
    fs::write(&kept, b"{}").unwrap();
    let invalid = shown(Some(&*kept)).await.unwrap_err();
    assert!(matches!(invalid, BackupError::Open(OpenError::Newest(_))), "{invalid}");
    assert!(!database.exists());
    assert!(!shown(None).await.unwrap().compared);
}

#[tokio::test]
async fn a_damaged_copy_changes_nothing() {
    let fixture = Fixture::behind().await;
    let good = fs::read(fixture.file("copy.db")).unwrap();
    let before = fs::read(fixture.path()).unwrap();
    for damaged in [vec![], good[..good.len() / 2].to_vec(), vec![7; 8192]] {
        let is_empty = damaged.is_empty();
        fs::write(fixture.file("copy.db"), damaged).unwrap();
        let refused = fixture.restore("copy.db", LossChoice::Accept).await.unwrap_err();
        let is_other = matches!(
            refused,
            BackupError::Open(OpenError::InUse { .. })
                | BackupError::Older { .. }
                | BackupError::Exists { .. }
        );
        let has_no_tables = matches!(refused, BackupError::Open(OpenError::NoTables { .. }));
        assert!(!is_other && has_no_tables == is_empty, "{refused}");
        assert_eq!(fs::read(fixture.path()).unwrap(), before);
        assert!(!names(fixture.folder.path()).iter().any(|name| name.contains("restoring")));
    }
    fs::write(fixture.file("copy.db"), good).unwrap();
    fixture.restore("copy.db", LossChoice::Accept).await.unwrap();
}

#[tokio::test]
async fn t58_an_old_copy_put_back_by_hand_is_noticed_at_start() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"first").await;
    fixture.keystore.close().await;
    let old = fs::read(fixture.path()).unwrap();
    let fixture = fixture.reopened().await;
    fixture.keystore.retire_secret(BY, &path("prod/db"), None).await.unwrap();
    fixture.keystore.close().await;
    fs::write(fixture.path(), &old).unwrap();
    let noticed = fixture.again().await.unwrap_err();
    let OpenError::OldCopy { loss, .. } = &noticed else { panic!("{noticed}") };
    assert_eq!(*loss, Loss { records: 1, changes: 1 });
    assert!(noticed.to_string().contains("`vouchsafe restore`"), "{noticed}");
}

#[tokio::test]
async fn t58_a_bare_copy_is_noticed_at_start() {
    let fixture = Fixture::new().await;
    fixture.keystore.close().await;
    fs::remove_file(fixture.file("vouchsafe.head")).unwrap();
    let noticed = fixture.again().await.unwrap_err();
    assert!(matches!(noticed, OpenError::BareCopy { .. }), "{noticed}");
    assert!(noticed.to_string().contains("`vouchsafe restore`"), "{noticed}");
    fs::write(fixture.file("vouchsafe.head"), b"{}").unwrap();
    let invalid = fixture.again().await.unwrap_err();
    assert!(matches!(invalid, OpenError::Newest(_)), "{invalid}");
    assert!(invalid.to_string().contains("`vouchsafe restore`"), "{invalid}");
}

#[tokio::test]
async fn a_keystore_of_an_earlier_version_gets_the_file_and_its_note() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.sql("DELETE FROM meta WHERE name = 'newest-head'").await, 1);
    fixture.keystore.close().await;
    fs::remove_file(fixture.file("vouchsafe.head")).unwrap();
    let fixture = fixture.reopened().await;
    assert!(fixture.file("vouchsafe.head").exists());
    fs::remove_file(fixture.file("vouchsafe.head")).unwrap();
    let noticed = fixture.again().await.unwrap_err();
    assert!(matches!(noticed, OpenError::BareCopy { .. }), "{noticed}");
    fixture.sql("UPDATE meta SET mac = x'00' WHERE name = 'newest-head'").await;
    let edited = fixture.again().await.unwrap_err();
    assert!(matches!(edited, OpenError::Store(StoreError::RowTampered { table: "meta", .. })), "{edited}");
}

#[tokio::test]
async fn the_newest_head_is_written_while_the_broker_serves() {
    let fixture = Fixture::new().await;
    let first = fs::read(fixture.file("vouchsafe.head")).unwrap();
    fixture.put("prod/db", b"value").await;
    assert_eq!(fs::read(fixture.file("vouchsafe.head")).unwrap(), first);
    fixture.keystore.keep_newest_head(Duration::from_millis(10));
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if fs::read(fixture.file("vouchsafe.head")).unwrap() != first {
            return;
        }
    }
    panic!("the file is the old one");
}
