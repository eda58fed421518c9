//! What GRUB measures into PCR 8: its commands and the kernel's command line.
//!
//! The label before a text (`grub_cmd: `, `kernel_cmdline: `) is not measured. A grub.cfg may run the text of a
//! harmless command line as a command, and a forger of the log may swap the labels. So the command line has to follow
//! the `linux` command that it belongs to, and a text in that place, or one that begins with no command, is a command
//! line whatever its label says. A text of that kind after a `linux` command that failed is no line of a kernel that
//! runs: then something else has to start one, and only `chainloader` does so without a command line, so there is no
//! claim once it ran. All this is as true as the GRUB that wrote it: its digest is among the EFI applications, those of
//! its modules in PCR 9.

use super::Event;
use super::boot::EventKind;
use super::command_line::CommandLine;
use super::error::EventLogError;

/// State over the events of PCR 8.
#[derive(Default)]
pub(super) struct Grub {
    /// Commands in order.
    pub(super) commands: Vec<String>,
    /// The one command line.
    pub(super) command_line: Option<CommandLine>,
    /// `chainloader` ran, alone or through another command.
    pub(super) chain_loaded: bool,
    /// The event before, without quotes and escapes: GRUB writes them in the command line and not in commands.
    before: String,
}

impl Grub {
    /// Takes the next event of PCR 8.
    pub(super) fn step(&mut self, event: &Event<'_>) -> Result<EventKind, EventLogError> {
        let number = event.number;
        let (label, text) =
            labelled(event.data).ok_or(EventLogError::UnlabelledGrubText { event: number })?;
        let text = covered_text(event, text)?;
        let bare = text.replace(['"', '\'', '\\'], "");
        let before = std::mem::replace(&mut self.before, bare);
        self.chain_loaded |= runs_chain_loader(&self.before);
        if label != EventKind::KernelCommandLine {
            if is_command_line(&before, &self.before) {
                return Err(EventLogError::KernelCommandLineRelabelled { event: number });
            }
            self.commands.push(text.to_owned());
            return Ok(label);
        }
        if loader_arguments(&before) != Some(&self.before) {
            return Err(EventLogError::KernelCommandLineUnexplained { event: number });
        }
        if self.command_line.is_some() {
            return Err(EventLogError::SecondKernelCommandLine { event: number });
        }
        self.command_line = Some(CommandLine::new(text, number)?);
        Ok(label)
    }
}

/// Whether a text is a loader's command line, whatever its label says: it begins with what a `linux` command before it
/// loads; it is what any command before it was given (`! linux`, `time linux`); or it begins with no name of a command.
/// `eval` alone is followed by the command that it was given.
fn is_command_line(before: &str, text: &str) -> bool {
    let loaded = loader_arguments(before).is_some_and(|loaded| first_word(loaded) == first_word(text));
    let given = before.strip_suffix(text).is_some_and(|command| command.ends_with(' '))
        && !before.starts_with("eval ");
    loaded || given || !begins_with_command(text)
}

/// It starts an image with options and measures no command line. An entry of a menu only mentions it: what runs of it
/// is measured by itself.
fn runs_chain_loader(command: &str) -> bool {
    !matches!(first_word(command), "menuentry" | "submenu")
        && command.split_whitespace().any(|word| word == CHAIN_LOADER)
}

/// A command or the name in an assignment; kernels have paths or lists of blocks.
fn begins_with_command(text: &str) -> bool {
    let word = first_word(text);
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    matches!(name, "[" | "!" | ".")
        || (name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)))
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// Whether the data has one of GRUB's labels.
pub(super) fn is_labelled(data: &[u8]) -> bool {
    labelled(data).is_some()
}

/// Label and text; the last two labels are those of older GRUBs.
fn labelled(data: &[u8]) -> Option<(EventKind, &[u8])> {
    LABELS.iter().find_map(|(label, kind)| Some((*kind, data.strip_prefix(label.as_bytes())?)))
}

/// The text without its NUL. The digest is that of the text, in old versions with the NUL.
fn covered_text<'a>(event: &Event<'a>, text: &'a [u8]) -> Result<&'a str, EventLogError> {
    let bare = text.strip_suffix(b"\0").unwrap_or(text);
    if !event.digest.covers(&[bare]) && !event.digest.covers(&[text]) {
        let Event { number, pcr, event_type, .. } = *event;
        return Err(EventLogError::DigestMismatch { event: number, pcr, event_type });
    }
    let text = std::str::from_utf8(bare).map_err(|_| EventLogError::GrubText { event: event.number })?;
    if text.contains('\0') {
        return Err(EventLogError::GrubText { event: event.number });
    }
    Ok(text)
}

fn loader_arguments(command: &str) -> Option<&str> {
    LOADERS.iter().find_map(|loader| command.strip_prefix(loader))
}

const CHAIN_LOADER: &str = "chainloader";
const LABELS: [(&str, EventKind); 5] = [
    ("grub_cmd: ", EventKind::GrubCommand),
    ("kernel_cmdline: ", EventKind::KernelCommandLine),
    ("module_cmdline: ", EventKind::GrubModuleCommandLine),
    ("grub_cmd ", EventKind::GrubCommand),
    ("grub_kernel_cmdline ", EventKind::KernelCommandLine),
];
const LOADERS: [&str; 3] = ["linux ", "linuxefi ", "linux16 "];
