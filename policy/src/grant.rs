//! The release permission: only [`super::decide()`] makes it, and recording it consumes it.

use vouchsafe_attestation::claims::Instance;
use vouchsafe_protocol::{
    BoundRequest, Digest32, GuestPublicKey, Nonce, ObjectName, SecretPath, Transcript, UnixTime,
};

use super::purpose::Purpose;
use crate::chip::Chip;

/// Permission to release these versions of these secrets to one guest key, once.
///
/// ```compile_fail
/// fn copy(grant: &vouchsafe_policy::ReleaseGrant) -> vouchsafe_policy::ReleaseGrant {
///     grant.clone()
/// }
/// ```
#[derive(Debug)]
#[must_use = "a grant that is not recorded releases nothing"]
pub struct ReleaseGrant {
    bound: BoundRequest,
    verified_at: UnixTime,
    decided_at: UnixTime,
    epoch: u64,
    guardrails: Digest32,
    instance: Option<Instance>,
    chip: Option<Chip>,
    secrets: Vec<GrantedRelease>,
}

/// One secret of a grant.
#[derive(Debug)]
pub struct GrantedRelease {
    pub(super) path: SecretPath,
    pub(super) version: u64,
    pub(super) purpose: Purpose,
    pub(super) policy: ObjectName,
    pub(super) policy_digest: Digest32,
}

/// The fields of a grant except its secrets.
pub(super) struct GrantContext {
    pub(super) bound: BoundRequest,
    pub(super) verified_at: UnixTime,
    pub(super) decided_at: UnixTime,
    pub(super) epoch: u64,
    pub(super) guardrails: Digest32,
    pub(super) instance: Option<Instance>,
    pub(super) chip: Option<Chip>,
}

impl ReleaseGrant {
    pub(super) fn new(context: GrantContext, secrets: Vec<GrantedRelease>) -> Self {
        let GrantContext { bound, verified_at, decided_at, epoch, guardrails, instance, chip } = context;
        Self { bound, verified_at, decided_at, epoch, guardrails, instance, chip, secrets }
    }

    /// The secrets, in the order of the request.
    #[must_use]
    pub fn secrets(&self) -> &[GrantedRelease] {
        &self.secrets
    }

    /// The granted secret at `path`.
    #[must_use]
    pub fn secret(&self, path: &SecretPath) -> Option<&GrantedRelease> {
        self.secrets.iter().find(|secret| secret.path == *path)
    }

    /// The key that the evidence commits to: secrets are wrapped to this one.
    #[must_use]
    pub const fn wrap_key(&self) -> &GuestPublicKey {
        self.bound.key()
    }

    /// The request that the evidence is bound to.
    #[must_use]
    pub const fn bound(&self) -> &BoundRequest {
        &self.bound
    }

    /// The transcript.
    #[must_use]
    pub const fn transcript(&self) -> Transcript {
        self.bound.transcript()
    }

    /// The nonce that recording the grant spends.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.bound.nonce()
    }

    /// The epoch of the decision; the grant is void if it has changed (T51).
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When the evidence was verified.
    #[must_use]
    pub const fn verified_at(&self) -> UnixTime {
        self.verified_at
    }

    /// When it was decided.
    #[must_use]
    pub const fn decided_at(&self) -> UnixTime {
        self.decided_at
    }

    /// SHA-256 of the guardrails that were in force.
    #[must_use]
    pub const fn guardrails_digest(&self) -> Digest32 {
        self.guardrails
    }

    /// The instance, if the evidence names one.
    #[must_use]
    pub const fn instance(&self) -> Option<&Instance> {
        self.instance.as_ref()
    }

    /// The chip, for hardware evidence.
    #[must_use]
    pub const fn chip(&self) -> Option<&Chip> {
        self.chip.as_ref()
    }
}

impl GrantedRelease {
    /// Its path.
    #[must_use]
    pub const fn path(&self) -> &SecretPath {
        &self.path
    }

    /// The version to release.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Its purpose.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The policy that permitted it.
    #[must_use]
    pub const fn policy(&self) -> &ObjectName {
        &self.policy
    }

    /// SHA-256 of its text.
    #[must_use]
    pub const fn policy_digest(&self) -> Digest32 {
        self.policy_digest
    }
}
