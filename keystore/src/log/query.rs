//! Queries for records of the log and for evidence.
//!
//! Filters use columns that are only authenticated when a row is read: an edited one can hide its leaf from a
//! filtered list.

use sqlx::{QueryBuilder, Row as _};
use vouchsafe_protocol::{DecisionId, Digest32, SecretPath, UnixTime};

use super::leaf::{LoggedRecord, read_leaf};
use super::record::Outcome;
use super::view::Log;
use crate::db::columns::{self, parameter, stored};
use crate::db::{Connection, Db, Reader, StoreError};
use crate::keyring::Keyring;

/// Which records to list. A member that is `None` does not filter.
#[derive(Clone, Debug, Default)]
pub struct DecisionFilter {
    /// Granted, refused, or done by an operator.
    pub outcome: Option<Outcome>,
    /// Only records about this path.
    pub path: Option<SecretPath>,
    /// Concerns this instance, written `project number/instance id`.
    pub instance: Option<String>,
    /// Only records from this time on.
    pub since: Option<UnixTime>,
    /// Only records before this time.
    pub until: Option<UnixTime>,
    /// Only records before this index: the page after one that ended there.
    pub before: Option<u64>,
    /// At most this many, 1 to 1000; default: 100.
    pub limit: Option<u32>,
}

impl DecisionFilter {
    /// The largest page.
    pub(crate) const MAX_PAGE: u32 = 1000;

    /// How many records it asks for.
    pub(crate) fn limit(&self) -> usize {
        usize::try_from(self.clamped()).unwrap_or(usize::MAX)
    }

    fn clamped(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_PAGE).clamp(1, Self::MAX_PAGE)
    }
}

impl Log {
    /// Records of the log, the newest first; with `namespaces` those that concern one of them. They may
    /// concern others too.
    ///
    /// # Errors
    /// When the database fails or a leaf was changed.
    pub(crate) async fn decisions(
        &self,
        filter: &DecisionFilter,
        namespaces: Option<&[String]>,
    ) -> Result<Vec<LoggedRecord>, StoreError> {
        let mut query = filter_query(filter, namespaces)?;
        let rows = query.build().fetch_all(self.pools.readers.of(Reader::Records)).await?;
        rows.iter().map(|row| read_leaf(&self.keyring, row)).collect()
    }

    /// The record with this id.
    ///
    /// # Errors
    /// When the database fails or the leaf was changed.
    pub(crate) async fn decision(&self, id: DecisionId) -> Result<Option<LoggedRecord>, StoreError> {
        let row = sqlx::query("SELECT * FROM log_leaves WHERE id = $1 ORDER BY idx LIMIT 1")
            .bind(id.to_string())
            .fetch_optional(self.pools.readers.of(Reader::Records))
            .await?;
        row.map(|row| read_leaf(&self.keyring, &row)).transpose()
    }

    /// A piece of evidence by its digest.
    ///
    /// # Errors
    /// When the database fails or the piece was changed.
    pub(crate) async fn evidence(&self, digest: Digest32) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("SELECT bytes FROM evidence WHERE digest = $1")
            .bind(digest.0.to_vec())
            .fetch_optional(self.pools.readers.of(Reader::Records))
            .await?;
        let Some(row) = row else { return Ok(None) };
        let bytes: Vec<u8> = row.try_get("bytes")?;
        if Digest32::of(&bytes) != digest {
            return Err(columns::tampered("evidence", &digest.to_string()));
        }
        Ok(Some(bytes))
    }
}

fn filter_query(
    filter: &DecisionFilter,
    namespaces: Option<&[String]>,
) -> Result<QueryBuilder<Db>, StoreError> {
    let mut query = QueryBuilder::<Db>::new("SELECT * FROM log_leaves WHERE 1 = 1");
    if let Some(outcome) = filter.outcome {
        query.push(" AND kind = ").push_bind(outcome.kind());
    }
    if let Some(path) = &filter.path {
        let pattern = format!("%\"{}\"%", escaped(path.as_str()));
        query.push(" AND record LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
    }
    if let Some(namespaces) = namespaces {
        query.push(" AND (1 = 0");
        for namespace in namespaces {
            let pattern = format!("%\"{}/%", escaped(namespace));
            query.push(" OR record LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
        }
        query.push(")");
    }
    if let Some(instance) = &filter.instance {
        query.push(" AND instance = ").push_bind(instance.clone());
    }
    if let Some(since) = filter.since {
        query.push(" AND at >= ").push_bind(parameter("since", since.0)?);
    }
    if let Some(until) = filter.until {
        query.push(" AND at < ").push_bind(parameter("until", until.0)?);
    }
    if let Some(before) = filter.before {
        query.push(" AND idx < ").push_bind(parameter("before", before)?);
    }
    query.push(" ORDER BY idx DESC LIMIT ").push_bind(i64::from(filter.clamped()));
    Ok(query)
}

/// A path or namespace escaped for LIKE: of a-z, 0-9, `.`, `_`, `-`, `/` only `_` has a special meaning.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('_', "\\_")
}

/// The record of the log with this index.
pub(crate) async fn numbered(
    connection: &mut Connection,
    keyring: &Keyring,
    index: u64,
) -> Result<Option<LoggedRecord>, StoreError> {
    let query = sqlx::query("SELECT * FROM log_leaves WHERE idx = $1").bind(stored(index)?);
    let row = query.fetch_optional(connection).await?;
    row.map(|row| read_leaf(keyring, &row)).transpose()
}

const DEFAULT_PAGE: u32 = 100;
