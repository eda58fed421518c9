//! Reads a passphrase from a terminal, without showing it, or from a pipe or file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use vouchsafe_protocol::PlaintextSecret;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;

/// Asks on the terminal, or reads the first line of a pipe.
pub(super) fn ask(prompt: &str) -> Result<PlaintextSecret, Failure> {
    let line = if io::stdin().is_terminal() { typed(prompt) } else { first_line(&mut io::stdin().lock()) };
    let line = line.map_err(Failure::SecretInput)?;
    PlaintextSecret::new(line.to_vec()).map_err(|_| Failure::NoInput)
}

/// All bytes of a file, or of standard input for `-`: a key may have any bytes.
pub(super) fn key(path: &Path) -> Result<PlaintextSecret, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT));
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(LIMIT as u64).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(LIMIT as u64).read_to_end(&mut bytes))
    };
    read.map_err(Failure::SecretInput)?;
    PlaintextSecret::new(bytes.to_vec()).map_err(|_| Failure::NoInput)
}

fn typed(prompt: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut stderr = io::stderr();
    write!(stderr, "{prompt}: ")?;
    stderr.flush()?;
    let hidden = Hidden::start()?;
    let line = first_line(&mut io::stdin().lock());
    drop(hidden);
    writeln!(stderr)?;
    line
}

/// One byte at a time, so that nothing behind the line is taken.
fn first_line(input: &mut impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(LIMIT));
    let mut byte = Zeroizing::new([0]);
    while line.len() < LIMIT && input.read(&mut *byte)? == 1 && *byte != *b"\n" {
        line.extend_from_slice(&*byte);
    }
    Ok(line)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn start() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// More than a passphrase has, and as much as a key.
const LIMIT: usize = 4096;
