//! What user space extends after the end of the firmware's log: an ordered grammar for each register.
//!
//! A register's value results from the firmware's log, followed by a prefix of one of the sequences in its
//! [`grammar`]. Constants are computed; a value specific to the machine or image must be in the
//! [`UserspaceLog`], in a known form, and is hashed again. Whatever is extended after the log, the register
//! still commits to the whole log, since an extension cannot be undone.
//!
//! PCR 15 (UAPI.7, system identity) is not compared: it only determines the [`Phase`](super::Phase) (T31,
//! T59).
//!
//! Reference: systemd, `TPM2_PCR_MEASUREMENTS`; UAPI.7 Linux TPM PCR Registry.

use std::borrow::Cow;
use std::collections::BTreeMap;

use vouchsafe_protocol::Digest32;

use super::error::EventLogError;
use super::userspace_grammar::Form;
use super::userspace_grammar::OS_SEPARATOR;
use super::userspace_grammar::Step;
use super::userspace_grammar::digest_of;
use super::userspace_grammar::extend;
use super::userspace_grammar::grammar;
use super::userspace_log::Record;
use super::userspace_log::UserspaceLog;
use crate::pcr_set::PcrSet;

/// What user space extended, by register and in order. An entry whose content is not covered by its digest is
/// shown as `sha256:` and that digest.
pub type UserspaceWords = BTreeMap<u8, Vec<Cow<'static, str>>>;

/// What the given registers were extended with after the log.
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

/// The search for a sequence that results in the given value.
struct Search<'a> {
    given: &'a Digest32,
    /// Content and digest of the log's entries that have one of the register's forms.
    recorded: Vec<(&'a str, Digest32)>,
    /// The way so far.
    words: Vec<Cow<'static, str>>,
}

impl Search<'_> {
    /// Whether `steps`, applied to `value`, give the value searched for, with the log's entries from position
    /// `from`.
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

/// Whether some prefix of a register's entries results in its value, whatever their content.
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

/// Registers of `os-separator`.
const SEPARATED: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14];
/// Entries of one register that may hold values specific to the machine; systemd has five NvPCRs.
const MAX_RECORDED: usize = 16;
/// Upper limit of soft-reboots.
const MAX_CYCLES: usize = 64;
