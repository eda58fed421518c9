//! Clients that behave, beside the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::cases::Request;
use super::client::{Client, another_address};
use super::described::Listener;
use super::world::World;

/// Two guests and an operator, who ask all the time, each over one connection for as long as it lasts.
pub(crate) struct Honest {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<(u32, Duration)>>,
}

impl Honest {
    pub(crate) fn start(world: &World) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let guests = [Request::new("POST", "/v1/challenge").body(""), Request::new("GET", "/v1/info")];
        let operator = Request::new("GET", "/v1/secrets").token(world.broker.token());
        let requests = guests.map(|request| (Listener::Guests, request));
        let requests = requests.into_iter().chain([(Listener::Operators, operator)]);
        let clients = requests.map(|(listener, request)| {
            let (over, config, address) =
                (Arc::clone(&over), Arc::clone(&world.tls), world.address(listener));
            thread::spawn(move || {
                let (from, mut asked, mut slowest) = (another_address(), 0, Duration::ZERO);
                while !over.load(Ordering::Relaxed) {
                    let mut client = Client::connect(&config, from, address);
                    loop {
                        let request = client.complete(&request.bytes());
                        let started = Instant::now();
                        client.send(&request);
                        let answer = client.answer(false).expect("an honest client gets an answer");
                        slowest = slowest.max(started.elapsed());
                        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                        asked += 1;
                        thread::sleep(PAUSE);
                        if answer.closes() || over.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                }
                (asked, slowest)
            })
        });
        let clients = clients.collect();
        Self { over, clients }
    }

    /// How often they asked, and how long the slowest answer took.
    pub(crate) fn end(self) -> (u32, Duration) {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.clients.into_iter().map(|client| client.join().expect("each was served"));
        ended.fold((0, Duration::ZERO), |(all, slowest), (asked, took)| (all + asked, slowest.max(took)))
    }
}

/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(20);
