//! Brokers.

use std::time::Duration;

use vouchsafe_protocol::challenge::ChallengeKey;
use vouchsafe_protocol::messages::ChallengeAnswer;
use vouchsafe_protocol::{BrokerIdentity, IdentityKey, Nonce, Succession, SuccessionAnswer, UnixTime};

use super::*;
use crate::config::GuestConfig;
use crate::transport::{Response, Transport, TransportError};

/// A broker at `https://broker.test` with this response, for a configuration that pins `identity`.
fn ask_broker(answer: Result<Response, TransportError>) -> Diagnosis {
    let absent = Response { status: 404, retry_after: None, body: vec![] };
    ask_with(Once(Some(answer), absent), Vec::new())
}

/// The response to a request for a challenge, and the one to a request for statements.
struct Once(Option<Result<Response, TransportError>>, Response);

impl Transport for Once {
    fn post(&mut self, url: &str, body: &[u8], _: Duration) -> Result<Response, TransportError> {
        assert_eq!((url, body), ("https://broker.test/v1/challenge", &b""[..]));
        self.0.take().unwrap()
    }

    fn get(&mut self, url: &str, _: Duration) -> Result<Response, TransportError> {
        assert_eq!(url, "https://broker.test/v1/succession");
        Ok(self.1.clone())
    }
}

/// The same with these pins, unless there are none.
fn ask_with(mut broker: Once, pinned: Vec<BrokerIdentity>) -> Diagnosis {
    let text =
        include_str!("../../../guest.sample.toml").replace("vouchsafe.example.com:8443", "broker.test");
    let mut config = GuestConfig::parse(&text).unwrap();
    if !pinned.is_empty() {
        config.client.identities = pinned;
    }
    let mut diagnosis = examine(healthy().path());
    diagnosis.ask_through(&mut broker, &config.client, || UnixTime(5000));
    diagnosis
}

#[test]
fn doctor_says_which_pin_a_rotation_needs() {
    let key = |seed| IdentityKey::from_seed(&[seed; 32].into()).unwrap();
    let (old, new) = (key(1).identity(), key(2).identity());
    let asked = |by, lifetime, pinned: &[BrokerIdentity]| {
        let statements = vec![Succession::sign(&key(by), new, UnixTime(1000), lifetime)];
        let body = serde_json::to_vec(&SuccessionAnswer { statements }).unwrap();
        let statements = Response { status: 200, retry_after: None, body };
        let diagnosis = ask_with(Once(Some(Ok(challenge(new, 5000))), statements), pinned.to_vec());
        let Finding { status, what, fix, .. } = diagnosis.finding("identity").cloned().unwrap();
        (status, what, fix.unwrap_or_default())
    };
    let (status, what, fix) = asked(1, 4000 + 2 * 86_400, &[old]);
    let expected =
        format!("{new}; the pinned {old} named it its successor, which is accepted for another 2 d");
    assert_eq!((status, what), (Status::Warning, expected));
    assert!(fix.starts_with("Compare it with what `vouchsafe identity status` shows on the broker"), "{fix}");
    let (status, what, fix) = asked(1, 9000, &[old, new]);
    assert_eq!((status, what), (Status::Warning, format!("{new}, pinned; so is {old}, which it succeeded")));
    assert!(fix.starts_with("Remove the earlier one"), "{fix}");
    // Another pin that it has nothing to do with.
    let (status, what, _) = asked(1, 9000, &[key(3).identity(), new]);
    assert_eq!((status, what), (Status::Ok, format!("{new}, pinned")));
    let (status, what, fix) = asked(3, 9000, &[old]);
    assert_eq!((status, what), (Status::Missing, format!("the broker signs as {new}, which is not pinned")));
    assert!(fix.contains("vouchsafe identity status"), "{fix}");
    let (status, what, _) = asked(1, 3999 - 3600, &[old]);
    assert_eq!(status, Status::Missing);
    assert!(what.ends_with(&format!("the statement by {old} expired 1 h ago")), "{what}");
}

fn challenge(identity: BrokerIdentity, issued_at: u64) -> Response {
    let challenge = ChallengeKey::new(&[9; 32]).issue(&identity, Nonce([1; 32]), UnixTime(issued_at), 60);
    let body = serde_json::to_vec(&ChallengeAnswer { challenge, identity }).unwrap();
    Response { status: 200, retry_after: None, body }
}

#[test]
fn t37_doctor_checks_a_brokers_identity_and_clock() {
    let text = include_str!("../../../guest.sample.toml");
    let pinned = GuestConfig::parse(text).unwrap().client.identities[0];
    let of = |diagnosis: &Diagnosis, id| diagnosis.finding(id).map(|one| (one.status, one.what.clone()));
    let good = ask_broker(Ok(challenge(pinned, 4990)));
    assert_eq!(of(&good, "broker"), Some((Status::Ok, "https://broker.test".to_owned())));
    assert_eq!(of(&good, "identity"), Some((Status::Ok, format!("{pinned}, pinned"))));
    assert_eq!(of(&good, "clock").unwrap().0, Status::Ok);
    assert!(good.is_ready());
    let slow = ask_broker(Ok(challenge(pinned, 9000)));
    assert_eq!(of(&slow, "clock"), Some((Status::Warning, "4000 s behind the broker's".to_owned())));
    assert!(slow.is_ready());
    let stranger = ask_broker(Ok(challenge(BrokerIdentity([7; 32]), 5000)));
    assert_eq!(of(&stranger, "identity").unwrap().0, Status::Missing);
    assert!(!stranger.is_ready());
    let wrong = ask_broker(Ok(Response { status: 404, retry_after: None, body: vec![] }));
    assert!(of(&wrong, "broker").unwrap().1.contains("not a vouchsafe broker"));
    assert!(wrong.finding("broker").unwrap().fix.unwrap().contains("listener for guests"));
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let url = "https://broker.test/v1/challenge".to_owned();
    let away = ask_broker(Err(TransportError { url, source: Box::new(ureq::Error::Io(refused)) }));
    assert_eq!((of(&away, "broker").unwrap().0, of(&away, "identity")), (Status::Missing, None));
    assert!(away.finding("broker").unwrap().fix.unwrap().contains("firewall") && !away.is_ready());
}
