//! The service: one thread per source, which fetches what is due and waits for more.
//!
//! A slow, failing or hostile vendor delays only its own thread. Collateral in use is one value that is
//! swapped as a whole; readers never wait.

use std::sync::Arc;
#[cfg(test)]
use std::sync::MutexGuard;
use std::thread;
use std::time::Duration;

use vouchsafe_attestation::TrustAnchors;
use vouchsafe_attestation::collateral::{Loaded, Missing};
use vouchsafe_attestation::x509::MissingCrl;
use vouchsafe_protocol::IdentityKey;

use super::error::CollateralFileError;
use super::folder::CollateralFolder;
use super::jobs::{Asker, Job, Prospect, Source};
use super::pace::Pace;
use super::shared::Shared;
use super::status::{CollateralStatus, ItemStatus};
use crate::config::CollateralConfig;
use crate::metrics::CollateralMetrics;

/// Collateral of one broker: what is in use, and the threads that keep it current. They end when it is
/// dropped.
pub struct CollateralService {
    shared: Arc<Shared>,
}

impl CollateralService {
    /// Starts with the content of the folder.
    ///
    /// # Errors
    /// When the folder cannot be used, or no thread can be started.
    pub(crate) fn start(
        config: CollateralConfig,
        folder: CollateralFolder,
        anchors: TrustAnchors,
        metrics: CollateralMetrics,
    ) -> Result<Self, CollateralFileError> {
        let pace = Pace::new([config.refresh_min, config.refresh_max]);
        Self::start_at(pace, config, folder, anchors, metrics)
    }

    pub(super) fn start_at(
        pace: Pace,
        config: CollateralConfig,
        folder: CollateralFolder,
        anchors: TrustAnchors,
        metrics: CollateralMetrics,
    ) -> Result<Self, CollateralFileError> {
        for file in folder.damaged() {
            file.warn(config.fetch);
        }
        let shared = Arc::new(Shared::new(pace, config, folder, anchors, metrics)?);
        if shared.config.fetch {
            shared.plan();
            for source in Source::ALL {
                let shared = Arc::clone(&shared);
                let thread = thread::Builder::new().name(format!("collateral-{}", source.name()));
                thread.spawn(move || shared.serve(source)).map_err(CollateralFileError::Threads)?;
            }
        }
        Ok(Self { shared })
    }

    /// Signs what is stored and exported with this key from now on.
    pub(crate) fn sign_as(&self, identity: Arc<IdentityKey>) -> Result<(), CollateralFileError> {
        self.shared.folder().sign_as(identity)
    }

    /// The collateral in use.
    pub(crate) fn loaded(&self) -> arc_swap::Guard<Arc<Loaded>> {
        self.shared.loaded.load()
    }

    /// Requests an item. Returns at once, whatever the vendor does, with the time when the item may become
    /// available.
    pub(crate) fn want(&self, missing: Missing, asker: Asker) -> Prospect {
        self.shared.want(Job::Item(missing), asker)
    }

    /// Requests CRLs for verified chains. Returns when the last of them may become available; `None` if one
    /// is not fetched, or was refused.
    pub(crate) fn want_crls<'c>(&self, crls: impl IntoIterator<Item = &'c MissingCrl>) -> Option<Duration> {
        self.shared.want_crls(crls)
    }

    /// The stored items, and those to be fetched.
    pub(crate) fn status(&self) -> Result<CollateralStatus, CollateralFileError> {
        let mut status = self.shared.folder().status()?;
        status.fetch = self.shared.config.fetch;
        let jobs = self.shared.jobs();
        status.waiting = jobs.waiting();
        for trouble in jobs.troubles() {
            let subject = trouble.job.to_string();
            let kind = trouble.job.kind();
            let is_it = |item: &&mut ItemStatus| {
                item.kind == kind && (item.subject == subject || item.source.as_ref() == Some(&subject))
            };
            let last_error = trouble.error.map(str::to_owned);
            match status.items.iter_mut().find(is_it) {
                Some(item) => item.last_error = last_error,
                None => status.items.push(ItemStatus {
                    kind,
                    subject,
                    source: None,
                    fetched_at: None,
                    valid_until: None,
                    digest: None,
                    last_error,
                }),
            }
        }
        Ok(status)
    }

    /// Locks the folder for a long time.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> MutexGuard<'_, CollateralFolder> {
        self.shared.folder()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for CollateralService {
    fn drop(&mut self) {
        self.shared.jobs().stopped = true;
        self.shared.wake.notify_all();
    }
}

impl std::fmt::Debug for CollateralService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollateralService").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
