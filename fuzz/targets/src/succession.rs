//! Statements about a broker's identities, which anyone on the way to a guest can send.

use std::sync::OnceLock;

use vouchsafe_protocol::succession::{MAX_SUCCESSION_ANSWER, MAX_SUCCESSIONS, SuccessionError};
use vouchsafe_protocol::{BrokerIdentity, IdentityKey, Succession, SuccessionAnswer, UnixTime};

/// An answer with statements: none leads to an identity that no key of a pinned one has named.
pub fn succession(data: &[u8]) {
    static KEYS: OnceLock<[IdentityKey; 3]> = OnceLock::new();
    let keys =
        KEYS.get_or_init(|| [1, 2, 3].map(|seed| IdentityKey::from_seed(&[seed; 32].into()).expect("a key")));
    let Ok(answer) = SuccessionAnswer::parse(data) else { return };
    assert!(data.len() <= MAX_SUCCESSION_ANSWER && answer.statements.len() <= MAX_SUCCESSIONS);
    let again = serde_json::to_vec(&answer).expect("serialises");
    assert_eq!(SuccessionAnswer::parse(&again).expect("reads its own output"), answer);
    let pinned = keys.each_ref().map(IdentityKey::identity);
    for identity in answer.statements.iter().map(Succession::to) {
        match answer.verify(&pinned, &identity, NOW) {
            // The corpus has statements that these keys have signed about each other.
            Ok(succeeded) => {
                assert!(pinned.contains(&succeeded.pinned) && succeeded.by == identity);
                assert!(succeeded.expires_at > NOW);
                let led = |from: &BrokerIdentity, to: &BrokerIdentity| {
                    let signed = |one: &&Succession| one.from() == *from && one.verify_signature().is_ok();
                    let ends = |one: &Succession| one.to() == *to;
                    answer.statements.iter().filter(signed).any(ends)
                };
                // Each identity on the way was named by the one before, under its signature.
                let mut reached = vec![succeeded.pinned];
                for one in &answer.statements {
                    if reached.iter().any(|from| led(from, &one.to())) {
                        reached.push(one.to());
                    }
                }
                assert!(reached.contains(&identity), "nobody named it");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        // Nobody has the key of this one.
        let stranger = [BrokerIdentity([0x42; 32])];
        match answer.verify(&stranger, &identity, NOW) {
            Err(SuccessionError::NotPinned) => {}
            other => assert!(other.is_err() && answer.statements.iter().any(|one| one.from() == stranger[0])),
        }
    }
}

/// As in the vectors.
const NOW: UnixTime = UnixTime(1_801_000_100);
