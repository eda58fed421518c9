//! GRUB with entries of the Boot Loader Specification, as on RHEL and Fedora: `blscfg` makes the menu out of files.
//!
//! The configuration itself stays as it is when a kernel is installed. What changes are the entries, the environment block
//! that names the default one, and the commands of that entry. They are predicted only if the same steps give exactly
//! what this boot ran.

use std::collections::BTreeMap;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::ReferenceComponent as Component;
use vouchsafe_reference_values::BootLog;

use super::error::UpdateError;
use super::files::Files;
use super::grub::{add_initrd, add_kernel, load_options};
use super::grub_log::GrubLog;
use super::next::NextBoots;

/// Whether this is the name of an entry's file.
pub(super) fn is_entry(name: &str) -> bool {
    name.contains("/loader/entries/") && name.ends_with(".conf")
}

/// Adds the boot of the default entry.
pub(super) fn add(
    next: &mut NextBoots,
    files: &Files,
    log: &BootLog<'_>,
    grub: &GrubLog<'_>,
    environment: &str,
) -> Result<(), UpdateError> {
    for script in &grub.scripts {
        let path = files.of_grub(script.name)?;
        let content = files.read(&path)?;
        next.add(9, Component::Configuration, content.digest, &files.shown(&path).display().to_string());
        if content.digest != script.digest {
            let path = files.shown(&path);
            next.cannot_say(format!("the commands of {}, which was changed since this boot", path.display()));
        }
    }
    let Some(first) = grub.others.iter().find(|file| is_entry(file.name)) else {
        next.cannot_say("the entry that GRUB starts: this boot read none in /loader/entries".to_owned());
        return Ok(());
    };
    let folder_name = first.name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder =
        grub.others.iter().filter(|file| is_entry(file.name)).find_map(|file| files.of_grub(file.name).ok());
    let folder = folder.and_then(|path| path.parent().map(ToOwned::to_owned));
    let folder = folder.ok_or_else(|| UpdateError::NotFound { name: folder_name.to_owned() })?;
    let variables = variables(environment, grub);
    let mut entries = BTreeMap::new();
    for name in files.names(&folder).into_iter().filter(|name| name.ends_with(".conf")) {
        let path = folder.join(&name);
        let content = files.read(&path)?;
        next.add(9, Component::Configuration, content.digest, &files.shown(&path).display().to_string());
        let text = String::from_utf8_lossy(&content.bytes).into_owned();
        entries.insert(name.trim_end_matches(".conf").to_owned(), Entry::parse(&text, &variables));
    }
    let default = variables.get("saved_entry").filter(|name| entries.contains_key(*name));
    let Some(Some(entry)) = default.and_then(|name| entries.get(name)) else {
        next.cannot_say(
            "the entry that GRUB starts: saved_entry in grubenv names none of the entries".to_owned(),
        );
        return Ok(());
    };
    let device = grub.kernel.and_then(|name| Some(name.split_at(name.find(')')? + 1).0)).unwrap_or_default();
    // The command of this boot has to follow in the same way from one of the entries that there are.
    let ran = |entry: &Entry| grub.commands.contains(&entry.linux(device).as_str());
    if !entries.values().flatten().any(ran) {
        next.cannot_say(
            "the command line: that of this boot does not follow from an entry in /loader/entries".to_owned(),
        );
        return Ok(());
    }
    add_commands(next, log, grub, &variables, entry, device);
    add_kernel(next, files, &files.of_grub(&format!("{device}{}", entry.kernel))?);
    for initrd in &entry.initrds {
        add_initrd(next, files, &files.of_grub(&format!("{device}{initrd}"))?);
    }
    Ok(())
}

/// The commands of this boot, with those of the default entry in place of those of the entry that was started.
fn add_commands(
    next: &mut NextBoots,
    log: &BootLog<'_>,
    grub: &GrubLog<'_>,
    variables: &BTreeMap<String, String>,
    entry: &Entry,
    device: &str,
) {
    let line = entry.line(device);
    let mut add = |text: String| {
        let digest = Digest32::of(text.as_bytes());
        next.add(8, Component::GrubCommand { text }, digest, "");
    };
    for command in grub.first_commands.iter().chain(&grub.commands) {
        let text = match command.split([' ', '=']).next().unwrap_or_default() {
            "linux" | "linuxefi" => entry.linux(device),
            "initrd" | "initrdefi" => entry.initrd(device),
            "set" if command.starts_with("set default=") => {
                format!("set default={}", variables.get("saved_entry").map_or("", String::as_str))
            }
            _ => (*command).to_owned(),
        };
        add(text);
    }
    next.add(8, Component::CommandLine { text: line.clone() }, Digest32::of(line.as_bytes()), "");
    // GRUB's versions differ in how the options end; this one's way is in this boot's log.
    let logged = log.events.iter().find_map(|event| event.command_line()).unwrap_or_default();
    let ends = load_options(logged);
    let measured =
        |digest: &Digest32| log.events.iter().any(|event| event.pcr == 9 && event.digest == *digest);
    if let Some(number) = ends.iter().position(measured)
        && let Some(digest) = load_options(&line).get(number)
    {
        next.add(9, Component::LoadOptions, *digest, "");
    }
}

/// The environment block, and what the configuration has set.
fn variables(environment: &str, grub: &GrubLog<'_>) -> BTreeMap<String, String> {
    let set = grub.commands.iter().filter_map(|command| command.strip_prefix("set "));
    let lines = environment.lines().filter(|line| !line.starts_with('#'));
    let pairs = set.chain(lines).filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What an entry starts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    kernel: String,
    options: Vec<String>,
    initrds: Vec<String>,
}

impl Entry {
    /// Reads an entry; `None` if it starts no kernel (Boot Loader Specification, type 1). Variables of GRUB are replaced.
    fn parse(text: &str, variables: &BTreeMap<String, String>) -> Option<Self> {
        let mut entry = Self::default();
        for line in text.lines() {
            let line = line.trim();
            let Some((key, value)) = line.split_once(char::is_whitespace) else { continue };
            let words = value.split_whitespace().flat_map(|word| match word.strip_prefix('$') {
                Some(name) => {
                    let value = variables.get(name).map_or("", String::as_str);
                    value.split_whitespace().map(str::to_owned).collect()
                }
                None => vec![word.to_owned()],
            });
            match key {
                "linux" => entry.kernel = words.collect::<Vec<_>>().join(" "),
                "options" => entry.options.extend(words),
                "initrd" => entry.initrds.extend(words),
                _ => {}
            }
        }
        (!entry.kernel.is_empty()).then_some(entry)
    }

    fn line(&self, device: &str) -> String {
        let words = [format!("{device}{}", self.kernel)].into_iter().chain(self.options.iter().cloned());
        words.collect::<Vec<_>>().join(" ")
    }

    fn linux(&self, device: &str) -> String {
        format!("linux {}", self.line(device))
    }

    fn initrd(&self, device: &str) -> String {
        let names = self.initrds.iter().map(|name| format!("{device}{name}"));
        format!("initrd {}", names.collect::<Vec<_>>().join(" "))
    }
}
