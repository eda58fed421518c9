//! The rows of documents: reads them checking their MACs, writes them with new ones.

use std::collections::BTreeMap;

use sqlx::Row as _;
use vouchsafe_protocol::hashing::Preimage;
use vouchsafe_protocol::{Digest32, ObjectName, UnixTime};

use super::types::{Document, DocumentKind, DocumentSummary};
use crate::db::columns::{self, stored, time};
use crate::db::{Connection, Row, StoreError};
use crate::registry::change::Change;
use crate::registry::rows::{self, MacInput, RowCheck, RowTag};

pub(in crate::registry) async fn read_heads(
    connection: &mut Connection,
    check: RowCheck<'_>,
    kind: DocumentKind,
) -> Result<Vec<DocumentSummary>, StoreError> {
    let rows = sqlx::query("SELECT * FROM documents WHERE kind = $1 ORDER BY name")
        .bind(kind.as_str())
        .fetch_all(connection)
        .await?;
    let heads = rows.iter().map(|row| head_of(check, kind, row)).collect::<Result<Vec<_>, _>>()?;
    let found = heads.iter().map(|head| head_key(kind, head.name.as_str())).collect();
    check.complete(HEADS, &head_key(kind, ""), &found)?;
    Ok(heads)
}

/// All documents of a kind by name, each in its current version.
pub(in crate::registry) async fn read_current_versions(
    connection: &mut Connection,
    check: RowCheck<'_>,
    kind: DocumentKind,
) -> Result<Vec<Document>, StoreError> {
    let heads = read_heads(&mut *connection, check, kind).await?;
    let rows = sqlx::query(
        "SELECT v.* FROM document_versions v JOIN documents d \
         ON v.kind = d.kind AND v.name = d.name AND v.version = d.version WHERE d.kind = $1",
    )
    .bind(kind.as_str())
    .fetch_all(connection)
    .await?;
    let mut versions = BTreeMap::new();
    for row in &rows {
        versions.insert(row.try_get::<String, _>("name")?, row);
    }
    let document = |head: &DocumentSummary| {
        let missing = || columns::tampered(VERSIONS, &version_key(kind, head.name.as_str(), head.version));
        let row = versions.get(head.name.as_str()).ok_or_else(missing)?;
        version_of(check, kind, head, head.version, row)
    };
    heads.iter().map(document).collect()
}

/// The current version of a document in this view.
pub(in crate::registry) async fn read_current(
    connection: &mut Connection,
    check: RowCheck<'_>,
    kind: DocumentKind,
    name: &ObjectName,
) -> Result<Option<Document>, StoreError> {
    let Some(head) = read_head(connection, check, kind, name).await? else { return Ok(None) };
    let version = head.version;
    read_version(connection, check, kind, &head, version).await.map(Some)
}

pub(in crate::registry) async fn read_head(
    connection: &mut Connection,
    check: RowCheck<'_>,
    kind: DocumentKind,
    name: &ObjectName,
) -> Result<Option<DocumentSummary>, StoreError> {
    let row = sqlx::query("SELECT * FROM documents WHERE kind = $1 AND name = $2")
        .bind(kind.as_str())
        .bind(name.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        check.absent(HEADS, &head_key(kind, name.as_str()))?;
        return Ok(None);
    };
    let head = head_of(check, kind, &row)?;
    if head.name == *name {
        Ok(Some(head))
    } else {
        Err(columns::tampered(HEADS, &head_key(kind, name.as_str())))
    }
}

fn head_of(check: RowCheck<'_>, kind: DocumentKind, row: &Row) -> Result<DocumentSummary, StoreError> {
    let head = stored_head(kind, row)?;
    check.row(HEADS, &head_key(kind, head.name.as_str()), row, head_fields(kind, &head))?;
    Ok(head)
}

fn stored_head(kind: DocumentKind, row: &Row) -> Result<DocumentSummary, StoreError> {
    let name: String = row.try_get("name")?;
    let key = head_key(kind, &name);
    Ok(DocumentSummary {
        name: ObjectName::parse(&name).map_err(|_| columns::tampered(HEADS, &key))?,
        version: columns::number(row, "version", HEADS, &key)?,
        revoked: columns::flag(row, "revoked", HEADS, &key)?,
    })
}

/// What the MAC of this row of `documents` covers.
pub(crate) fn head_mac(row: &Row) -> Result<MacInput, StoreError> {
    let kind = stored_kind(row, HEADS)?;
    let head = stored_head(kind, row)?;
    MacInput::versioned(row, HEADS, head_key(kind, head.name.as_str()), head_fields(kind, &head))
}

/// What the MAC of this row of `document_versions` covers.
pub(crate) fn version_mac(row: &Row) -> Result<MacInput, StoreError> {
    let kind = stored_kind(row, VERSIONS)?;
    let name = columns::text(row, "name", VERSIONS, "?")?;
    let version = columns::number(row, "version", VERSIONS, &name)?;
    let key = version_key(kind, &name, version);
    let name = ObjectName::parse(&name).map_err(|_| columns::tampered(VERSIONS, &key))?;
    // The MAC does not cover whether the document is revoked: that is in its head.
    let head = DocumentSummary { name, version, revoked: false };
    let fields = version_fields(&stored_version(kind, &head, version, row)?);
    MacInput::versioned(row, VERSIONS, key, fields)
}

