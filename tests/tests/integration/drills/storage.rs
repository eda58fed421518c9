//! The database: a row is gone, an old copy is in place, the only token is lost.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use vouchsafe_attestation::test_util::vm::Kinds;
use vouchsafe_protocol::ReasonCode;

use super::{PATH, VALUE, line, readiness, until};
use crate::world::{World, simulated, text};

/// Carries out this statement on the database of a broker that has stopped.
fn edit(database: &Path, statement: &'static str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // As a hand or a damaged disk, which keep no rules.
        let options = SqliteConnectOptions::new().filename(database).foreign_keys(false);
        let mut database = SqliteConnection::connect_with(&options).await.unwrap();
        let done = sqlx::query(statement).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        done.rows_affected()
    })
}

fn backed_up(world: &World) -> std::path::PathBuf {
    let out = world.folder().join("backup.db");
    world.run(&["backup", "--config", text(&world.broker.config()), "--out", text(&out)]);
    out
}

/// Restores the newest backup, as the messages say.
fn restore(world: &mut World, backup: &Path) {
    let config = world.broker.config();
    let line = ["restore", text(backup), "--config", text(&config)];
    // What is in place may be newer, so a loss is named before anything is changed.
    let output = world.broker.operator(&line, b"").unwrap();
    if !output.status.success() {
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("accept the loss with --accept-loss"), "{said}");
    }
    world.run(&[&line[..], &["--accept-loss"]].concat());
    world.broker.run().unwrap();
    assert_eq!(world.value(&simulated(), PATH), VALUE);
}

#[test]
fn a_lost_record_stops_the_broker_and_the_backup_brings_it_back() {
    let mut world = World::start();
    world.put(PATH, "prod/app", VALUE);
    let backup = backed_up(&world);
    world.broker.stop().unwrap();
    let database = world.broker.data().join("keystore.db");
    assert_eq!(edit(&database, "DELETE FROM log_leaves WHERE idx = 1"), 1);
    let said = world.broker.run().unwrap_err().to_string();
    assert!(
        said.contains("of table log_leaves was tampered with; restore it from a backup: docs/operations.md"),
        "{said}"
    );
    restore(&mut world, &backup);
}

#[test]
fn a_record_with_another_hash_makes_the_broker_unready_and_the_audit_names_it() {
    let mut world = World::start();
    world.put(PATH, "prod/app", VALUE);
    let backup = backed_up(&world);
    world.value(&simulated(), PATH);
    world.broker.stop().unwrap();
    let database = world.broker.data().join("keystore.db");
    assert_eq!(edit(&database, "UPDATE log_leaves SET hash = zeroblob(32) WHERE kind <> 'operator'"), 1);
    world.broker.run().unwrap();
    line(&world.broker, "log.damaged", "`vouchsafe audit verify` says which record was changed");
    until("readiness", || (readiness(&world) == (false, vec!["log-damaged".to_owned()])).then_some(()));
    let config = world.broker.config();
    let said = world.refused(&["audit", "verify", "--config", text(&config)], b"");
    assert!(said.contains("of table log_leaves was tampered with"), "{said}");
    world.broker.stop().unwrap();
    restore(&mut world, &backup);
}

#[test]
fn a_lost_secret_is_an_error_and_never_a_denial() {
    let mut world = World::start();
    world.put(PATH, "prod/app", VALUE);
    let backup = backed_up(&world);
    world.broker.stop().unwrap();
    let database = world.broker.data().join("keystore.db");
    assert_eq!(edit(&database, "DELETE FROM secrets WHERE path = 'prod/db/token'"), 1);
    world.broker.run().unwrap();
    let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    world.send(&asked).signed_problem(&asked, ReasonCode::Unavailable);
    let step = "of table secrets was tampered with; restore it from a backup: docs/operations.md";
    line(&world.broker, "release.storage", step);
    let said = world.refused(&["secret", "list"], b"");
    assert!(said.contains(step), "{said}");
    world.broker.stop().unwrap();
    restore(&mut world, &backup);
}

#[test]
fn an_old_copy_is_refused_by_name() {
    let mut world = World::start();
    world.put(PATH, "prod/app", VALUE);
    world.broker.stop().unwrap();
    let (database, copy) = (world.broker.data().join("keystore.db"), world.folder().join("copy.db"));
    fs::copy(&database, &copy).unwrap();
    world.broker.run().unwrap();
    let backup = backed_up(&world);
    world.put("prod/db/other", "prod/app", VALUE);
    world.broker.stop().unwrap();
    fs::copy(&copy, &database).unwrap();
    let said = world.broker.run().unwrap_err().to_string();
    assert!(said.contains("is an old copy. Records that it lacks: at least 1"), "{said}");
    assert!(
        said.contains("Restore the newest backup with `vouchsafe restore` (docs/operations.md)"),
        "{said}"
    );
    restore(&mut world, &backup);
}

#[test]
fn a_lost_token_is_replaced_on_the_brokers_machine() {
    let mut world = World::start();
    let file = world.broker.home().join(".config/vouchsafe/operator.toml");
    fs::remove_file(&file).unwrap();
    let said = String::from_utf8(world.broker.operator(&["secret", "list"], b"").unwrap().stderr).unwrap();
    assert!(said.contains("no operator file") && said.contains("`vouchsafe recover-admin`"), "{said}");
    // Or the file is there, with a token that counts no more.
    let old = fs::read_to_string(world.broker.data().join("operator.toml")).unwrap();
    let wrong = old.replace(world.broker.token(), "vouchsafe-wrong");
    assert_ne!(old, wrong);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).mode(0o600).open(&file).unwrap().write_all(wrong.as_bytes()).unwrap();
    let said = world.refused(&["secret", "list"], b"");
    assert!(said.contains("if no administrator is left, `vouchsafe recover-admin`"), "{said}");
    fs::remove_file(&file).unwrap();
    world.broker.stop().unwrap();
    let config = world.broker.config();
    world.run(&["recover-admin", "rescue", "--config", text(&config), "--out", text(&file)]);
    world.broker.run().unwrap();
    world.run(&["operator", "remove", "admin"]);
    assert!(world.run(&["decisions", "list"]).contains("operator.recover"));
}
