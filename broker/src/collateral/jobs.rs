//! A bounded queue of fetches; requests for the same item are coalesced.
//!
//! Each source has its own queue and backoff: a source that is down or slow does not delay the others.

mod budget;
mod job;
mod request;
mod source;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use vouchsafe_attestation::x509::MAX_CRLS;

use self::budget::Budget;
pub(crate) use self::job::Job;
pub(crate) use self::request::{Asked, Asker, Prospect};
pub(crate) use self::source::Source;
use super::pace::Pace;

/// The outcome of a fetch, as far as it affects the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The item is stored; fetch again after this time.
    Good(Duration),
    /// The source does not have it.
    Missing,
    /// The response is unusable.
    Refused(String),
    /// The source did not answer, or said when to retry.
    Down { error: String, retry_after: Option<Duration> },
}

/// What a source's thread does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Fetch(Job),
    /// Nothing for this long.
    Wait(Duration),
}

/// An item that is being fetched, or could not be fetched.
#[derive(Debug)]
pub(crate) struct Trouble<'j> {
    pub(crate) job: &'j Job,
    pub(crate) error: Option<&'j str>,
}

#[derive(Debug)]
struct Entry {
    state: State,
    due: Instant,
    failures: u32,
    error: Option<String>,
    /// Whether the source's last answer was unusable.
    is_refused: bool,
    /// Whether it was available before: then it is kept current.
    had: bool,
    /// Whether a verified chain needs it.
    is_vouched: bool,
}

impl Entry {
    const fn new(state: State, due: Instant, had: bool, is_vouched: bool) -> Self {
        Self { state, due, failures: 0, error: None, is_refused: false, had, is_vouched }
    }

    /// Whether it is retried for as long as the broker runs.
    const fn is_kept(&self, job: &Job) -> bool {
        job.is_permanent() || (self.had && job.is_refreshed())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for its first success, or for a retry.
    Wanted,
    Running,
    /// Available since this time.
    Have(Instant),
    /// Unavailable; dropped when due.
    Missing,
    /// The source was down too often; dropped when due, so that it is fetched again if it is still needed.
    Unanswered,
}

#[derive(Debug)]
struct Pacing {
    not_before: Instant,
    failures: u32,
    budget: Budget,
    /// When the running fetch began.
    began: Option<Instant>,
    /// Duration of recent fetches.
    usual: Duration,
}

impl Pacing {
    fn new(pace: &Pace, source: Source, now: Instant) -> Self {
        let budget = Budget::new(pace, source, now);
        Self { not_before: now, failures: 0, budget, began: None, usual: FIRST_GUESS }
    }

