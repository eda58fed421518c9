//! The state that all requests share: keystore, identity, verifier, queues and counters.
//!
//! Opened once, from a complete configuration. All state here may be lost, except what is on disk in the
//! keystore and the collateral folder.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

use arc_swap::ArcSwap;
use vouchsafe_attestation::anchors::AnchorError;
use vouchsafe_attestation::collateral::Loaded;
use vouchsafe_attestation::{TrustAnchors, VerifyCache};
use vouchsafe_keystore::registry::{Identities, OpenError};
use vouchsafe_keystore::rotation::RotationError;
use vouchsafe_keystore::{Keystore, RandomError, StoreError};
use vouchsafe_protocol::challenge::ChallengeError;
use vouchsafe_protocol::messages::ChallengeAnswer;
use vouchsafe_protocol::{BrokerIdentity, Challenge, Digest32, IdentityKey, ReasonCode, UnixTime};
use vouchsafe_system::trusted_file::{self, Others, TrustedFileError};

use crate::admission::{Admission, Shares};
use crate::clock::{self, ClockWatch};
use crate::collateral::{
    CollateralFileError, CollateralFolder, CollateralService, CollateralStatus, IssuersInUse,
};
use crate::config::{BrokerConfig, Limits};
use crate::failed::FailedRequests;
use crate::gate::{Gate, Rate};
use crate::health::readiness::Readiness;
use crate::identities::{Accepted, CurrentIdentities, signed_before};
use crate::log::sampled::Sampled;
use crate::metrics::{LISTENERS, ListenerMetrics, Metrics};
use crate::operators::logins::Logins;
use crate::pool::Pool;
use crate::refusals::Refusals;
use crate::root_keyring::{LoadedKeyring, RootKeyringError};
use crate::traces::{Traces, TracesError};
use crate::tries::Tries;
use crate::wants::Wants;

/// A broker that is ready to serve.
pub struct Broker {
    wrapped_keyring: Mutex<Option<Digest32>>,
    config: ArcSwap<BrokerConfig>,
    pub(crate) admission: Listeners,
    pub(crate) readiness: Readiness,
    pub(crate) keystore: Keystore,
    pub(crate) anchors: TrustAnchors,
    pub(crate) cache: VerifyCache,
    pub(crate) pool: Pool,
    pub(crate) gate: Arc<Gate>,
    pub(crate) issuers: IssuersInUse,
    pub(crate) rate: Rate,
    /// Collateral lacked by requests under one instance's certificate.
    pub(crate) wants: Wants,
    /// Worthless requests, by network and instance.
    pub(crate) failed: FailedRequests,
    pub(crate) refusals: Refusals,
    pub(crate) tries: Arc<Tries>,
    pub(crate) logins: Logins,
    /// Log lines about requests whose evidence was not verified.
    pub(crate) stranger_lines: Sampled<ReasonCode>,
    pub(crate) metrics: Metrics,
    /// `None` without a section `[traces]`.
    pub(crate) traces: Option<Arc<Traces>>,
    pub(crate) clock: ClockWatch,
    pub(crate) runtime: tokio::runtime::Handle,
    identities: CurrentIdentities,
    collateral: CollateralService,
}

/// Admission to both listeners.
pub(crate) struct Listeners {
    pub(crate) guests: Arc<Admission>,
    pub(crate) operators: Arc<Admission>,
}

impl Listeners {
    fn new(limits: &Limits, metrics: &ListenerMetrics) -> Self {
        let [guests, operators] = LISTENERS;
        Self {
            guests: Admission::new(guests, Shares::guests(limits), metrics.clone()),
            operators: Admission::new(operators, Shares::operators(limits), metrics.clone()),
        }
    }
}

