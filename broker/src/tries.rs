//! What one challenge is good for: one request at a time, and few that are refused (T56).
//!
//! Without this a challenge would carry any number of worthless requests for as long as it lives, side by side. Refusals that a guest
//! may retry under the same challenge, such as missing collateral or an overloaded broker, do not count. Counted here, in
//! memory: each broker behind a balancer counts for itself. That a challenge is granted once is the keystore's to ensure.
//!
//! The table is bounded. When it is full, the challenge that was refused the longest time ago is forgotten: it is worth three refusals again,
//! as a new one would be. One in flight is never forgotten.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vouchsafe_protocol::{Nonce, ReasonCode, UnixTime};

/// The challenges that are in use or have been refused, until they expire.
#[derive(Debug, Default)]
pub(crate) struct Tries(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    tried: HashMap<Nonce, Tried>,
    /// The challenges that were refused, oldest refusal first. Some have been refused again or forgotten since.
    refused: VecDeque<(Nonce, u8)>,
    swept: Option<UnixTime>,
}

#[derive(Debug)]
struct Tried {
    in_flight: bool,
    refused: u8,
    expires_at: UnixTime,
}

/// Why a live challenge is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TryError {
    /// Another request under it is not answered yet.
    #[error("another request under the same challenge is not answered yet")]
    InFlight,
    /// Too many requests under it were refused.
    #[error("{MOST_REFUSED} requests under the same challenge were refused: it is no longer accepted")]
    UsedUp,
}

/// A request under a live challenge, until it is dropped.
#[derive(Debug)]
pub(crate) struct Try {
    tries: Arc<Tries>,
    nonce: Nonce,
    refused: AtomicBool,
}

impl Tries {
    /// Begins a request under a live challenge.
    ///
    /// # Errors
    /// [`TryError`].
    pub(crate) fn begin(
        self: &Arc<Self>,
        nonce: Nonce,
        expires_at: UnixTime,
        now: UnixTime,
    ) -> Result<Try, TryError> {
        let mut table = self.table();
        table.sweep(now);
        match table.tried.get_mut(&nonce) {
            Some(tried) if tried.in_flight => return Err(TryError::InFlight),
            Some(tried) if tried.refused >= MOST_REFUSED => return Err(TryError::UsedUp),
            Some(tried) => tried.in_flight = true,
            None => {
                table.make_room();
                table.tried.insert(nonce, Tried { in_flight: true, refused: 0, expires_at });
            }
        }
        Ok(Try { tries: Arc::clone(self), nonce, refused: AtomicBool::new(false) })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic could at most leave a challenge in flight until it expires.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Forgets what has expired, at most once a second, and only what is not in flight.
    fn sweep(&mut self, now: UnixTime) {
        if self.swept != Some(now) {
            self.swept = Some(now);
            self.tried.retain(|_, tried| tried.in_flight || tried.expires_at >= now);
            let Self { tried, refused, .. } = self;
            refused.retain(|(nonce, times)| tried.get(nonce).is_some_and(|tried| tried.refused == *times));
        }
    }

    /// Forgets the challenge that was refused the longest time ago, if the table is full. What is in flight is not counted against it:
    /// there is less of it than connections.
    fn make_room(&mut self) {
        while self.tried.len() >= MOST_TRIED
            && let Some((nonce, times)) = self.refused.pop_front()
        {
            // Otherwise it is in use, or was refused again: then it has a later place.
            if self.tried.get(&nonce).is_some_and(|tried| !tried.in_flight && tried.refused == times) {
                self.tried.remove(&nonce);
            }
        }
    }
}

impl Try {
    /// The request is refused with this code.
    pub(crate) fn refused(&self, code: ReasonCode) {
        if is_final(code) {
            self.refused.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let mut table = self.tries.table();
        let Some(tried) = table.tried.get_mut(&self.nonce) else { return };
        tried.in_flight = false;
        if self.refused.load(Ordering::Relaxed) {
            tried.refused = tried.refused.saturating_add(1);
            let times = tried.refused;
            table.refused.push_back((self.nonce, times));
        } else if tried.refused == 0 {
            table.tried.remove(&self.nonce);
        }
    }
}

/// Refusals that the same request would meet again.
pub(crate) const fn is_final(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::MalformedRequest
            | ReasonCode::RequestTooLarge
            | ReasonCode::KeyInvalid
            | ReasonCode::EvidenceMalformed
            | ReasonCode::EvidenceRefused
            | ReasonCode::EvidenceUnsettled
            | ReasonCode::UnlinkedEvidence
            | ReasonCode::NotGranted
    )
}

/// Refusals after which a challenge is no longer accepted. A guest gives up at the first one, or asks for another challenge.
const MOST_REFUSED: u8 = 3;
/// Challenges that are counted at the same time. Each refused one costs the client a challenge and a request.
const MOST_TRIED: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn begin(tries: &Arc<Tries>, nonce: u8, now: UnixTime) -> Result<Try, TryError> {
        tries.begin(Nonce([nonce; 32]), NOW.plus(60), now)
    }