    /// A fetch has ended; the next ones are expected to take the same time.
    fn over(&mut self, now: Instant) {
        let Some(began) = self.began.take() else { return };
        self.usual = (self.usual * 3 + now.saturating_duration_since(began)) / 4;
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Jobs {
    pace: Pace,
    entries: BTreeMap<Job, Entry>,
    sources: BTreeMap<Source, Pacing>,
    pub(crate) stopped: bool,
}

impl Jobs {
    pub(crate) fn new(pace: Pace, now: Instant) -> Self {
        let pacing = |source| (source, Pacing::new(&pace, source, now));
        let sources = Source::ALL.into_iter().map(pacing).collect();
        Self { pace, entries: BTreeMap::new(), sources, stopped: false }
    }

    /// Keeps this item current, starting now or when the stored one is due.
    pub(crate) fn keep(&mut self, job: Job, due_in: Option<Duration>, now: Instant) {
        let (state, due) = match due_in {
            Some(wait) => (State::Have(now), now + wait),
            None => (State::Wanted, now),
        };
        self.entries.entry(job).or_insert(Entry::new(state, due, due_in.is_some(), true));
    }

    /// Requests an item.
    pub(crate) fn ask(&mut self, job: Job, asker: Asker, now: Instant) -> Asked {
        if let Some(entry) = self.entries.get_mut(&job) {
            entry.is_vouched |= asker == Asker::Verified;
            if entry.state == State::Unanswered && entry.due <= now {
                entry.state = State::Wanted;
                return Asked::Queued;
            }
            // An available item that is requested again is fetched again, but not too soon.
            let State::Have(since) = entry.state else { return Asked::Known };
            let again = since + if job.is_refreshed() { self.pace.again } else { self.pace.missing };
            if again.max(now) >= entry.due {
                return Asked::Known;
            }
            entry.due = again.max(now);
            return Asked::Queued;
        }
        let source = job.source();
        let known = self.entries.keys().filter(|known| known.source() == source).count();
        let Some(pacing) = self.sources.get_mut(&source) else { return Asked::Full };
        if known >= max_items(&job) || !pacing.budget.take(asker, now) {
            return Asked::Full;
        }
        self.entries.insert(job, Entry::new(State::Wanted, now, false, asker == Asker::Verified));
        Asked::Queued
    }

    /// When a requested item may become available.
    pub(crate) fn prospect(&self, job: &Job, now: Instant) -> Prospect {
        let pacing = self.sources.get(&job.source());
        let Some(entry) = self.entries.get(job) else {
            return Prospect::Full(pacing.map_or(Duration::ZERO, |pacing| pacing.budget.free_in(now)));
        };
        let wait = entry.due.saturating_duration_since(now);
        match entry.state {
            State::Wanted | State::Running if entry.is_refused && entry.failures >= FAILURES_SOON => {
                Prospect::Gone(wait)
            }
            // An unavailable source does not mean that its items do not exist.
            State::Wanted | State::Running | State::Unanswered => {
                let rest =
                    pacing.map(|pacing| pacing.not_before.saturating_duration_since(now)).unwrap_or_default();
                Prospect::Soon(wait.max(rest) + self.queue_before(job, now))
            }
            // Fetched a moment ago.
            State::Have(since) if now.saturating_duration_since(since) < self.pace.again => {
                Prospect::Soon(Duration::ZERO)
            }
            State::Have(_) | State::Missing => Prospect::Gone(wait),
        }
    }

    /// An estimate of the wait before a due item is fetched: at worst it is the last of its class.
    fn queue_before(&self, job: &Job, now: Instant) -> Duration {
        let source = job.source();
        let is_due = |entry: &&Entry| entry.state == State::Wanted && entry.due <= now;
        let (Some(own), Some(pacing)) = (self.entries.get(job).filter(is_due), self.sources.get(&source))
        else {
            return Duration::ZERO;
        };
        let is_before = |entry: &&Entry| {
            entry.state == State::Running || (is_due(entry) && (entry.is_vouched || !own.is_vouched))
        };
        let of_source = self.entries.iter().filter(|(job, _)| job.source() == source).map(|(_, entry)| entry);
        // It includes the item itself.
        let before = of_source.filter(is_before).count().saturating_sub(1);
        pacing.usual.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX))
    }

    /// Makes everything due and resets failure counts.
    pub(crate) fn refresh(&mut self, now: Instant) {
        for pacing in self.sources.values_mut() {
            (pacing.not_before, pacing.failures) = (now, 0);
        }
        for entry in self.entries.values_mut().filter(|entry| entry.state != State::Running) {
            (entry.state, entry.due, entry.failures) = (State::Wanted, now, 0);
        }
    }

    /// The next action for a source; drops items that are no longer needed.
    pub(crate) fn next(&mut self, source: Source, now: Instant) -> Next {
        self.entries.retain(|job, entry| {
            let over = entry.due <= now && job.source() == source;
            let passing = match entry.state {
                State::Missing | State::Unanswered => true,
                State::Have(_) => !job.is_refreshed(),
                State::Wanted | State::Running => false,
            };
            !(over && passing)
        });
        let waiting =
            |(job, entry): &(&Job, &mut Entry)| job.source() == source && entry.state != State::Running;
        // Due items that verified chains need come first.
        let order = |entry: &Entry| {
            let is_later = entry.due > now;
            (is_later, !is_later && !entry.is_vouched, entry.due)
        };
        let first = self.entries.iter_mut().filter(waiting).min_by_key(|(_, entry)| order(entry));
        let Some((job, entry)) = first else { return Next::Wait(IDLE) };
        let not_before = self.sources.get(&source).map_or(now, |pacing| pacing.not_before);
        let due = entry.due.max(not_before);
        if due > now {
            return Next::Wait(due.duration_since(now).min(IDLE));
        }
        entry.state = State::Running;
        if let Some(pacing) = self.sources.get_mut(&source) {
            pacing.began = Some(now);
        }
        Next::Fetch(job.clone())
    }

