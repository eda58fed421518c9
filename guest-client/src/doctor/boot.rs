//! Whether the next boot can unlock the volumes of the initrd (docs/boot.md).

use std::path::Path;

use super::diagnosis::Diagnosis;
use super::finding::{Finding, Status};
use super::machine::Machine;
use crate::boot::{Initrd, check_command_line};
use crate::config::{KeysConfig, Stage, UpdatesConfig};
use crate::luks::copy_path;

impl Diagnosis {
    /// Adds what concerns the volumes that are unlocked in the initrd, if there are any: crypttab, and the kernel's command line, which
    /// is this boot's and with the same boot loader the next one's. Files are read below `root`.
    pub fn check_boot(&mut self, root: &Path, keys: &KeysConfig) {
        let volumes: Vec<&str> = keys.names_of(Stage::Initrd).collect();
        if volumes.is_empty() {
            return;
        }
        let table = std::fs::read_to_string(Machine::below(root, "/etc/crypttab")).unwrap_or_default();
        let entries = || table.lines().filter_map(Entry::parse);
        for name in &volumes {
            self.findings.push(volume(name, entries().find(|entry| entry.name == *name)));
        }
        let by_keyscript = |entry: &Entry<'_>| volumes.contains(&entry.name) && entry.has_keyscript();
        let initrd =
            if entries().any(|entry| by_keyscript(&entry)) { Initrd::InitramfsTools } else { Initrd::Dracut };
        self.findings.push(command_line(root, initrd));
    }

    /// Adds whether updates are proposed, if a volume is unlocked in the initrd: a new kernel or initrd is refused otherwise, until an
    /// operator allows it.
    pub fn check_updates(&mut self, keys: &KeysConfig, updates: Option<&UpdatesConfig>) {
        if keys.names_of(Stage::Initrd).next().is_none() {
            return;
        }
        self.findings.push(match updates {
            Some(updates) => Finding::ok("updates", format!("proposed for the baseline {}", updates.baseline)),
            None => {
                let fix = "Name the baseline of this VM under [updates] in guest.toml, and install vouchsafe-guest-updates (docs/boot.md).";
                let what = "under a policy with a baseline, the boot after an update of kernel or initrd is refused until its digests are allowed";
                Finding::new("updates", Status::Warning, what.to_owned(), fix)
            }
        });
    }
}

/// A line of crypttab(5).
struct Entry<'t> {
    name: &'t str,
    key: &'t str,
    options: &'t str,
}

impl<'t> Entry<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let name = fields.next().filter(|name| !name.starts_with('#'))?;
        let (_device, key) = (fields.next()?, fields.next().unwrap_or("none"));
        Some(Self { name, key, options: fields.next().unwrap_or_default() })
    }

    fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|one| one == option)
    }

    /// The checked copy of the header.
    fn has_header(&self) -> bool {
        self.has(&format!("header={}", copy_path(self.name).display()))
    }

    /// The keyscript for initramfs-tools.
    fn has_keyscript(&self) -> bool {
        let mut scripts = self.options.split(',').filter_map(|option| option.strip_prefix("keyscript="));
        // On a merged /usr both paths are the same file.
        scripts.any(|script| {
            script == "vouchsafe" || script.trim_start_matches("/usr") == "/lib/cryptsetup/scripts/vouchsafe"
        })
    }

    /// The socket of `serve-keys`, for systemd-cryptsetup.
    fn has_socket(&self) -> bool {
        self.key.starts_with('/') && self.key.ends_with(".sock")
    }
}

fn volume(name: &str, entry: Option<Entry<'_>>) -> Finding {
    let id = "volume";
    match entry {
        None => {
            let fix = "Add it to /etc/crypttab as docs/boot.md shows, or take it out of [volumes].";
            Finding::new(id, Status::Warning, format!("crypttab has no volume {name}"), fix)
        }
        Some(entry) if (entry.has_keyscript() || entry.has_socket()) && !entry.has_header() => {
            let fix = "Add the option header=/run/vouchsafe/VOLUME.header, with the volume's name: the host can change the header on the disk.";
            Finding::new(
                id,
                Status::Warning,
                format!("{name} would be opened with the header on its disk"),
                fix,
            )
        }
        Some(entry) if entry.has_keyscript() && !entry.has("initramfs") => {
            let fix = "Add the option initramfs: without it the initrd has the volume only if it is found as root device.";
            Finding::new(id, Status::Warning, format!("{name} may not be opened in the initrd"), fix)
        }
        Some(entry) if entry.has_keyscript() => Finding::ok(id, format!("{name}, by initramfs-tools")),
        Some(entry) if entry.has_socket() => Finding::ok(id, format!("{name}, by systemd-cryptsetup")),
        Some(_) => {
            let fix = "Use keyscript=vouchsafe (initramfs-tools), or the socket of serve-keys as key file (systemd).";
            Finding::new(
                id,
                Status::Warning,
                format!("the key of {name} comes from elsewhere in crypttab"),
                fix,
            )
        }
    }
}

fn command_line(root: &Path, initrd: Initrd) -> Finding {
    let id = "command-line";
    let line = match std::fs::read(Machine::below(root, "/proc/cmdline")) {
        Ok(line) => line,
        Err(error) => {
            return Finding::new(id, Status::Warning, format!("/proc/cmdline: {error}"), "Mount /proc.");
        }
    };
    match check_command_line(&line, initrd) {
        Ok(()) => Finding::ok(id, "rules out a shell in the initrd".to_owned()),
        Err(risk) => {
            let fix = "With this command line the initrd requests no key: change GRUB_CMDLINE_LINUX and run update-grub (grubby on RHEL), or the image's.";
            Finding::new(id, Status::Warning, risk.to_string(), fix)
        }
    }
}
