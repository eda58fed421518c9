//! The firmware's event log in the kernel, and systemd's log of what user space extended after it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use vouchsafe_protocol::limits::{MAX_EVENT_LOG, MAX_USERSPACE_LOG};

use super::error::VtpmError;

/// Path of the log in the kernel. Only root may read it, and securityfs must be mounted.
pub const DEFAULT_EVENT_LOG: &str = "/sys/kernel/security/tpm0/binary_bios_measurements";

/// Path of systemd's measurement log.
pub const DEFAULT_USERSPACE_LOG: &str = "/run/log/systemd/tpm2-measure.log";

/// Reads systemd's measurement log: its complete entries up to the broker's limit. `None` if there is none or
/// it cannot be read; the broker needs it only if a register was extended with values specific to the
/// machine.
#[must_use]
pub fn read_userspace_log(path: &Path) -> Option<Vec<u8>> {
    let mut log = Vec::new();
    let bound = u64::try_from(MAX_USERSPACE_LOG).unwrap_or(u64::MAX);
    File::open(path).ok()?.take(bound).read_to_end(&mut log).ok()?;
    // An entry ends with a line feed; the last one may be cut off, or not be completely written yet.
    let whole = log.iter().rposition(|byte| *byte == b'\n')? + 1;
    log.truncate(whole);
    Some(log)
}

/// Reads a whole log, up to the broker's limit. (securityfs reports size 0, so it is read to its end.)
///
/// # Errors
/// [`VtpmError::EventLog`] or [`VtpmError::EventLogTooLarge`].
pub fn read_event_log(path: &Path) -> Result<Vec<u8>, VtpmError> {
    let failed = |source| VtpmError::EventLog { path: path.to_owned(), source };
    let bound = u64::try_from(MAX_EVENT_LOG).unwrap_or(u64::MAX).saturating_add(1);
    let mut log = Vec::new();
    File::open(path).map_err(failed)?.take(bound).read_to_end(&mut log).map_err(failed)?;
    if log.len() > MAX_EVENT_LOG {
        return Err(VtpmError::EventLogTooLarge { path: path.to_owned(), limit: MAX_EVENT_LOG });
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_entries_of_the_userspace_log_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |content: &[u8]| {
            std::fs::write(&file, content).unwrap();
            read_userspace_log(file.path())
        };
        assert_eq!(read(b"\x1e{}\n\x1e{}\n").unwrap(), b"\x1e{}\n\x1e{}\n");
        assert_eq!(read(b"\x1e{}\n\x1e{\"pcr\"").unwrap(), b"\x1e{}\n");
        assert_eq!(read(b"\x1e{\"pcr\""), None);
        assert_eq!(read(b""), None);
        let entry = b"\x1e{\"pcr\":11}\n";
        let read = read(&entry.repeat(MAX_USERSPACE_LOG)).unwrap();
        assert_eq!(read.len(), MAX_USERSPACE_LOG / entry.len() * entry.len());
        assert_eq!(read_userspace_log(Path::new("/nowhere/log")), None);
        assert_eq!(read_userspace_log(Path::new("/")), None, "not a file");
    }

    #[test]
    fn logs_up_to_the_limit_are_read_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, vec![7; MAX_EVENT_LOG]).unwrap();
        assert_eq!(read_event_log(file.path()).unwrap(), vec![7; MAX_EVENT_LOG]);
        std::fs::write(&file, vec![7; MAX_EVENT_LOG + 1]).unwrap();
        let error = read_event_log(file.path()).unwrap_err();
        assert!(matches!(error, VtpmError::EventLogTooLarge { limit: MAX_EVENT_LOG, .. }));
        let error = read_event_log(Path::new("/nowhere/log")).unwrap_err();
        assert!(matches!(error, VtpmError::EventLog { .. }));
    }
}
