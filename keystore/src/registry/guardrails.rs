//! The broker's guardrails: one document, or the shipped ones if there is none.

use std::collections::BTreeSet;

use vouchsafe_policy::Guardrails;

use super::change::Actor;
use super::documents::table::read_current;
use super::documents::types::{Document, DocumentError, DocumentKind};
use super::documents::{mark_revoked, put_version};
use super::error::RegisterError;
use super::handle::Registry;
use super::names::guardrails_name;
use crate::blocking::blocking;
use crate::db::StoreError;
use crate::log::View;

impl Registry {
    /// Puts the broker's guardrails. Shipped rules that the text omits or changes must all be named in
    /// `drop`, and no others. This depends only on the text, so it is checked before the transaction.
    pub(crate) async fn put_guardrails(
        &self,
        actor: Actor<'_>,
        text: &str,
        drop: &BTreeSet<String>,
    ) -> Result<u64, RegisterError> {
        let name = guardrails_name();
        let authorized = actor.authorize("guardrails.put", name.as_str())?;
        let checked = text.to_owned();
        let dropped =
            blocking(move || Guardrails::compile(&checked).map(|compiled| compiled.dropped())).await?;
        if let Some(id) = drop.iter().find(|id| !dropped.contains_key(*id)) {
            return Err(RegisterError::NotDropped { id: id.clone() });
        }
        let unsaid: Vec<_> = dropped.into_iter().filter(|(id, _)| !drop.contains(id)).collect();
        if !unsaid.is_empty() {
            return Err(RegisterError::DropsShippedRules { rules: unsaid });
        }
        let mut change = self.change(&authorized).await?;
        let version = put_version(&mut change, DocumentKind::Guardrails, &name, text).await?;
        change.commit().await?;
        Ok(version)
    }

    /// Restores the shipped guardrails. False if they are already in force.
    pub(crate) async fn reset_guardrails(&self, actor: Actor<'_>) -> Result<bool, DocumentError> {
        let name = guardrails_name();
        let authorized = actor.authorize("guardrails.reset", name.as_str())?;
        let mut change = self.change(&authorized).await?;
        let before = mark_revoked(&mut change, DocumentKind::Guardrails, &name).await?;
        if before.is_none_or(|head| head.revoked) {
            return Ok(false);
        }
        change.commit().await?;
        Ok(true)
    }

    /// The guardrails that were put and not reset, for releases and readiness.
    pub(crate) async fn stored_guardrails(&self) -> Result<Option<Document>, StoreError> {
        self.guardrails_in(self.view().await?).await
    }

    async fn guardrails_in(&self, mut view: View) -> Result<Option<Document>, StoreError> {
        let check = self.check(view.epoch);
        let kind = DocumentKind::Guardrails;
        let stored = read_current(&mut view.tx, check, kind, &guardrails_name()).await?;
        Ok(stored.filter(|document| !document.revoked))
    }

    /// The text of the guardrails in force, and whether they are the shipped ones, for operators.
    pub(crate) async fn guardrails(&self) -> Result<(String, bool), StoreError> {
        Ok(self.guardrails_in(self.operator_view().await?).await?.map_or_else(
            || (vouchsafe_policy::SHIPPED_GUARDRAILS.to_owned(), true),
            |document| (document.text, false),
        ))
    }
}
