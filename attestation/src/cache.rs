//! Caches of verification, so that a known VM costs little more than its signatures.
//!
//! Bounded. A cached result is never different from a computed one: chains are cached with everything that
//! their verification depends on, and keys and logs are functions of bytes whose digest is the key.

use std::fmt;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::SharedBytes;

use crate::event_log::BootLog;
use crate::event_log::CcelError;
use crate::event_log::EventLogError;
use crate::event_log::RTMR_COUNT;
use crate::event_log::ReplayedCcel;
use crate::event_log::ReplayedLog;
use crate::launch::cache::EndorsementCache;
use crate::tdx::cache::TdxCache;
use crate::vtpm::ak::AttestationKey;
use crate::x509::ChainCache;

/// Chains, attestation keys, TDX platforms, replayed logs and launch endorsements of earlier verifications. Shared
/// between threads.
pub struct VerifyCache {
    pub(crate) chains: ChainCache,
    pub(crate) keys: Cache<Digest32, Arc<AttestationKey>>,
    pub(crate) tdx: TdxCache,
    logs: Cache<Digest32, KnownLog<ReplayedLog>, ByLength>,
    ccel_logs: Cache<Digest32, KnownLog<ReplayedCcel>, ByLength>,
    endorsements: EndorsementCache,
}

#[derive(Clone)]
struct KnownLog<T> {
    length: u64,
    log: T,
}

#[derive(Clone, Copy)]
struct ByLength;

impl<T> Weighter<Digest32, KnownLog<T>> for ByLength {
    fn weight(&self, _: &Digest32, known: &KnownLog<T>) -> u64 {
        known.length.max(1)
    }
}

/// A log with its digest: from the cache, or just replayed and not cached yet.
pub(crate) struct FoundLog<T = ReplayedLog> {
    digest: Digest32,
    known: KnownLog<T>,
    is_new: bool,
}

impl<T: Clone> FoundLog<T> {
    pub(crate) const fn log(&self) -> &T {
        &self.known.log
    }

    fn find<E>(
        logs: &Cache<Digest32, KnownLog<T>, ByLength>,
        bytes: &SharedBytes,
        replay: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<Self, E> {
        let digest = bytes.digest();
        if let Some(known) = logs.get(&digest) {
            return Ok(Self { digest, known, is_new: false });
        }
        let known = KnownLog { length: bytes.len() as u64, log: replay(bytes)? };
        Ok(Self { digest, known, is_new: true })
    }

    fn keep_in(self, logs: &Cache<Digest32, KnownLog<T>, ByLength>) -> T {
        if self.is_new {
            logs.insert(self.digest, self.known.clone());
        }
        self.known.log
    }
}

impl VerifyCache {
    /// Room for about `chains` certificate chains of each kind and for `log_bytes` bytes of logs of each
    /// kind.
    #[must_use]
    pub fn new(chains: usize, log_bytes: u64) -> Self {
        let logs = usize::try_from(log_bytes / TYPICAL_LOG).unwrap_or(usize::MAX).max(1);
        Self {
            chains: ChainCache::new(chains),
            keys: Cache::new(chains),
            tdx: TdxCache::new(chains),
            logs: Cache::with_weighter(logs, log_bytes, ByLength),
            ccel_logs: Cache::with_weighter(logs, log_bytes, ByLength),
            endorsements: EndorsementCache::new(ENDORSEMENTS),
        }
    }

    /// The cache of chains.
    #[must_use]
    pub const fn chains(&self) -> &ChainCache {
        &self.chains
    }

    /// The cache of TDX platforms.
    #[must_use]
    pub const fn tdx(&self) -> &TdxCache {
        &self.tdx
    }

    /// The cache of launch endorsements.
    #[must_use]
    pub const fn endorsements(&self) -> &EndorsementCache {
        &self.endorsements
    }

    /// Number of cached vTPM logs.
    #[must_use]
    pub fn logs(&self) -> usize {
        self.logs.len()
    }

    /// Number of cached CCEL logs.
    #[must_use]
    pub fn ccel_logs(&self) -> usize {
        self.ccel_logs.len()
    }

    /// The replayed log, from the cache or by replaying it.
    pub(crate) fn log(&self, bytes: &SharedBytes) -> Result<FoundLog, EventLogError> {
        FoundLog::find(&self.logs, bytes, ReplayedLog::from_bytes)
    }

    /// Caches a log. Called once the log is known to match a quote under a genuine key.
    pub(crate) fn keep(&self, found: FoundLog) -> ReplayedLog {
        found.keep_in(&self.logs)
    }

    /// The boot claims of a CCEL log, cached or replayed, if its replay matches these RTMRs. They must come
    /// from a verified quote: only then is the log worth caching.
    ///
    /// # Errors
    /// As [`ReplayedCcel::from_bytes`] and [`ReplayedCcel::check_against`].
    pub fn ccel(
        &self,
        bytes: &SharedBytes,
        rtmrs: &[Digest48; RTMR_COUNT],
    ) -> Result<Arc<BootLog>, CcelError> {
        let found = FoundLog::find(&self.ccel_logs, bytes, ReplayedCcel::from_bytes)?;
        found.log().check_against(rtmrs)?;
        Ok(found.keep_in(&self.ccel_logs).boot)
    }
}

impl Default for VerifyCache {
    /// Room for 4096 chains and 64 MiB of logs of each kind.
    fn default() -> Self {
        Self::new(4096, 64 * 1024 * 1024)
    }
}

impl fmt::Debug for VerifyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("VerifyCache");
        out.field("chains", &self.chains).field("tdx", &self.tdx).field("logs", &self.logs());
        out.field("ccel_logs", &self.ccel_logs()).finish()
    }
}

/// Size of a GCE log: 45 kB.
const TYPICAL_LOG: u64 = 45 * 1024;
/// Launch endorsements: one per build of the firmware, so a few per fleet.
const ENDORSEMENTS: usize = 64;
