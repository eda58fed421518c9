//! Why what GRUB does cannot be predicted.

/// Why the commands that GRUB will run cannot be predicted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// What a command does, or whether it reads files, depends on the machine.
    #[error("GRUB's configuration runs {command:?}, which depends on the machine")]
    Command {
        /// Its name.
        command: String,
    },
    /// A variable that the file does not set.
    #[error("GRUB's configuration uses ${name}, which it does not set")]
    Variable {
        /// Its name.
        name: String,
    },
    /// A quote or a block is not closed.
    #[error("GRUB's configuration ends within a quote or a block")]
    Unfinished,
    /// More statements within statements, or more of them, than any configuration has.
    #[error("GRUB's configuration is nested too deeply, or runs too many commands")]
    TooDeep,
    /// Which branch is taken depends on the machine, and the earlier boot does not show it.
    #[error("GRUB's configuration tests {command:?}, and the earlier boot does not show with which result")]
    Condition {
        /// The command whose result is unknown.
        command: String,
    },
    /// The earlier boot ran something else here.
    #[error("GRUB's configuration runs {command:?}, which the earlier boot did not run in this place")]
    Differs {
        /// The command.
        command: String,
    },
    /// Arguments that versions of GRUB write differently into the command line.
    #[error("GRUB's configuration has quotes, spaces or backslashes in an argument of the kernel")]
    Quoting,
    /// The configuration reads more files than were given, or fewer.
    #[error("{given} files of GRUB's configuration are given, and {read} are read")]
    Files {
        /// Number of given files.
        given: usize,
        /// Number of files that are read.
        read: usize,
    },
    /// No entry is started.
    #[error("GRUB's configuration starts no entry of its menu")]
    NoEntry,
    /// The entry loads no kernel, or two.
    #[error("the entry that GRUB starts loads {count} kernels")]
    Kernels {
        /// Number of them.
        count: usize,
    },
    /// The command line differs from the one that was given.
    #[error("GRUB's configuration has the command line {found:?}")]
    OtherCommandLine {
        /// The configuration's command line.
        found: String,
    },
    /// The given initrds do not match the configuration.
    #[error("GRUB's configuration loads {count} initrds, and the files given are others")]
    Initrds {
        /// How many it loads.
        count: usize,
    },
}
