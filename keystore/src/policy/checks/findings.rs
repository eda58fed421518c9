//! What registration finds, and what a permit can acknowledge.

use vouchsafe_protocol::ObjectName;

macro_rules! acceptances {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// Something that a permit can acknowledge with `@accepts("code, code")`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Acceptance {
            $($(#[$doc])* $name,)*
        }

        impl Acceptance {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As written in `@accepts`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

acceptances! {
    /// A permit without conditions.
    Unconditional = "unconditional";
    /// A condition that an absent claim passes.
    MissingClaim = "missing-claim";
    /// No condition on the root of the evidence.
    Root = "root";
    /// No condition on the project number: anybody's VM.
    Owner = "owner";
    /// A disk without a condition on the instance id: any VM of the project.
    Instance = "instance";
    /// No condition on the technology.
    Technology = "technology";
    /// Guests that the host may debug.
    Debug = "debug";
    /// No floor for the security versions of the hardware's firmware.
    TcbFloor = "tcb-floor";
    /// No condition on the launch measurement.
    Firmware = "firmware";
    /// PCR 7 alone: any kernel that a vendor has signed.
    Pcr7Alone = "pcr7-alone";
    /// Nothing about what booted.
    BootChain = "boot-chain";
    /// Evidence of several kinds without a condition on the boot chain: they may be of two VMs with one attacker.
    CompositeBootChain = "composite-boot-chain";
    /// A token alone: nothing about what booted but that Secure Boot was on.
    TokenAlone = "token-alone";
    /// A disk without a condition on the phase.
    Phase = "phase";
    /// A disk whose initrd may drop to a shell.
    FailureShell = "failure-shell";
}

impl Acceptance {
    /// The acceptance of this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|acceptance| acceptance.code() == code)
    }
}

/// Why a policy may not guard a secret. Those with a code in their text can be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// Nothing is ever permitted.
    #[error("the policy has no permit")]
    NoPermit,
    /// Another action than release.
    #[error("{id}: the action must be exactly Action::\"release\"")]
    OtherAction {
        /// The statement.
        id: String,
    },
    /// A permit that does not say what it is for.
    #[error("{id}: @for(\"disk\") or @for(\"app\") is missing")]
    MissingPurpose {
        /// The permit.
        id: String,
    },
    /// Permits that are for different purposes.
    #[error("{id}: all permits of a policy are for one purpose")]
    MixedPurposes {
        /// The permit that differs from the first.
        id: String,
    },
    /// `@for` or `@accepts` on a forbid, where they have no meaning.
    #[error("{id}: @for and @accepts belong on permits")]
    AnnotatedForbid {
        /// The forbid.
        id: String,
    },
    /// A text that no claim of this kind can equal.
    #[error("{id}: {text:?} can never be {claim}")]
    MalformedLiteral {
        /// The statement.
        id: String,
        /// The claim it is compared with.
        claim: String,
        /// The text.
        text: String,
    },
    /// A baseline that does not exist.
    #[error("{id}: there is no baseline {name}")]
    UnknownBaseline {
        /// The statement.
        id: String,
        /// Its name.
        name: ObjectName,
    },
    /// A baseline of another namespace.
    #[error("{id}: baseline {name} is neither of this namespace nor of `shared`")]
    ForeignBaseline {
        /// The statement.
        id: String,
        /// Its name.
        name: ObjectName,
    },
    /// A secret or a namespace that this policy cannot be for.
    #[error("{id}: {name:?} is of another namespace")]
    ForeignResource {
        /// The statement.
        id: String,
        /// Its name.
        name: String,
    },
    /// More alternatives than are analysed.
    #[error("{id}: too many alternatives: write fewer `||`, `if` and forbids with several conditions")]
    TooComplex {
        /// The permit.
        id: String,
    },
    /// A permit that never holds.
    #[error("{id}: its conditions contradict each other or the forbids")]
    NeverHolds {
        /// The permit.
        id: String,
    },
    /// Something that must be said or acknowledged.
    #[error("{id}: {} (or acknowledge it: @accepts(\"{}\"))", gap, gap.acceptance().code())]
    Gap {
        /// The permit.
        id: String,
        /// What is open.
        gap: Gap,
    },
}

/// What a permit leaves open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    /// No conditions.
    #[error("it has no conditions")]
    Unconditional,
    /// A condition that an absent claim passes.
    #[error("a VM without {claim} passes")]
    MissingClaim {
        /// The claim.
        claim: String,
    },
    /// No condition on a root.
    #[error("no condition on {claim}")]
    Root {
        /// The root that is not restricted.
        claim: &'static str,
    },
    /// No condition on the owner.
    #[error(
        "no condition on principal.vtpm.instance.project_number, nor on principal.google_token's: VMs of any owner pass"
    )]
    Owner,
    /// No condition on the instance.
    #[error(
        "a disk needs a condition on principal.vtpm.instance.instance_id, or on principal.google_token's"
    )]
    Instance,
    /// No condition on the technology.
    #[error("no condition on principal.technology")]
    Technology,
    /// Debug is allowed.
    #[error("no condition that principal.snp.policy.debug is false")]
    Debug,
    /// An image of Confidential Space that can be debugged.
    #[error("no condition that principal.google_token.debug_disabled is true")]
    TokenDebug,
    /// No floor.
    #[error("no lower bound for principal.snp.reported_tcb.{component}")]
    TcbFloor {
        /// The component without a floor.
        component: &'static str,
    },
    /// Any judgement of Intel's.
    #[error("no condition on principal.tdx.tcb.status")]
    TcbStatus,
    /// An old judgement of Intel's.
    #[error("no lower bound for principal.tdx.tcb.evaluation_data_number")]
    EvaluationFloor,
    /// Any firmware.
    #[error("no condition on {claim}, no lower bound for its endorsement's svn, and no baseline")]
    Firmware {
        /// The measurement that is not restricted.
        claim: &'static str,
    },
    /// Secure Boot alone.
    #[error("PCR 7 alone passes any kernel that a vendor has signed")]
    Pcr7Alone,
    /// Any boot.
    #[error("no condition on what booted: a baseline, the command line, digests or PCRs")]
    BootChain,
    /// Several pieces of evidence without a boot chain.
    #[error(
        "evidence of several kinds needs a condition on the boot chain: whoever is root in two VMs links them"
    )]
    CompositeBootChain,
    /// A token and nothing else.
    #[error("a token alone says nothing about the kernel")]
    TokenAlone,
    /// No condition on the phase.
    #[error(
        "a disk needs the condition principal.vtpm.phase == Phase::\"initrd\": nothing but a vTPM has a phase"
    )]
    Phase,
    /// A shell in the initrd.
    #[error(
        "a disk needs a condition on panic=, or on rd.shell=0 and rd.emergency=reboot, in principal.vtpm.arguments or principal.tdx.boot.arguments"
    )]
    FailureShell,
}

impl Gap {
    /// What acknowledges it.
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
            Self::Pcr7Alone => Acceptance::Pcr7Alone,
            Self::BootChain => Acceptance::BootChain,
            Self::CompositeBootChain => Acceptance::CompositeBootChain,
            Self::TokenAlone => Acceptance::TokenAlone,
            Self::Phase => Acceptance::Phase,
            Self::FailureShell => Acceptance::FailureShell,
        }
    }
}

/// Everything that was found; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct CheckFailures(Vec<CheckError>);

impl CheckFailures {
    pub(super) const fn new(found: Vec<CheckError>) -> Self {
        Self(found)
    }

    /// The findings.
    #[must_use]
    pub fn as_slice(&self) -> &[CheckError] {
        &self.0
    }
}
