//! What the next boots of this machine will measure, computed from its files, beside what this boot measured.
//!
//! The log of the running boot says by which way the machine boots; the files say what will be measured on that way
//! next time. A digest that does not follow from them is named as unknown. Nothing here is evidence, and no secret is
//! involved. Files are read below a root folder, normally `/`.

mod error;
mod files;
mod grub;
mod grub_log;
pub mod lists;
mod loader_entries;
mod next;
mod unified;

pub use error::UpdateError;
pub use next::{Measured, NextBoots, label};

use std::path::Path;

use vouchsafe_reference_values::BootLog;

use files::Files;

/// Examines the machine whose files are below `root`. `log` is the firmware's log of its running boot.
///
/// # Errors
/// [`UpdateError`], if what the next boot will measure cannot be told at all.
pub fn next_boots(root: &Path, log: &[u8]) -> Result<NextBoots, UpdateError> {
    let log = BootLog::parse(log)?;
    let files = Files::new(root, &log);
    let mut next = NextBoots::default();
    if log.commands().next().is_some() {
        grub::add(&mut next, &files, &log)?;
    } else if log.events.iter().any(|event| event.pcr == 11) {
        unified::add(&mut next, &files, &log)?;
    } else {
        return Err(UpdateError::OtherLoader);
    }
    next.compare(&log);
    Ok(next)
}

#[cfg(test)]
mod tests;
