//! A real broker process, and many clients of it at once.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tempfile::TempDir;
use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::test_util::ca::CrlSpec;
use vouchsafe_attestation::test_util::snp::FakeAmd;
use vouchsafe_attestation::test_util::vm::{shared_google, shared_roots};
use vouchsafe_protocol::{ReasonCode, UnixTime};
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::pem;
use vouchsafe_tests::tls;

use super::answer::{Answer, Rules};
use super::cases::{Case, Expected};
use super::client::{Client, another_address};
use super::described::{Description, Listener};

/// A broker, and what is known of its interface.
pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) description: Description,
    pub(crate) tls: Arc<ClientConfig>,
    rules: Rules,
    _folder: TempDir,
}

impl World {
    pub(crate) fn start(limits: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mut broker =
            Broker::start(folder.path(), &shared_roots(), &format!("[limits]\n{limits}")).unwrap();
        // Without them the broker is not ready.
        let crl = CrlSpec::current(UnixTime(1), UnixTime(4_000_000_000));
        let (google, amd) = (shared_google(), FakeAmd::shared(Product::Genoa));
        for crl in [google.root_crl(&crl), amd.crl(&crl)] {
            broker.operate(&["collateral", "import", "-"], pem::crl(&crl).as_bytes()).unwrap();
        }
        broker.stop().unwrap();
        broker.run().unwrap();
        let description = Description::read();
        let rules = Rules::new(&description);
        let tls = tls::client(&broker.ca()).unwrap();
        Self { broker, description, tls, rules, _folder: folder }
    }

    pub(crate) const fn address(&self, listener: Listener) -> SocketAddr {
        match listener {
            Listener::Guests => self.broker.guests_address(),
            Listener::Operators => self.broker.operators_address(),
        }
    }

    /// A connection from an address of its own.
    pub(crate) fn connect(&self, listener: Listener) -> Client {
        Client::connect(&self.tls, another_address(), self.address(listener))
    }

    /// Runs all cases, [`CLIENTS`] at once, and returns how long the slowest took.
    ///
    /// # Panics
    /// Names every case that fails.
    pub(crate) fn run(&self, cases: &[Case]) -> Duration {
        let next = AtomicUsize::new(0);
        let clients: Vec<_> = thread::scope(|scope| {
            let client = || {
                let (mut failed, mut slowest) = (Vec::new(), Duration::ZERO);
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let started = Instant::now();
                    let done = catch_unwind(AssertUnwindSafe(|| self.check(case)));
                    let done = done.unwrap_or_else(|_| Err("panicked, see above".to_owned()));
                    slowest = slowest.max(started.elapsed());
                    failed
                        .extend(done.err().map(|what| format!("{:?} {}: {what}", case.listener, case.name)));
                }
                (failed, slowest)
            };
            let running: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            running.into_iter().map(|client| client.join().unwrap()).collect()
        });
        let failed: Vec<String> = clients.iter().flat_map(|(failed, _)| failed.clone()).collect();
        assert!(
            failed.is_empty(),
            "{} of {} cases failed:\n{}\n{}",
            failed.len(),
            cases.len(),
            failed.join("\n"),
            self.errors().join("\n")
        );
        clients.into_iter().map(|(_, slowest)| slowest).max().unwrap_or_default()
    }

    fn check(&self, case: &Case) -> Result<(), String> {
        let mut client = self.connect(case.listener);
        let request = client.complete(&case.request);
        client.send(&request);
        let to_head = request.starts_with(b"HEAD ");
        let mut last = None;
        // More than one only where a case has more than one request.
        while let Some(answer) = client.answer(to_head) {
            let code = self.rules.problem(case.listener, &answer, to_head)?;
            if answer.status >= 500 {
                return Err(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)));
            }
            let closes = answer.closes();
            last = Some((answer, code));
            if closes || client.received().is_empty() {
                break;
            }
        }
        let Some((answer, code)) = last else {
            return Err("no answer".to_owned());
        };
        if answer.closes() && !client.ends_within(CLOSING) {
            return Err(format!(
                "{} announces the end of the connection, which does not come",
                answer.status
            ));
        }
        if is_as_expected(case.expected, &answer, code, to_head) {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&answer.body);
        Err(format!("expected {:?}, found {} {body} {:?}", case.expected, answer.status, answer.fields))
    }

    /// The code of an answer that is a problem.
    ///
    /// # Panics
    /// When it is none.
    pub(crate) fn problem(&self, listener: Listener, answer: &Answer) -> ReasonCode {
        self.rules.problem(listener, answer, false).unwrap().expect("a problem")
    }

    /// What the broker logged as an error, or said when it panicked.
    pub(crate) fn errors(&self) -> Vec<String> {
        let log = self.broker.read_log();
        let is_error = |line: &&str| line.contains("\"ERROR\"") || line.contains("panicked");
        log.lines().filter(is_error).map(str::to_owned).collect()
    }

    /// Everything in the data folder, byte for byte, with the time of its last change.
    pub(crate) fn data(&self) -> BTreeMap<PathBuf, (std::time::SystemTime, Vec<u8>)> {
        let mut found = BTreeMap::new();
        collect(&self.broker.data(), &mut found);
        assert!(found.keys().any(|path| path.ends_with("keystore.db")), "{:?}", found.keys());
        found
    }
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, (std::time::SystemTime, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let changed = fs::metadata(&path).unwrap().modified().unwrap();
            found.insert(path.clone(), (changed, fs::read(path).unwrap()));
        }
    }
}

fn is_as_expected(expected: Expected, answer: &Answer, code: Option<ReasonCode>, to_head: bool) -> bool {
    let status = answer.status;
    match expected {
        Expected::OnlyMethods(methods) => {
            let is_code = is_as_expected(Expected::Code(ReasonCode::MethodNotAllowed), answer, code, to_head);
            is_code && answer.field("allow") == Some(methods)
        }
        // The answer to HEAD has no body.
        Expected::Code(expected) if to_head => status == expected.status(),
        Expected::Code(expected) => code == Some(expected),
        Expected::OneOf(expected) => code.is_some_and(|code| expected.contains(&code)),
        Expected::Refused => (400..500).contains(&status),
        Expected::NoFault => true,
        Expected::Served => status < 400,
    }
}

/// Clients at the same time.
pub(crate) const CLIENTS: usize = 32;
/// From an answer that announces the end of the connection to that end.
const CLOSING: Duration = Duration::from_secs(5);
