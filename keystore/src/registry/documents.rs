//! Policies, baselines and guardrails in stored form: text with a digest, immutable versions, one of them
//! current.
//!
//! The meaning of the text, and whether it may be stored at all, are checked in the file of its kind:
//! [`super::registration`], [`super::baselines`], [`super::guardrails`].

use vouchsafe_protocol::ObjectName;

use super::change::Change;
use super::handle::Registry;
use crate::db::StoreError;

pub(crate) mod table;
pub(crate) mod types;

use table::{
    read_current, read_current_versions, read_head, read_heads, read_version, write_head, write_version,
};
use types::{Document, DocumentError, DocumentKind, DocumentSummary, MAX_DOCUMENT};

impl Registry {
    /// A document, in its current or the given version.
    pub(crate) async fn document(
        &self,
        kind: DocumentKind,
        name: &ObjectName,
        version: Option<u64>,
    ) -> Result<Option<Document>, StoreError> {
        let mut view = self.operator_view().await?;
        let check = self.check(view.epoch);
        let Some(head) = read_head(&mut view.tx, check, kind, name).await? else { return Ok(None) };
        match version {
            Some(version) if version == 0 || version > head.version => Ok(None),
            version => {
                let version = version.unwrap_or(head.version);
                Ok(Some(read_version(&mut view.tx, check, kind, &head, version).await?))
            }
        }
    }

    /// All documents of a kind, by name.
    pub(crate) async fn documents(&self, kind: DocumentKind) -> Result<Vec<DocumentSummary>, StoreError> {
        let mut view = self.operator_view().await?;
        read_heads(&mut view.tx, self.check(view.epoch), kind).await
    }

    /// All documents of a kind by name, each in its current version, in one view and with two queries,
    /// however many there are.
    pub(super) async fn current_documents(&self, kind: DocumentKind) -> Result<Vec<Document>, StoreError> {
        let mut view = self.operator_view().await?;
        read_current_versions(&mut view.tx, self.check(view.epoch), kind).await
    }

    /// A baseline and all policies in their current versions, in one view, with its epoch.
    pub(crate) async fn baseline_and_policies(
        &self,
        baseline: &ObjectName,
    ) -> Result<(u64, Option<Document>, Vec<Document>), StoreError> {
        let mut view = self.operator_view().await?;
        let check = self.check(view.epoch);
        let found = read_current(&mut view.tx, check, DocumentKind::Baseline, baseline).await?;
        let policies = read_current_versions(&mut view.tx, check, DocumentKind::Policy).await?;
        Ok((view.epoch, found, policies))
    }
}

/// Puts a new version of a document, for the change of its kind, which has checked the text; returns the
/// version.
pub(super) async fn put_version(
    change: &mut Change<'_>,
    kind: DocumentKind,
    name: &ObjectName,
    text: &str,
) -> Result<u64, DocumentError> {
    if text.len() > MAX_DOCUMENT {
        return Err(DocumentError::TooLarge { length: text.len() });
    }
    let check = change.check();
    let before = read_head(change.connection(), check, kind, name).await?;
    // Guardrails that were reset may be put again: a reset does not condemn a text.
    if kind != DocumentKind::Guardrails && before.as_ref().is_some_and(|head| head.revoked) {
        return Err(DocumentError::Revoked { kind, name: name.clone() });
    }
    let version = before.map_or(0, |head| head.version).saturating_add(1);
    write_head(change, kind, &DocumentSummary { name: name.clone(), version, revoked: false }).await?;
    write_version(change, kind, name, version, text).await?;
    Ok(version)
}

/// Marks a document as revoked; returns its previous head, or `None` if there is no such document.
pub(super) async fn mark_revoked(
    change: &mut Change<'_>,
    kind: DocumentKind,
    name: &ObjectName,
) -> Result<Option<DocumentSummary>, StoreError> {
    let check = change.check();
    let Some(before) = read_head(change.connection(), check, kind, name).await? else { return Ok(None) };
    write_head(change, kind, &DocumentSummary { revoked: true, ..before.clone() }).await?;
    Ok(Some(before))
}

#[cfg(test)]
impl Registry {
    /// Puts a document without checking its text.
    pub(crate) async fn put_document(
        &self,
        actor: super::change::Actor<'_>,
        kind: DocumentKind,
        name: &ObjectName,
        text: &str,
    ) -> Result<u64, DocumentError> {
        let action = match kind {
            DocumentKind::Policy => "policy.put",
            DocumentKind::Baseline => "baseline.put",
            DocumentKind::Guardrails => "guardrails.put",
        };
        let authorized = actor.authorize(action, name.as_str())?;
        let mut change = self.change(&authorized).await?;
        let version = put_version(&mut change, kind, name, text).await?;
        change.commit().await?;
        Ok(version)
    }
}
