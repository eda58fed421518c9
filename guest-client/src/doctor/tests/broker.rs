//! Brokers.

use std::time::Duration;

use vouchsafe_protocol::challenge::ChallengeKey;
use vouchsafe_protocol::messages::ChallengeAnswer;
use vouchsafe_protocol::{BrokerIdentity, Nonce, UnixTime};

use super::*;
use crate::config::GuestConfig;
use crate::transport::{Response, Transport, TransportError};

/// A broker at `https://broker.test` with this response, for a configuration that pins `identity`.
fn ask_broker(answer: Result<Response, TransportError>) -> Diagnosis {
    struct Once(Option<Result<Response, TransportError>>);
    impl Transport for Once {
        fn post(&mut self, url: &str, body: &[u8], _: Duration) -> Result<Response, TransportError> {
            assert_eq!((url, body), ("https://broker.test/v1/challenge", &b""[..]));
            self.0.take().unwrap()
        }
    }
    let text =
        include_str!("../../../guest.sample.toml").replace("vouchsafe.example.com:8443", "broker.test");
    let config = GuestConfig::parse(&text).unwrap();
    let mut diagnosis = examine(healthy().path());
    diagnosis.ask_through(&mut Once(Some(answer)), &config.client, || UnixTime(5000));
    diagnosis
}

fn challenge(identity: BrokerIdentity, issued_at: u64) -> Response {
    let challenge = ChallengeKey::new(&[9; 32]).issue(Nonce([1; 32]), UnixTime(issued_at), 60);
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
