//! Cache of compiled policies, guardrails and baselines, by the digest of their text.

use std::sync::Arc;

use quick_cache::sync::Cache;
use vouchsafe_policy::{Baseline, BaselineError, CompiledPolicy, Guardrails, PolicyError};
use vouchsafe_protocol::{Digest32, ObjectName};

use super::documents::types::Document;
use crate::blocking::blocking;

/// May be dropped at any time: a missing entry is compiled again.
pub(crate) struct Compiled {
    policies: Cache<(ObjectName, Digest32), Arc<CompiledPolicy>>,
    guardrails: Cache<Digest32, Arc<Guardrails>>,
    baselines: Cache<Digest32, Arc<Baseline>>,
    shipped: Arc<Guardrails>,
}

impl Default for Compiled {
    fn default() -> Self {
        Self {
            policies: Cache::new(KEPT),
            guardrails: Cache::new(4),
            baselines: Cache::new(KEPT),
            shipped: Arc::new(Guardrails::shipped()),
        }
    }
}

impl Compiled {
    pub(crate) async fn policy(&self, document: &Document) -> Result<Arc<CompiledPolicy>, PolicyError> {
        let key = (document.name.clone(), document.digest);
        let compile = compile(&document.name, &document.text);
        self.policies.get_or_insert_async(&key, compile).await
    }

    pub(crate) fn baseline(&self, document: &Document) -> Result<Arc<Baseline>, BaselineError> {
        let parse = || Baseline::parse(&document.text).map(Arc::new);
        self.baselines.get_or_insert_with(&document.digest, parse)
    }

    /// The guardrails of this version.
    pub(crate) fn shipped_guardrails(&self) -> Arc<Guardrails> {
        Arc::clone(&self.shipped)
    }

    /// The compiled form of this document, or of the shipped guardrails.
    pub(crate) async fn guardrails(&self, stored: Option<&Document>) -> Result<Arc<Guardrails>, PolicyError> {
        let Some(document) = stored else {
            return Ok(self.shipped_guardrails());
        };
        let compile = async {
            let text = document.text.clone();
            blocking(move || Guardrails::compile(&text)).await.map(Arc::new)
        };
        self.guardrails.get_or_insert_async(&document.digest, compile).await
    }
}

/// Compiles a policy, off the async workers.
pub(crate) async fn compile(name: &ObjectName, text: &str) -> Result<Arc<CompiledPolicy>, PolicyError> {
    let (name, text) = (name.clone(), text.to_owned());
    blocking(move || CompiledPolicy::compile(&name, &text)).await.map(Arc::new)
}

/// Upper limit of cached policies; one takes about 100 kB.
const KEPT: usize = 1024;
