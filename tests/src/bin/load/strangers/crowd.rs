//! Strangers, one thread and one connection each, until they are told to stop.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::fleet::{self, Kind};

use super::connection::{Connection, Target};
use super::processors::with_low_priority;
use super::worthless::Template;
use super::{Act, Strangers};

/// Results of the strangers.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Connections open now.
    open: AtomicU64,
    /// The most that were open at the same time.
    pub(super) most_open: AtomicU64,
    /// Requests that were answered.
    pub(super) answered: AtomicU64,
    /// Connections that the broker closed before TLS, or did not accept.
    pub(super) turned_away: AtomicU64,
}

pub(super) struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What all strangers of a part have in common.
pub(super) struct Shared {
    target: Target,
    /// A report, a quote, and a quote with a large log.
    templates: [Template; 3],
    pub(super) counts: Arc<Counts>,
    over: AtomicBool,
}

impl Shared {
    /// Whether strangers should stop.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The worthless evidence of the stranger with this number.
    pub(super) const fn template(&self, number: u16, large: bool) -> &Template {
        let [report, quote, log] = &self.templates;
        match (large, number % 2) {
            (true, _) => log,
            (false, 0) => report,
            (false, _) => quote,
        }
    }
}

impl Crowd {
    /// Starts them, and waits until they have all that they can get.
    pub(super) fn gather(
        broker: &Broker,
        strangers: Strangers,
        connections: u16,
        part: u8,
    ) -> anyhow::Result<Self> {
        let vm = fleet::boot(2).pop().context("a VM")?;
        let template = |kind, large| Template::new(broker.identity().parse()?, &vm, kind, large);
        let shared = Arc::new(Shared {
            target: Target::new(broker)?,
            templates: [
                template(Kind::Snp, false)?,
                template(Kind::Vtpm, false)?,
                template(Kind::Vtpm, true)?,
            ],
            counts: Arc::default(),
            over: AtomicBool::new(false),
        });
        let all = Arc::clone(&shared);
        let threads = with_low_priority(move || -> std::io::Result<Vec<_>> {
            let start = |number: u16| {
                let (shared, act) = (Arc::clone(&all), strangers.act(number));
                let address = strangers.address(number, part);
                // Neighbours have different addresses: not all of one kind of evidence have the same ones.
                let number = number / 16 + number;
                let stranger = thread::Builder::new().stack_size(STACK);
                stranger.spawn(move || shared.act(act, address, number))
            };
            (0..connections).map(start).collect()
        })??;
        thread::sleep(SETTLE);
        Ok(Self { shared, threads })
    }

    pub(super) fn end(self) -> Arc<Counts> {
        self.shared.over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            // A stranger that panicked has no further effect.
            let _panicked = thread.join();
        }
        Arc::clone(&self.shared.counts)
    }
}

impl Shared {
    /// One stranger: connects again and again, whatever the result.
    fn act(&self, act: Act, from: Ipv4Addr, number: u16) {
        while !self.is_over() {
            let Ok(mut connection) = Connection::open(&self.target, from, self) else {
                self.counts.turned_away.fetch_add(1, Ordering::Relaxed);
                thread::sleep(AGAIN);
                continue;
            };
            let open = self.counts.open.fetch_add(1, Ordering::Relaxed) + 1;
            self.counts.most_open.fetch_max(open, Ordering::Relaxed);
            // It ends when the broker closes it.
            let _ended = match act {
                Act::Worthless => connection.send_worthless(self.template(number, false)),
                Act::Large => connection.send_worthless(self.template(number, true)),
                Act::Readyz => connection.ask_for_readiness(),
                Act::Body => connection.hold_a_body(),
                Act::Idle => connection.hold(),
            };
            self.counts.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

const STACK: usize = 256 * 1024;
/// Time until strangers have all that they can get.
const SETTLE: Duration = Duration::from_secs(4);
/// Time between two attempts of a stranger that was turned away.
const AGAIN: Duration = Duration::from_millis(200);
