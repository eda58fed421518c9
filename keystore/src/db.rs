//! The database: connections, transactions, statements, columns. It knows neither what the tables mean nor who may change them.

pub(crate) mod columns;
mod connect;
mod error;
pub(crate) mod grants;
mod sqlite;
mod tx;
mod watch;
mod writer;

pub(crate) use connect::{checkpoint, connect, create_file};
pub use error::StoreError;
pub(crate) use sqlite::{Connection, Db, Row, WriterConnection, run};
pub(crate) use tx::Tx;
pub use watch::TransactionEnd;
pub(crate) use writer::Pools;
