//! Policies, baselines and guardrails as stored: text with a digest, immutable versions, a current one.
//!
//! What the text means, and whether it may be stored at all, is decided before it comes here.

use std::collections::BTreeMap;

use sqlx::Row as _;
use vouchsafe_protocol::{Digest32, ObjectName, UnixTime};

use super::change::{By, Change};
use super::dialect::{Connection, Row};
use super::rows::{self, RowCheck};
use super::{Keystore, StoreError, secrets, stored};
use vouchsafe_policy::CompiledPolicy;

mod types;

use types::MAX_DOCUMENT;
pub use types::{Document, DocumentError, DocumentKind, DocumentSummary};

impl Keystore {
    /// Puts a new version of a document, which is in force at once. The text must have been checked.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub(crate) async fn put_document(
        &self,
        by: By<'_>,
        kind: DocumentKind,
        name: &ObjectName,
        text: &str,
    ) -> Result<u64, DocumentError> {
        self.put_version_of(by, (kind, name, text), None, None).await
    }

    /// The same, if nothing was changed since `epoch`.
    ///
    /// # Errors
    /// [`DocumentError`], among them that something was.
    pub(crate) async fn put_document_as_of(
        &self,
        by: By<'_>,
        kind: DocumentKind,
        name: &ObjectName,
        text: &str,
        epoch: u64,
    ) -> Result<u64, DocumentError> {
        self.put_version_of(by, (kind, name, text), None, Some(epoch)).await
    }

    /// The same for a release policy as of an epoch, which is for the purpose of every secret that rests on it.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub(crate) async fn put_policy_document(
        &self,
        by: By<'_>,
        policy: &CompiledPolicy,
        name: &ObjectName,
        text: &str,
        epoch: u64,
    ) -> Result<u64, DocumentError> {
        self.put_version_of(by, (DocumentKind::Policy, name, text), Some(policy), Some(epoch)).await
    }

    async fn put_version_of(
        &self,
        by: By<'_>,
        (kind, name, text): (DocumentKind, &ObjectName, &str),
        policy: Option<&CompiledPolicy>,
        as_of: Option<u64>,
    ) -> Result<u64, DocumentError> {
        if text.len() > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge { length: text.len() });
        }
        let mut change = self.change(by).await?;
        if as_of.is_some_and(|epoch| change.epoch != epoch.saturating_add(1)) {
            return Err(DocumentError::Overtaken);
        }
        let check = change.check();
        let before = read_head(change.connection(), check, kind, name).await?;
        // Guardrails that were reset may be put again: to reset them is no verdict on a text.
        if kind != DocumentKind::Guardrails && before.as_ref().is_some_and(|head| head.revoked) {
            return Err(DocumentError::Revoked { kind, name: name.clone() });
        }
        if let Some(policy) = policy {
            for (path, purpose) in secrets::guarded_by(&mut change, name).await? {
                purpose.check_policy(&path, name, policy.purpose())?;
            }
        }
        let version = before.map_or(0, |head| head.version).saturating_add(1);
        write_head(&mut change, kind, &DocumentSummary { name: name.clone(), version, revoked: false })
            .await?;
        write_version(&mut change, kind, name, version, text).await?;
        change.commit(&format!("{kind}.put"), name.as_str()).await?;
        Ok(version)
    }

    /// Revokes a document for good: secrets that rest on it are refused from now on. Guardrails are reset instead: the
    /// shipped ones are in force until others are put.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub(crate) async fn revoke_document(
        &self,
        by: By<'_>,
        kind: DocumentKind,
        name: &ObjectName,
    ) -> Result<(), DocumentError> {
        let mut change = self.change(by).await?;
        let check = change.check();
        let head = read_head(change.connection(), check, kind, name).await?;
        let head = head.ok_or_else(|| DocumentError::Unknown { kind, name: name.clone() })?;
        write_head(&mut change, kind, &DocumentSummary { revoked: true, ..head }).await?;
        let verb = if kind == DocumentKind::Guardrails { "reset" } else { "revoke" };
        change.commit(&format!("{kind}.{verb}"), name.as_str()).await?;
        Ok(())
    }

    /// A document: its current version, or the one asked for.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub(crate) async fn document(
        &self,
        kind: DocumentKind,
        name: &ObjectName,
        version: Option<u64>,
    ) -> Result<Option<Document>, StoreError> {
        let mut read = self.read().await?;
        let check = self.check(read.epoch);
        let Some(head) = read_head(&mut read.tx, check, kind, name).await? else { return Ok(None) };
        match version {
            Some(version) if version == 0 || version > head.version => Ok(None),
            version => {
                let version = version.unwrap_or(head.version);
                Ok(Some(read_version(&mut read.tx, check, kind, &head, version).await?))
            }
        }
    }

    /// All documents of a kind, by name.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub(crate) async fn documents(&self, kind: DocumentKind) -> Result<Vec<DocumentSummary>, StoreError> {
        let mut read = self.read().await?;
        let check = self.check(read.epoch);
        read_heads(&mut read.tx, check, kind).await
    }

    /// All documents of a kind by name, each in its current version. However many there are, this is one view and two queries.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub(crate) async fn current_documents(&self, kind: DocumentKind) -> Result<Vec<Document>, StoreError> {
        let mut read = self.read().await?;
        let check = self.check(read.epoch);
        let heads = read_heads(&mut read.tx, check, kind).await?;
        let rows = sqlx::query(
            "SELECT v.* FROM document_versions v JOIN documents d \
             ON v.kind = d.kind AND v.name = d.name AND v.version = d.version WHERE d.kind = $1",
        )
        .bind(kind.as_str())
        .fetch_all(&mut *read.tx)
        .await?;
        let mut versions = BTreeMap::new();
        for row in &rows {
            versions.insert(row.try_get::<String, _>("name")?, row);
        }
        let document = |head: &DocumentSummary| {
            let missing = || rows::tampered(VERSIONS, &version_key(kind, head.name.as_str(), head.version));
            let row = versions.get(head.name.as_str()).ok_or_else(missing)?;
            version_of(check, kind, head, head.version, row)
        };
        heads.iter().map(document).collect()
    }
}

