//! Machines that the tests make up: their files, and the log of their running boot.

mod entries;
mod grub;
mod unified;

use std::fs;

use tempfile::TempDir;
use vouchsafe_protocol::reference_values::ReferenceComponent as Component;
use vouchsafe_reference_values::test_util::{ImageBuilder, LogBuilder};

use super::*;

/// A machine.
struct Vm {
    root: TempDir,
}

impl Vm {
    fn new() -> Self {
        Self { root: TempDir::new().unwrap() }
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.root.path().join(path)).unwrap();
    }

    fn next(&self, log: &LogBuilder) -> Result<NextBoots, UpdateError> {
        next_boots(self.root.path(), &log.bytes())
    }
}

fn image(name: &str) -> ImageBuilder {
    ImageBuilder::program(name.as_bytes())
}

/// PCR, what, and the file of everything that is new.
fn new(next: &NextBoots) -> Vec<(u8, String, &str)> {
    next.new_events()
        .map(|measured| (measured.event.pcr, label(&measured.event.component), measured.file.as_str()))
        .collect()
}

#[test]
fn a_log_that_shows_no_known_boot_is_refused() {
    let vm = Vm::new();
    assert!(matches!(vm.next(&LogBuilder::default()), Err(UpdateError::OtherLoader)));
    assert!(matches!(next_boots(vm.root.path(), b"x"), Err(UpdateError::Log(_))));
    let command = LogBuilder::default().command("set a=1");
    assert!(matches!(vm.next(&command), Err(UpdateError::OtherLoader)), "no image of GRUB");
}
