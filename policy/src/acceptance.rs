//! The findings that a permit can acknowledge.

macro_rules! acceptances {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// Something that a permit can acknowledge with `@accepts("code, code")`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Acceptance {
            $($(#[$doc])* $name,)*
        }

        impl Acceptance {
            /// Every code.
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
    /// No condition on the project number: a VM of any owner.
    Owner = "owner";
    /// A disk without a condition on the instance id: any VM of the project.
    Instance = "instance";
    /// No condition on the technology.
    Technology = "technology";
    /// Guests that the host, or the party that starts them, may debug.
    Debug = "debug";
    /// No minimum for the security versions of the hardware's firmware.
    TcbFloor = "tcb-floor";
    /// No condition on the launch measurement.
    Firmware = "firmware";
    /// Only Secure Boot, or PCR 7: any kernel signed by a vendor, with any initrd and command line. It does
    /// not acknowledge that shim verifies nothing: `!secure_boot.shim_validation_disabled` is still required.
    Pcr7Alone = "pcr7-alone";
    /// The boot chain is not determined: any kernel, initrd and command line. This covers the three other
    /// codes about the boot chain.
    BootChain = "boot-chain";
    /// Evidence of several kinds whose boot chain is not determined: the pieces may be from two VMs of one
    /// attacker.
    CompositeBootChain = "composite-boot-chain";
    /// Only a token: nothing about what booted except that Secure Boot was on.
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
