//! A secret as the value of a variable.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use vouchsafe_protocol::PlaintextSecret;

/// The value of a variable; `None` for a secret with a zero byte, where every variable ends.
pub(super) fn value(secret: &PlaintextSecret) -> Option<&OsStr> {
    let bytes = secret.expose();
    (!bytes.contains(&0)).then(|| OsStr::from_bytes(bytes))
}
