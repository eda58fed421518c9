//! Points in time on the command line.

use std::str::FromStr;

use vouchsafe_keystore::registry::TokenLifetime;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::succession::MAX_SUCCESSION_LIFETIME;

use crate::clock;

/// A time: `2026-11-29T10:00Z` (with any offset), a date (its first second in UTC), a duration such as `2h` or `7d` before
/// now, or seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct When(pub(super) UnixTime);

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, clock::now()).map(Self).ok_or_else(|| {
            "expected a time such as 2026-11-29T10:00Z, a date, a duration such as 2h or 7d before now, or seconds \
             since 1970"
                .to_owned()
        })
    }
}

fn parse(text: &str, now: UnixTime) -> Option<UnixTime> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(UnixTime);
    }
    duration(text).map(|seconds| UnixTime(now.since(UnixTime(seconds)))).or_else(|| timestamp(text))
}

/// A number followed by one unit.
pub(super) fn duration(text: &str) -> Option<u64> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 7 * 86_400)];
    let (unit, seconds) = units.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let number = text.strip_suffix(unit)?;
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<u64>().ok().filter(|_| plain)?.checked_mul(seconds)
}

/// How long a token is valid: a duration, or `never`.
pub(super) fn lifetime(text: &str) -> Result<TokenLifetime, String> {
    if text == "never" {
        return Ok(TokenLifetime::Never);
    }
    let seconds = duration(text).ok_or("expected a duration such as 30d or 12h, or `never`")?;
    let lifetime = TokenLifetime::Seconds(seconds);
    lifetime.end(UnixTime(0)).map_err(|error| error.to_string())?;
    Ok(lifetime)
}

/// How long a replaced token stays valid.
pub(super) fn overlap(text: &str) -> Result<u64, String> {
    let seconds = duration(text).filter(|seconds| *seconds <= TokenLifetime::MAX_OVERLAP);
    seconds.ok_or_else(|| "expected a duration such as 15m or 1h, at most 7d".to_owned())
}

/// How long the successor of an identity is accepted by guests that pin only that one.
pub(super) fn identity_overlap(text: &str) -> Result<u64, String> {
    let seconds = duration(text).filter(|seconds| *seconds <= MAX_SUCCESSION_LIFETIME);
    seconds.ok_or_else(|| "expected a duration such as 30d, at most 366d, or 0s".to_owned())
}

/// A duration in its largest unit, rounded down, for people.
pub(super) fn human_duration(seconds: u64) -> String {
    let units = [("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)];
    let (name, size) = units.into_iter().find(|(_, size)| seconds >= *size).unwrap_or(("second", 1));
    let count = seconds / size;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// A time of day needs a time zone.
fn timestamp(text: &str) -> Option<UnixTime> {
    let date = text.len() == DATE && text.parse::<jiff::civil::Date>().is_ok();
    let instant: jiff::Timestamp =
        if date { format!("{text}T00:00Z").parse().ok()? } else { text.parse().ok()? };
    u64::try_from(instant.as_second()).ok().map(UnixTime)
}

/// Characters of a date.
const DATE: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    #[test]
    fn lifetimes_and_overlaps_have_limits() {
        for (text, seconds) in [("30d", 2_592_000), ("366d", 31_622_400), ("1s", 1)] {
            assert_eq!(lifetime(text), Ok(TokenLifetime::Seconds(seconds)), "{text}");
        }
        assert_eq!(lifetime("never"), Ok(TokenLifetime::Never));
        for (text, said) in [
            ("0d", "0 seconds are not possible"),
            ("367d", "31708800 seconds are not possible"),
            ("", "such as 30d"),
            ("30", "such as 30d"),
            ("-1d", "such as 30d"),
            ("Never", "such as 30d"),
        ] {
            assert!(lifetime(text).unwrap_err().contains(said), "{text}");
        }
        assert_eq!([overlap("1h"), overlap("0s"), overlap("7d")], [Ok(3600), Ok(0), Ok(604_800)]);
        for text in ["8d", "1", "never", ""] {
            assert!(overlap(text).unwrap_err().contains("at most 7d"), "{text}");
        }
        assert_eq!(["90d", "0s", "366d"].map(identity_overlap), [Ok(7_776_000), Ok(0), Ok(31_622_400)]);
        for text in ["367d", "90", "never", ""] {
            assert!(identity_overlap(text).unwrap_err().contains("at most 366d"), "{text}");
        }
        for (seconds, text) in
            [(0, "0 seconds"), (1, "1 second"), (7199, "1 hour"), (86_400, "1 day"), (1_209_599, "13 days")]
        {
            assert_eq!(human_duration(seconds), text);
        }
    }

    #[test]
    fn times_are_read_in_each_form() {
        for (text, seconds) in [
            ("1800000000", 1_800_000_000),
            ("0", 0),
            ("2026-11-29T10:00Z", 1_795_946_400),
            ("2026-11-29T10:00:00Z", 1_795_946_400),
            ("2026-11-29T12:00+02:00", 1_795_946_400),
            ("2026-11-29", 1_795_910_400),
            ("90s", NOW.0 - 90),
            ("5m", NOW.0 - 300),
            ("2h", NOW.0 - 7200),
            ("7d", NOW.0 - 604_800),
            ("1w", NOW.0 - 604_800),
            ("99999w", 0),
        ] {
            assert_eq!(parse(text, NOW), Some(UnixTime(seconds)), "{text}");
        }
        for text in ["", "h", "-2h", "+2h", "2 h", "2y", "2026-11-29T10:00", "2026-13-01", "1969-12-31", "x"]
        {
            assert_eq!(parse(text, NOW), None, "{text}");
        }
        assert!("x".parse::<When>().unwrap_err().contains("2026-11-29T10:00Z"));
    }
}
