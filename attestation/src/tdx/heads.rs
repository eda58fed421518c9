//! The heads of collateral's parts: what each part states about itself, read before anything is verified.

use der::Decode;
use serde::Deserialize;
use vouchsafe_protocol::UnixTime;
use x509_cert::time::Time;

use crate::x509::der as raw;

/// Head of TCB info and QE identity (PCS API, Get TDX TCB Info and Get TD QE Identity).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedHead<'a> {
    pub(crate) id: &'a str,
    pub(crate) version: u8,
    pub(crate) issue_date: &'a str,
    pub(crate) next_update: &'a str,
    /// TCB info only.
    #[serde(default)]
    pub(crate) fmspc: &'a str,
}

impl<'a> SignedHead<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// Parses a time of RFC 3339 §5.6 in UTC. Intel writes `2025-06-19T10:16:03Z`; a fraction of a second is left out.
pub(crate) fn date(text: &str) -> Option<UnixTime> {
    let (local, rest) = text.split_at_checked("2025-06-19T10:16:03".len())?;
    let offset = match rest.strip_prefix('.') {
        Some(rest) => {
            let offset = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if offset.len() == rest.len() {
                return None;
            }
            offset
        }
        None => rest,
    };
    if !matches!(offset, "Z" | "z" | "+00:00" | "-00:00") {
        return None;
    }
    let time: der::DateTime = format!("{}Z", local.to_ascii_uppercase()).parse().ok()?;
    Some(UnixTime(time.unix_duration().as_secs()))
}

/// The head of a CRL (RFC 5280 §5.1): version, algorithm, issuer, this update, next update.
pub(super) struct CrlHead<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) this_update: UnixTime,
    pub(super) next_update: UnixTime,
}

impl<'a> CrlHead<'a> {
    pub(super) fn parse(encoded: &'a [u8]) -> Option<Self> {
        let mut rest = raw::content_of(raw::SEQUENCE, raw::Signed::parse(encoded)?.message)?;
        let version = raw::take(&mut rest)?;
        if version.tag == raw::INTEGER {
            raw::take(&mut rest)?;
        }
        let issuer = raw::take(&mut rest)?.encoded;
        let mut time = || {
            let time = Time::from_der(raw::take(&mut rest)?.encoded).ok()?;
            Some(UnixTime(time.to_unix_duration().as_secs()))
        };
        Some(Self { issuer, this_update: time()?, next_update: time()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_times_of_rfc_3339_in_utc() {
        let time = Some(UnixTime(1_750_328_163));
        for text in [
            "2025-06-19T10:16:03Z",
            "2025-06-19t10:16:03z",
            "2025-06-19T10:16:03.5Z",
            "2025-06-19T10:16:03.123456789+00:00",
            "2025-06-19T10:16:03-00:00",
        ] {
            assert_eq!(date(text), time, "{text}");
        }
        for text in [
            "",
            "2025-06-19",
            "2025-06-19T10:16:03",
            "2025-06-19T10:16:03.Z",
            "2025-06-19T10:16:03.5",
            "2025-06-19T10:16:03+01:00",
            "2025-06-19T10:16:03ZZ",
            "2025-06-19T24:16:03Z",
            "2025-02-30T10:16:03Z",
            "2025-06-19 10:16:03Z",
            "2025-06-19T10:16:0é",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
