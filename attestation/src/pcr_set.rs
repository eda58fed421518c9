//! Sets of PCRs in readable form.

use std::fmt;

/// PCRs by number, bit i for PCR i; shown as `0-9, 11-15`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PcrSet(pub u32);

impl PcrSet {
    /// The set of these PCRs; numbers above 31 are left out.
    #[must_use]
    pub fn of(pcrs: impl IntoIterator<Item = u8>) -> Self {
        let bit = |pcr: u8| 1_u32.checked_shl(u32::from(pcr)).unwrap_or_default();
        Self(pcrs.into_iter().fold(0, |set, pcr| set | bit(pcr)))
    }

    fn has(self, pcr: u32) -> bool {
        self.0.checked_shr(pcr).is_some_and(|rest| rest & 1 == 1)
    }
}

impl fmt::Display for PcrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        let first = |pcr: &u32| self.has(*pcr) && !pcr.checked_sub(1).is_some_and(|before| self.has(before));
        for (position, start) in (0..u32::BITS).filter(first).enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            let end = (start..u32::BITS).take_while(|pcr| self.has(*pcr)).last().unwrap_or(start);
            match end - start {
                0 => write!(f, "{separator}{start}")?,
                1 => write!(f, "{separator}{start}, {end}")?,
                _ => write!(f, "{separator}{start}-{end}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_shown_by_number() {
        for (set, text) in [
            (PcrSet(0), "none"),
            (PcrSet(0xfbff), "0-9, 11-15"),
            (PcrSet(0x4005), "0, 2, 14"),
            (PcrSet(0b101), "0, 2"),
            (PcrSet(0b11), "0, 1"),
            (PcrSet(0x00ff_ffff), "0-23"),
            (PcrSet(1 << 31), "31"),
            (PcrSet(0x8000_0003), "0, 1, 31"),
            (PcrSet(u32::MAX), "0-31"),
        ] {
            assert_eq!(set.to_string(), text);
        }
        assert_eq!(PcrSet::of([0, 2, 14, 200]), PcrSet(0x4005));
    }
}
