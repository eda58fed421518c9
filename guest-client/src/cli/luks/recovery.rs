//! Recovery codes at the command line.

use vouchsafe_guest_client::luks::RecoveryCode;
use vouchsafe_protocol::PlaintextSecret;
use zeroize::Zeroizing;

use crate::cli::console;
use crate::cli::failure::Failure;
use crate::deliver::descriptor::Sink;

/// A new code, also as the passphrase that it is.
pub(super) fn new() -> (RecoveryCode, PlaintextSecret) {
    let code = RecoveryCode::generate().expect("the operating system has randomness");
    let secret = passphrase(&code);
    (code, secret)
}

/// The passphrase of a code that a person typed.
pub(super) fn parse(typed: &PlaintextSecret) -> Result<PlaintextSecret, Failure> {
    let text = std::str::from_utf8(typed.expose()).unwrap_or("?");
    Ok(passphrase(&RecoveryCode::parse(text)?))
}

fn passphrase(code: &RecoveryCode) -> PlaintextSecret {
    PlaintextSecret::new(code.expose().as_bytes().to_vec()).expect("a code is not empty")
}

/// Writes the code to standard output, this once.
pub(super) fn show(code: &RecoveryCode) -> Result<(), Failure> {
    console::note("the recovery code, which is not shown again; keep it away from this machine:");
    let mut line = Zeroizing::new(code.expose().as_bytes().to_vec());
    line.push(b'\n');
    Ok(Sink::open(None)?.write(&line)?)
}
