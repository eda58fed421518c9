//! Replaces the registry's crate `x86_64`, whose default features need a nightly compiler.
//!
//! `tdx-guest` uses one module of it, in the function that halts the processor. That needs the privileges of
//! a kernel and is never called here, but must compile. The root `Cargo.toml` selects this crate.

#![no_std]

/// Registers of the processor.
pub mod registers {
    /// The flags register.
    pub mod rflags {
        /// Flags of the processor, as far as they are named here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct RFlags(u64);

        impl RFlags {
            /// Interrupts are enabled. Intel SDM volume 1, §3.4.3.3: bit 9.
            pub const INTERRUPT_FLAG: Self = Self(1 << 9);

            /// Whether all of `other` is set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        /// Reads the register.
        #[must_use]
        #[expect(unsafe_code, reason = "there is no other way to read it")]
        pub fn read() -> RFlags {
            let flags: u64;
            // SAFETY: pushes the register and pops it into `flags`; memory above the stack is as before.
            unsafe {
                core::arch::asm!("pushfq", "pop {}", out(reg) flags, options(nomem, preserves_flags));
            }
            RFlags(flags)
        }

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn interrupts_are_on_in_user_space() {
                assert!(read().contains(RFlags::INTERRUPT_FLAG));
                assert!(!RFlags(0).contains(RFlags::INTERRUPT_FLAG));
            }
        }
    }
}
