//! Key slots.

use serde_json::{Value, json};

use super::super::HeaderError;
use super::refused;

/// Sets a member of the slot with Argon2id.
fn slot(pointer: &str, value: Value, error: &HeaderError) {
    refused(|json| *json["keyslots"]["1"].pointer_mut(pointer).unwrap() = value, error);
}

#[test]
fn t32_a_header_without_key_slots_is_refused() {
    refused(|json| json["keyslots"] = json!({}), &HeaderError::NoKeyslot);
}

#[test]
fn t32_an_unknown_type_of_key_slot_is_refused() {
    slot("/type", "luks3".into(), &HeaderError::KeyslotType { slot: 1, found: "luks3".to_owned() });
    slot("/area/type", "none".into(), &HeaderError::AreaType { slot: 1, found: "none".to_owned() });
}

#[test]
fn t32_a_key_slot_with_a_null_cipher_is_refused() {
    let found = "cipher_null-ecb".to_owned();
    slot("/area/encryption", found.clone().into(), &HeaderError::AreaCipher { slot: 1, found });
}

#[test]
fn t32_odd_sizes_of_keys_are_refused() {
    for found in [0, 1, 16, 48, 128] {
        slot("/key_size", found.into(), &HeaderError::KeySize { slot: 1, found });
        slot("/area/key_size", found.into(), &HeaderError::AreaKeySize { slot: 1, found });
    }
    // Allowed by itself, but not that of the other slot.
    slot("/key_size", 32.into(), &HeaderError::KeySize { slot: 1, found: 32 });
}

#[test]
fn t32_an_unknown_priority_is_refused() {
    refused(
        |json| json["keyslots"]["1"]["priority"] = 3.into(),
        &HeaderError::Priority { slot: 1, found: 3 },
    );
}

#[test]
fn t32_another_splitter_is_refused() {
    slot("/af/type", "none".into(), &HeaderError::Af { slot: 1 });
    slot("/af/stripes", 1.into(), &HeaderError::Af { slot: 1 });
}

#[test]
fn t32_weak_hashes_are_refused() {
    for (pointer, place) in [
        ("/keyslots/1/af/hash", "keyslots.1.af.hash"),
        ("/keyslots/0/kdf/hash", "keyslots.0.kdf.hash"),
        ("/digests/0/hash", "digests.0.hash"),
    ] {
        let error = HeaderError::Hash { place: place.to_owned(), found: "sha1".to_owned() };
        refused(|json| *json.pointer_mut(pointer).unwrap() = "sha1".into(), &error);
    }
}

#[test]
fn t32_an_unknown_key_derivation_is_refused() {
    slot("/kdf/type", "scrypt".into(), &HeaderError::KdfType { slot: 1, found: "scrypt".to_owned() });
}

#[test]
fn t32_a_key_derivation_that_exhausts_the_initrd_is_refused() {
    for found in [0, 31, (1 << 20) + 1, u64::MAX] {
        slot("/kdf/memory", found.into(), &HeaderError::KdfMemory { slot: 1, found });
    }
    for found in [0, (1 << 20) + 1, u64::MAX] {
        slot("/kdf/time", found.into(), &HeaderError::KdfTime { slot: 1, found });
    }
    for found in [0, 5] {
        slot("/kdf/cpus", found.into(), &HeaderError::KdfCpus { slot: 1, found });
    }
    for found in [0, 999, 100_000_001, u64::MAX] {
        for (pointer, place) in [
            ("/keyslots/0/kdf/iterations", "keyslots.0.kdf.iterations"),
            ("/digests/0/iterations", "digests.0.iterations"),
        ] {
            let error = HeaderError::KdfIterations { place: place.to_owned(), found };
            refused(|json| *json.pointer_mut(pointer).unwrap() = found.into(), &error);
        }
    }
}

#[test]
fn t32_memory_and_passes_are_bounded_together() {
    let with = |memory: u64, time: u64| {
        super::Header::parse(&super::edited(|json| {
            json["keyslots"]["1"]["kdf"]["memory"] = memory.into();
            json["keyslots"]["1"]["kdf"]["time"] = time.into();
        }))
    };
    with(1 << 20, 64).unwrap();
    assert_eq!(with(1 << 20, 65), Err(HeaderError::KdfTime { slot: 1, found: 65 }));
}

#[test]
fn t32_all_slots_together_are_bounded() {
    let with = |digest: u64| {
        super::Header::parse(&super::edited(|json| {
            json["keyslots"]["0"]["kdf"]["iterations"] = 100_000_000.into();
            json["keyslots"]["1"]["kdf"]["memory"] = (1 << 20).into();
            json["keyslots"]["1"]["kdf"]["time"] = 32.into();
            json["digests"]["0"]["iterations"] = digest.into();
        }))
    };
    with(50_000_000).unwrap();
    assert_eq!(with(50_100_000), Err(HeaderError::KdfTotal));
}

/// cryptsetup would take the key from the kernel's keyring, or from a TPM, in place of the one that it is given.
#[test]
fn t32_a_token_is_refused() {
    for found in ["luks2-keyring", "systemd-tpm2", "clevis", "another"] {
        refused(
            |json| json["tokens"]["7"] = json!({"type": found, "keyslots": ["1"]}),
            &HeaderError::Token { found: found.to_owned() },
        );
    }
}

#[test]
fn t32_odd_salts_are_refused() {
    for text in ["", "AAAA", "not base64", "X9JhAHTu1CfIbnlEEUlk7PSHBGVrJMdd52pdLoisucYAAA=="] {
        for (pointer, place) in
            [("/keyslots/1/kdf/salt", "keyslots.1.kdf.salt"), ("/digests/0/salt", "digests.0.salt")]
        {
            refused(
                |json| *json.pointer_mut(pointer).unwrap() = text.into(),
                &HeaderError::Salt { place: place.to_owned() },
            );
        }
    }
}

#[test]
fn t32_areas_outside_of_the_header_are_refused() {
    let error = HeaderError::AreaBounds { slot: 1 };
    for offset in [0, 16384, 32767, 290_816 + 512, (1 << 20) - 258_047, 1 << 20, u64::MAX] {
        slot("/area/offset", offset.to_string().into(), &error);
    }
    // Smaller than the stripes of its key, or larger than the header.
    for size in [0, 255_999, 258_047, 1 << 20, u64::MAX] {
        slot("/area/size", size.to_string().into(), &error);
    }
}

#[test]
fn t32_areas_that_overlap_are_refused() {
    for offset in [32768, 32768 + 4096, 32768 + 253_952] {
        slot("/area/offset", offset.to_string().into(), &HeaderError::AreaOverlap { slot: 0, other: 1 });
    }
}