/// Why the broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The root keyring.
    #[error(transparent)]
    Keyring(#[from] RootKeyringError),
    /// The keyring is from before a promotion.
    #[error(transparent)]
    Promotion(#[from] RotationError),
    /// The keystore.
    #[error(transparent)]
    Keystore(#[from] OpenError),
    /// Other users can reach what only the broker may.
    #[error(transparent)]
    Exposed(#[from] TrustedFileError),
    /// A row of the keystore.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The collateral folder.
    #[error(transparent)]
    Collateral(#[from] CollateralFileError),
    /// A file with trust anchors cannot be read.
    #[error("trust anchors {}: {source}", path.display())]
    AnchorFile {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file with trust anchors is refused.
    #[error("trust anchors {}: {source}", path.display())]
    Anchors {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: AnchorError,
    },
    /// The system does not provide threads.
    #[error("cannot start verifier threads: {0}")]
    Threads(io::Error),
    /// Traces.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// Two metrics have the same name: a bug.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

impl Broker {
    /// Opens everything that the configuration names. A multi-threaded tokio runtime must be running.
    ///
    /// # Errors
    /// [`StartError`] says what to do about it.
    pub async fn open(config: BrokerConfig) -> Result<Arc<Self>, StartError> {
        crate::random::warm()?;
        check_modes(&config)?;
        let anchors = trust_anchors(&config)?;
        // Nothing is served yet, so this may wait for Cloud KMS.
        let LoadedKeyring { keyring, wrapped } = config.load_keyring_at_start()?;
        let keystore = Keystore::open(&config.database(), keyring).await?;
        let mut wrapped_keyring = wrapped;
        // A credential cannot be changed.
        let file = config.keyring_file().ok();
        if let Some(generation) = keystore.complete_promotion(file.as_ref(), clock::now()).await? {
            tracing::warn!(event = "keyring.promotion_completed", generation, "back up the keyring's file");
            wrapped_keyring = None;
        }
        let identities = keystore.identities().await?;
        let (limits, metrics) = (config.limits, Metrics::new()?);
        let traces = config.traces.as_ref().map(|traces| Traces::start(traces, metrics.traces.clone()));
        let (key, before) = (Arc::clone(identities.primary()), signed_before(&identities));
        let folder = CollateralFolder::open(&config.collateral_folder(), key, &before, anchors.clone())?;
        let collateral = CollateralService::start(
            config.collateral.clone(),
            folder,
            anchors.clone(),
            metrics.collateral.clone(),
        )?;
        let broker = Self {
            anchors,
            admission: Listeners::new(&limits, &metrics.listeners),
            readiness: Readiness::default(),
            cache: VerifyCache::default(),
            pool: Pool::start(limits.verifiers(), limits.queue, limits.releases_per_address)
                .map_err(StartError::Threads)?,
            issuers: IssuersInUse::default(),
            gate: Arc::new(Gate::new(limits.releases, limits.releases_per_address)),
            rate: Rate::new(limits.releases_per_instance, limits.releases_without_instance),
            wants: Wants::default(),
            failed: FailedRequests::default(),
            refusals: Refusals::new(limits.remembered_refusals, limits.remembered_memory.saturating_mul(MIB)),
            tries: Arc::default(),
            stranger_lines: Sampled::new(BETWEEN_LINES),
            logins: Logins::new(metrics.logins.clone()),
            traces: traces.transpose()?,
            metrics,
            clock: ClockWatch::start(),
            runtime: tokio::runtime::Handle::current(),
            identities: CurrentIdentities::new(identities),
            collateral,
            keystore,
            wrapped_keyring: Mutex::new(wrapped_keyring),
            config: ArcSwap::from_pointee(config),
        };
        let chips = broker.metrics.chips.clone();
        broker.keystore.watch_chips(move |subject, event| chips.seen(subject, event));
        let transactions = broker.metrics.transactions.clone();
        broker.keystore.watch_transactions(move |end| transactions.ended(end));
        broker.announce();
        Ok(Arc::new(broker))
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<BrokerConfig> {
        self.config.load_full()
    }

    /// Replaces the configuration; the new one differs in no setting that needs a restart.
    pub(crate) fn configure(&self, config: BrokerConfig) {
        let limits = &config.limits;
        self.gate.set(limits.releases, limits.releases_per_address);
        self.pool.set_share(limits.releases_per_address);
        self.rate.set_shares(limits.releases_per_instance, limits.releases_without_instance);
        self.admission.guests.set(Shares::guests(limits));
        self.admission.operators.set(Shares::operators(limits));
        self.config.store(Arc::new(config));
    }

    /// Writes what is queued and closes the keystore. Traces that wait are sent, as far as the collector takes them at once.
    pub async fn close(&self) {
        self.keystore.close().await;
        if let Some(traces) = self.traces.clone() {
            // A panic of the thread loses traces only.
            let _flushed = tokio::task::spawn_blocking(move || traces.flush(LAST_TRACES)).await;
        }
    }

    /// A new challenge, and the identity that will sign the answer.
    pub(crate) fn issue(&self, now: UnixTime) -> Result<ChallengeAnswer, RandomError> {
        let (nonce, identity) = (crate::random::nonce()?, self.identity());
        let key = self.keystore.keyring().challenge_key();
        let challenge = key.issue(&identity, nonce, now, self.config().challenge_ttl.as_secs());
        Ok(ChallengeAnswer { challenge, identity })
    }

    /// What a live challenge of this broker or of a replica says.
    pub(crate) fn check(&self, challenge: &Challenge, now: UnixTime) -> Result<Accepted, ChallengeError> {
        let verdict = self.identities.accept(self.keystore.keyring(), challenge, now);
        // Its nonce may have been spent after the restored copy was made.
        match self.keystore.restored_at() {
            Some(at) if verdict.is_ok() && challenge.issued_at <= at => {
                Err(ChallengeError::Expired { expires_at: at })
            }
            _ => verdict,
        }
    }

    /// The digest of the wrapped keyring in use, as it was read last; `None` if it is not wrapped, or was changed since.
    pub(crate) fn wrapped_keyring(&self) -> &Mutex<Option<Digest32>> {
        &self.wrapped_keyring
    }

    /// Updates what is known about the keyring, after a change.
    pub(crate) fn observe_keyring(&self) {
        *self.wrapped_keyring.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.metrics.keyring.observe(&self.keystore.keyring().generations(), clock::now());
    }

    /// The identity that signs.
    #[must_use]
    pub fn identity(&self) -> BrokerIdentity {
        self.signing_key().identity()
    }

    /// The key of the identity that signs.
    pub(crate) fn signing_key(&self) -> Arc<IdentityKey> {
        self.identities.signing_key()
    }

    /// All identities.
    pub(crate) fn identities(&self) -> Arc<Identities> {
        self.identities.load()
    }

    /// Uses the identities as they are in the keystore. After an error it goes on as before.
    pub(crate) async fn observe_identities(self: &Arc<Self>) -> Result<(), StoreError> {
        let read = self.identities.read(&self.keystore).await;
        let before = read
            .inspect_err(|error| tracing::error!(event = "identity.not_read", %error))?
            .primary()
            .identity();
        let now = self.identities();
        self.metrics.identities.observe(&now, clock::now());
        let identity = now.primary().identity();
        if before != identity {
            tracing::info!(event = "identity.taken", %identity, %before);
            if let Err(error) = self.sign_collateral().await {
                let next = "it is signed again before the identity of before is removed, and when the broker is started";
                tracing::error!(event = "collateral.not_signed", %error, "{next}");
            }
        }
        Ok(())
    }

    /// Has all stored key sets signed by the identity that signs.
    pub(crate) async fn sign_collateral(self: &Arc<Self>) -> Result<(), CollateralFileError> {
        let broker = Arc::clone(self);
        // It writes files.
        let signed = tokio::task::spawn_blocking(move || broker.collateral.sign_as(broker.signing_key()));
        // Without an end, the runtime is ending.
        signed.await.unwrap_or(Ok(()))
    }

    pub(crate) fn collateral(&self) -> arc_swap::Guard<Arc<Loaded>> {
        self.collateral.loaded()
    }

    pub(crate) const fn collateral_service(&self) -> &CollateralService {
        &self.collateral
    }

    pub(crate) fn collateral_status(&self) -> Result<CollateralStatus, CollateralFileError> {
        self.collateral.status()
    }

    /// Logs warnings about unusual configuration.
    fn announce(&self) {
        let extra = self.anchors.extra_fingerprints();
        self.metrics.extra_trust_anchors.set(i64::try_from(extra.len()).unwrap_or(i64::MAX));
        for fingerprint in extra {
            tracing::warn!(
                event = "broker.extra_trust_anchor",
                %fingerprint,
                "an anchor from a file is trusted, for the root `extra` only"
            );
        }
        if let Some(at) = self.keystore.restored_at().filter(|at| *at > clock::now()) {
            tracing::warn!(
                event = "broker.clock_behind_restore",
                until = clock::human(at),
                "the database was restored at a later time: set the clock, or every challenge is refused until then"
            );
        }
        tracing::info!(event = "broker.opened", identity = %self.identity(), anchors = %self.anchors.digest());
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("identity", &self.identity()).finish_non_exhaustive()
    }
}

/// The data folder and the database are the broker's alone. The database is not opened here: closing it again would take
/// SQLite's locks from whoever has it open in this process.
fn check_modes(config: &BrokerConfig) -> Result<(), TrustedFileError> {
    let name = config.database();
    let files = ["", "-wal", "-shm"].map(|end| {
        let mut file = name.clone().into_os_string();
        file.push(end);
        file
    });
    for path in std::iter::once(config.data.as_os_str()).chain(files.iter().map(AsRef::as_ref)) {
        match trusted_file::examine(Path::new(path), Others::MayNothing) {
            // Keyring and keystore say what is missing.
            Err(TrustedFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            examined => examined?,
        }
    }
    Ok(())
}

fn trust_anchors(config: &BrokerConfig) -> Result<TrustAnchors, StartError> {
    let mut anchors = TrustAnchors::builtin();
    for path in &config.extra_trust_anchors {
        let file = fs::read(path).map_err(|source| StartError::AnchorFile { path: path.clone(), source })?;
        anchors =
            anchors.with_extra(&file).map_err(|source| StartError::Anchors { path: path.clone(), source })?;
    }
    Ok(anchors)
}

const MIB: usize = 1024 * 1024;
/// How long the end of the broker waits for the collector of traces.
const LAST_TRACES: Duration = Duration::from_secs(2);
/// The least time between two log lines about strangers with the same reason code.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
