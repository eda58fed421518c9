//! Each reason for which statements do not make an identity acceptable.

use zeroize::Zeroizing;

use super::*;
use crate::bundle::{Bundle, BundleFormat};

const NOW: UnixTime = UnixTime(1_800_000_000);
const LIFETIME: u64 = 90 * DAY;

fn key(seed: u8) -> IdentityKey {
    IdentityKey::from_seed(&Zeroizing::new([seed; 32])).unwrap()
}

fn id(seed: u8) -> BrokerIdentity {
    key(seed).identity()
}

fn statement(from: u8, to: u8) -> Succession {
    Succession::sign(&key(from), id(to), NOW, LIFETIME)
}

/// Statements from each to the next.
fn chain(seeds: &[u8]) -> SuccessionAnswer {
    let statements = seeds.windows(2).map(|pair| statement(pair[0], pair[1])).collect();
    SuccessionAnswer { statements }
}

fn verified(answer: &SuccessionAnswer, pinned: u8, identity: u8) -> Result<Succeeded, SuccessionError> {
    answer.verify(&[id(pinned)], &id(identity), NOW)
}

#[test]
fn a_pinned_identity_names_its_successor() {
    let expires_at = NOW.plus(LIFETIME);
    let expected = Succeeded { pinned: id(1), by: id(2), expires_at, remaining: LIFETIME };
    assert_eq!(verified(&chain(&[1, 2]), 1, 2), Ok(expected));
    // Over several steps, from any of them.
    let long = chain(&[1, 2, 3, 4, 5]);
    for pinned in 1..5 {
        assert_eq!(verified(&long, pinned, 5).unwrap().pinned, id(pinned));
    }
    let json = serde_json::to_vec(&long).unwrap();
    assert!(json.len() < MAX_SUCCESSION_ANSWER / 4, "{}", json.len());
    assert_eq!(SuccessionAnswer::parse(&json), Ok(long));
}

#[test]
fn statements_before_the_last_pinned_identity_are_not_looked_at() {
    let mut answer = chain(&[1, 2, 3]);
    answer.statements[0].signature = Bytes(vec![0; 64]);
    let both = answer.verify(&[id(1), id(2)], &id(3), NOW).unwrap();
    assert_eq!(both.pinned, id(2));
    assert_eq!(verified(&answer, 1, 3), Err(SuccessionError::Signature { from: id(1) }));
}

#[test]
fn t06_a_stranger_names_no_successor() {
    assert_eq!(verified(&chain(&[3, 2]), 1, 2), Err(SuccessionError::NotPinned));
    assert_eq!(verified(&SuccessionAnswer::default(), 1, 2), Err(SuccessionError::NotPinned));
    // In the name of a pinned identity, by another one.
    let mut forged = chain(&[1, 2]);
    forged.statements[0].signature = statement(3, 2).signature;
    assert_eq!(verified(&forged, 1, 2), Err(SuccessionError::Signature { from: id(1) }));
    // The successor does not make itself one.
    assert_eq!(verified(&chain(&[2, 2]), 1, 2), Err(SuccessionError::NotPinned));
}

#[test]
fn t06_statements_in_another_order_are_refused() {
    let mut swapped = chain(&[1, 2, 3]);
    swapped.statements.swap(0, 1);
    // From the pinned identity on, which comes last now, they lead elsewhere.
    assert_eq!(verified(&swapped, 1, 3), Err(SuccessionError::Other { found: id(2), expected: id(3) }));
    let gap = SuccessionAnswer { statements: vec![statement(1, 2), statement(4, 3)] };
    assert_eq!(verified(&gap, 1, 3), Err(SuccessionError::Order { named: id(2), found: id(4) }));
}

#[test]
fn t06_statements_about_another_identity_are_refused() {
    let other = SuccessionError::Other { found: id(2), expected: id(3) };
    assert_eq!(verified(&chain(&[1, 2]), 1, 3), Err(other));
}

#[test]
fn statements_beyond_the_identity_that_signs_are_not_needed() {
    let mut answer = chain(&[1, 2, 3]);
    // The guest's challenge is from before the second promotion.
    assert_eq!(verified(&answer, 1, 2).unwrap().by, id(2));
    answer.statements[1].signature.0[0] ^= 1;
    assert_eq!(verified(&answer, 1, 2).unwrap().pinned, id(1));
    assert_eq!(verified(&answer, 1, 3), Err(SuccessionError::Signature { from: id(2) }));
}

