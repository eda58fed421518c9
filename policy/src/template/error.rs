//! Why no policy can be made for a captured VM.

/// Why the evidence is not sufficient for a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It names no instance, and so no owner.
    #[error("the evidence does not say whose VM it is: capture a vTPM quote or a token with it")]
    NoInstance,
    /// No technology is selected.
    #[error("the evidence does not say which technology protects the VM")]
    NoTechnology,
    /// A disk without a vTPM.
    #[error("a policy for a disk needs a vTPM: nothing else says in which phase of the boot it is asked")]
    NoPhase,
    /// The operator of a debug image can read the workload's memory.
    #[error(
        "the token does not say that the Confidential Space image is not a debug image: deploy a production image"
    )]
    DebugImage,
    /// A policy with this condition would refuse the VM itself.
    #[error(
        "the VM's kernel command line does not rule out a failure shell in the initrd, which would hand out the disk's key: \
         add panic=-1 (initramfs-tools), or rd.shell=0 rd.emergency=reboot (dracut), restart and capture again"
    )]
    FailureShell,
}
