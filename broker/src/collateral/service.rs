//! The service: one thread per source, which fetches what is due and waits for more.
//!
//! A slow, failing or hostile vendor delays only its own thread. Collateral in use is one value that is
//! swapped as a whole; readers never wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use vouchsafe_attestation::TrustAnchors;
use vouchsafe_attestation::anchors::Purpose;
use vouchsafe_attestation::chain::{MissingCrl, verify_issuer};
use vouchsafe_attestation::collateral::{Loaded, Missing};
use vouchsafe_protocol::bundle::Bundle;
use vouchsafe_protocol::{BrokerIdentity, Digest32, Digest48, UnixTime};

use super::addresses::{CollateralConfig, is_crl_address};
use super::client::Client;
use super::folder::CollateralFolder;
use super::jobs::{Asked, Asker, Ended, Job, Jobs, Next, Prospect, Source};
use super::pace::Pace;
use super::{CollateralFileError, CollateralStatus, ItemStatus};
use crate::metrics::CollateralMetrics;
use crate::{clock, random};

/// Collateral of one broker: what is in use, and the threads that keep it current. They end when it is
/// dropped.
pub struct CollateralService {
    shared: Arc<Shared>,
}

/// The state that the threads share.
pub(super) struct Shared {
    pub(super) config: CollateralConfig,
    pub(super) pace: Pace,
    pub(super) anchors: TrustAnchors,
    pub(super) client: Client,
    /// For unverified URLs.
    pub(super) issuers: Client,
    folder: Mutex<CollateralFolder>,
    loaded: ArcSwap<Loaded>,
    jobs: Mutex<Jobs>,
    wake: Condvar,
    metrics: CollateralMetrics,
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
        let shared = Arc::new(Shared {
            client: Client::new(pace.request),
            issuers: Client::new(pace.issuer_request),
            loaded: ArcSwap::from_pointee(folder.parse()?),
            folder: Mutex::new(folder),
            jobs: Mutex::new(Jobs::new(pace, Instant::now())),
            wake: Condvar::new(),
            config,
            pace,
            anchors,
            metrics,
        });
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

    /// Fetches everything that is kept current or queued, now.
    pub(crate) fn refresh(&self) {
        self.shared.jobs().refresh(Instant::now());
        self.shared.wake.notify_all();
    }

    /// Imports collateral from an operator; it is in use when this returns.
    pub(crate) fn import(
        &self,
        file: &[u8],
        measurement: Option<Digest48>,
        now: UnixTime,
    ) -> Result<CollateralStatus, CollateralFileError> {
        self.shared.folder().import(file, measurement, now)?;
        self.changed()
    }

    /// Removes an item; it is out of use when this returns.
    pub(crate) fn remove(
        &self,
        digest: Digest32,
        now: UnixTime,
    ) -> Result<CollateralStatus, CollateralFileError> {
        self.shared.folder().remove(digest, now)?;
        self.changed()
    }

    /// Imports a bundle; its items are in use when this returns.
    pub(crate) fn import_bundle(
        &self,
        bundle: Bundle,
        signer: &BrokerIdentity,
        now: UnixTime,
    ) -> Result<CollateralStatus, CollateralFileError> {
        self.shared.folder().import_bundle(bundle, signer, now)?;
        self.changed()
    }

