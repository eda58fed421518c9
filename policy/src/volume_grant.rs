//! Permission for an action on a volume: only [`super::decide_volume()`] makes it.

use vouchsafe_attestation::claims::Instance;
use vouchsafe_protocol::{BoundRequest, Digest32, ObjectName, VolumeAction};

use super::grant::GrantedRelease;

/// Permission to register or announce a header for one volume of one instance, once. No secret is unsealed by it:
///
/// ```compile_fail
/// fn release(volume: vouchsafe_policy::VolumeGrant) -> vouchsafe_policy::ReleaseGrant {
///     volume.into()
/// }
/// ```
#[derive(Debug)]
#[must_use = "an action that is not recorded has no effect"]
pub struct VolumeGrant {
    bound: BoundRequest,
    action: VolumeAction,
    instance: Instance,
    epoch: u64,
    permitted: GrantedRelease,
}

impl VolumeGrant {
    pub(super) const fn new(
        bound: BoundRequest,
        action: VolumeAction,
        instance: Instance,
        epoch: u64,
        permitted: GrantedRelease,
    ) -> Self {
        Self { bound, action, instance, epoch, permitted }
    }

    /// The request that the evidence is bound to.
    #[must_use]
    pub const fn bound(&self) -> &BoundRequest {
        &self.bound
    }

    /// What may be done.
    #[must_use]
    pub const fn action(&self) -> &VolumeAction {
        &self.action
    }

    /// The instance whose volume it is.
    #[must_use]
    pub const fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The epoch of the decision; the permission is void if it has changed (T51).
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The policy that would release the secret.
    #[must_use]
    pub const fn policy(&self) -> &ObjectName {
        self.permitted.policy()
    }

    /// SHA-256 of its text.
    #[must_use]
    pub const fn policy_digest(&self) -> Digest32 {
        self.permitted.policy_digest()
    }
}
