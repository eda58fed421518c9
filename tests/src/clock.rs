//! The machine's clock, for certificates and CRLs that have to be current.

use std::time::{SystemTime, UNIX_EPOCH};

use vouchsafe_protocol::UnixTime;

/// Now.
///
/// # Panics
/// When the clock stands before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "tests have to know the time that the broker reads")]
pub fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs())
}
