//! What user space extends after the end of the firmware's log: an ordered grammar for each register.
//!
//! A register holds the firmware's log, followed by a prefix of one of the sequences in its [`grammar`].
//! Constants are computed; a value specific to the machine or image must be in the [`UserspaceLog`], in a
//! known form, and is hashed again. Whatever is extended after the log, the register still commits to the
//! whole log, since an extension cannot be undone. The forms must be known because an attacker could truncate
//! the firmware's log and present its end as user space's: no constant and no form is anything that a boot
//! loader measures (a file, a command, a section).
//!
//! PCR 15 (UAPI.7, system identity) is not compared: it only determines the [`Phase`](super::Phase) (T31,
//! T59).
//!
//! Reference: systemd, `TPM2_PCR_MEASUREMENTS`; UAPI.7 Linux TPM PCR Registry.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use vouchsafe_protocol::Digest32;

use super::digest::EventDigest;
use super::error::EventLogError;
use super::userspace_log::Record;
use super::userspace_log::UserspaceLog;
use crate::pcr_set::PcrSet;

/// What user space extended, by register and in order. An entry whose content is not covered by its digest is
/// shown as `sha256:` and that digest.
pub type UserspaceWords = BTreeMap<u8, Vec<Cow<'static, str>>>;

/// One part of a sequence.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A constant, once.
    Word(&'static str),
    /// Any number of entries in this form in the measurement log.
    Recorded(Form),
    /// These constants repeatedly: each soft-reboot extends them again.
    Cycle(&'static [&'static str]),
}

/// The form of a word with a value specific to the machine or image.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `nvpcr-init:NAME:0xINDEX:` and the TPM name of the NV index in hex.
    NvPcrInit,
    /// `imds-userdata:`, SHA-256 of the user data in hex, `:`, base64 of its beginning.
    ImdsUserData,
}

/// The sequences of a register. After the log it holds a prefix of one of them.
const fn grammar(pcr: u8) -> &'static [&'static [Step]] {
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

/// What the given registers hold beyond the log.
#[derive(Debug, Default)]
pub(super) struct Explained {
    pub(super) words: UserspaceWords,
    /// Registers that `os-separator` is extended into: those that have it and those that do not.
    separated: Vec<u8>,
    unseparated: Vec<u8>,
}

impl Explained {
    /// Explains the value of a register whose value after the log is `replayed`; `logged`: the log has events
    /// for it.
    pub(super) fn explain(
        &mut self,
        pcr: u8,
        given: &Digest32,
        replayed: Digest32,
        logged: bool,
        log: Option<&UserspaceLog>,
    ) -> Result<(), EventLogError> {
        let records: Vec<&Record> = log.map(|log| log.of(pcr).collect()).unwrap_or_default();
        let mut search = Search { given, recorded: recorded(pcr, &records), words: Vec::new() };
        if !grammar(pcr).iter().any(|steps| search.walk(replayed, steps, 0)) && replayed != *given {
            return Err(self.refusal(pcr, given, replayed, logged, &records));
        }
        if SEPARATED.contains(&pcr) {
            let separated = search.words.iter().any(|word| word == OS_SEPARATOR);
            if separated { self.separated.push(pcr) } else { self.unseparated.push(pcr) }
        }
        if !search.words.is_empty() {
            self.words.insert(pcr, search.words);
        }
        Ok(())
    }

    fn refusal(
        &self,
        pcr: u8,
        given: &Digest32,
        replayed: Digest32,
        logged: bool,
        records: &[&Record],
    ) -> EventLogError {
        if leads_to(records, replayed, given) {
            let (entry, next) = accepted(pcr, records);
            return EventLogError::UserspaceEntry { pcr, entry: entry + 1, next };
        }
        let recorded = |step: &Step| matches!(step, Step::Recorded(_));
        let may_be_recorded = grammar(pcr).iter().copied().flatten().any(recorded);
        if may_be_recorded && records.is_empty() && !self.separated.is_empty() {
            return EventLogError::UserspaceLogNeeded { pcr };
        }
        match (pcr, logged) {
            (11, true) => EventLogError::BootPhase { given: *given },
            (_, true) => EventLogError::PcrMismatch { pcr, given: *given, replayed },
            (_, false) => EventLogError::PcrWithoutEvents { pcr },
        }
    }

    /// `os-separator` must be in all of its registers or in none.
    pub(super) fn finish(self) -> Result<UserspaceWords, EventLogError> {
        if !self.separated.is_empty() && !self.unseparated.is_empty() {
            return Err(EventLogError::OsSeparatorIncomplete {
                with: PcrSet::of(self.separated),
                without: PcrSet::of(self.unseparated),
            });
        }
        Ok(self.words)
    }
}

/// The search for a sequence that leads to the given value.
struct Search<'a> {
    given: &'a Digest32,
    /// Content and digest of the log's entries that have one of the register's forms.
    recorded: Vec<(&'a str, Digest32)>,
    /// The way so far.
    words: Vec<Cow<'static, str>>,
}

impl Search<'_> {
    /// Whether `steps` lead from `value` to the given value, with the log's entries from position `from`.
    fn walk(&mut self, value: Digest32, steps: &[Step], from: usize) -> bool {
        if value == *self.given {
            return true;
        }
        let Some((step, rest)) = steps.split_first() else { return false };
        match step {
            Step::Word(word) => self.go_on(Cow::Borrowed(word), &digest_of(word), value, rest, from),
            Step::Cycle(words) => self.cycle(value, words),
            Step::Recorded(_) => {
                if self.walk(value, rest, from) {
                    return true;
                }
                let Some((text, digest)) = self.recorded.get(from).copied() else { return false };
                self.go_on(Cow::Owned(text.to_owned()), &digest, value, steps, from + 1)
            }
        }
    }

    fn go_on(
        &mut self,
        word: Cow<'static, str>,
        digest: &Digest32,
        value: Digest32,
        steps: &[Step],
        from: usize,
    ) -> bool {
        self.words.push(word);
        let found = self.walk(extend(&value, digest.as_bytes()), steps, from);
        if !found {
            self.words.pop();
        }
        found
    }

    fn cycle(&mut self, mut value: Digest32, words: &[&'static str]) -> bool {
        let length = self.words.len();
        for word in words.iter().cycle().take(words.len() * MAX_CYCLES) {
            value = extend(&value, digest_of(word).as_bytes());
            self.words.push(Cow::Borrowed(word));
            if value == *self.given {
                return true;
            }
        }
        self.words.truncate(length);
        false
    }
}

/// The entries in a form of the register's grammar. Limited, since each multiplies the paths to try.
fn recorded<'a>(pcr: u8, records: &[&'a Record]) -> Vec<(&'a str, Digest32)> {
    let steps = grammar(pcr).iter().copied().flatten();
    let forms: Vec<Form> = steps
        .filter_map(|step| match step {
            Step::Recorded(form) => Some(*form),
            Step::Word(_) | Step::Cycle(_) => None,
        })
        .collect();
    let fitting = records.iter().filter_map(|record| {
        let text = record.text()?;
        forms.iter().any(|form| form.fits(text)).then_some((text, record.digest))
    });
    fitting.take(MAX_RECORDED).collect()
}

