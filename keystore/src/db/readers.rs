//! Connections that read, in shares that do not wait for one another: however much operators read, a
//! connection is free for a release.

use super::sqlite::Pool;

/// The purpose of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Releases, readiness and the start.
    Release,
    /// Tokens of operators: one row each. However much an operator lists, another one can come and remove him.
    Token,
    /// Operators: objects, lists of them, and the checks of what they register. A list reads all objects of
    /// its namespaces.
    Operator,
    /// Operators: the log. Such a query may go through all of it.
    Records,
}

/// A pool for each kind of reader.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    release: Pool,
    token: Pool,
    operator: Pool,
    records: Pool,
}

impl Readers {
    /// The largest number of connections of each kind.
    pub(crate) const fn share(reader: Reader) -> u32 {
        match reader {
            Reader::Release => 4,
            Reader::Token => 1,
            Reader::Operator | Reader::Records => 2,
        }
    }

    pub(super) const fn new(release: Pool, token: Pool, operator: Pool, records: Pool) -> Self {
        Self { release, token, operator, records }
    }

    pub(crate) const fn of(&self, reader: Reader) -> &Pool {
        match reader {
            Reader::Release => &self.release,
            Reader::Token => &self.token,
            Reader::Operator => &self.operator,
            Reader::Records => &self.records,
        }
    }

    pub(super) async fn close(&self) {
        for pool in [&self.release, &self.token, &self.operator, &self.records] {
            pool.close().await;
        }
    }
}
