//! Properties of the processor according to CPUID. The only place that uses crate `tdx-guest`.
//!
//! A hint for choosing evidence and for `doctor`, not a proof: in other VMs the host answers CPUID. The rest
//! of the crate is useless outside of a kernel: its calls trap, and its structures do not have the hardware's
//! layout.

/// Whether this is a trust domain of Intel TDX.
#[must_use]
pub fn is_tdx_guest() -> bool {
    imp::is_tdx_guest()
}

/// Names of the bits that are set in a trust domain's ATTRIBUTES, unknown ones as `bit N`.
#[must_use]
pub fn td_attribute_names(attributes: u64) -> Vec<String> {
    (0..u64::BITS).filter(|bit| attributes >> bit & 1 == 1).map(imp::attribute_name).collect()
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod imp {
    use tdx_guest::TdAttributes;

    pub(super) fn is_tdx_guest() -> bool {
        tdx_guest::is_tdx_guest_early()
    }

    pub(super) fn attribute_name(bit: u32) -> String {
        TdAttributes::from_bits(1 << bit).map_or_else(|| format!("bit {bit}"), |flag| format!("{flag:?}"))
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod imp {
    pub(super) fn is_tdx_guest() -> bool {
        false
    }

    pub(super) fn attribute_name(bit: u32) -> String {
        format!("bit {bit}")
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel also uses CPUID, and shows the result.
    #[test]
    fn the_processor_and_the_kernel_agree() {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let flags = cpu.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        assert_eq!(is_tdx_guest(), flags.split_whitespace().any(|flag| flag == "tdx_guest"));
    }

    /// As measured in quotes of Compute Engine; debug is bit 0.
    #[test]
    fn attribute_bits_have_the_names_of_intel() {
        assert_eq!(td_attribute_names(0x1000_0000), ["SEPT_VE_DISABLE"]);
        assert_eq!(td_attribute_names(1), ["DEBUG"]);
        assert_eq!(td_attribute_names(1 << 63 | 1 << 29 | 1 << 40), ["MIGRATABLE", "bit 40", "PERFMON"]);
        assert!(td_attribute_names(0).is_empty());
    }
}
