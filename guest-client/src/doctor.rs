//! What this VM can prove, what is missing, and how to get it.
//!
//! Files are read below a root directory, so that a test can simulate any machine. Of the devices only the
//! TPM is used: its attestation key is created and its certificate read, as for a quote. Each broker is asked
//! for a challenge, Google only on request. Nothing is changed.

mod boot;
mod broker;
mod checks;
mod configuration;
mod diagnosis;
mod finding;
mod google;
mod kernel;
mod machine;
mod system;
mod tee;
mod tpm;

use std::path::Path;

pub use diagnosis::{Diagnosis, Provable};
pub use finding::{Finding, Status};
use machine::{KeyReader, Machine};

use crate::config::CollectConfig;
use crate::platform;
use crate::vtpm::VtpmError;

/// Examines the machine whose files are below `root`, normally `/`, with the paths in `config`. Processor and
/// TPM are only used if that is this machine.
#[must_use]
pub fn examine(root: &Path, config: &CollectConfig) -> Diagnosis {
    let here = root == Path::new("/");
    let read_key: KeyReader = if here { tpm::read_key } else { |_| Err(VtpmError::NoDevice) };
    checks::examine(
        &Machine { root: root.to_owned(), tdx: here && platform::is_tdx_guest(), read_key },
        config,
    )
}

#[cfg(test)]
mod tests;
