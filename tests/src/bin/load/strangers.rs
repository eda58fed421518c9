//! An honest guest's latency together with strangers, and with an idle broker in the same run.
//!
//! The broker has its default shares. The guest uses 127.0.0.1, all strangers of a part one other address,
//! which is the hardest case for the share of an address and the easiest for the number of addresses. Each
//! release of the guest is checked and opened.

#[path = "strangers/connection.rs"]
mod connection;
#[path = "strangers/report.rs"]
mod report;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use vouchsafe_protocol::{ReleasePaths, SecretPath};
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::fleet::{self, Guest, Operators};

use super::process::Process;
use super::{Arguments, POLICY};
use connection::{Connection, Target};
use report::{Part, Report};

/// The behaviour of strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strangers {
    /// There are none.
    Nobody,
    /// `GET /readyz`, one after the other.
    Readiness,
    /// A release request with a live challenge, most of whose body is never sent.
    Bodies,
    /// A connection that is opened and never used.
    Connections,
}

impl Strangers {
    const ALL: [Self; 5] = [Self::Nobody, Self::Readiness, Self::Bodies, Self::Connections, Self::Nobody];

    /// Their address: another one for each part, so that the parts do not affect each other.
    const fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, 2 + self as u8)
    }
}

/// Measures each part, one after the other, against one broker.
pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path(), &fleet::roots(), fleet::SHARES)?;
    fleet::prepare(&broker, POLICY, &arguments.kind.policy())?;
    let path = SecretPath::parse("load/db/password")?;
    fleet::put(&Operators::new(&broker)?, &path, POLICY, &[0x5e; 32])?;
    let paths = ReleasePaths::new(vec![path])?;
    let vm = fleet::boot(1).pop().context("a VM")?;
    let parts = Strangers::ALL.map(|strangers| {
        let guest = Guest::new(&broker, Arc::clone(&vm), arguments.kind)?;
        part(&broker, arguments, &guest, &paths, strangers)
    });
    Ok(Report::new(arguments, parts.into_iter().collect::<anyhow::Result<_>>()?))
}

fn part(
    broker: &Broker,
    arguments: &Arguments,
    guest: &Guest,
    paths: &ReleasePaths,
    strangers: Strangers,
) -> anyhow::Result<Part> {
    let crowd = Crowd::gather(broker, arguments.connections, strangers)?;
    let process = Process::new(broker.process_id());
    let (mut times, mut resident) = (Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?, 0);
    let (started, window) = (Instant::now(), Duration::from_secs(arguments.seconds));
    while started.elapsed() < window {
        let from = Instant::now();
        guest.fetch(paths)?;
        times.saturating_record(u64::try_from(from.elapsed().as_micros()).unwrap_or(u64::MAX));
        resident = resident.max(process.resident()?);
    }
    ensure!(!times.is_empty(), "no release was measured: measure for longer");
    Ok(Part::new(strangers, &times, crowd.end(), resident))
}

/// Results of the strangers.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Connections open now.
    pub(crate) open: AtomicU64,
    /// The most that were open at the same time.
    pub(crate) most_open: AtomicU64,
    /// Requests that were answered.
    pub(crate) answered: AtomicU64,
    /// Connections that the broker closed before TLS, or did not accept.
    pub(crate) turned_away: AtomicU64,
}

/// Strangers, one thread each, until they are told to stop.
struct Crowd {
    counts: Arc<Counts>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn gather(broker: &Broker, connections: u16, strangers: Strangers) -> anyhow::Result<Self> {
        let (counts, over) = (Arc::<Counts>::default(), Arc::<AtomicBool>::default());
        let mut threads = Vec::new();
        if strangers != Strangers::Nobody {
            let target = Arc::new(Target::new(broker, strangers.address())?);
            for _ in 0..connections {
                let (target, counts, over) = (Arc::clone(&target), Arc::clone(&counts), Arc::clone(&over));
                let stranger = thread::Builder::new().stack_size(STACK);
                threads.push(stranger.spawn(move || act(&target, strangers, &counts, &over))?);
            }
        }
        thread::sleep(SETTLE);
        Ok(Self { counts, over, threads })
    }

    fn end(self) -> Arc<Counts> {
        self.over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            // A stranger that panicked has no further effect.
            let _panicked = thread.join();
        }
        self.counts
    }
}

/// One stranger: connects again and again, whatever the result.
fn act(target: &Target, strangers: Strangers, counts: &Counts, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let Ok(mut connection) = Connection::open(target) else {
            counts.turned_away.fetch_add(1, Ordering::Relaxed);
            thread::sleep(AGAIN);
            continue;
        };
        let open = counts.open.fetch_add(1, Ordering::Relaxed) + 1;
        counts.most_open.fetch_max(open, Ordering::Relaxed);
        // It ends when the broker closes it.
        let _ended = match strangers {
            Strangers::Readiness => connection.ask_for_readiness(counts, over),
            Strangers::Bodies => connection.hold_a_body(counts, over),
            Strangers::Connections | Strangers::Nobody => connection.hold(over),
        };
        counts.open.fetch_sub(1, Ordering::Relaxed);
    }
}

const STACK: usize = 256 * 1024;
/// Time until strangers have all that they can get.
const SETTLE: Duration = Duration::from_secs(3);
/// Time between two attempts of a stranger that was turned away.
const AGAIN: Duration = Duration::from_millis(200);
