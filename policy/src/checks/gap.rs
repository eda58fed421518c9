//! What a permit leaves open, in words: the gap, the attack, and what closes it.

use vouchsafe_protocol::{ObjectName, UnixTime};

use super::chain::{ChainPart, images_are_a_set};
use super::facts::Facts;
use crate::acceptance::Acceptance;

/// A gap that a permit leaves open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    /// There are no conditions.
    #[error(
        "it has no conditions: any VM of any owner gets the secret; say whose VM, which technology and what boots"
    )]
    Unconditional,
    /// An absent claim passes a condition.
    #[error(
        "a VM without {claim} passes, and evidence can be left out on purpose: test for it with `has` and compare it"
    )]
    MissingClaim {
        /// The claim.
        claim: String,
    },
    /// No condition on a root.
    #[error(
        "no condition on {claim}: whoever has the key of an anchor from a file can forge evidence that passes; require {claim} == Root::\"{}\"",
        vendor(claim)
    )]
    Root {
        /// The root that is not restricted.
        claim: &'static str,
    },
    /// No condition on the owner.
    #[error(
        "VMs of any owner pass: anyone can boot the same image in another project; compare principal.vtpm.instance.project_number, or principal.google_token's, with yours"
    )]
    Owner,
    /// No condition on the instance.
    #[error(
        "any VM of the project opens the disk, including one that a project editor creates; compare principal.vtpm.instance.instance_id, or principal.google_token's"
    )]
    Instance,
    /// No condition on the technology.
    #[error(
        "no condition on principal.technology: a VM whose memory the host can read passes; require principal.technology == Technology::\"sev-snp\" or a list of those you accept"
    )]
    Technology,
    /// Debug is allowed.
    #[error(
        "no condition that principal.snp.policy.debug is false: the host can read the memory of a guest with debug; require !principal.snp.policy.debug"
    )]
    Debug,
    /// A token may be of a Confidential Space image that can be debugged.
    #[error(
        "the token may be for Confidential Space's debug image, whose operator can log in and read the workload's memory; require principal.google_token.debug_disabled, or exclude Confidential Space: principal.google_token.software_name == SoftwareName::\"GCE\""
    )]
    TokenDebug,
    /// There is no minimum TCB.
    #[error(
        "no minimum for principal.snp.reported_tcb.{component}: a host with old firmware and known vulnerabilities passes; require principal.snp.reported_tcb.{component} >= …"
    )]
    TcbFloor {
        /// The component without a minimum.
        component: &'static str,
    },
    /// Any TCB status of Intel.
    #[error(
        "no condition on principal.tdx.tcb.status: a platform that Intel reports as out of date passes; require [TcbStatus::\"up-to-date\", …].contains(principal.tdx.tcb.status)"
    )]
    TcbStatus,
    /// The TCB status may be from an old list of Intel.
    #[error(
        "no minimum for principal.tdx.tcb.evaluation_data_number: an old list reports a platform with known vulnerabilities as up to date; require principal.tdx.tcb.evaluation_data_number >= …"
    )]
    EvaluationFloor,
    /// Any firmware is accepted.
    #[error(
        "any firmware passes, including an attacker's, which can log whatever it likes: compare {claim}, or require its endorsement's svn >= …, or a baseline, where each one that is named must list the firmware"
    )]
    Firmware {
        /// The measurement that is not restricted.
        claim: &'static str,
    },
    /// Only Secure Boot is required, and shim may not verify.
    #[error(
        "Secure Boot is the only condition on what boots, and shim may be configured not to verify (mokutil --disable-validation): any kernel passes; require !principal.vtpm.secure_boot.shim_validation_disabled, a value of PCR 7, or a baseline"
    )]
    ShimValidation,
    /// Secure Boot is the only condition on the boot.
    #[error(
        "Secure Boot (PCR 7) is the only condition on what boots: any kernel that a vendor has signed passes, with an attacker's initrd; open: {}; require a baseline, or determine all of them",
        texts(open)
    )]
    Pcr7Alone {
        /// The parts of the boot chain that are not determined.
        open: Vec<ChainPart>,
    },
    /// Any boot is accepted.
    #[error(
        "what boots is not determined; open: {}; require a baseline, or determine all of them",
        texts(open)
    )]
    BootChain {
        /// The parts of the boot chain that are not determined.
        open: Vec<ChainPart>,
    },
    /// Several kinds of evidence without a determined boot chain.
    #[error(
        "what boots is not determined, so an attacker who is root in two VMs can present the hardware of one and the name of the other; open: {}; require a baseline, or determine all of them",
        texts(open)
    )]
    CompositeBootChain {
        /// The parts of the boot chain that are not determined.
        open: Vec<ChainPart>,
    },
    /// Only a token is required.
    #[error(
        "a token alone says nothing about the kernel: whoever can write the VM's disk can boot another one; also require a vTPM with a baseline"
    )]
    TokenAlone,
    /// No condition on the phase.
    #[error(
        "after boot, anything that runs as root can request the disk's key: require principal.vtpm.phase == Phase::\"initrd\", which only a vTPM proves"
    )]
    Phase,
    /// The initrd may open a shell.
    #[error(
        "if the host detaches the disk, the initrd may fail and open a shell, in which the key can be requested: require principal.vtpm.arguments.contains(\"panic=-1\") for initramfs-tools, .containsAll([\"rd.shell=0\", \"rd.emergency=reboot\"]) for dracut, or the same for principal.tdx.boot.arguments"
    )]
    FailureShell,
}

