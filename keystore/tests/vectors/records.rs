//! Records of the decision log: JSON with sorted members and no spaces, whose bytes are hashed.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use vouchsafe_keystore::record::LogRecord;

use super::opened::log;
use super::stored::{self, LOG_RECORDS, Stored};

/// A record, and its hash as a leaf.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) record: String,
    pub(crate) hash: String,
}

impl Record {
    pub(crate) fn new(record: String) -> Self {
        // RFC 6962 §2.1: the hash of a leaf is SHA-256(0x00 || leaf).
        let hash = hex::encode(digest(&SHA256, &[&[0], record.as_bytes()].concat()));
        Self { record, hash }
    }
}

/// Records that the database of the vectors does not have: as written by earlier versions, without later members, those
/// about volumes, those with the address of the client, and those with the ends of tokens.
pub(crate) const EARLIER: &[&str] = &[
    r#"{"grant":{"at":1,"claims":"0101010101010101010101010101010101010101010101010101010101010101","decision":"02020202020202020202020202020202","epoch":1,"evidence":[],"instance":null,"nonce":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","secrets":[]}}"#,
    r#"{"operator":{"action":"secret.put","at":1,"epoch":1,"id":"02020202020202020202020202020202","operator":"alice","rows":[],"target":"prod/db"}}"#,
    r#"{"volume":{"at":1800000120,"binding":{"broker":"ed25519:B1Gxva4rGUF9lt4jOUVM9C_16AhmdPDsmQnOHWD-MpQ","public_key":"BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU","suite":"x25519-hkdf-sha256-aes256gcm"},"change":"advanced","changes":2,"claims":"0101010101010101010101010101010101010101010101010101010101010101","decision":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","epoch":17,"evidence":[],"guardrails":{"digest":"0606060606060606060606060606060606060606060606060606060606060606","version":1},"instance":"123456789012/4567890123456789012","nonce":"BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ","path":"prod/db/disk","policy":"prod/disk","policy_digest":"0202020202020202020202020202020202020202020202020202020202020202","registered_at":1800000060,"state":{"current":"0707070707070707070707070707070707070707070707070707070707070707","generation":1,"pending":"0808080808080808080808080808080808080808080808080808080808080808"}}}"#,
    r#"{"volume":{"at":1800000180,"change":"promoted","changes":3,"claims":"0101010101010101010101010101010101010101010101010101010101010101","decision":"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b","epoch":17,"evidence":[],"instance":"123456789012/4567890123456789012","nonce":"BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ","path":"prod/db/disk","policy":"prod/disk","policy_digest":"0202020202020202020202020202020202020202020202020202020202020202","registered_at":1800000060,"state":{"current":"0808080808080808080808080808080808080808080808080808080808080808","generation":2}}}"#,
    r#"{"grant":{"at":1,"claims":"0101010101010101010101010101010101010101010101010101010101010101","decision":"02020202020202020202020202020202","epoch":1,"evidence":[],"headers":{"prod/db/disk":"0707070707070707070707070707070707070707070707070707070707070707"},"instance":null,"nonce":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","secrets":[]}}"#,
    r#"{"grant":{"at":1,"claims":"0101010101010101010101010101010101010101010101010101010101010101","decision":"02020202020202020202020202020202","epoch":1,"evidence":[],"instance":null,"nonce":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","peer":"192.0.2.7","secrets":[]}}"#,
    r#"{"refusal":{"at":1,"claims":null,"code":"not-granted","decision":"03030303030303030303030303030303","evidence":[],"instance":"1/2","paths":["prod/db/token"],"peer":"2001:db8::7","reasons":["prod/db/token: retired"]}}"#,
    r#"{"operator":{"action":"secret.put","at":1,"epoch":1,"id":"02020202020202020202020202020202","operator":"alice","peer":"192.0.2.7","rows":[],"target":"prod/db"}}"#,
    r#"{"volume":{"at":1800000180,"change":"promoted","changes":3,"claims":"0101010101010101010101010101010101010101010101010101010101010101","decision":"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b","epoch":17,"evidence":[],"instance":"123456789012/4567890123456789012","nonce":"BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ","path":"prod/db/disk","peer":"192.0.2.7","policy":"prod/disk","policy_digest":"0202020202020202020202020202020202020202020202020202020202020202","registered_at":1800000060,"state":{"current":"0808080808080808080808080808080808080808080808080808080808080808","generation":2}}}"#,
    r#"{"operator":{"account":{"namespaces":["prod"],"role":"editor"},"action":"operator.rotate","at":1800000060,"authority":{"namespaces":[],"role":"administrator"},"epoch":18,"id":"0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c","operator":"alice","peer":"192.0.2.7","rows":[{"key":"bob","removed":false,"table":"operators"}],"target":"bob","token":{"expires_at":1807776060,"previous_until":1800003660}}}"#,
    r#"{"operator":{"account":{"namespaces":[],"role":"administrator"},"action":"operator.add","at":1800000000,"epoch":1,"id":"0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d","operator":"init","rows":[{"key":"alice","removed":false,"table":"operators"}],"target":"alice","token":{}}}"#,
];

fn known() -> Vec<Record> {
    serde_json::from_str(&stored::read(LOG_RECORDS)).expect("JSON")
}

#[test]
fn known_records_are_read_and_written_byte_for_byte() {
    for Record { record, hash } in known() {
        let parsed: LogRecord = serde_json::from_str(&record).expect("a record");
        assert_eq!(Record::new(parsed.canonical()), Record { record, hash });
    }
}

#[tokio::test]
async fn the_log_of_the_database_has_the_known_records() {
    let stored = Stored::of_vectors().await;
    let keystore = stored.open().await;
    let logged = log(&keystore).await;
    let found = logged
        .iter()
        .rev()
        .map(|leaf| Record { record: leaf.record.canonical(), hash: leaf.hash.to_string() });
    let earlier = EARLIER.iter().map(|text| Record::new((*text).to_owned()));
    assert_eq!(found.chain(earlier).collect::<Vec<_>>(), known());
    let of = |kind: &str| logged.iter().filter(|leaf| leaf.record.canonical().starts_with(kind)).count();
    assert!(["{\"grant\"", "{\"operator\"", "{\"refusal\""].into_iter().all(|kind| of(kind) > 0));
}
