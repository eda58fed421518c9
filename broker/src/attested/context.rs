//! What is known about the VM of a refused request.

use vouchsafe_attestation::Instance;
use vouchsafe_keystore::record::EvidencePiece;
use vouchsafe_protocol::Digest32;

use crate::admission::Network;
use crate::failed::Origin;

/// A refusal, with what was known about the VM by then.
pub(crate) struct Failure<E> {
    pub(crate) error: Box<E>,
    pub(crate) vm: VmContext,
}

impl<E> Failure<E> {
    pub(crate) fn new(error: impl Into<E>, vm: VmContext) -> Self {
        Self { error: Box::new(error.into()), vm }
    }
}

/// What is known about a VM.
pub(crate) enum VmContext {
    /// Nothing was provided.
    Unknown,
    /// The AK certificate is verified and names this instance; that the request comes from it is not proved.
    Certified(String),
    /// The evidence is verified.
    Verified(Box<VerifiedVm>),
}

/// A VM whose evidence is verified.
pub(crate) struct VerifiedVm {
    pub(crate) claims: Digest32,
    pub(crate) instance: Option<String>,
    /// The evidence, if the refusal is worth a durable record.
    pub(crate) evidence: Option<Vec<EvidencePiece>>,
}

impl VmContext {
    /// The context of evidence that did not verify, where the AK certificate names `certified`.
    pub(super) fn of_certificate(certified: Option<String>) -> Self {
        certified.map_or(Self::Unknown, Self::Certified)
    }

    /// What a refusal of a request from this network counts against.
    pub(crate) fn origin(&self, network: Network) -> Origin<'_> {
        match self {
            Self::Verified(vm) => vm.instance.as_deref().map_or(Origin::Network(network), Origin::Proved),
            Self::Certified(name) => Origin::Certified(network, name),
            Self::Unknown => Origin::Network(network),
        }
    }

    /// The instance that was proved.
    pub(crate) fn instance(&self) -> Option<&str> {
        match self {
            Self::Verified(vm) => vm.instance.as_deref(),
            Self::Unknown | Self::Certified(_) => None,
        }
    }
}

/// `project number/instance id`, as records name an instance.
pub(crate) fn instance_name(instance: &Instance) -> String {
    format!("{}/{}", instance.project_number, instance.instance_id)
}
