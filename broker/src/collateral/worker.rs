//! The thread of a source: fetches what is due, and waits for more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use vouchsafe_attestation::anchors::Purpose;
use vouchsafe_attestation::collateral::Missing;
use vouchsafe_attestation::x509::{MissingCrl, verify_issuer};
use vouchsafe_protocol::UnixTime;

use super::addresses::is_crl_address;
use super::fetch::Fetched;
use super::jobs::{Ended, Job, Next, Source};
use super::shared::Shared;
use crate::{clock, random};

impl Shared {
    /// Queues the items that are kept current from the start.
    pub(super) fn plan(&self) {
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
    pub(super) fn serve(&self, source: Source) {
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
        let good = fetched.as_ref().ok().map(Fetched::name);
        let ended = Ended::from(fetched);
        let outcome = good.unwrap_or(if matches!(ended, Ended::Refused(_)) { "refused" } else { "failed" });
        self.metrics.fetched(job.kind(), outcome);
        if let Ended::Refused(error) | Ended::Down { error, .. } = &ended {
            tracing::warn!(event = "collateral.not_fetched", kind = job.kind().name(), outcome, %error);
        }
        ended
    }
}
