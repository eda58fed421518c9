//! Recovery codes at the command line.

use vouchsafe_guest_client::luks::RecoveryCode;
use vouchsafe_protocol::PlaintextSecret;
use zeroize::Zeroizing;

use crate::cli::console;
use crate::cli::failure::Failure;
use crate::deliver::descriptor::Sink;

/// A new code, and standard output to show it on, which is open before a slot has the code.
pub(super) struct NewCode {
    code: RecoveryCode,
    sink: Sink,
}

impl NewCode {
    pub(super) fn generate() -> Result<Self, Failure> {
        let sink = Sink::open(None)?;
        let code = RecoveryCode::generate().expect("the operating system has randomness");
        Ok(Self { code, sink })
    }

    /// The code as a passphrase.
    pub(super) fn passphrase(&self) -> PlaintextSecret {
        passphrase(&self.code)
    }

    /// Writes the code to standard output, this once.
    pub(super) fn show(mut self) -> Result<(), Failure> {
        console::note("the recovery code, which is not shown again; keep it away from this machine:");
        let mut line = Zeroizing::new(self.code.expose().as_bytes().to_vec());
        line.push(b'\n');
        Ok(self.sink.write(&line)?)
    }
}

/// The passphrase of a code that a person typed.
pub(super) fn parse(typed: &PlaintextSecret) -> Result<PlaintextSecret, Failure> {
    let text = std::str::from_utf8(typed.expose()).unwrap_or("?");
    Ok(passphrase(&RecoveryCode::parse(text)?))
}

fn passphrase(code: &RecoveryCode) -> PlaintextSecret {
    PlaintextSecret::new(code.expose().as_bytes().to_vec()).expect("a code is not empty")
}
