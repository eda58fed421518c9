//! A keystore whose log is not the continuation of the one that is known: also when it is the longer one.

use vouchsafe_protocol::Digest32;

use super::*;
use crate::backup::{BackupError, LossChoice, Restore, Restored, back_up};
use crate::log::record::LogRecord;
use crate::log::{DecisionFilter, LogState, Tree, head_row};

const LATER: UnixTime = UnixTime(NOW.0 + 1000);

impl Fixture {
    fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn put_back(&self, name: &str, loss: LossChoice) -> Result<Restored, BackupError> {
        let (file, database) = (self.beside(name), self.path());
        Restore { file: &file, identities: &[], database: &database, newest: None, loss, at: LATER }
            .run(self.keyring())
            .await
    }

    /// A closed keystore that went on after an older copy was restored; the branch that was left is the longer one: `left.db`.
    async fn branched() -> Self {
        let fixture = Self::new().await;
        fixture.put("prod/db", b"first").await;
        back_up(&fixture.path(), &fixture.keyring(), &[], &fixture.beside("copy.db")).await.expect("a copy");
        for value in 0..8 {
            fixture.put("prod/db", &[value]).await;
        }
        fixture.keystore.close().await;
        fs::copy(fixture.path(), fixture.beside("left.db")).expect("copied");
        fixture.put_back("copy.db", LossChoice::Accept).await.expect("restored");
        let keystore = fixture.again().await.expect("it opens");
        let fixture = Self { folder: fixture.folder, keystore };
        fixture.put("prod/db", b"of the new branch").await;
        fixture.keystore.close().await;
        fixture
    }
}

#[tokio::test]
async fn t58_a_longer_branch_put_back_by_hand_is_noticed_at_start() {
    let fixture = Fixture::branched().await;
    fs::copy(fixture.beside("left.db"), fixture.path()).unwrap();
    let noticed = fixture.again().await.unwrap_err();
    assert!(matches!(noticed, OpenError::OtherBranch { size: 4, .. }), "{noticed}");
    assert!(noticed.to_string().contains("`vouchsafe restore`"), "{noticed}");
}

#[tokio::test]
async fn t42_a_longer_branch_is_restored_only_with_its_loss() {
    let fixture = Fixture::branched().await;
    let before = fs::read(fixture.path()).unwrap();
    let refused = fixture.put_back("left.db", LossChoice::Refuse).await.unwrap_err();
    assert!(matches!(refused, BackupError::OtherBranch { .. }), "{refused}");
    assert!(refused.to_string().contains("--accept-loss"), "{refused}");
    assert_eq!(fs::read(fixture.path()).unwrap(), before);
    // The file with the newest head shows it without the database.
    fs::remove_file(fixture.path()).unwrap();
    let refused = fixture.put_back("left.db", LossChoice::Refuse).await.unwrap_err();
    assert!(matches!(refused, BackupError::OtherBranch { .. }), "{refused}");

    let restored = fixture.put_back("left.db", LossChoice::Accept).await.unwrap();
    assert!(restored.other_branch && restored.loss.is_none(), "{restored:?}");
    let fixture = Fixture { keystore: fixture.again().await.unwrap(), folder: fixture.folder };
    assert_eq!(fixture.served("prod/db").await.unwrap(), [7]);
    let newest = DecisionFilter { limit: Some(1), ..DecisionFilter::default() };
    let logged = fixture.keystore.decisions(&newest, None).await.unwrap();
    let LogRecord::Operator(record) = &logged[0].record else { panic!("{logged:?}") };
    assert_eq!(record.target, "10 records, of another branch");
}

#[tokio::test]
async fn t42_changed_and_missing_hashes_are_noticed_without_a_look_at_the_records() {
    let edits = [
        "UPDATE log_leaves SET hash = zeroblob(32) WHERE idx = 0",
        "UPDATE log_leaves SET hash = (SELECT hash FROM log_leaves AS other WHERE other.idx = 1 - log_leaves.idx) WHERE idx < 2",
    ];
    for edit in edits {
        let fixture = Fixture::new().await;
        for value in 0..4 {
            fixture.put("prod/db", &[value]).await;
        }
        assert!(fixture.keystore.verify_leaves().await.unwrap());
        fixture.sql(edit).await;
        assert!(!fixture.keystore.verify_leaves().await.unwrap(), "{edit}");
    }
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    fixture.sql("DELETE FROM log_leaves").await;
    let missing = fixture.keystore.verify_leaves().await.unwrap_err();
    assert!(matches!(missing, StoreError::RowTampered { table: "log_leaves", .. }), "{missing}");
}

#[tokio::test]
async fn t42_an_edited_tree_is_noticed() {
    for edit in [
        "UPDATE log_head SET tree = zeroblob(32)",
        "UPDATE log_head SET tree = NULL",
        "UPDATE log_head SET tree = tree || x'00'",
        "UPDATE log_head SET tree = 'x'",
        "UPDATE log_head SET tree = x''",
    ] {
        let fixture = Fixture::new().await;
        fixture.put("prod/db", b"value").await;
        fixture.sql(edit).await;
        let noticed = fixture.again().await.unwrap_err();
        let row = matches!(noticed, OpenError::Store(StoreError::RowTampered { table: "log_head", .. }));
        assert!(row, "{edit}: {noticed}");
    }
}

#[tokio::test]
async fn t42_leaves_that_are_not_those_of_the_tree_are_not_copied() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    fixture.put("prod/db", b"value").await;
    let state = fixture.keystore.registry().log().pins.state();
    let tree = Tree::default().plus((0..state.size()).map(|_| Digest32([1; 32])));
    let head = head_row(&fixture.keyring().primary(), &LogState { epoch: state.epoch, tree }).unwrap();
    let forged = format!(
        "UPDATE log_head SET tree = x'{}', mac = x'{}'",
        hex::encode(head.tree),
        hex::encode(head.mac)
    );
    fixture.run(&forged).await;
    let refused =
        back_up(&fixture.path(), &fixture.keyring(), &[], &fixture.beside("copy.db")).await.unwrap_err();
    assert!(
        matches!(refused, BackupError::Store(StoreError::RowTampered { table: "log_leaves", .. })),
        "{refused}"
    );
}

#[tokio::test]
async fn t58_a_running_broker_does_not_adopt_a_longer_branch() {
    const SWAP: &str = "DELETE FROM log_leaves; INSERT INTO log_leaves SELECT * FROM left.log_leaves; \
         UPDATE log_head SET (size, generation, mac, tree) = (SELECT size, generation, mac, tree FROM left.log_head); \
         UPDATE epoch SET value = (SELECT value FROM left.epoch)";
    for grants in [false, true] {
        let fixture = Fixture::branched().await;
        let fixture = Fixture { keystore: fixture.again().await.unwrap(), folder: fixture.folder };
        let seen = fixture.keystore.checkpoint();
        let attach = format!("ATTACH '{}' AS left", fixture.beside("left.db").display());
        fixture.run(&attach).await;
        for statement in SWAP.split("; ") {
            fixture.run(statement).await;
        }
        let noticed = if grants {
            fixture.keystore.record(record::grant(10, 1, 1)).await.unwrap_err().to_string()
        } else {
            fixture.keystore.epoch().await.unwrap_err().to_string()
        };
        assert!(noticed.contains("log_head") || grants, "{noticed}");
        assert_eq!(fixture.keystore.checkpoint(), seen, "{noticed}");
        assert!(fixture.keystore.registry().write_newest_head());
        let noticed = fixture.again().await.unwrap_err();
        assert!(matches!(noticed, OpenError::OtherBranch { .. }), "{noticed}");
    }
}
