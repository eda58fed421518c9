//! The kernel command line, split as the kernel splits it, and why a log may give none.

/// A command line: plain text that every parser splits in the same places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    text: String,
    event: usize,
}

/// What one boot component says about the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It has not measured anything.
    Nothing,
    /// It measured something, but no command line.
    NoLine,
    /// It measured this command line.
    Line(CommandLine),
    /// It measured a command line, but which one or how it is parsed is ambiguous.
    Ambiguous(Ambiguity),
}

/// Why a log gives no command line although it has data for one. `event` is the position in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ambiguity {
    #[error("event {event}: the text in PCR 8 has no label of GRUB's")]
    UnlabelledText { event: usize },
    #[error("event {event}: the text in PCR 8 is not UTF-8 without NUL")]
    NotUtf8 { event: usize },
    /// Its content may be a kernel command line, whatever its label.
    #[error("event {event}: {text:?} begins with no known command of GRUB and may be a kernel command line")]
    Relabelled { event: usize, text: String },
    #[error("event {event}: no linux command explains the text that is labelled as kernel command line")]
    Unexplained { event: usize },
    /// The kernel loaded last runs, but texts can be appended after boot.
    #[error("event {event}: GRUB loaded a second kernel")]
    SecondKernel { event: usize },
    #[error("event {event}: the linux command is not followed by its command line")]
    LineMissing { event: usize },
    #[error("event {event}: GRUB ran a linux command through another command")]
    WrappedLoader { event: usize },
    #[error(
        "event {event}: {text:?} may have changed what GRUB loaded, or led to commands that it does not measure"
    )]
    UnsafeCommand { event: usize, text: String },
    #[error("event {event}: GRUB may have started something else than the kernel it loaded")]
    OtherLoader { event: usize },
    #[error("event {event}: the kernel command line is not UTF-8 text without control characters")]
    NotPlain { event: usize },
    /// In the kernel's `isspace()`, which is Latin-1, byte 0xa0 is a space.
    #[error("event {event}: the kernel command line has a byte 0xa0, which the kernel takes for a space")]
    LatinSpace { event: usize },
    #[error("event {event}: the kernel command line of {size} bytes is longer than the kernel keeps")]
    TooLong { event: usize, size: usize },
    #[error(
        "event {event}: credentials, add-ons or options from beside the image may have changed the command line"
    )]
    OptionsAdded { event: usize },
    #[error("what else was measured may have changed the command line")]
    OptionsChanged,
    #[error("an image ran in a boot option that returned, and may have measured the command line")]
    EarlierOption,
    #[error("more than one boot loader measured options or a command line")]
    SeveralLoaders,
    #[error("the options that the kernel measured are not the command line that the boot loader measured")]
    OtherOptions,
    #[error("the log has only the digest of .cmdline: compare that of the section")]
    DigestOnly,
}

impl From<Result<CommandLine, Ambiguity>> for Source {
    fn from(line: Result<CommandLine, Ambiguity>) -> Self {
        match line {
            Ok(line) => Self::Line(line),
            Err(ambiguity) => Self::Ambiguous(ambiguity),
        }
    }
}

impl Ambiguity {
    /// Its name in records and explanations.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::UnlabelledText { .. } => "grub-text-unlabelled",
            Self::NotUtf8 { .. } => "grub-text-not-utf8",
            Self::Relabelled { .. } => "kernel-command-line-relabelled",
            Self::Unexplained { .. } => "kernel-command-line-unexplained",
            Self::SecondKernel { .. } => "second-kernel-command-line",
            Self::LineMissing { .. } => "kernel-command-line-missing",
            Self::WrappedLoader { .. } => "kernel-loader-wrapped",
            Self::UnsafeCommand { .. } => "grub-command-unsafe",
            Self::OtherLoader { .. } => "other-loader",
            Self::NotPlain { .. } => "kernel-command-line-text",
            Self::LatinSpace { .. } => "kernel-command-line-latin1-space",
            Self::TooLong { .. } => "kernel-command-line-too-long",
            Self::OptionsAdded { .. } | Self::OptionsChanged => "kernel-options-added",
            Self::EarlierOption => "earlier-boot-option",
            Self::SeveralLoaders => "several-boot-loaders",
            Self::OtherOptions => "kernel-options-differ",
            Self::DigestOnly => "kernel-command-line-digest-only",
        }
    }
}

impl CommandLine {
    /// A measured text; it must have no control characters and must not exceed the kernel's limit.
    pub(super) fn new(text: &str, event: usize) -> Result<Self, Ambiguity> {
        if text.chars().any(char::is_control) {
            return Err(Ambiguity::NotPlain { event });
        }
        // The kernel treats a byte 0xa0 inside a UTF-8 sequence as a space.
        if text.bytes().any(|byte| byte == 0xa0) {
            return Err(Ambiguity::LatinSpace { event });
        }
        if text.len() > MAX_COMMAND_LINE {
            return Err(Ambiguity::TooLong { event, size: text.len() });
        }
        Ok(Self { text: text.to_owned(), event })
    }

    /// The event that has it.
    pub(super) const fn event(&self) -> usize {
        self.event
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The arguments as the kernel's `next_arg` yields them: quotes keep spaces together, and are removed
    /// around an argument or its value. The kernel stops at `--`; what follows is for init alone.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        Self::split(&self.text)
    }

    /// The same for an unmeasured text.
    #[must_use]
    pub fn split(text: &str) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut rest = text.trim_start_matches(' ');
        while !rest.is_empty() {
            let (argument, following) = rest.split_at(argument_end(rest));
            let argument = unquote(argument);
            if argument == "--" {
                break;
            }
            arguments.push(argument);
            rest = following.trim_start_matches(' ');
        }
        arguments
    }

    /// The text split at every space, all quotes removed; `--` and what follows it included.
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
    // As in the kernel, a leading equals sign is part of the name.
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
