//! Writes to a descriptor, without a buffer in between.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::standard;

/// stdout, or a descriptor that the caller opened.
pub(crate) struct Sink(File);

/// Why there is nothing to write to, or it was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    #[error("file descriptor {fd}: {source}")]
    Descriptor { fd: u32, source: io::Error },
    #[error(
        "file descriptor {fd} is closed: redirect it to a pipe or a file, or to /dev/null to drop the output"
    )]
    Closed { fd: u32 },
    #[error("output: {0}")]
    Output(io::Error),
}

impl Sink {
    /// Opens the sink before anything is fetched, so that no secret is requested that cannot be written.
    pub(crate) fn open(fd: Option<u32>) -> Result<Self, SinkError> {
        let number = fd.unwrap_or(STDOUT);
        if standard::was_closed(number) {
            return Err(SinkError::Closed { fd: number });
        }
        let file = match fd {
            None => io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(SinkError::Output)?,
            Some(fd) => reopen(fd).map_err(|source| SinkError::Descriptor { fd, source })?,
        };
        Ok(Self(file))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }

    /// The permission bits, if this is a file that others or the group can read.
    pub(crate) fn readable_by_others(&self) -> Option<u32> {
        let metadata = self.0.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(metadata.permissions().mode() & 0o7777).filter(|mode| mode & 0o044 != 0)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.0.write_all(bytes).map_err(SinkError::Output)
    }
}

/// Reopens a descriptor of this process for writing. A named pipe without a reader is an error, instead of
/// waiting for one: a boot must not hang on it.
fn reopen(fd: u32) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = File::options().append(true).custom_flags(flags).open(format!("/proc/self/fd/{fd}"))?;
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// The descriptor of standard output.
const STDOUT: u32 = 1;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;

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
        // More than the buffer of a pipe.
        sink.write(&[7; 1 << 20]).unwrap();
        drop(sink);
        assert_eq!(slow.join().unwrap().unwrap().len(), 1 << 20);
    }
}