fn stored_kind(row: &Row, table: &'static str) -> Result<DocumentKind, StoreError> {
    let kind = columns::text(row, "kind", table, "?")?;
    DocumentKind::ALL
        .into_iter()
        .find(|known| known.as_str() == kind)
        .ok_or_else(|| columns::tampered(table, &kind))
}

pub(in crate::registry) async fn read_version(
    connection: &mut Connection,
    check: RowCheck<'_>,
    kind: DocumentKind,
    head: &DocumentSummary,
    version: u64,
) -> Result<Document, StoreError> {
    let key = version_key(kind, head.name.as_str(), version);
    let row = sqlx::query("SELECT * FROM document_versions WHERE kind = $1 AND name = $2 AND version = $3")
        .bind(kind.as_str())
        .bind(head.name.as_str())
        .bind(stored(version)?)
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| columns::tampered(VERSIONS, &key))?;
    version_of(check, kind, head, version, &row)
}

fn version_of(
    check: RowCheck<'_>,
    kind: DocumentKind,
    head: &DocumentSummary,
    version: u64,
    row: &Row,
) -> Result<Document, StoreError> {
    let document = stored_version(kind, head, version, row)?;
    let key = version_key(kind, head.name.as_str(), version);
    check.row(VERSIONS, &key, row, version_fields(&document))?;
    Ok(document)
}

fn stored_version(
    kind: DocumentKind,
    head: &DocumentSummary,
    version: u64,
    row: &Row,
) -> Result<Document, StoreError> {
    let key = version_key(kind, head.name.as_str(), version);
    let text = columns::text(row, "body", VERSIONS, &key)?;
    let document = Document {
        kind,
        name: head.name.clone(),
        version: columns::number(row, "version", VERSIONS, &key)?,
        digest: Digest32::of(text.as_bytes()),
        text,
        revoked: head.revoked,
        created_at: UnixTime(columns::number(row, "created_at", VERSIONS, &key)?),
        created_by: columns::text(row, "created_by", VERSIONS, &key)?,
    };
    if columns::bytes(row, "digest", VERSIONS, &key)? != document.digest.0 {
        return Err(columns::tampered(VERSIONS, &key));
    }
    Ok(document)
}

pub(in crate::registry) async fn write_head(
    change: &mut Change<'_>,
    kind: DocumentKind,
    head: &DocumentSummary,
) -> Result<(), StoreError> {
    let tag = RowTag::new(change.check().keyring, head_fields(kind, head), change.epoch)?;
    sqlx::query(
        "INSERT INTO documents (kind, name, version, revoked, row_version, generation, mac) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, name) DO UPDATE SET \
         version = excluded.version, revoked = excluded.revoked, row_version = excluded.row_version, \
         generation = excluded.generation, mac = excluded.mac",
    )
    .bind(kind.as_str())
    .bind(head.name.as_str())
    .bind(stored(head.version)?)
    .bind(head.revoked)
    .bind(tag.row_version)
    .bind(tag.generation)
    .bind(tag.mac)
    .execute(change.connection())
    .await?;
    change.wrote(HEADS, &head_key(kind, head.name.as_str()));
    Ok(())
}

pub(in crate::registry) async fn write_version(
    change: &mut Change<'_>,
    kind: DocumentKind,
    name: &ObjectName,
    version: u64,
    text: &str,
) -> Result<(), StoreError> {
    let document = Document {
        kind,
        name: name.clone(),
        version,
        text: text.to_owned(),
        digest: Digest32::of(text.as_bytes()),
        revoked: false,
        created_at: change.actor().at,
        created_by: change.actor().operator().to_owned(),
    };
    let tag = RowTag::new(change.check().keyring, version_fields(&document), change.epoch)?;
    sqlx::query(
        "INSERT INTO document_versions (kind, name, version, body, digest, created_at, created_by, \
         row_version, generation, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(kind.as_str())
    .bind(name.as_str())
    .bind(stored(version)?)
    .bind(document.text)
    .bind(document.digest.0.to_vec())
    .bind(time(document.created_at)?)
    .bind(document.created_by)
    .bind(tag.row_version)
    .bind(tag.generation)
    .bind(tag.mac)
    .execute(change.connection())
    .await?;
    change.wrote(VERSIONS, &version_key(kind, name.as_str(), version));
    Ok(())
}

fn head_fields(kind: DocumentKind, head: &DocumentSummary) -> Preimage {
    rows::fields(HEADS).text(kind.as_str()).text(head.name.as_str()).number(head.version).flag(head.revoked)
}

fn version_fields(document: &Document) -> Preimage {
    rows::fields(VERSIONS)
        .text(document.kind.as_str())
        .text(document.name.as_str())
        .number(document.version)
        .text(&document.text)
        .field(document.digest.as_bytes())
        .number(document.created_at.0)
        .text(&document.created_by)
}

pub(in crate::registry) fn head_key(kind: DocumentKind, name: &str) -> String {
    format!("{kind} {name}")
}

fn version_key(kind: DocumentKind, name: &str, version: u64) -> String {
    format!("{kind} {name} version {version}")
}

pub(in crate::registry) const HEADS: &str = "documents";
const VERSIONS: &str = "document_versions";
