//! Reads the stored input of decisions, in one consistent view.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::Row as _;
use vouchsafe_protocol::{ObjectName, SecretPath};

use super::documents::table::{HEADS, head_key, read_current};
use super::documents::types::DocumentKind;
use super::handle::Registry;
use super::names::{SHARED, guardrails_name};
use super::rows::RowCheck;
use super::secrets::sealed::read_sealed;
use super::secrets::table::{read_secret, read_versions};
use super::secrets::types::VersionState;
use super::stored_input::{ActiveSecret, Loaded, StoredDocument, StoredInput, StoredState};
use crate::db::columns::tampered;
use crate::db::{Connection, StoreError};

impl Registry {
    /// The material for a decision about these paths. Usually from the cache, without a query.
    pub(crate) async fn stored_input(&self, paths: &[SecretPath]) -> Result<StoredInput, StoreError> {
        if let Some(stored) = self.cache.lookup(paths) {
            return Ok(stored);
        }
        let mut view = self.view().await?;
        let check = self.check(view.epoch);
        let guardrails = guardrails_name();
        let mut loaded = Loaded::default();
        let policy = read_current(&mut view.tx, check, DocumentKind::Guardrails, &guardrails).await?;
        // Guardrails that were reset are marked as revoked: then the shipped ones are in force.
        loaded.guardrails = policy.filter(|document| !document.revoked).map(Arc::new);
        for path in paths {
            for namespace in [path.namespace(), SHARED] {
                if !loaded.baselines.contains_key(namespace) {
                    let baselines = match self.cache.baselines(view.epoch, namespace) {
                        Some(baselines) => baselines,
                        None => load_baselines(&mut view.tx, check, namespace).await?,
                    };
                    loaded.baselines.insert(namespace.to_owned(), baselines);
                }
            }
            let state = load_item(&mut view.tx, check, path).await?;
            loaded.items.insert(path.clone(), state);
        }
        let stored = loaded.stored_input(view.epoch, paths);
        self.cache.keep(view.epoch, loaded);
        stored.ok_or_else(|| tampered("secrets", "input"))
    }
}

async fn load_item(
    connection: &mut Connection,
    check: RowCheck<'_>,
    path: &SecretPath,
) -> Result<StoredState, StoreError> {
    let Some(secret) = read_secret(connection, check, path).await? else {
        return Ok(StoredState::Absent);
    };
    let versions = read_versions(connection, check, &secret).await?;
    let Some(served) = versions.iter().rev().find(|version| version.state == VersionState::Active) else {
        return Ok(StoredState::Retired);
    };
    let policy = read_current(connection, check, DocumentKind::Policy, &secret.policy).await?;
    // Every secret has a policy: a missing one means that the database was edited.
    let policy = policy.ok_or_else(|| tampered("documents", secret.policy.as_str()))?;
    let sealed = read_sealed(connection, path, served.version).await?;
    let generation = sealed.generation(check.keyring)?;
    Ok(StoredState::Active(Arc::new(ActiveSecret {
        path: path.clone(),
        version: served.version,
        purpose: secret.purpose,
        per_instance: secret.per_instance,
        policy: Arc::new(policy),
        generation,
        sealed,
    })))
}

async fn load_baselines(
    connection: &mut Connection,
    check: RowCheck<'_>,
    namespace: &str,
) -> Result<Vec<StoredDocument>, StoreError> {
    let rows = sqlx::query("SELECT name FROM documents WHERE kind = 'baseline' AND name LIKE $1 ESCAPE '\\'")
        .bind(format!("{}/%", namespace.replace('_', "\\_")))
        .fetch_all(&mut *connection)
        .await?;
    let mut baselines = Vec::with_capacity(rows.len());
    let kind = DocumentKind::Baseline;
    let mut found = BTreeSet::new();
    for row in rows {
        let text: String = row.try_get("name")?;
        let name = ObjectName::parse(&text).map_err(|_| tampered("documents", &text))?;
        found.insert(head_key(kind, &text));
        baselines.extend(read_current(connection, check, kind, &name).await?.map(Arc::new));
    }
    check.complete(HEADS, &head_key(kind, &format!("{namespace}/")), &found)?;
    Ok(baselines)
}
