//! Checks `protocol/vectors/succession.json`: statements of two identities, and what a guest makes of them.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::array;
use crate::encoding::Bytes;
use crate::identity::{BrokerIdentity, IdentityKey};
use crate::succession::{Succession, SuccessionAnswer};
use crate::time::UnixTime;

/// Three identities in the order in which they signed, and the statements of the first two.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    identity_seeds: Vec<Bytes>,
    identities: Vec<BrokerIdentity>,
    made_at: Vec<UnixTime>,
    lifetimes: Vec<u64>,
    answer: SuccessionAnswer,
    /// When a guest that pins the first identity does not accept the third one any more.
    expires_at: UnixTime,
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/succession.json")
}

fn keys(seeds: &[Bytes]) -> Vec<IdentityKey> {
    seeds.iter().map(|seed| IdentityKey::from_seed(&Zeroizing::new(array(seed))).unwrap()).collect()
}

fn statements(keys: &[IdentityKey], made_at: &[UnixTime], lifetimes: &[u64]) -> Vec<Succession> {
    let times = made_at.iter().zip(lifetimes);
    let pairs = keys.windows(2).zip(times);
    pairs.map(|(pair, (at, time))| Succession::sign(&pair[0], pair[1].identity(), *at, *time)).collect()
}

#[test]
fn known_answers_about_succession_hold() {
    let vector: Vector = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
    let keys = keys(&vector.identity_seeds);
    assert_eq!(keys.iter().map(IdentityKey::identity).collect::<Vec<_>>(), vector.identities);
    assert_eq!(statements(&keys, &vector.made_at, &vector.lifetimes), vector.answer.statements);
    let first = vector.identities.first().unwrap();
    let succeeded = vector.answer.verify(&[*first], vector.identities.last().unwrap(), vector.made_at[1]);
    assert_eq!(succeeded.map(|succeeded| succeeded.expires_at), Ok(vector.expires_at));
}

#[test]
#[ignore = "writes the file that known_answers_about_succession_hold checks"]
fn write_known_answers_about_succession() {
    let identity_seeds: Vec<_> = [0x11, 0x12, 0x13].map(|byte| Bytes(vec![byte; 32])).into();
    let keys = keys(&identity_seeds);
    let (made_at, lifetimes) =
        (vec![UnixTime(1_800_000_000), UnixTime(1_801_000_000)], vec![7_776_000, 86_400]);
    let vector = Vector {
        identities: keys.iter().map(IdentityKey::identity).collect(),
        answer: SuccessionAnswer { statements: statements(&keys, &made_at, &lifetimes) },
        expires_at: made_at[1].plus(lifetimes[1]),
        identity_seeds,
        made_at,
        lifetimes,
    };
    fs::write(file(), serde_json::to_string_pretty(&vector).unwrap() + "\n").unwrap();
}
