//! The database: connections, transactions, statements, columns. This layer knows neither the meaning of the
//! tables nor who may change them.

mod checkpoint;
pub(crate) mod columns;
mod connect;
mod copy;
mod error;
mod files;
pub(crate) mod grants;
mod lock;
mod readers;
mod sqlite;
mod staged;
mod tx;
mod watch;
mod writer;

#[cfg(test)]
pub(crate) use checkpoint::empty_at_last;
pub(crate) use checkpoint::{Emptying, empties_shortly};
pub(crate) use connect::{any_rows, connect, create_file, has_tables, read_only};
pub(crate) use copy::{copy_into, has_newest_tables, is_sound};
pub use error::StoreError;
pub(crate) use error::{RESTORE, RESTORE_KEYRING};
pub(crate) use files::{beside, remove_database, sync_folder};
pub(crate) use lock::{DatabaseLock, LockError};
pub(crate) use readers::Reader;
#[cfg(test)]
pub(crate) use readers::Readers;
pub(crate) use sqlite::{Connection, Db, Row, WriterConnection, run};
pub(crate) use staged::{Staged, remove_leftover};
pub(crate) use tx::Tx;
pub use watch::TransactionEnd;
pub(crate) use writer::Pools;