    #[test]
    fn t56_a_challenge_carries_one_request_at_a_time() {
        let tries = Arc::new(Tries::default());
        let first = begin(&tries, 1, NOW).unwrap();
        assert_eq!(begin(&tries, 1, NOW).unwrap_err(), TryError::InFlight);
        let _other = begin(&tries, 2, NOW).unwrap();
        drop(first);
        assert!(begin(&tries, 1, NOW).is_ok());
    }

    #[test]
    fn t56_a_challenge_dies_after_three_refusals() {
        let tries = Arc::new(Tries::default());
        for _ in 0..MOST_REFUSED {
            begin(&tries, 1, NOW).unwrap().refused(ReasonCode::EvidenceRefused);
        }
        assert_eq!(begin(&tries, 1, NOW).unwrap_err(), TryError::UsedUp);
        assert_eq!(begin(&tries, 1, NOW.plus(60)).unwrap_err(), TryError::UsedUp, "as long as it lives");
        assert!(begin(&tries, 2, NOW).is_ok());
    }

    #[test]
    fn what_a_guest_retries_under_the_same_challenge_does_not_count() {
        let tries = Arc::new(Tries::default());
        for _ in 0..10 {
            begin(&tries, 1, NOW).unwrap().refused(ReasonCode::CollateralPending);
            begin(&tries, 1, NOW).unwrap().refused(ReasonCode::Overloaded);
            drop(begin(&tries, 1, NOW).unwrap());
        }
        assert!(tries.table().tried.is_empty(), "nothing is kept of it");
    }

    #[test]
    fn t44_expired_challenges_are_forgotten_and_the_table_is_bounded() {
        let tries = Arc::new(Tries::default());
        let held = begin(&tries, 1, NOW).unwrap();
        begin(&tries, 2, NOW).unwrap().refused(ReasonCode::NotGranted);
        drop(begin(&tries, 3, NOW.plus(61)).unwrap());
        assert_eq!(tries.table().tried.len(), 1, "the one in flight");
        drop(held);
        for number in 0..=MOST_TRIED {
            let tried = tries.begin(numbered(number), NOW.plus(60), NOW).unwrap();
            tried.refused(ReasonCode::NotGranted);
        }
        assert_eq!(tries.table().tried.len(), MOST_TRIED);
    }

    fn numbered(number: usize) -> Nonce {
        let mut nonce = [9; 32];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        Nonce(nonce)
    }

    #[test]
    fn t56_a_full_table_counts_all_the_same_and_locks_nobody_out() {
        let tries = Arc::new(Tries::default());
        let begin_numbered = |number| tries.begin(numbered(number), NOW.plus(60), NOW);
        let held = begin_numbered(0).unwrap();
        for number in 1..MOST_TRIED {
            begin_numbered(number).unwrap().refused(ReasonCode::NotGranted);
        }
        // The first is refused again, so that the second is the oldest.
        begin_numbered(1).unwrap().refused(ReasonCode::NotGranted);
        let honest = begin(&tries, 1, NOW).unwrap();
        assert_eq!(begin(&tries, 1, NOW).unwrap_err(), TryError::InFlight);
        assert_eq!(
            begin_numbered(0).unwrap_err(),
            TryError::InFlight,
            "what is in flight is never forgotten"
        );
        drop(honest);
        for _ in 0..MOST_REFUSED {
            begin(&tries, 1, NOW).unwrap().refused(ReasonCode::NotGranted);
        }
        assert_eq!(begin(&tries, 1, NOW).unwrap_err(), TryError::UsedUp);
        let table = tries.table();
        assert_eq!(table.tried.len(), MOST_TRIED);
        assert!(!table.tried.contains_key(&numbered(2)) && table.tried[&numbered(1)].refused == 2);
        assert!(table.refused.len() <= MOST_TRIED + 3);
        drop((table, held));
    }
}
