//! What to do about files that the broker's user may not read.

use std::io::ErrorKind;

/// Follows the system's error in a message.
pub(crate) const fn advice(fault: ErrorKind) -> &'static str {
    match fault {
        ErrorKind::PermissionDenied => {
            "; it belongs to another user: if root has put it back, give it to the broker's user, with `chown USER`"
        }
        _ => "",
    }
}
