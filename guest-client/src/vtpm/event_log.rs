//! The firmware's event log, as the kernel keeps it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use vouchsafe_protocol::limits::MAX_EVENT_LOG;

use super::VtpmError;

/// Where the kernel shows the log. Only root may read it, and securityfs must be mounted.
pub const DEFAULT_EVENT_LOG: &str = "/sys/kernel/security/tpm0/binary_bios_measurements";

/// Reads a whole log, at most as much as the broker takes. (securityfs says size 0, so it is read to its end.)
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
