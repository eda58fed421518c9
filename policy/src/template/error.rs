//! Why there is no policy for a captured VM.

/// The evidence lacks something that the policy would need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No instance, so no owner.
    #[error("the evidence does not say whose VM it is: capture a vTPM quote or a token with it")]
    NoInstance,
    /// No technology.
    #[error("the evidence does not say which technology protects the VM")]
    NoTechnology,
    /// A disk without a vTPM.
    #[error("a policy for a disk needs a vTPM: nothing else says in which phase of the boot it is asked")]
    NoPhase,
    /// The host's owner reads what runs in it.
    #[error(
        "the token does not say that the image of Confidential Space is no debug image: deploy a production image"
    )]
    DebugImage,
    /// A policy with this condition would refuse the very VM.
    #[error(
        "the VM's kernel command line does not rule out a failure shell in the initrd, which would hand out the disk's key: \
         add panic=-1 (initramfs-tools), or rd.shell=0 rd.emergency=reboot (dracut), restart and capture again"
    )]
    FailureShell,
}
