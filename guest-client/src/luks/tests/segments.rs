//! Configuration, segments and digests.

use serde_json::json;

use super::super::HeaderError;
use super::refused;

fn segment(member: &str, value: serde_json::Value, error: &HeaderError) {
    refused(|json| json["segments"]["0"][member] = value, error);
}

#[test]
fn t32_a_null_cipher_is_refused() {
    for cipher in [
        "cipher_null-ecb",
        "null",
        "aes-xts-plain64:x",
        "aes-xts-plain",
        "AES-XTS-PLAIN64",
        "aes-cbc-essiv:sha256",
        "capi:xts(aes)-plain64",
        "",
    ] {
        segment("encryption", cipher.into(), &HeaderError::Cipher { found: cipher.to_owned() });
    }
}

#[test]
fn t32_any_but_one_segment_is_refused() {
    refused(|json| json["segments"] = json!({}), &HeaderError::SegmentCount { found: 0 });
    refused(
        |json| json["segments"]["1"] = json["segments"]["0"].clone(),
        &HeaderError::SegmentCount { found: 2 },
    );
    refused(
        |json| json["segments"] = json!({ "1": json["segments"]["0"] }),
        &HeaderError::SegmentCount { found: 1 },
    );
}

#[test]
fn t32_a_segment_that_is_not_dm_crypt_is_refused() {
    for kind in ["linear", "hw-opal", "hw-opal-crypt"] {
        segment("type", kind.into(), &HeaderError::SegmentType { found: kind.to_owned() });
    }
}

#[test]
fn t32_integrity_is_refused() {
    let integrity =
        json!({ "type": "hmac(sha256)", "journal_encryption": "none", "journal_integrity": "none" });
    segment("integrity", integrity, &HeaderError::Integrity);
}

#[test]
fn t32_a_reencryption_is_refused() {
    segment("flags", json!(["backup-final"]), &HeaderError::Reencryption);
    refused(|json| json["keyslots"]["1"]["type"] = "reencrypt".into(), &HeaderError::Reencryption);
    for flag in ["online-reencrypt", "online-reencrypt-v2", "offline-reencrypt"] {
        refused(
            |json| json["config"]["requirements"] = json!({ "mandatory": [flag] }),
            &HeaderError::Reencryption,
        );
    }
}

#[test]
fn t32_an_unknown_requirement_is_refused() {
    for name in ["opal", "inline-hw-tags", "tomorrow"] {
        let error = HeaderError::Requirement { found: name.to_owned() };
        refused(|json| json["config"]["requirements"] = json!({ "mandatory": [name] }), &error);
    }
}

#[test]
fn t32_an_unknown_flag_is_refused() {
    let error = HeaderError::Flag { found: "no-journal".to_owned() };
    refused(|json| json["config"]["flags"] = json!(["allow-discards", "no-journal"]), &error);
}

#[test]
fn t32_the_segment_is_the_rest_of_the_device() {
    segment("size", "4096".into(), &HeaderError::SegmentSize { found: "4096".to_owned() });
    segment("iv_tweak", "8".into(), &HeaderError::IvTweak { found: 8 });
    for found in [0, 256, 513, 8192] {
        segment("sector_size", found.into(), &HeaderError::SectorSize { found });
    }
}

#[test]
fn t32_data_in_the_header_is_refused() {
    segment("offset", "1048577".into(), &HeaderError::DataOffset { found: 1_048_577 });
    segment("offset", u64::MAX.to_string().into(), &HeaderError::DataOffset { found: u64::MAX });
    let areas = (1 << 20) - 32768;
    // Without an offset, as in a detached header, the data would begin with the header.
    for offset in [0, 512, (1 << 20) - 512] {
        segment("offset", offset.to_string().into(), &HeaderError::KeyslotsSize { found: areas });
    }
}

#[test]
fn t32_sizes_that_do_not_fit_are_refused() {
    for found in [0, 12287, 28672, u64::MAX] {
        refused(
            |json| json["config"]["json_size"] = found.to_string().into(),
            &HeaderError::JsonSize { found },
        );
    }
    for found in [(1 << 20) - 32768 + 4096, 4097, u64::MAX, u64::MAX - 32767] {
        refused(
            |json| json["config"]["keyslots_size"] = found.to_string().into(),
            &HeaderError::KeyslotsSize { found },
        );
    }
}

#[test]
fn t32_any_but_one_digest_is_refused() {
    refused(|json| json["digests"] = json!({}), &HeaderError::DigestCount { found: 0 });
    refused(
        |json| json["digests"]["1"] = json["digests"]["0"].clone(),
        &HeaderError::DigestCount { found: 2 },
    );
    let error = HeaderError::DigestType { found: "none".to_owned() };
    refused(|json| json["digests"]["0"]["type"] = "none".into(), &error);
}

#[test]
fn t32_the_digest_belongs_to_all_keys_and_the_segment() {
    for slots in [json!([]), json!(["0"]), json!(["0", "1", "2"]), json!(["0", "1", "1"]), json!(["0", "01"])]
    {
        refused(|json| json["digests"]["0"]["keyslots"] = slots, &HeaderError::DigestKeyslots);
    }
    for segments in [json!([]), json!(["1"]), json!(["0", "0"])] {
        refused(|json| json["digests"]["0"]["segments"] = segments, &HeaderError::DigestSegments);
    }
}

#[test]
fn t32_a_short_digest_is_refused() {
    for text in ["", "AA==", "CcMGWRSqzdJj9ksmdy4ul7QD8B4=", "not base64"] {
        refused(|json| json["digests"]["0"]["digest"] = text.into(), &HeaderError::DigestLength);
    }
    refused(|json| json["digests"]["0"]["hash"] = "sha512".into(), &HeaderError::DigestLength);
}