#[test]
fn t06_a_signature_for_another_purpose_is_no_statement() {
    let mut answer = chain(&[1, 2]);
    let expected = Err(SuccessionError::Signature { from: id(1) });
    let preimage = |label| {
        let Succession { from, to, made_at, expires_at, .. } = &answer.statements[0];
        let fields = Preimage::new(label).field(&from.0).field(&to.0);
        fields.number(made_at.0).number(expires_at.0).into_bytes()
    };
    let labels: [&[u8]; 3] =
        [b"vouchsafe/v2 identity succession", b"vouchsafe/v1 refusal", b"vouchsafe/v1 transcript"];
    let signatures: Vec<_> = labels.map(|label| key(1).sign(&preimage(label))).into();
    // A bundle of collateral that the same broker signed.
    let bundle = Bundle::sign(&key(1), BundleFormat::Exported, NOW, Vec::new());
    let bundle = serde_json::to_value(bundle).unwrap()["signature"].clone();
    let signatures = signatures.into_iter().map(Bytes).chain([serde_json::from_value(bundle).unwrap()]);
    for signature in signatures {
        answer.statements[0].signature = signature;
        assert_eq!(verified(&answer, 1, 2), expected);
    }
    let json = serde_json::to_string(&chain(&[1, 2])).unwrap();
    let other = json.replace("vouchsafe/v1 identity succession", "vouchsafe/v2 identity succession");
    let error = SuccessionAnswer::parse(other.as_bytes()).unwrap_err();
    assert!(matches!(&error, SuccessionError::Malformed(why) if why.contains("unknown variant")), "{error}");
}

#[test]
fn every_field_is_signed() {
    let changes: [fn(&mut Succession); 5] = [
        |statement| statement.made_at.0 += 1,
        |statement| statement.expires_at.0 += 1,
        |statement| statement.to = id(9),
        |statement| statement.signature.0[0] ^= 1,
        |statement| statement.signature.0.clear(),
    ];
    for change in changes {
        let mut answer = chain(&[1, 2]);
        change(&mut answer.statements[0]);
        let to = answer.statements[0].to;
        let expected = Err(SuccessionError::Signature { from: id(1) });
        assert_eq!(answer.verify(&[id(1)], &to, NOW), expected);
    }
}

#[test]
fn a_chain_has_a_longest_length() {
    let seeds: Vec<u8> = (1..=6).collect();
    let found = MAX_SUCCESSIONS + 1;
    let long = chain(&seeds);
    assert_eq!(verified(&long, 1, 6), Err(SuccessionError::TooMany { found }));
    // Also from an identity that is nearer.
    assert_eq!(verified(&long, 5, 6), Err(SuccessionError::TooMany { found }));
    let json = serde_json::to_vec(&long).unwrap();
    assert_eq!(SuccessionAnswer::parse(&json), Err(SuccessionError::TooMany { found }));
    let found = MAX_SUCCESSION_ANSWER + 1;
    assert_eq!(SuccessionAnswer::parse(&vec![b' '; found]), Err(SuccessionError::TooLarge { found }));
    for text in ["", "[]", "{}", "{\"statements\":[{}]}", "{\"statements\":[],\"more\":1}"] {
        let error = SuccessionAnswer::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, SuccessionError::Malformed(_)), "{text}: {error}");
    }
}

#[test]
fn t06_a_statement_lasts_for_its_time_only() {
    let answer = chain(&[1, 2]);
    let at = |now| answer.verify(&[id(1)], &id(2), now);
    let last = NOW.plus(LIFETIME - 1);
    assert_eq!(at(last).unwrap().remaining, 1);
    assert_eq!(at(last.plus(1)), Err(SuccessionError::Expired { from: id(1), seconds: 0 }));
    let late = at(last.plus(1 + 3 * DAY)).unwrap_err();
    assert_eq!(late.to_string(), format!("the statement by {} expired 3 d ago", id(1)));
    // A clock that is behind accepts it, for no longer than it lasts.
    assert_eq!(at(UnixTime(0)).unwrap().remaining, LIFETIME);
    // The first one that expires counts.
    let mut two = chain(&[1, 2, 3]);
    two.statements[0] = Succession::sign(&key(1), id(2), NOW, DAY);
    assert_eq!(verified(&two, 1, 3).unwrap().expires_at, NOW.plus(DAY));
    assert_eq!(
        two.verify(&[id(1)], &id(3), NOW.plus(DAY)).unwrap_err(),
        SuccessionError::Expired { from: id(1), seconds: 0 }
    );
}

#[test]
fn no_statement_lasts_longer_than_the_limit() {
    let longest = Succession::sign(&key(1), id(2), NOW, u64::MAX);
    assert_eq!(longest.expires_at, NOW.plus(MAX_SUCCESSION_LIFETIME));
    // Signed for longer all the same.
    let mut longer = Succession { expires_at: longest.expires_at.plus(1), ..longest };
    longer.signature = Bytes(key(1).sign(&longer.signed()));
    let answer = SuccessionAnswer { statements: vec![longer] };
    assert_eq!(verified(&answer, 1, 2), Err(SuccessionError::TooLong { from: id(1) }));
}

#[test]
fn times_for_people_are_days_or_hours() {
    assert_eq!([0, HOUR, DAY - 1, DAY, 90 * DAY].map(days), ["0 h", "1 h", "23 h", "1 d", "90 d"]);
}