    /// Exports everything, signed by the broker.
    pub(crate) fn export(&self, now: UnixTime) -> Bundle {
        self.shared.folder().export(now)
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

    fn changed(&self) -> Result<CollateralStatus, CollateralFileError> {
        self.shared.reload()?;
        self.status()
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

impl Shared {
    pub(super) fn folder(&self) -> MutexGuard<'_, CollateralFolder> {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn loaded(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    /// Puts the content of the folder into use.
    pub(super) fn reload(&self) -> Result<(), CollateralFileError> {
        let folder = self.folder();
        self.loaded.store(Arc::new(folder.parse()?));
        Ok(())
    }

    fn want(&self, job: Job, asker: Asker) -> Prospect {
        if !self.config.fetch {
            return Prospect::Never;
        }
        let (kind, now) = (job.kind(), Instant::now());
        let mut jobs = self.jobs();
        let asked = jobs.ask(job.clone(), asker, now);
        let prospect = jobs.prospect(&job, now);
        drop(jobs);
        match asked {
            Asked::Known => {}
            Asked::Queued => self.wake.notify_all(),
            Asked::Full => self.metrics.fetched(kind, "not-queued"),
        }
        prospect
    }

    pub(super) fn want_crls<'c>(&self, crls: impl IntoIterator<Item = &'c MissingCrl>) -> Option<Duration> {
        let waits = crls.into_iter().map(|crl| {
            let url = crl.addresses.iter().find(|url| is_crl_address(url))?;
            match self.want(Job::crl(url.clone(), Some(crl.issuer_key.as_slice().into())), Asker::Verified) {
                Prospect::Soon(wait) | Prospect::Full(wait) => Some(wait),
                Prospect::Gone(_) | Prospect::Never => None,
            }
        });
        // All are requested, even if one is unavailable.
        let waits: Vec<Option<Duration>> = waits.collect();
        waits.into_iter().collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the items that are kept current from the start.
    fn plan(&self) {
        let (now, start) = (clock::now(), Instant::now());
        let (folder, mut jobs) = (self.folder(), self.jobs());
        let left =
            |fetched: UnixTime, wait: Duration| wait.saturating_sub(Duration::from_secs(now.since(fetched)));
        let mut planned = self.config.planned();
        // CRLs named by certificates seen earlier are kept current.
        for certificate in folder.issuers() {
            let named = verify_issuer(&certificate, None, Purpose::GoogleAk, &self.anchors, now);
            for MissingCrl { addresses, issuer_key } in named.unwrap_or_default() {
                let url = addresses.into_iter().find(|url| is_crl_address(url));
                planned.extend(url.map(|url| Job::crl(url, Some(issuer_key.into()))));
            }
        }
        for url in folder.crl_sources() {
            let is_planned = planned.iter().any(|job| job.to_string() == url);
            planned.extend((!is_planned).then(|| Job::crl(url, None)));
        }
        for job in planned {
            let note = folder.from(&job.to_string()).map(|(_, note)| note);
            let due =
                note.map(|note| left(note.fetched_at, self.pace.refresh(note.fetched_at, note.valid_until)));
            jobs.keep(job, due, start);
        }
        let note = folder.from(&self.config.jwks).map(|(_, note)| note);
        let due = note.map(|note| left(note.fetched_at, self.token_keys_refresh()));
        jobs.keep(Job::Item(Missing::TokenKeys), due, start);
        for (platform, fetched, until) in folder.platforms() {
            let due = left(fetched, self.pace.refresh(fetched, Some(until)));
            jobs.keep(Job::Item(Missing::Tdx(platform)), Some(due), start);
        }
    }

    /// A source's thread.
    fn serve(&self, source: Source) {
        let mut jobs = self.jobs();
        while !jobs.stopped {
            match jobs.next(source, Instant::now()) {
                Next::Wait(time) => {
                    let woken = self.wake.wait_timeout(jobs, time);
                    jobs = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
                Next::Fetch(job) => {
                    drop(jobs);
                    let ended = self.run(&job);
                    let chance = random::byte().unwrap_or(u8::MAX);
                    jobs = self.jobs();
                    jobs.ended(&job, ended, Instant::now(), chance);
                }
            }
        }
    }

    fn run(&self, job: &Job) -> Ended {
        let Ok(fetched) = catch_unwind(AssertUnwindSafe(|| self.fetch(job))) else {
            tracing::error!(event = "collateral.panicked", kind = job.kind().name());
            self.metrics.fetched(job.kind(), "failed");
            return Ended::Refused("a bug".to_owned());
        };
        let good = fetched.as_ref().ok().map(super::fetch::Fetched::name);
        let ended = Ended::from(fetched);
        let outcome = good.unwrap_or(if matches!(ended, Ended::Refused(_)) { "refused" } else { "failed" });
        self.metrics.fetched(job.kind(), outcome);
        if let Ended::Refused(error) | Ended::Down { error, .. } = &ended {
            tracing::warn!(event = "collateral.not_fetched", kind = job.kind().name(), outcome, %error);
        }
        ended
    }
}
