//! Bad nights: what breaks, what the operator sees first, and that the step it names works.
//!
//! The table "A bad night" in docs/operations.md has a line for each. Attacks on the same places are tested elsewhere; here somebody
//! is woken up and has to find out what to do.

mod certificate;
mod disk;
mod storage;
mod vendors_away;

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::problem::Problem;
use vouchsafe_tests::broker::Broker;

use crate::world::{Reply, World};

const PATH: &str = "prod/db/token";
const VALUE: &[u8] = b"sesame";

/// `/readyz` on the operators' listener: whether the broker is ready, and the reasons.
fn readiness(world: &World) -> (bool, Vec<String>) {
    let (status, body) = world.get(&format!("{}/readyz", world.broker.operators_url()), None);
    let shown: Value = serde_json::from_str(&body).unwrap();
    let reasons =
        shown["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap().to_owned());
    assert_eq!(shown["ready"], status == 200, "{shown}");
    (status == 200, reasons.collect())
}

/// Waits until this is so.
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "not within 30 s: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The first line of the log with this event, and with this text in it.
fn line(broker: &Broker, event: &str, with: &str) -> Value {
    until(event, || {
        let log = broker.read_log();
        let found = log.lines().find(|line| line.contains(event) && line.contains(with))?.to_owned();
        serde_json::from_str(&found).ok()
    })
}

/// The code of a refusal: all that the guest learns.
fn refusal(reply: &Reply) -> ReasonCode {
    let problem: Problem = serde_json::from_slice(&reply.body).unwrap();
    assert!(problem.detail.is_none() && problem.decision.is_some(), "{problem:?}");
    problem.code
}
