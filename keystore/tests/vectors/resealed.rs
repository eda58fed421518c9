//! The keyring of the vectors' database is rotated, and its first generation removed: nothing needs it any more.

use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use vouchsafe_keystore::Keystore;
use vouchsafe_keystore::keyring::locked::KeyringFile;
use vouchsafe_keystore::registry::Actor;
use vouchsafe_keystore::rotation::{GenerationUse, Resealed};
use vouchsafe_policy::operators::{OperatorAction, WHOLE_BROKER};

use super::opened::{Known, NOW, log, permit, released};
use super::stored::{self, KNOWN, Stored, tables};

/// The tables whose rows need a generation, with the number of rows that need `generation`.
async fn needing(connection: &mut SqliteConnection, generation: u32) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    for table in tables(connection).await {
        let columns = sqlx::query(AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')")));
        let columns = columns.fetch_all(&mut *connection).await.expect("the schema");
        if !columns.iter().any(|row| row.get::<String, _>("name") == "generation") {
            continue;
        }
        // The probe of readiness only writes something.
        let probe = if table == "meta" { " AND name <> 'probe'" } else { "" };
        let count = format!("SELECT COUNT(*) AS needing FROM {table} WHERE generation = {generation}{probe}");
        let row = sqlx::query(AssertSqlSafe(count)).fetch_one(&mut *connection).await.expect("a count");
        found.push((table, row.get("needing")));
    }
    found
}

async fn uses(keystore: &Keystore) -> Vec<GenerationUse> {
    let permit = permit(OperatorAction::ManageKeyring, WHOLE_BROKER);
    keystore.permitted(&permit).generations().await.expect("counts")
}

#[tokio::test]
async fn every_row_needs_the_new_generation_after_it_was_resealed() {
    let known: Known = serde_json::from_str(&stored::read(KNOWN)).expect("JSON");
    let stored = Stored::of_vectors().await;
    let mut connection = stored.connect().await;
    let keystore = stored.open().await;
    let permit = permit(OperatorAction::ManageKeyring, WHOLE_BROKER);
    // The database is older than the table of their uses.
    keystore.add_identity(Actor::permitted(&permit, NOW)).await.expect("added");
    let before = needing(&mut connection, 1).await;
    let empty: Vec<_> = before.iter().filter(|(_, count)| *count == 0).collect();
    assert!(empty.is_empty(), "the vectors have rows of every kind: {empty:?}");
    // Every table with a generation is counted, and so is the file beside the database.
    keystore.probe().await.expect("a writable disk");
    let (counted, before) = (uses(&keystore).await, needing(&mut connection, 1).await);
    let expected: Vec<_> = before.iter().filter(|(_, count)| *count > 0).cloned().collect();
    let mut rows: Vec<_> =
        counted[0].rows.iter().map(|(table, count)| ((*table).to_owned(), count.cast_signed())).collect();
    rows.retain(|(table, _)| table != "newest_head_file");
    let sorted = |mut rows: Vec<(String, i64)>| {
        rows.sort();
        rows
    };
    assert_eq!(sorted(rows), sorted(expected));
    assert_eq!(counted[0].rows.get("newest_head_file"), Some(&1));

    let (by, file) = (Actor::permitted(&permit, NOW), KeyringFile::plain(stored.keyring_file()));
    assert_eq!(keystore.add_generation(by, &file).await.expect("added"), 2);
    assert_eq!(keystore.promote_generation(by, &file).await.expect("promoted"), 2);
    let Resealed { generation, rows, remaining, unreadable } = keystore.reseal(by).await.expect("resealed");
    assert_eq!((generation, remaining, unreadable.len()), (2, 0, 0));
    // With the records of the first two steps; the record of the third one moved the head of the log already.
    let all: i64 = before.iter().map(|(_, count)| count).sum();
    assert_eq!(rows.cast_signed(), all + 2 - 1);
    let left = needing(&mut connection, 1).await;
    assert!(left.iter().all(|(_, count)| *count == 0), "{left:?}");
    assert!(uses(&keystore).await[0].rows.is_empty());

    let later = Actor::permitted(&permit, NOW.plus(61));
    keystore.remove_generation(later, &file, 1, 60).await.expect("removed");
    let steps = log(&keystore).await;
    keystore.close().await;
    assert_eq!(stored.keyring().generations().len(), 1);
    // With the new generation only, every row opens as before.
    let keystore = stored.open().await;
    assert_eq!(keystore.identity().await.expect("an identity").identity(), known.identity);
    assert_eq!(released(&keystore).await, known.secrets);
    let login = keystore.authenticate(&known.token, NOW).await.expect("a login");
    assert_eq!(login.identity().name, "bob");
    assert_eq!(log(&keystore).await, steps);
    connection.close().await.expect("closed");
}