impl Gap {
    /// The narrowest code that acknowledges it.
    #[must_use]
    pub const fn acceptance(&self) -> Acceptance {
        match self {
            Self::Unconditional => Acceptance::Unconditional,
            Self::MissingClaim { .. } => Acceptance::MissingClaim,
            Self::Root { .. } => Acceptance::Root,
            Self::Owner => Acceptance::Owner,
            Self::Instance => Acceptance::Instance,
            Self::Technology => Acceptance::Technology,
            Self::Debug | Self::TokenDebug => Acceptance::Debug,
            Self::TcbFloor { .. } | Self::TcbStatus | Self::EvaluationFloor => Acceptance::TcbFloor,
            Self::Firmware { .. } => Acceptance::Firmware,
            Self::Pcr7Alone { .. } => Acceptance::Pcr7Alone,
            Self::ShimValidation | Self::BootChain { .. } => Acceptance::BootChain,
            Self::CompositeBootChain { .. } => Acceptance::CompositeBootChain,
            Self::TokenAlone => Acceptance::TokenAlone,
            Self::Phase => Acceptance::Phase,
            Self::FailureShell => Acceptance::FailureShell,
        }
    }

    /// How much is open, for gaps about the same subject: the boot. One permit has at most one of them.
    pub(super) const fn boot_rank(&self) -> Option<u8> {
        Some(match self {
            Self::BootChain { .. } => 4,
            Self::CompositeBootChain { .. } => 3,
            Self::TokenAlone => 2,
            Self::ShimValidation => 1,
            Self::Pcr7Alone { .. } => 0,
            _ => return None,
        })
    }

    /// Whether both are about the same subject, so that closing one closes the other.
    pub(super) fn is_about(&self, other: &Self) -> bool {
        self == other || (self.boot_rank().is_some() && other.boot_rank().is_some())
    }
}

fn vendor(claim: &str) -> &'static str {
    match claim {
        "principal.snp.root" => "amd",
        "principal.tdx.root" => "intel",
        _ => "google",
    }
}

fn texts(open: &[ChainPart]) -> String {
    open.iter().map(|part| part.text()).collect::<Vec<_>>().join(", ")
}

/// A note on a policy that is accepted, in case it is not what the author intended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// A VM without memory encryption passes.
    #[error("technology \"none\" passes: the VM's memory is not encrypted, so the host can read the secret")]
    NoTechnology,
    /// Images in any order.
    #[error(
        "the images are listed as a set, in any order: a kernel among them that the firmware starts without its loader accepts \
         an attacker's initrd, which Linux before 6.1 may not measure; compare principal.vtpm.pcrs.pcr2 and pcr4 as well, or \
         require a baseline"
    )]
    ImagesInAnyOrder,
    /// Evidence under an anchor from a file passes.
    #[error(
        "root \"extra\" passes: {claim} may be an anchor from a file, such as one made for tests; whoever has its key can forge such evidence"
    )]
    ExtraRoot {
        /// The root.
        claim: &'static str,
    },
    /// A baseline still allows what an update has replaced.
    #[error(
        "baseline {name} allows further entries until {until}, such as those that an update has replaced"
    )]
    ExpiringEntries {
        /// The baseline.
        name: ObjectName,
        /// When the next of them expire.
        until: UnixTime,
    },
}

impl Note {
    pub(super) fn of(facts: &Facts<'_>) -> Vec<Self> {
        let mut notes = Vec::new();
        let technologies = TECHNOLOGIES.iter().filter(|claim| facts.is_one_of(claim));
        if technologies.clone().next().is_some()
            && technologies.into_iter().all(|claim| facts.may_be(claim, "none"))
        {
            notes.push(Self::NoTechnology);
        }
        if images_are_a_set(facts) {
            notes.push(Self::ImagesInAnyOrder);
        }
        let extra =
            ROOTS.into_iter().filter(|claim| facts.may_be(claim.trim_start_matches("principal."), "extra"));
        notes.extend(extra.map(|claim| Self::ExtraRoot { claim }));
        if facts.closed("roots") && facts.members("roots").any(|root| root == "extra") {
            notes.push(Self::ExtraRoot { claim: "principal.roots" });
        }
        notes
    }
}

/// Claims that name the technology.
pub(super) const TECHNOLOGIES: [&str; 3] = ["technology", "vtpm.technology", "google_token.technology"];
const ROOTS: [&str; 6] = [
    "principal.vtpm.root",
    "principal.snp.root",
    "principal.tdx.root",
    "principal.google_token.root",
    "principal.snp.endorsement.root",
    "principal.tdx.endorsement.root",
];
