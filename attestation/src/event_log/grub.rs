//! What GRUB measures into PCR 8: its commands and the kernel's command line.
//!
//! The label before a text (`grub_cmd: `, `kernel_cmdline: `) is not measured. A grub.cfg may run the text of a
//! harmless command line as a command, and a forger of the log may swap the labels. So the command line has to follow
//! the `linux` command that it belongs to, and a text in that place is the command line whatever its label says.
//! Loaders of other kernels (`multiboot`, `chainloader`) show as commands, files and EFI applications only: closed sets
//! of those, not the command line, say that nothing else ran.

use vouchsafe_protocol::Digest32;

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
    /// Arguments of the `linux` command, when that was the event before.
    loading: Option<String>,
}

impl Grub {
    /// Takes the next event of PCR 8.
    pub(super) fn step(&mut self, event: &Event<'_>) -> Result<EventKind, EventLogError> {
        let number = event.number;
        let (label, text) =
            labelled(event.data).ok_or(EventLogError::UnlabelledGrubText { event: number })?;
        let text = covered_text(event, text)?;
        let explained = self.follows_loader(label, text, number)?;
        self.loading = loader_arguments(text).map(str::to_owned);
        match label {
            EventKind::KernelCommandLine if !explained => {
                Err(EventLogError::KernelCommandLineUnexplained { event: number })
            }
            EventKind::KernelCommandLine if self.command_line.is_some() => {
                Err(EventLogError::SecondKernelCommandLine { event: number })
            }
            EventKind::KernelCommandLine => {
                self.command_line = Some(CommandLine::new(text, number)?);
                Ok(label)
            }
            _ => {
                self.commands.push(text.to_owned());
                Ok(label)
            }
        }
    }

    /// Whether the `linux` command just before explains this text. A text that begins with the kernel's path is its command line.
    fn follows_loader(&mut self, label: EventKind, text: &str, event: usize) -> Result<bool, EventLogError> {
        let Some(arguments) = self.loading.take() else { return Ok(false) };
        // GRUB quotes and escapes in the command line, and writes commands without either.
        let (text, arguments) = (bare(text), bare(&arguments));
        if text.split(' ').next() != arguments.split(' ').next() {
            return Ok(false);
        }
        if label != EventKind::KernelCommandLine {
            return Err(EventLogError::KernelCommandLineRelabelled { event });
        }
        Ok(text == arguments)
    }
}

/// Label and text; the last two labels are those of older GRUBs.
fn labelled(data: &[u8]) -> Option<(EventKind, &[u8])> {
    LABELS.iter().find_map(|(label, kind)| Some((*kind, data.strip_prefix(label.as_bytes())?)))
}

/// The text without its NUL. The digest is that of the text, in old versions with the NUL.
fn covered_text<'a>(event: &Event<'a>, text: &'a [u8]) -> Result<&'a str, EventLogError> {
    let bare = text.strip_suffix(b"\0").unwrap_or(text);
    if Digest32::of(bare) != event.digest && Digest32::of(text) != event.digest {
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

fn bare(text: &str) -> String {
    text.replace(['"', '\'', '\\'], "")
}

const LABELS: [(&str, EventKind); 5] = [
    ("grub_cmd: ", EventKind::GrubCommand),
    ("kernel_cmdline: ", EventKind::KernelCommandLine),
    ("module_cmdline: ", EventKind::GrubModuleCommandLine),
    ("grub_cmd ", EventKind::GrubCommand),
    ("grub_kernel_cmdline ", EventKind::KernelCommandLine),
];
const LOADERS: [&str; 3] = ["linux ", "linuxefi ", "linux16 "];
