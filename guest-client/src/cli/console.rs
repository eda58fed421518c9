//! Messages on standard error.

use std::io::{self, Write as _};

use vouchsafe_protocol::text::printable;

/// Prints a line to the console.
pub(super) fn note(line: &str) {
    // A closed console must not prevent the delivery of a secret.
    let _ = writeln!(io::stderr(), "vouchsafe-guest: {}", printable(line));
}

/// Google's remarks on a token that it issued nevertheless.
pub(super) fn remark(text: &str) {
    note(&format!("Google Cloud Attestation: {text}"));
}
