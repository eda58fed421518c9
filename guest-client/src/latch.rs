//! Ends the phase in which the keys of the initrd are released: extends PCR 15, once (T31, `docs/decisions/0005-boot-phase-latch.md`).
//! The latch word says that the system which runs next was unlocked by attestation; another word takes its place if it was not.
//!
//! What was released to the phase `initrd` is not released again in this boot. The extension is also written to systemd's measurement
//! log: if systemd extends PCR 15 later, the log shows that the latch came first, so the phase stays `latched`.

mod log;

use std::io;
use std::path::Path;

use log::MeasurementLog;
use vouchsafe_protocol::{Digest32, LATCH_WORD, RECOVERY_WORD};

use crate::vtpm::{Vtpm, VtpmError};

/// What PCR 15 is extended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The phase is `latched` after it.
    Latch,
    /// The phase is `booted` after it.
    Recovery,
}

impl Word {
    const fn text(self) -> &'static str {
        match self {
            Self::Latch => LATCH_WORD,
            Self::Recovery => RECOVERY_WORD,
        }
    }
}

/// The state of the latch after [`close`].
#[derive(Debug)]
pub enum Latch {
    /// It is closed now.
    Closed {
        /// Why the extension is not in the log, if it is not.
        unrecorded: Option<io::Error>,
    },
    /// It had been closed before.
    AlreadyClosed,
    /// Something else had been extended before: the phase of this boot is `booted`, not `latched`.
    Late,
}

/// Why the latch is not closed.
#[derive(Debug, thiserror::Error)]
pub enum LatchError {
    /// The TPM could not be used.
    #[error(transparent)]
    Vtpm(#[from] VtpmError),
    /// The TPM reported success, but the register has its old value.
    #[error("PCR 15 has not changed although the TPM reported its extension")]
    NotExtended,
}

/// Closes the latch with a word, unless it is closed, and verifies that by reading PCR 15. `log` is systemd's measurement log.
///
/// # Errors
/// [`LatchError`]: then the phase may still be `initrd`.
pub fn close(tpm: &mut Vtpm, log: &Path, word: Word) -> Result<Latch, LatchError> {
    // systemd holds the same lock while it extends and records.
    let mut log = MeasurementLog::open(log);
    let before = tpm.read_pcr(PHASE_PCR)?;
    if is_first(&before, &log, Word::Latch) || is_first(&before, &log, Word::Recovery) {
        return Ok(Latch::AlreadyClosed);
    }
    let digests = tpm.extend_pcr(PHASE_PCR, word.text())?;
    let recorded = log.as_mut().map_err(|error| io::Error::new(error.kind(), error.to_string()));
    let unrecorded = recorded.and_then(|log| log.append(PHASE_PCR, word.text(), &digests)).err();
    let after = tpm.read_pcr(PHASE_PCR)?;
    if after == before || after == RESET {
        return Err(LatchError::NotExtended);
    }
    if is_first(&after, &log, word) { Ok(Latch::Closed { unrecorded }) } else { Ok(Latch::Late) }
}

/// Whether PCR 15 has its reset value, so that the phase is `initrd`.
///
/// # Errors
/// The TPM's error.
pub fn is_open(tpm: &mut Vtpm) -> Result<bool, VtpmError> {
    Ok(tpm.read_pcr(PHASE_PCR)? == RESET)
}

/// Whether a word was the first extension of a register with this value: the only one, or the first of the log, whose replay
/// results in the value.
fn is_first(value: &Digest32, log: &io::Result<MeasurementLog>, word: Word) -> bool {
    let word = Digest32::of(word.text().as_bytes());
    let mut reached = extend(&RESET, &word);
    if reached == *value {
        return true;
    }
    let Ok(log) = log else { return false };
    let mut digests = log.digests(PHASE_PCR).into_iter();
    digests.next() == Some(word)
        && digests.any(|digest| {
            reached = extend(&reached, &digest);
            reached == *value
        })
}

fn extend(value: &Digest32, digest: &Digest32) -> Digest32 {
    Digest32::of_parts(&[value.as_bytes(), digest.as_bytes()])
}

/// The register of the latch.
const PHASE_PCR: u8 = 15;
const RESET: Digest32 = Digest32([0; 32]);
