//! `vouchsafe-guest luks header`

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::luks::{CopyError, HeaderCopy, copy_path};

use super::draft::write_private;
use crate::cli::failure::Failure;
use crate::deliver::private_file::FileError;

#[derive(clap::Args)]
pub(in crate::cli) struct CopyHeader {
    /// The volume, by its name in crypttab and in the table `volumes` of the configuration.
    pub(in crate::cli) volume: String,
    /// How long to wait for the device to appear.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

/// Copies the header. A copy of an earlier run is replaced, and gone if this one fails.
pub(super) fn run(config: &Path, command: &CopyHeader) -> Result<ExitCode, Failure> {
    let path = copy_path(&command.volume);
    let config = GuestConfig::read(config)?;
    let device = config.keys.device(&command.volume)?;
    forget(&path)?;
    let copy = read(device, Duration::from_secs(command.wait))?;
    write_private(&path, copy.bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Removes an earlier copy, so that a volume cannot be opened with the header of another time.
fn forget(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FileError::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn read(device: &Path, patience: Duration) -> Result<HeaderCopy, CopyError> {
    let started = Instant::now();
    loop {
        match HeaderCopy::read(device) {
            Err(CopyError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && started.elapsed() < patience =>
            {
                sleep(Duration::from_millis(200));
            }
            outcome => return outcome,
        }
    }
}
