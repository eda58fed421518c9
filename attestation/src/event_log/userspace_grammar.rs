//! The sequences of words that user space may extend into each register (systemd, `TPM2_PCR_MEASUREMENTS`; UAPI.7).
//!
//! Constants are computed; a word with a value specific to the machine or image has a known form. The forms must be
//! known because an attacker could truncate the firmware's log and present its end as user space's: no constant and no
//! form is anything that a boot loader measures (a file, a command, a section).

use std::sync::LazyLock;

use vouchsafe_protocol::Digest32;

use super::digest::EventDigest;

/// One part of a sequence.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A constant, once.
    Word(&'static str),
    /// Any number of entries in this form in the measurement log.
    Recorded(Form),
    /// These constants repeatedly: each soft-reboot extends them again.
    Cycle(&'static [&'static str]),
}

/// The form of a word with a value specific to the machine or image.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// `nvpcr-init:NAME:0xINDEX:` and the TPM name of the NV index in hex.
    NvPcrInit,
    /// `imds-userdata:`, SHA-256 of the user data in hex, `:`, base64 of its beginning.
    ImdsUserData,
}

/// The sequences of a register. After the log, the register was extended with a prefix of one of them.
pub(super) const fn grammar(pcr: u8) -> &'static [&'static [Step]] {
    use Form::{ImdsUserData, NvPcrInit};
    use Step::{Cycle, Recorded, Word};
    match pcr {
        0..=7 | 13 | 14 => &[&[Word(OS_SEPARATOR)]],
        // systemd 259 and 260 have NvPCRs and no os-separator.
        9 => &[
            &[
                Recorded(NvPcrInit),
                Word(OS_SEPARATOR),
                Recorded(NvPcrInit),
                Word(NVPCR_SEPARATOR),
                Recorded(NvPcrInit),
            ],
            &[Recorded(NvPcrInit), Word(NVPCR_SEPARATOR), Recorded(NvPcrInit)],
        ],
        // An initrd without systemd omits the first two.
        11 => &[&[Word("enter-initrd"), Word("leave-initrd"), Cycle(RUNNING)], &[Cycle(RUNNING)]],
        12 => &[&[Recorded(ImdsUserData), Word(OS_SEPARATOR), Recorded(ImdsUserData)]],
        // 8 belongs to GRUB, 10 to IMA.
        _ => &[],
    }
}

/// The words that may follow the log in a register, as text.
pub(super) const fn next_word(pcr: u8) -> &'static str {
    match pcr {
        0..=7 | 13 | 14 => "os-separator",
        9 => "os-separator, nvpcr-separator, or with systemd's measurement log nvpcr-init:...",
        11 => "enter-initrd, or sysinit where the initrd has no systemd",
        12 => "os-separator, or with systemd's measurement log imds-userdata:...",
        _ => "nothing",
    }
}

/// The user-space constant whose digest an event of the firmware's log has.
pub(super) fn word_of(pcr: u8, digest: &EventDigest) -> Option<&'static str> {
    static WORDS: LazyLock<Vec<(&str, Digest32)>> = LazyLock::new(|| {
        let words = [OS_SEPARATOR, NVPCR_SEPARATOR, "enter-initrd", "leave-initrd"];
        words.iter().chain(RUNNING).map(|word| (*word, Digest32::of(word.as_bytes()))).collect()
    });
    let (word, _) = WORDS.iter().find(|(_, known)| *digest == *known)?;
    let has = |step: &Step| match step {
        Step::Word(known) => known == word,
        Step::Cycle(known) => known.contains(word),
        Step::Recorded(_) => false,
    };
    grammar(pcr).iter().copied().flatten().any(has).then_some(word)
}

impl Form {
    pub(super) fn fits(self, text: &str) -> bool {
        let parts: Vec<&str> = text.split(':').collect();
        match (self, parts.as_slice()) {
            (Self::NvPcrInit, ["nvpcr-init", name, index, tpm_name]) => {
                let index = index.strip_prefix("0x").unwrap_or_default();
                is_name(name) && (1..=8).contains(&index.len()) && is_hex(index) && is_tpm_name(tpm_name)
            }
            (Self::ImdsUserData, ["imds-userdata", digest, begin]) => {
                digest.len() == 64 && is_hex(digest) && begin.len() <= MAX_USER_DATA && is_base64(begin)
            }
            _ => false,
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// An algorithm of the SHA-2 family and a digest of its length (TPM 2.0 Part 1 §16).
fn is_tpm_name(text: &str) -> bool {
    is_hex(text)
        && matches!(
            (text.get(..4), text.len()),
            (Some("000b"), 68) | (Some("000c"), 100) | (Some("000d"), 132)
        )
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

pub(super) fn digest_of(word: &str) -> Digest32 {
    Digest32::of(word.as_bytes())
}

/// A TPM's extend operation (TPM 2.0 Part 3 §22.2).
pub(super) fn extend(value: &Digest32, digest: &[u8]) -> Digest32 {
    Digest32::of_parts(&[value.as_bytes(), digest])
}

/// systemd-pcrosseparator (`TPM2_PCR_MEASUREMENTS`), in the initrd, since version 261.
pub(super) const OS_SEPARATOR: &str = "os-separator";
/// systemd-pcrnvdone (`TPM2_PCR_MEASUREMENTS`), in the initrd, since version 259.
const NVPCR_SEPARATOR: &str = "nvpcr-separator";
/// systemd-pcrphase (`TPM2_PCR_MEASUREMENTS`) outside of the initrd.
const RUNNING: &[&str] = &["sysinit", "ready", "shutdown", "final"];
/// Base64 of the 256 bytes of user data that systemd shows.
const MAX_USER_DATA: usize = 344;
