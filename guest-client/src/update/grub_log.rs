//! What the log of this boot says about GRUB: in which order it read which files, and which commands it ran.

use vouchsafe_protocol::Digest32;
use vouchsafe_reference_values::BootLog;

/// A file that GRUB read, by its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadFile<'a> {
    pub(super) name: &'a str,
    pub(super) digest: Digest32,
}

/// This boot through GRUB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GrubLog<'a> {
    /// First boot loader, if there was one before GRUB, and GRUB: the names that the firmware has for them.
    pub(super) images: Vec<String>,
    /// Commands before the first file of the configuration.
    pub(super) first_commands: Vec<&'a str>,
    /// Commands from there on.
    pub(super) commands: Vec<&'a str>,
    /// The files of the configuration, in order.
    pub(super) scripts: Vec<ReadFile<'a>>,
    /// Kernel and initrds, by the commands that loaded them.
    pub(super) kernel: Option<&'a str>,
    pub(super) initrds: Vec<&'a str>,
    /// All other files.
    pub(super) others: Vec<ReadFile<'a>>,
}

impl<'a> GrubLog<'a> {
    pub(super) fn of(log: &BootLog<'a>) -> Self {
        let mut found = Self {
            images: log.events.iter().filter_map(|event| event.application()).collect(),
            ..Self::default()
        };
        found.images.retain(|path| !path.is_empty());
        found.images.truncate(2);
        for command in log.commands() {
            let mut words = command.split(' ').filter(|word| !word.is_empty());
            match words.next() {
                Some("linux" | "linuxefi") => found.kernel = words.next(),
                Some("initrd" | "initrdefi") => found.initrds = words.collect(),
                _ => {}
            }
        }
        let mut previous = "";
        for event in &log.events {
            if let Some(command) = event.command() {
                previous = command;
                let list =
                    if found.scripts.is_empty() { &mut found.first_commands } else { &mut found.commands };
                list.push(command);
            } else if let Some(name) = event.file() {
                let file = ReadFile { name, digest: event.digest };
                found.add_file(file, previous);
            }
        }
        found
    }

    fn add_file(&mut self, file: ReadFile<'a>, previous: &str) {
        if self.kernel == Some(file.name) || self.initrds.contains(&file.name) {
            return;
        }
        // GRUB opens the first file of its configuration twice.
        if self.scripts.last().is_some_and(|last| last.name == file.name) {
            return;
        }
        let asked = previous.split_once(' ').is_some_and(|(command, argument)| {
            ["configfile", "source", "."].contains(&command) && argument == file.name
        });
        let first = self.scripts.is_empty() && file.name.ends_with(".cfg");
        let list = if asked || first { &mut self.scripts } else { &mut self.others };
        if !list.contains(&file) {
            list.push(file);
        }
    }
}