    /// Records the end of a fetch. `chance` spreads retries.
    pub(crate) fn ended(&mut self, job: &Job, ended: Ended, now: Instant, chance: u8) {
        let pace = self.pace;
        let (Some(entry), Some(pacing)) = (self.entries.get_mut(job), self.sources.get_mut(&job.source()))
        else {
            return;
        };
        pacing.over(now);
        let ended = match ended {
            // What the broker always needs is retried soon.
            Ended::Missing if entry.is_kept(job) => Ended::Refused(NOT_THERE.to_owned()),
            other => other,
        };
        entry.is_refused = matches!(ended, Ended::Refused(_) | Ended::Missing);
        let is_one_host = job.source().is_one_host();
        match ended {
            Ended::Good(wait) => {
                let wait = if job.is_refreshed() { wait } else { wait.min(REMEMBERED) };
                (entry.state, entry.due, entry.failures, entry.error) =
                    (State::Have(now), now + wait, 0, None);
                (entry.had, pacing.failures) = (true, 0);
            }
            Ended::Missing => {
                (entry.state, entry.due) = (State::Missing, now + job.refused(&pace));
                entry.error = Some(NOT_THERE.to_owned());
                pacing.failures = 0;
            }
            Ended::Refused(error) => {
                entry.failures += 1;
                let wait = pace.backoff(entry.failures, chance).min(job.most(&pace));
                (entry.state, entry.due, entry.error) = (State::Wanted, now + wait, Some(error));
                pacing.failures = 0;
            }
            Ended::Down { error, retry_after } => {
                entry.failures += 1;
                if is_one_host {
                    pacing.failures += 1;
                }
                let (failures, most) = match is_one_host {
                    true => (pacing.failures, pace.most),
                    false => (entry.failures, job.most(&pace)),
                };
                let wait = retry_after.unwrap_or_default().max(pace.backoff(failures, chance)).min(most);
                if is_one_host {
                    pacing.not_before = now + wait;
                }
                (entry.state, entry.due, entry.error) = (State::Wanted, now + wait, Some(error));
            }
        }
        if !entry.is_kept(job)
            && entry.state == State::Wanted
            && entry.failures >= max_tries(job.source(), entry.is_refused)
        {
            (entry.state, entry.due) = match entry.is_refused {
                true => (State::Missing, now + job.refused(&pace)),
                false => (State::Unanswered, entry.due),
            };
        }
    }

    /// Number of items waiting or being fetched.
    pub(crate) fn waiting(&self) -> usize {
        self.entries.values().filter(|entry| matches!(entry.state, State::Wanted | State::Running)).count()
    }

    /// Items that are waiting, being fetched or unavailable.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = Trouble<'_>> {
        let open = self.entries.iter().filter(|(_, entry)| !matches!(entry.state, State::Have(_)));
        open.map(|(job, entry)| Trouble { job, error: entry.error.as_deref() })
    }
}

/// After this number of failures an item that was requested once is dropped until it is requested again. An
/// unverified URL that returned something unusable is not fetched again soon.
const fn max_tries(source: Source, is_refused: bool) -> u32 {
    match source {
        Source::Issuers if is_refused => 1,
        Source::Issuers => 3,
        _ => 8,
    }
}

/// Entries of one source.
const fn max_items(job: &Job) -> usize {
    match job {
        Job::Crl { .. } => MAX_CRLS,
        Job::Item(_) => MAX_ITEMS,
    }
}

const NOT_THERE: &str = "the source does not have it";
/// How long an item that never changes has an entry here. The item itself is in the store.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Entries of one source.
const MAX_ITEMS: usize = 4096;
/// With at most this number of consecutive failures, an item is still expected within moments.
const FAILURES_SOON: u32 = 3;
/// Assumed duration of a fetch before the first has ended.
const FIRST_GUESS: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
