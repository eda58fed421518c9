//! The part of GRUB's language that can be interpreted without the machine: commands in sequence, variables
//! that the file itself sets, entries of a menu. A command that depends on the machine (`if`, `search`,
//! `load_env` and so on) ends the interpretation.
//!
//! GRUB measures each command as its words separated by single spaces, after quotes are removed and variables
//! expanded; a block as it is in the file.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

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

/// An action of GRUB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It runs a command.
    Command(String),
    /// It reads the next file of its configuration.
    File,
    /// It reads the kernel and measures this command line.
    Kernel(String),
    /// It reads an initrd.
    Initrd,
}

/// Interprets the files of a configuration, starting with the first.
pub(crate) fn run(files: &[&str]) -> Result<Vec<Step>, ScriptError> {
    let mut machine = Machine { files, ..Machine::default() };
    machine.read_file()?;
    if machine.read != files.len() {
        return Err(ScriptError::Files { given: files.len(), read: machine.read });
    }
    machine.start_entry()?;
    Ok(machine.steps)
}

#[derive(Default)]
struct Machine<'a> {
    files: &'a [&'a str],
    read: usize,
    variables: BTreeMap<String, String>,
    /// Titles and blocks.
    entries: Vec<(String, String)>,
    steps: Vec<Step>,
}

impl Machine<'_> {
    fn read_file(&mut self) -> Result<(), ScriptError> {
        let too_few = ScriptError::Files { given: self.files.len(), read: self.read + 1 };
        let text = *self.files.get(self.read).ok_or(too_few)?;
        self.read += 1;
        self.steps.push(Step::File);
        self.run(text)
    }

    fn run(&mut self, text: &str) -> Result<(), ScriptError> {
        let mut source = Source { text: text.chars().peekable() };
        while let Some(command) = source.command(&self.variables)? {
            self.command(&command)?;
        }
        Ok(())
    }

    fn command(&mut self, command: &Command) -> Result<(), ScriptError> {
        let Some((name, arguments)) = command.words.split_first() else { return Ok(()) };
        let mut text = command.words.join(" ");
        if let Some(block) = &command.block {
            text = format!("{text} {{{block}}}");
        }
        match (name.as_str(), &command.block) {
            ("menuentry", Some(block)) => {
                let title = arguments.first().cloned().unwrap_or_default();
                self.entries.push((title, block.clone()));
                self.steps.push(Step::Command(text));
            }
            ("set", None) => {
                let assignment = arguments.first().and_then(|argument| argument.split_once('='));
                if let Some((variable, value)) = assignment {
                    self.variables.insert(variable.to_owned(), value.to_owned());
                }
                self.steps.push(Step::Command(text));
            }
            ("source" | "configfile" | ".", None) => {
                self.steps.push(Step::Command(text));
                self.read_file()?;
            }
            ("linux" | "linuxefi", None) => {
                let plain = |argument: &String| !argument.contains([' ', '"', '\'', '\\']);
                if !arguments.iter().all(plain) {
                    return Err(ScriptError::Quoting);
                }
                self.steps.push(Step::Command(text));
                self.steps.push(Step::Kernel(arguments.join(" ")));
            }
            ("initrd" | "initrdefi", None) => {
                self.steps.push(Step::Command(text));
                self.steps.extend(arguments.iter().map(|_| Step::Initrd));
            }
            (plain, None) if PLAIN.contains(&plain) => self.steps.push(Step::Command(text)),
            _ => return Err(ScriptError::Command { command: name.clone() }),
        }
        Ok(())
    }

    /// The entry whose number is in `default`, or the first.
    fn start_entry(&mut self) -> Result<(), ScriptError> {
        let number = match self.variables.get("default") {
            Some(number) => number.parse().map_err(|_| ScriptError::NoEntry)?,
            None => 0_usize,
        };
        if self.entries.is_empty() && self.steps.iter().any(|step| matches!(step, Step::Kernel(_))) {
            // Without a menu, `linux` and `boot` are in the file itself.
            return Ok(());
        }
        let (title, block) = self.entries.get(number).cloned().ok_or(ScriptError::NoEntry)?;
        self.steps.push(Step::Command(format!("setparams {title}")));
        self.run(&block)
    }
}

/// One command, its words expanded.
struct Command {
    words: Vec<String>,
    block: Option<String>,
}

/// The text being parsed.
struct Source<'a> {
    text: Peekable<Chars<'a>>,
}

impl Source<'_> {
    /// The next command; `None` at the end.
    fn command(&mut self, variables: &BTreeMap<String, String>) -> Result<Option<Command>, ScriptError> {
        let mut command = Command { words: Vec::new(), block: None };
        while let Some(&next) = self.text.peek() {
            match next {
                '\n' | ';' => {
                    self.text.next();
                    if !command.words.is_empty() {
                        break;
                    }
                }
                c if c.is_ascii_whitespace() => {
                    self.text.next();
                }
                '#' => while self.text.next_if(|c| *c != '\n').is_some() {},
                '{' if !command.words.is_empty() => {
                    self.text.next();
                    command.block = Some(self.block()?);
                }
                '|' | '&' | '<' | '>' | '{' | '}' | '(' | ')' if command.words.is_empty() => {
                    return Err(ScriptError::Command { command: next.to_string() });
                }
                _ => command.words.push(self.word(variables)?),
            }
        }
        Ok((!command.words.is_empty()).then_some(command))
    }

    /// The text between braces, as it is.
    fn block(&mut self) -> Result<String, ScriptError> {
        let (mut depth, mut quote, mut text) = (1, None, String::new());
        for c in self.text.by_ref() {
            match (c, quote) {
                ('\'' | '"', None) => quote = Some(c),
                (_, Some(open)) if c == open => quote = None,
                ('{', None) => depth += 1,
                ('}', None) => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(text);
            }
            text.push(c);
        }
        Err(ScriptError::Unfinished)
    }

    fn word(&mut self, variables: &BTreeMap<String, String>) -> Result<String, ScriptError> {
        let (mut word, mut quote) = (String::new(), None);
        while let Some(&c) = self.text.peek() {
            if quote.is_none() && (c.is_ascii_whitespace() || c == ';') {
                return Ok(word);
            }
            self.text.next();
            match (c, quote) {
                ('\'' | '"', None) => quote = Some(c),
                (_, Some(open)) if c == open => quote = None,
                ('\\', None) => word.extend(self.text.next()),
                // Within double quotes a backslash only escapes these.
                ('\\', Some('"')) => match self.text.next_if(|next| ['$', '"', '\\'].contains(next)) {
                    Some(next) => word.push(next),
                    None => word.push(c),
                },
                ('$', None | Some('"')) => word.push_str(&self.variable(variables)?),
                _ => word.push(c),
            }
        }
        if quote.is_some() { Err(ScriptError::Unfinished) } else { Ok(word) }
    }

    fn variable(&mut self, variables: &BTreeMap<String, String>) -> Result<String, ScriptError> {
        let braced = self.text.next_if_eq(&'{').is_some();
        let mut name = String::new();
        while let Some(c) = self.text.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if braced && self.text.next_if_eq(&'}').is_none() {
            return Err(ScriptError::Variable { name });
        }
        variables.get(&name).cloned().ok_or(ScriptError::Variable { name })
    }
}

/// Commands that read no file and have no effect on the boot.
const PLAIN: [&str; 9] =
    ["boot", "clear", "echo", "export", "serial", "terminal_input", "terminal_output", "true", "unset"];
