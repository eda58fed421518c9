//! Reads a passphrase from a terminal, without showing it, or from a pipe or file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use vouchsafe_protocol::PlaintextSecret;
use vouchsafe_protocol::limits::MAX_SECRET;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;

/// Asks on the terminal, or reads the first line of a pipe.
pub(super) fn ask(prompt: &str) -> Result<PlaintextSecret, Failure> {
    let line = if io::stdin().is_terminal() { typed(prompt) } else { first_line(&mut io::stdin().lock()) };
    secret(&line.map_err(Failure::SecretInput)?)
}

/// All bytes of a file, or of standard input for `-`: a key may have any bytes.
pub(super) fn key(path: &Path) -> Result<PlaintextSecret, Failure> {
    // One more, so that a longer file is noticed, and room for all of it, so that nothing is moved and left behind in memory.
    let limit = MAX_SECRET + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit));
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(limit as u64).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit as u64).read_to_end(&mut bytes))
    };
    read.map_err(Failure::SecretInput)?;
    secret(&bytes)
}

/// What was read, all of it: a part of a key opens nothing.
fn secret(bytes: &[u8]) -> Result<PlaintextSecret, Failure> {
    if bytes.is_empty() {
        return Err(Failure::NoInput);
    }
    PlaintextSecret::new(bytes.to_vec()).map_err(|error| Failure::SecretInput(io::Error::other(error)))
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
    while input.read(&mut *byte)? == 1 && *byte != *b"\n" {
        if line.len() == LIMIT {
            return Err(io::Error::other(format!("a line of more than {LIMIT} bytes")));
        }
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

/// Bytes; more than a passphrase has.
const LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t34_a_key_is_read_whole_or_not_at_all() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for length in [1, 5000, MAX_SECRET] {
            std::fs::write(file.path(), vec![7; length]).unwrap();
            assert_eq!(key(file.path()).unwrap().expose(), vec![7; length]);
        }
        std::fs::write(file.path(), vec![7; MAX_SECRET + 1]).unwrap();
        assert!(matches!(key(file.path()), Err(Failure::SecretInput(_))));
        std::fs::write(file.path(), b"").unwrap();
        assert!(matches!(key(file.path()), Err(Failure::NoInput)));
    }

    #[test]
    fn a_line_is_read_whole_or_not_at_all() {
        let read = |text: &[u8]| first_line(&mut &*text).map(|line| line.to_vec());
        assert_eq!(read(b"one\ntwo\n").unwrap(), b"one");
        assert_eq!(read(b"one").unwrap(), b"one");
        assert_eq!(read(&[b'x'; LIMIT]).unwrap(), [b'x'; LIMIT]);
        read(&[b'x'; LIMIT + 1]).unwrap_err();
    }
}
