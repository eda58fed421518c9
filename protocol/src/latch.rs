//! The boot-phase latch: the word that the guest's initrd extends into PCR 15 as its last act, and that the
//! broker recognises there (T31, T59).

/// The word whose SHA-256 is extended into PCR 15. It is a latch only as the first extension of that
/// register: systemd itself extends it after switch-root.
pub const LATCH_WORD: &str = "vouchsafe/v1 latch";

/// The word that takes its place where the system that runs next was not unlocked by attestation, for example with a
/// recovery passphrase. The phase is `booted` then.
pub const RECOVERY_WORD: &str = "vouchsafe/v1 recovery";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest32;

    #[test]
    fn the_latched_register_is_known() {
        let word = Digest32::of(LATCH_WORD.as_bytes());
        let register = Digest32::of_parts(&[&[0; 32], word.as_bytes()]);
        assert_eq!(
            (word.to_string().as_str(), register.to_string().as_str()),
            (
                "d080c6980b4e41ff9e081fbd868742619dff08ef3a90ff3a6070ab02f546aa4e",
                "a22f616c9fc58175110b4c854555c0f6cc70521cccbd0a1b6bab6ab361fa769c"
            )
        );
    }
}