async fn read_heads(
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

/// The current version of a document in this view.
pub(super) async fn read_current(
    connection: &mut Connection,
    check: RowCheck<'_>,
    kind: DocumentKind,
    name: &ObjectName,
) -> Result<Option<Document>, StoreError> {
    let Some(head) = read_head(connection, check, kind, name).await? else { return Ok(None) };
    let version = head.version;
    read_version(connection, check, kind, &head, version).await.map(Some)
}

async fn read_head(
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
        Err(rows::tampered(HEADS, &head_key(kind, name.as_str())))
    }
}

fn head_of(check: RowCheck<'_>, kind: DocumentKind, row: &Row) -> Result<DocumentSummary, StoreError> {
    let name: String = row.try_get("name")?;
    let key = head_key(kind, &name);
    let head = DocumentSummary {
        name: ObjectName::parse(&name).map_err(|_| rows::tampered(HEADS, &key))?,
        version: rows::number(row, "version", HEADS, &key)?,
        revoked: rows::flag(row, "revoked", HEADS, &key)?,
    };
    check.row(HEADS, &key, row, head_fields(kind, &head))?;
    Ok(head)
}

async fn read_version(
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
        .ok_or_else(|| rows::tampered(VERSIONS, &key))?;
    version_of(check, kind, head, version, &row)
}

fn version_of(
    check: RowCheck<'_>,
    kind: DocumentKind,
    head: &DocumentSummary,
    version: u64,
    row: &Row,
) -> Result<Document, StoreError> {
    let key = version_key(kind, head.name.as_str(), version);
    let text = rows::text(row, "body", VERSIONS, &key)?;
    let document = Document {
        kind,
        name: head.name.clone(),
        version: rows::number(row, "version", VERSIONS, &key)?,
        digest: Digest32::of(text.as_bytes()),
        text,
        revoked: head.revoked,
        created_at: UnixTime(rows::number(row, "created_at", VERSIONS, &key)?),
        created_by: rows::text(row, "created_by", VERSIONS, &key)?,
    };
    if rows::bytes(row, "digest", VERSIONS, &key)? != document.digest.0 {
        return Err(rows::tampered(VERSIONS, &key));
    }
    check.row(VERSIONS, &key, row, version_fields(&document))?;
    Ok(document)
}

async fn write_head(
    change: &mut Change<'_>,
    kind: DocumentKind,
    head: &DocumentSummary,
) -> Result<(), StoreError> {
    let seal = rows::seal(change.check().keyring, head_fields(kind, head), change.epoch)?;
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
    .bind(seal.row_version)
    .bind(seal.generation)
    .bind(seal.mac)
    .execute(change.connection())
    .await?;
    change.wrote(HEADS, &head_key(kind, head.name.as_str()));
    Ok(())
}

async fn write_version(
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
        created_at: change.by().at,
        created_by: change.by().operator().to_owned(),
    };
    let seal = rows::seal(change.check().keyring, version_fields(&document), change.epoch)?;
    sqlx::query(
        "INSERT INTO document_versions (kind, name, version, body, digest, created_at, created_by, \
         row_version, generation, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(kind.as_str())
    .bind(name.as_str())
    .bind(stored(version)?)
    .bind(document.text)
    .bind(document.digest.0.to_vec())
    .bind(super::time(document.created_at)?)
    .bind(document.created_by)
    .bind(seal.row_version)
    .bind(seal.generation)
    .bind(seal.mac)
    .execute(change.connection())
    .await?;
    change.wrote(VERSIONS, &version_key(kind, name.as_str(), version));
    Ok(())
}

fn head_fields(kind: DocumentKind, head: &DocumentSummary) -> crate::preimage::Preimage {
    rows::fields(HEADS).text(kind.as_str()).text(head.name.as_str()).number(head.version).flag(head.revoked)
}

fn version_fields(document: &Document) -> crate::preimage::Preimage {
    rows::fields(VERSIONS)
        .text(document.kind.as_str())
        .text(document.name.as_str())
        .number(document.version)
        .text(&document.text)
        .field(document.digest.as_bytes())
        .number(document.created_at.0)
        .text(&document.created_by)
}

pub(super) fn head_key(kind: DocumentKind, name: &str) -> String {
    format!("{kind} {name}")
}

fn version_key(kind: DocumentKind, name: &str, version: u64) -> String {
    format!("{kind} {name} version {version}")
}

pub(super) const HEADS: &str = "documents";
const VERSIONS: &str = "document_versions";
