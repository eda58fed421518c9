//! Copies of the whole database, made while others write to it, and the checks of a copy that need no keyring.

use std::fs::File;
use std::io;
use std::path::Path;

use super::connect::{NEWEST_TABLES, read_only};
use super::files::sync_folder;
use super::sqlite::Connection;

/// Copies the database `from` into the empty file `to`, as it is at one moment, durably.
///
/// Unlike a copy of the file, this contains what is only in the write-ahead log, and no freed pages: a value that
/// was destroyed before is not in it. Writers are not held up. The write-ahead log cannot be emptied meanwhile.
pub(crate) async fn copy_into(from: &Path, to: &Path) -> Result<(), sqlx::Error> {
    use sqlx::Connection as _;
    // An absolute path: SQLite would take a text that starts with `file:` for a URI.
    let absolute = std::path::absolute(to)?;
    let target = absolute
        .to_str()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"))?;
    let mut source = read_only(from).await?;
    // https://www.sqlite.org/lang_vacuum.html#vacuuminto: the file may exist if it is empty.
    sqlx::query("VACUUM INTO $1").bind(target).execute(&mut source).await?;
    source.close().await?;
    File::open(to)?.sync_all()?;
    Ok(sync_folder(to)?)
}

/// Whether the newest migration that has run is the last one of this version.
pub(crate) async fn has_newest_tables(connection: &mut Connection) -> Result<bool, sqlx::Error> {
    let version: Option<i64> =
        sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(connection).await?;
    Ok(version == Some(NEWEST_TABLES))
}

/// Whether the pages of the file are consistent.
pub(crate) async fn is_sound(connection: &mut Connection) -> Result<bool, sqlx::Error> {
    // https://www.sqlite.org/pragma.html#pragma_quick_check: one row "ok", or one per fault.
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await?;
    Ok(found == "ok")
}
