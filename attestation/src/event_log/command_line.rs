//! The kernel command line, split as the kernel splits it.

use super::error::EventLogError;

/// A command line: plain text that the kernel and everybody else take apart at the same places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    text: String,
}

impl CommandLine {
    /// Takes a measured text: UTF-8 without control characters, not longer than the kernel keeps, without `--`.
    pub(super) fn new(text: &str, event: usize) -> Result<Self, EventLogError> {
        // The kernel's isspace() is Latin-1: it takes a byte a0 inside a UTF-8 sequence for a space.
        if text.chars().any(char::is_control) || text.bytes().any(|byte| byte == 0xa0) {
            return Err(EventLogError::KernelCommandLineText { event });
        }
        if text.len() > MAX_COMMAND_LINE {
            return Err(EventLogError::KernelCommandLineTooLong { event, size: text.len() });
        }
        let line = Self { text: text.to_owned() };
        if line.arguments().iter().any(|argument| argument == "--") {
            return Err(EventLogError::KernelCommandLineDashes { event });
        }
        Ok(line)
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The arguments as the kernel's `next_arg` yields them: quotes keep spaces together, and those around
    /// an argument or its value are taken off.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut rest = self.text.trim_start_matches(' ');
        while !rest.is_empty() {
            let (argument, following) = rest.split_at(argument_end(rest));
            arguments.push(unquote(argument));
            rest = following.trim_start_matches(' ');
        }
        arguments
    }

    /// The text split at every space, all quotes removed.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.text
            .split(' ')
            .map(|word| word.replace(['"', '\''], ""))
            .filter(|word| !word.is_empty())
            .collect()
    }
}

/// Where the first argument ends: at a space outside quotes.
fn argument_end(text: &str) -> usize {
    let mut quoted = false;
    text.find(|c| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    })
    .unwrap_or(text.len())
}

fn unquote(argument: &str) -> String {
    let (argument, quoted) = argument.strip_prefix('"').map_or((argument, false), |rest| (rest, true));
    // As in the kernel, an equals sign that comes first is part of the name.
    let equals = argument.char_indices().skip(1).find_map(|(position, c)| (c == '=').then_some(position));
    let (name, value) = equals
        .and_then(|position| argument.split_at_checked(position))
        .map_or((argument, None), |(name, value)| (name, value.strip_prefix('=')));
    let close = |text: &str, quoted: bool| {
        let closed = if quoted { text.strip_suffix('"') } else { None };
        closed.unwrap_or(text).to_owned()
    };
    match value {
        None => close(name, quoted),
        Some(value) => {
            let (value, opened) = value.strip_prefix('"').map_or((value, false), |rest| (rest, true));
            format!("{name}={}", close(value, quoted || opened))
        }
    }
}

/// x86 kernels keep 2047 bytes and drop the rest; GRUB puts `BOOT_IMAGE=` before its text.
pub(super) const MAX_COMMAND_LINE: usize = 2047 - "BOOT_IMAGE=".len();
