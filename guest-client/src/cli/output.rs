//! Where secrets leave the process: a descriptor, written without a buffer in between.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use vouchsafe_guest_client::Release;
use vouchsafe_guest_client::private_file::Destination;
use vouchsafe_protocol::text::printable;
use zeroize::Zeroizing;

use super::failure::Failure;

/// stdout, or a descriptor that the caller has open.
pub(crate) struct Sink(File);

impl Sink {
    /// Opens the sink before anything is fetched: a secret without a place to go is not asked for.
    pub(crate) fn open(fd: Option<u32>) -> Result<Self, Failure> {
        let file = match fd {
            None => io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(Failure::Output)?,
            Some(fd) => reopen(fd).map_err(|source| Failure::Descriptor { fd, source })?,
        };
        Ok(Self(file))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }

    /// The permission bits, where this is a file and they let others or the group read.
    pub(crate) fn readable_by_others(&self) -> Option<u32> {
        let metadata = self.0.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(metadata.permissions().mode() & 0o7777).filter(|mode| mode & 0o044 != 0)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write_all(bytes).map_err(Failure::Output)
    }
}

/// A descriptor of this process, opened once more for writing. A named pipe whose reader has gone is an
/// error and not waited for: a boot must not hang on it.
fn reopen(fd: u32) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = File::options().append(true).custom_flags(flags).open(format!("/proc/self/fd/{fd}"))?;
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// The release as JSON; the text is erased when dropped, and never moved while it is written.
pub(crate) fn json(release: &Release) -> Zeroizing<String> {
    let encoded: usize = release.secrets.iter().map(|secret| secret.secret.expose().len() / 3 * 4 + 4).sum();
    let around = 128 + release.secrets.len() * 512;
    let mut text = Zeroizing::new(String::with_capacity(encoded + around));
    text.push_str(&format!("{{\"decision\":\"{}\",\"secrets\":[", release.decision));
    for (index, secret) in release.secrets.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Paths need no escaping: their characters are a-z, 0-9, `.`, `_`, `-` and `/`.
        let start =
            format!("{comma}{{\"path\":\"{}\",\"version\":{},\"value\":\"", secret.path, secret.version);
        text.push_str(&start);
        STANDARD.encode_string(secret.secret.expose(), &mut text);
        text.push_str("\"}");
    }
    text.push_str("]}\n");
    text
}

/// Two secrets under one name would be one.
pub(crate) fn check_distinct(destinations: &[Destination]) -> Result<(), Failure> {
    for (index, one) in destinations.iter().enumerate() {
        if destinations.iter().skip(index + 1).any(|other| one.is_same(other)) {
            return Err(Failure::OutputTwice(one.path().to_owned()));
        }
    }
    Ok(())
}

/// A line for the console.
pub(crate) fn note(line: &str) {
    // A console that is gone must not keep a secret from its place.
    let _ = writeln!(io::stderr(), "vouchsafe-guest: {}", printable(line));
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;

    use vouchsafe_protocol::answer::OpenedSecret;
    use vouchsafe_protocol::{DecisionId, PlaintextSecret, SecretPath};

    use super::*;

    #[test]
    fn a_slow_reader_is_waited_for() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut sink = Sink::open(Some(writer.as_raw_fd().unsigned_abs())).unwrap();
        drop(writer);
        let slow = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            let mut read = Vec::new();
            File::from(reader).read_to_end(&mut read).map(|_| read)
        });
        // More than a pipe holds.
        sink.write(&[7; 1 << 20]).unwrap();
        drop(sink);
        assert_eq!(slow.join().unwrap().unwrap().len(), 1 << 20);
    }

    #[test]
    fn t34_json_is_complete_and_was_never_moved() {
        let secret = |path: &str, bytes: usize| OpenedSecret {
            path: SecretPath::parse(path).unwrap(),
            version: u64::MAX,
            secret: PlaintextSecret::new(vec![0xff; bytes]).unwrap(),
        };
        let long = ["a".repeat(60).as_str(); 4].join("/");
        let secrets = (0..16).map(|_| secret(&long, 65536)).collect();
        let release = Release { decision: DecisionId([7; 16]), secrets };
        let text = json(&release);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["secrets"][15]["value"].as_str().map(str::len), Some(65536 / 3 * 4 + 4));
        assert_eq!(value["decision"], "07".repeat(16));
        let one = Release { decision: DecisionId([7; 16]), secrets: vec![secret("n/a", 1)] };
        let expected = format!(
            "{{\"decision\":\"{}\",\"secrets\":[{{\"path\":\"n/a\",\"version\":{},\"value\":\"/w==\"}}]}}\n",
            "07".repeat(16),
            u64::MAX
        );
        let text = json(&one);
        assert_eq!(*text, expected);
        // Within the first allocation: nothing was copied to a larger one and left behind.
        assert!(text.capacity() < 128 + 512 + 5);
    }
}