/// Whether some prefix of a register's entries leads to its value, whatever their content.
fn leads_to(records: &[&Record], replayed: Digest32, given: &Digest32) -> bool {
    let mut value = replayed;
    records.iter().any(|record| {
        value = extend(&value, record.digest.as_bytes());
        value == *given
    })
}

/// How many entries of a register match its grammar, and the word expected next.
fn accepted(pcr: u8, records: &[&Record]) -> (usize, &'static str) {
    let ways = grammar(pcr).iter().map(|steps| {
        let mut steps = steps.iter().copied().peekable();
        let mut turn = 0;
        let fits = |record: &&Record| loop {
            match (steps.peek(), record.text()) {
                (Some(Step::Word(word)), Some(text)) if *word == text => {
                    steps.next();
                    return true;
                }
                (Some(Step::Cycle(words)), text) => {
                    let fits = words.get(turn % words.len()).copied() == text;
                    turn += usize::from(fits);
                    return fits;
                }
                (Some(Step::Recorded(form)), text) if text.is_some_and(|text| form.fits(text)) => {
                    return true;
                }
                (Some(Step::Recorded(_)), _) => {
                    steps.next();
                }
                _ => return false,
            };
        };
        let count = records.iter().copied().take_while(fits).count();
        let next = match steps.peek() {
            Some(Step::Word(word)) => word,
            Some(Step::Cycle(words)) => words.get(turn % words.len()).copied().unwrap_or_default(),
            Some(Step::Recorded(Form::NvPcrInit)) => "nvpcr-init:...",
            Some(Step::Recorded(Form::ImdsUserData)) => "imds-userdata:...",
            None => "nothing",
        };
        (count, next)
    });
    // Of several the first.
    ways.rev().max_by_key(|(count, _)| *count).unwrap_or((0, "nothing"))
}

impl Form {
    fn fits(self, text: &str) -> bool {
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
const OS_SEPARATOR: &str = "os-separator";
/// systemd-pcrnvdone (`TPM2_PCR_MEASUREMENTS`), in the initrd, since version 259.
const NVPCR_SEPARATOR: &str = "nvpcr-separator";
/// systemd-pcrphase (`TPM2_PCR_MEASUREMENTS`) outside of the initrd.
const RUNNING: &[&str] = &["sysinit", "ready", "shutdown", "final"];
/// Registers of `os-separator`.
const SEPARATED: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14];
/// Entries of one register that may hold values specific to the machine; systemd has five NvPCRs.
const MAX_RECORDED: usize = 16;
/// Upper limit of soft-reboots.
const MAX_CYCLES: usize = 64;
/// Base64 of the 256 bytes of user data that systemd shows.
const MAX_USER_DATA: usize = 344;
