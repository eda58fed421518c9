//! PCRs and RTMRs in files, in the formats of common tools.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use vouchsafe_protocol::{Digest32, Digest48};

/// PCRs of the SHA-256 bank: a JSON object of decimal index to hex digest, or what `tpm2_pcrread` prints.
pub(super) fn read_pcrs(text: &str) -> Result<BTreeMap<u8, Digest32>, String> {
    if text.trim_start().starts_with('{') { read_object(text, PCRS) } else { read_pcrread(text) }
}

/// RTMR0 to RTMR3: a JSON object of decimal index to hex digest.
pub(super) fn read_rtmrs(text: &str) -> Result<[Digest48; 4], String> {
    let rtmrs: BTreeMap<u8, Digest48> = read_object(text, RTMRS)?;
    let rtmrs: Vec<Digest48> = rtmrs.into_values().collect();
    rtmrs.try_into().map_err(|_| "expected \"0\" to \"3\"".to_owned())
}

fn read_object<D: for<'de> Deserialize<'de>>(text: &str, count: u8) -> Result<BTreeMap<u8, D>, String> {
    let registers: Registers<D> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match registers.0.keys().copied().find(|index| *index >= count) {
        Some(index) => Err(format!("there is no register {index}")),
        None => Ok(registers.0),
    }
}

/// YAML of `tpm2_pcrread`: banks by name, and below each `index: 0xDIGEST`, the index padded. Other banks
/// than SHA-256 are ignored.
fn read_pcrread(text: &str) -> Result<BTreeMap<u8, Digest32>, String> {
    let (mut pcrs, mut bank) = (None, "");
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_suffix(':') {
            bank = name;
            if bank == SHA256 && pcrs.replace(BTreeMap::new()).is_some() {
                return Err(format!("bank {SHA256} occurs twice"));
            }
        } else if let (SHA256, Some(pcrs)) = (bank, &mut pcrs) {
            let (index, value) =
                line.split_once(':').ok_or_else(|| format!("{line:?} is not a PCR of bank {SHA256}"))?;
            let (index, value) = (index.trim(), value.trim());
            let hex = value.strip_prefix("0x").unwrap_or(value).to_ascii_lowercase();
            let digest = hex.parse().map_err(|error| format!("PCR {index}: {error}"))?;
            insert(pcrs, index, digest)?;
        }
    }
    match pcrs.as_ref().and_then(|pcrs| pcrs.keys().find(|index| **index >= PCRS)) {
        Some(index) => Err(format!("there is no register {index}")),
        None => pcrs.ok_or_else(|| format!("neither a JSON object nor a bank {SHA256} of tpm2_pcrread")),
    }
}

/// Inserts a register, each only once, its index in canonical decimal.
fn insert<D>(registers: &mut BTreeMap<u8, D>, key: &str, digest: D) -> Result<(), String> {
    let index = key.parse::<u8>().ok().filter(|index| index.to_string() == key);
    let index = index.ok_or_else(|| format!("{key:?} is not the index of a register"))?;
    match registers.insert(index, digest) {
        Some(_) => Err(format!("register {index} occurs twice")),
        None => Ok(()),
    }
}

struct Registers<D>(BTreeMap<u8, D>);

impl<'de, D: Deserialize<'de>> Deserialize<'de> for Registers<D> {
    fn deserialize<S: Deserializer<'de>>(deserializer: S) -> Result<Self, S::Error> {
        deserializer.deserialize_map(Entries(PhantomData)).map(Self)
    }
}

struct Entries<D>(PhantomData<D>);

impl<'de, D: Deserialize<'de>> Visitor<'de> for Entries<D> {
    type Value = BTreeMap<u8, D>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of register indices and hex digests")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut registers = BTreeMap::new();
        while let Some((key, digest)) = map.next_entry::<String, D>()? {
            insert(&mut registers, &key, digest).map_err(A::Error::custom)?;
        }
        Ok(registers)
    }
}

const PCRS: u8 = 24;
const RTMRS: u8 = 4;
const SHA256: &str = "sha256";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pcrs_are_read_strictly() {
        let digest = "00".repeat(32);
        assert_eq!(read_pcrs(&format!("{{\"15\":\"{digest}\"}}")).unwrap(), [(15, Digest32([0; 32]))].into());
        assert_eq!(read_pcrs("{}").unwrap(), BTreeMap::new());
        for text in [
            format!("{{\"01\":\"{digest}\"}}"),
            format!("{{\"24\":\"{digest}\"}}"),
            format!("{{\"1\":\"{digest}\",\"1\":\"{digest}\"}}"),
            format!("{{\"1\":\"{}\"}}", "0".repeat(63)),
            "[]".to_owned(),
            "{} {}".to_owned(),
        ] {
            assert!(read_pcrs(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_sha256_bank_of_tpm2_pcrread_is_read() {
        let (sha1, sha256) = ("AB".repeat(20), "AB".repeat(32));
        let text = format!(
            "  sha1:\n    0 : 0x{sha1}\n  sha256:\n    0 : 0x{sha256}\n    10: 0x{sha256}\n  sha384:\n"
        );
        let digest = Digest32([0xab; 32]);
        assert_eq!(read_pcrs(&text).unwrap(), [(0, digest), (10, digest)].into());
        for text in [
            String::new(),
            format!("sha1:\n  0 : 0x{sha1}\n"),
            format!("sha256:\n  0 : 0x{sha1}\n"),
            format!("sha256:\n  0 : 0x{sha256}\n  0 : 0x{sha256}\n"),
            format!("sha256:\n  24 : 0x{sha256}\n"),
            format!("sha256:\nsha256:\n  0 : 0x{sha256}\n"),
            format!("sha256:\n  x : 0x{sha256}\n"),
            "sha256:\n  no PCR\n".to_owned(),
        ] {
            assert!(read_pcrs(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn rtmrs_are_all_four() {
        let object = |indices: &[u8]| {
            let digest = "11".repeat(48);
            let members: Vec<String> =
                indices.iter().map(|index| format!("\"{index}\":\"{digest}\"")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(read_rtmrs(&object(&[0, 1, 2, 3])).unwrap(), [Digest48([0x11; 48]); 4]);
        for indices in [&[][..], &[0, 1, 2], &[1, 2, 3, 4], &[0, 1, 2, 3, 3]] {
            assert!(read_rtmrs(&object(indices)).is_err(), "{indices:?}");
        }
    }
}
