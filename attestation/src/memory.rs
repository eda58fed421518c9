//! What is remembered between verifications, so that a known VM costs little more than its signatures.
//!
//! Bounded. Nothing here changes a verdict: chains are remembered with all that their verdict rests on, and
//! keys and logs are functions of bytes whose digest is the key.

use std::fmt;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use vouchsafe_protocol::Digest32;

use crate::chain::ChainMemory;
use crate::event_log::EventLogError;
use crate::event_log::ReplayedLog;
use crate::launch::EndorsementMemory;
use crate::tdx::TdxMemory;
use crate::vtpm::AttestationKey;

/// Chains, attestation keys, TDX platforms, replayed logs and launch endorsements of earlier verifications. Shared
/// between threads.
pub struct VerifyMemory {
    pub(crate) chains: ChainMemory,
    pub(crate) keys: Cache<Digest32, Arc<AttestationKey>>,
    pub(crate) tdx: TdxMemory,
    logs: Cache<Digest32, KnownLog, ByLength>,
    endorsements: EndorsementMemory,
}

#[derive(Clone)]
struct KnownLog {
    length: u64,
    log: ReplayedLog,
}

#[derive(Clone, Copy)]
struct ByLength;

impl Weighter<Digest32, KnownLog> for ByLength {
    fn weight(&self, _: &Digest32, known: &KnownLog) -> u64 {
        known.length.max(1)
    }
}

/// A log with its digest; from memory, or read just now and not remembered yet.
pub(crate) struct FoundLog {
    digest: Digest32,
    known: KnownLog,
    is_new: bool,
}

impl FoundLog {
    pub(crate) const fn log(&self) -> &ReplayedLog {
        &self.known.log
    }
}

impl VerifyMemory {
    /// Room for about `chains` certificate chains of each kind and for logs of `log_bytes` bytes in sum.
    #[must_use]
    pub fn new(chains: usize, log_bytes: u64) -> Self {
        let logs = usize::try_from(log_bytes / TYPICAL_LOG).unwrap_or(usize::MAX).max(1);
        Self {
            chains: ChainMemory::new(chains),
            keys: Cache::new(chains),
            tdx: TdxMemory::new(chains),
            logs: Cache::with_weighter(logs, log_bytes, ByLength),
            endorsements: EndorsementMemory::new(ENDORSEMENTS),
        }
    }

    /// The remembered chains.
    #[must_use]
    pub const fn chains(&self) -> &ChainMemory {
        &self.chains
    }

    /// The remembered TDX platforms.
    #[must_use]
    pub const fn tdx(&self) -> &TdxMemory {
        &self.tdx
    }

    /// The remembered launch endorsements.
    #[must_use]
    pub const fn endorsements(&self) -> &EndorsementMemory {
        &self.endorsements
    }

    /// How many logs are remembered.
    #[must_use]
    pub fn logs(&self) -> usize {
        self.logs.len()
    }

    /// The log, replayed now or before.
    pub(crate) fn log(&self, bytes: &[u8]) -> Result<FoundLog, EventLogError> {
        let digest = Digest32::of(bytes);
        if let Some(known) = self.logs.get(&digest) {
            return Ok(FoundLog { digest, known, is_new: false });
        }
        let log = ReplayedLog::from_bytes(bytes)?;
        Ok(FoundLog { digest, known: KnownLog { length: bytes.len() as u64, log }, is_new: true })
    }

    /// Remembers a log, once it has been found to be that of a quote under a genuine key.
    pub(crate) fn keep(&self, found: FoundLog) -> ReplayedLog {
        if found.is_new {
            self.logs.insert(found.digest, found.known.clone());
        }
        found.known.log
    }
}

impl Default for VerifyMemory {
    /// Room for 4096 chains and 64 MiB of logs.
    fn default() -> Self {
        Self::new(4096, 64 * 1024 * 1024)
    }
}

impl fmt::Debug for VerifyMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("VerifyMemory");
        out.field("chains", &self.chains).field("tdx", &self.tdx).field("logs", &self.logs()).finish()
    }
}

/// Size of a log of GCE's: 45 kB.
const TYPICAL_LOG: u64 = 45 * 1024;
/// Launch endorsements: one a build of the firmware, a few in a fleet.
const ENDORSEMENTS: usize = 64;
