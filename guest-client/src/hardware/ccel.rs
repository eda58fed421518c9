//! The event log of a trust domain, in the area that an ACPI table (CCEL) describes.
//!
//! The kernel shows the whole area that the firmware reserved, 256 KiB on Compute Engine, with 0xFF after the
//! last event. Guaranteed: events are passed on unchanged. Not guaranteed: that they are well-formed; a log
//! whose end cannot be found is passed on as it is, and the broker reports the fault.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use vouchsafe_protocol::limits::MAX_EVENT_LOG;

/// Path of the log in the kernel. Only root may read it.
pub const DEFAULT_LOG: &str = "/sys/firmware/acpi/tables/data/CCEL";

/// Path of the table that describes the log. Only sent to Google's service.
pub const DEFAULT_TABLE: &str = "/sys/firmware/acpi/tables/CCEL";

/// The log's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ccel {
    /// The log.
    pub log: PathBuf,
    /// The ACPI table.
    pub table: PathBuf,
}

impl Default for Ccel {
    fn default() -> Self {
        Self { log: DEFAULT_LOG.into(), table: DEFAULT_TABLE.into() }
    }
}

/// Why a file of the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CcelError {
    /// The kernel refused.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// It exceeds the broker's limit.
    #[error("{}: more than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
}

impl Ccel {
    /// The log up to its end marker; `None` if there is no such file.
    ///
    /// # Errors
    /// [`CcelError`].
    pub fn read_log(&self) -> Result<Option<Vec<u8>>, CcelError> {
        match read(&self.log, MAX_EVENT_LOG) {
            Err(CcelError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(mut area) => {
                let end = end_of_events(&area).unwrap_or(area.len());
                area.truncate(end);
                Ok(Some(area))
            }
        }
    }

    /// The ACPI table.
    ///
    /// # Errors
    /// [`CcelError`].
    pub fn read_table(&self) -> Result<Vec<u8>, CcelError> {
        read(&self.table, MAX_TABLE)
    }
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, CcelError> {
    let failed = |source| CcelError::Read { path: path.to_owned(), source };
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(bound).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(CcelError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// Position of the end marker, the first event with the index 0xFFFFFFFF. `None` if the events cannot be
/// followed.
fn end_of_events(area: &[u8]) -> Option<usize> {
    let sizes = digest_sizes(area)?;
    // TCG PC Client Firmware Profile 1.06 §10.2.1: the first event has one SHA-1 digest.
    let mut at = 32_usize.checked_add(u32_at(area, 28)?)?;
    while at < area.len() {
        if u32_at(area, at)? == 0xffff_ffff {
            return Some(at);
        }
        at = after_event(area, at, &sizes)?;
    }
    (at == area.len()).then_some(at)
}

/// Position of the event after the one at `at`. §10.2.2: index, type, count of digests, digests, size, data.
fn after_event(area: &[u8], mut at: usize, sizes: &[(u16, usize)]) -> Option<usize> {
    let digests = u32_at(area, at + 8)?;
    at += 12;
    for _ in 0..digests {
        let algorithm = u16_at(area, at)?;
        let (_, size) = sizes.iter().find(|(known, _)| *known == algorithm)?;
        at += 2 + size;
    }
    at.checked_add(4)?.checked_add(u32_at(area, at)?)
}

/// Algorithms of the log and the sizes of their digests. §10.4.5.1: the count is at 24 of the first event's data,
/// then an id and a size for each.
fn digest_sizes(area: &[u8]) -> Option<Vec<(u16, usize)>> {
    let count = u32_at(area, 32 + 24).filter(|count| *count <= MAX_ALGORITHMS)?;
    let entry = |index: usize| {
        let at = 32 + 28 + 4 * index;
        Some((u16_at(area, at)?, usize::from(u16_at(area, at + 2)?)))
    };
    (0..count).map(entry).collect()
}

fn u16_at(area: &[u8], at: usize) -> Option<u16> {
    area.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(area: &[u8], at: usize) -> Option<usize> {
    let value = area.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)?;
    usize::try_from(value).ok()
}

/// Real tables have 56 bytes.
const MAX_TABLE: usize = 4096;
const MAX_ALGORITHMS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of SHA-384 digests: a header, and one event for each item of data.
    fn log(events: &[&[u8]]) -> Vec<u8> {
        let spec =
            [b"Spec ID Event03\0".as_slice(), &[0; 8], &1_u32.to_le_bytes(), &[0x0c, 0, 48, 0, 0]].concat();
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let mut log = [[0; 4].as_slice(), &3_u32.to_le_bytes(), &[0; 20], &size(&spec), &spec].concat();
        for data in events {
            let head = [1_u32, 8, 1].map(u32::to_le_bytes).concat();
            log.extend([&head, [0x0c, 0].as_slice(), &[0xff; 48], &size(data), data].concat());
        }
        log
    }

    fn read_back(area: &[u8]) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, area).unwrap();
        Ccel { log: file.path().to_owned(), ..Ccel::default() }.read_log().unwrap().unwrap()
    }

    #[test]
    fn padding_is_cut_from_the_end_marker_on() {
        // The last event ends with bytes that look like padding.
        let log = log(&[b"one", &[0xff; 40]]);
        let mut area = log.clone();
        area.resize(256 * 1024, 0xff);
        assert_eq!(read_back(&area), log);
        assert_eq!(read_back(&log), log);
    }

    #[test]
    fn a_log_that_cannot_be_followed_is_passed_on_as_it_is() {
        let good = log(&[b"one"]);
        let mut foreign = good.clone();
        foreign[65 + 12] = 0x0b;
        foreign.resize(4096, 0xff);
        for area in [b"".to_vec(), vec![0xff; 64], good[..good.len() - 1].to_vec(), foreign] {
            assert_eq!(read_back(&area), area);
        }
    }

    #[test]
    fn files_are_bounded_and_named() {
        let folder = tempfile::TempDir::new().unwrap();
        let ccel = Ccel { log: folder.path().join("log"), table: folder.path().join("table") };
        assert!(matches!(ccel.read_log(), Ok(None)));
        let error = ccel.read_table().unwrap_err();
        assert!(matches!(&error, CcelError::Read { path, .. } if *path == ccel.table), "{error}");
        std::fs::write(&ccel.log, vec![0; MAX_EVENT_LOG + 1]).unwrap();
        let error = ccel.read_log().unwrap_err();
        assert!(matches!(error, CcelError::TooLarge { limit: MAX_EVENT_LOG, .. }), "{error}");
    }

    /// Logs of real trust domains on Compute Engine lose their padding and nothing else.
    #[test]
    fn real_logs_lose_their_padding_only() {
        let Some(folder) = vouchsafe_captured::folder() else { return };
        let folder = folder.join("gce/tdx/ccel");
        let files = std::fs::read_dir(&folder).unwrap();
        let mut seen = 0;
        for path in files.map(|file| file.unwrap().path()) {
            let area = std::fs::read(&path).unwrap();
            if area.len() < 256 * 1024 {
                continue;
            }
            let log = read_back(&area);
            assert!(log.len() < 128 * 1024 && area.starts_with(&log), "{}: {}", path.display(), log.len());
            assert!(area[log.len()..].iter().all(|byte| *byte == 0xff), "{}", path.display());
            seen += 1;
        }
        assert!(seen > 0, "no log in {}", folder.display());
    }
}
