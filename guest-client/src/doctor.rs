//! What this VM can prove, what is missing for it, and how to get that.
//!
//! Files are looked at below one root, so that a test can show it any machine. Of the devices only the TPM is used: its
//! attestation key is made and its certificate read, as for a quote. Brokers are asked for a challenge each, Google only
//! when told to. Nothing is changed.

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

/// Looks at the machine whose files are below `root`, normally `/`, where `config` says that things are. Processor and TPM
/// are asked only about the machine that this is.
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
