//! Runs a configuration.

use super::error::ScriptError;
use super::guide::{Guide, Variables, is_changeable};
use super::parse::{Arm, Command, Node, Part, Word, parse};

/// An action of GRUB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It runs a command.
    Command(String),
    /// It reads the next file of its configuration.
    File,
    /// It reads the kernel and measures this command line.
    Kernel(String),
    /// It reads this initrd.
    Initrd(String),
}

/// What a configuration is followed with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Inputs<'a> {
    /// The files, in the order in which GRUB reads them.
    pub(crate) files: &'a [&'a str],
    /// The commands of an earlier boot from the first file on.
    pub(crate) earlier: Option<&'a [&'a str]>,
    /// GRUB's environment block, which `load_env` reads: `name=value`, one a line.
    pub(crate) environment: &'a str,
}

/// Interprets the files of a configuration, starting with the first.
pub(crate) fn run(inputs: Inputs<'_>) -> Result<Vec<Step>, ScriptError> {
    let mut machine = Machine {
        inputs,
        guide: inputs.earlier.map(Guide::new),
        read: 0,
        variables: Variables::new(),
        functions: Vec::new(),
        entries: Vec::new(),
        steps: Vec::new(),
        calls: 0,
    };
    machine.read_file()?;
    if machine.read != inputs.files.len() {
        return Err(ScriptError::Files { given: inputs.files.len(), read: machine.read });
    }
    machine.start_entry()?;
    Ok(machine.steps)
}

/// An entry of the menu.
struct Entry {
    title: String,
    id: Option<String>,
    /// `None` for a menu within the menu.
    block: Option<String>,
}

struct Machine<'a> {
    inputs: Inputs<'a>,
    guide: Option<Guide<'a>>,
    read: usize,
    variables: Variables,
    functions: Vec<(String, Vec<Node>)>,
    entries: Vec<Entry>,
    steps: Vec<Step>,
    /// Calls of functions within calls.
    calls: usize,
}

impl Machine<'_> {
    fn read_file(&mut self) -> Result<(), ScriptError> {
        let too_few = ScriptError::Files { given: self.inputs.files.len(), read: self.read + 1 };
        let text = *self.inputs.files.get(self.read).ok_or(too_few)?;
        self.read += 1;
        self.steps.push(Step::File);
        self.run(&parse(text)?, &[])?;
        Ok(())
    }

    /// Runs statements, and returns the result of the last one if it is known. `after` is what follows them.
    fn run(&mut self, nodes: &[Node], after: &[Node]) -> Result<Option<bool>, ScriptError> {
        let mut result = Some(true);
        let mut rest = nodes;
        while let Some((node, others)) = rest.split_first() {
            rest = others;
            result = match node {
                Node::Command(command) => self.command(command)?,
                Node::Function(name, body) if self.guide.is_some() => {
                    self.functions.insert(0, (name.clone(), body.clone()));
                    Some(true)
                }
                Node::If(arms, otherwise) if self.guide.is_some() => {
                    let after = if rest.is_empty() { after } else { rest };
                    self.alternatives(arms, otherwise, after)?
                }
                Node::Function(..) => return Err(ScriptError::Command { command: "function".to_owned() }),
                Node::If(..) => return Err(ScriptError::Command { command: "if".to_owned() }),
            };
        }
        Ok(result)
    }

    fn alternatives(
        &mut self,
        arms: &[Arm],
        otherwise: &[Node],
        after: &[Node],
    ) -> Result<Option<bool>, ScriptError> {
        let mut arms = arms;
        while let Some((arm, others)) = arms.split_first() {
            arms = others;
            let other = match others.first() {
                Some(other) => other.condition.as_slice(),
                None if otherwise.is_empty() => after,
                None => otherwise,
            };
            let result = self.run(&arm.condition, &[])?;
            if result.map_or_else(|| self.decide(&arm.body, other), Ok)? {
                return self.run(&arm.body, after);
            }
        }
        self.run(otherwise, after)
    }

    /// Whether the earlier boot went on with the first of two alternatives.
    fn decide(&self, body: &[Node], other: &[Node]) -> Result<bool, ScriptError> {
        let went_on = |nodes: &[Node]| {
            let first = first_command(nodes)?;
            Some(self.guide.as_ref()?.goes_on_with(first, &self.variables))
        };
        match (went_on(body), went_on(other)) {
            (Some(true), Some(false) | None) => Ok(true),
            (Some(false) | None, Some(true)) | (Some(false), None) => Ok(false),
            _ => {
                let last = self.steps.iter().rev().find_map(|step| match step {
                    Step::Command(text) => Some(text.clone()),
                    _ => None,
                });
                Err(ScriptError::Condition { command: last.unwrap_or_default() })
            }
        }
    }

    fn command(&mut self, command: &Command) -> Result<Option<bool>, ScriptError> {
        if self.steps.len() >= MAX_STEPS {
            return Err(ScriptError::TooDeep);
        }
        let words = self.words(command)?;
        // The next command changes it.
        self.variables.remove("?");
        let Some((name, arguments)) = words.split_first() else { return Ok(None) };
        let mut text = words.join(" ");
        if let Some(block) = &command.block {
            text = format!("{text} {{{block}}}");
        }
        let followed = self.guide.as_mut().map(|guide| guide.follow(&text));
        if followed == Some(false) && !is_changeable(&text) {
            return Err(ScriptError::Differs { command: text });
        }
        self.steps.push(Step::Command(text));
        match (name.as_str(), &command.block) {
            ("menuentry", Some(block)) => self.add_entry(arguments, Some(block.clone())),
            ("submenu", Some(_)) if self.guide.is_some() => self.add_entry(arguments, None),
            ("set", None) => self.set(arguments.first()),
            ("source" | "configfile" | ".", None) => self.read_file()?,
            ("linux" | "linuxefi", None) => {
                let plain = |argument: &String| !argument.contains([' ', '"', '\'', '\\']);
                if !arguments.iter().all(plain) {
                    return Err(ScriptError::Quoting);
                }
                self.steps.push(Step::Kernel(arguments.join(" ")));
            }
            ("initrd" | "initrdefi", None) => {
                self.steps.extend(arguments.iter().cloned().map(Step::Initrd));
            }
            ("unset", None) => {
                let empty = arguments.iter().map(|name| (name.clone(), String::new()));
                self.variables.extend(empty);
            }
            (plain, None) if PLAIN.contains(&plain) => {}
            (_, None) if self.guide.is_some() => return self.guided(name, arguments),
            _ => return Err(ScriptError::Command { command: name.clone() }),
        }
        Ok(Some(true))
    }

    /// A command that the earlier boot ran, too. Returns its result if it is known.
    fn guided(&mut self, name: &str, arguments: &[String]) -> Result<Option<bool>, ScriptError> {
        if let Some((_, body)) = self.functions.iter().find(|(function, _)| function == name) {
            return self.call(&body.clone(), arguments);
        }
        if name == "[" || name == "test" {
            return Ok(tested(arguments));
        }
        if name == "blscfg" {
            return Err(ScriptError::Command { command: name.to_owned() });
        }
        if name == "load_env" {
            let lines = self.inputs.environment.lines().filter(|line| !line.starts_with('#'));
            let read = lines.filter_map(|line| line.split_once('='));
            self.variables.extend(read.map(|(name, value)| (name.to_owned(), value.to_owned())));
            return Ok(Some(true));
        }
        if name.contains('=') {
            self.set(Some(&name.to_owned()));
            return Ok(Some(true));
        }
        // What the machine puts into variables is known from where they are used.
        let mut arguments = arguments.iter().peekable();
        while let Some(argument) = arguments.next() {
            if let Some(variable) = argument.strip_prefix("--set=") {
                self.variables.remove(variable);
            } else if argument == "--set" {
                let variable = arguments.peek().map_or("root", |next| next.as_str());
                self.variables.remove(variable);
            } else if name.starts_with("search.") && arguments.peek().is_none() {
                self.variables.remove(argument);
            }
        }
        Ok(None)
    }

    fn call(&mut self, body: &[Node], arguments: &[String]) -> Result<Option<bool>, ScriptError> {
        self.calls += 1;
        if self.calls > MAX_CALLS {
            return Err(ScriptError::TooDeep);
        }
        for number in 1..=9_usize {
            let argument = arguments.get(number - 1).cloned().unwrap_or_default();
            self.variables.insert(number.to_string(), argument);
        }
        let result = self.run(body, &[]);
        self.calls -= 1;
        result
    }

    fn set(&mut self, assignment: Option<&String>) {
        if let Some((variable, value)) = assignment.and_then(|text| text.split_once('=')) {
            self.variables.insert(variable.to_owned(), value.to_owned());
        }
    }

    fn add_entry(&mut self, arguments: &[String], block: Option<String>) {
        let title = arguments.first().cloned().unwrap_or_default();
        let id = arguments.iter().skip_while(|argument| *argument != "--id").nth(1).cloned();
        self.entries.push(Entry { title, id, block });
    }

    /// The words of a command with the values of variables.
    fn words(&mut self, command: &Command) -> Result<Vec<String>, ScriptError> {
        if let Some(guide) = &self.guide
            && unknown(command, &self.variables).is_some()
            && let Some(values) = guide.values(command, &self.variables)
        {
            self.variables.extend(values);
        }
        if let Some(name) = unknown(command, &self.variables) {
            return Err(ScriptError::Variable { name: name.to_owned() });
        }
        let expanded = command.words.iter().flat_map(|word| expand(word, &self.variables));
        Ok(expanded.collect())
    }

    /// The entry that `default` names by number, title or id, or the first.
    fn start_entry(&mut self) -> Result<(), ScriptError> {
        if self.entries.is_empty() && self.steps.iter().any(|step| matches!(step, Step::Kernel(_))) {
            // Without a menu, `linux` and `boot` are in the file itself.
            return Ok(());
        }
        let default = self.variables.get("default").map_or("0", String::as_str);
        let entry = match default.parse::<usize>() {
            Ok(number) => self.entries.get(number),
            Err(_) => self
                .entries
                .iter()
                .find(|entry| entry.title == default || entry.id.as_deref() == Some(default)),
        };
        let (title, block) = entry
            .and_then(|entry| Some((entry.title.clone(), entry.block.clone()?)))
            .ok_or(ScriptError::NoEntry)?;
        let text = format!("setparams {title}");
        if let Some(guide) = &mut self.guide {
            guide.follow(&text);
        }
        self.steps.push(Step::Command(text));
        self.run(&parse(&block)?, &[])?;
        Ok(())
    }
}

/// The first command of statements.
fn first_command(nodes: &[Node]) -> Option<&Command> {
    nodes.iter().find_map(|node| match node {
        Node::Command(command) => Some(command),
        Node::If(arms, _) => first_command(&arms.first()?.condition),
        Node::Function(..) => None,
    })
}

/// A variable without a value.
fn unknown<'c>(command: &'c Command, variables: &Variables) -> Option<&'c str> {
    command.words.iter().flat_map(|word| &word.parts).find_map(|part| match part {
        Part::Variable { name, .. } if !variables.contains_key(name) => Some(name.as_str()),
        _ => None,
    })
}

/// A word with the values of its variables. Spaces in a value without quotes separate words.
fn expand(word: &Word, variables: &Variables) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_word = word.quoted;
    for part in &word.parts {
        let (text, quoted) = match part {
            Part::Text(text) => (text.as_str(), true),
            Part::Variable { name, quoted } => (variables.get(name).map_or("", String::as_str), *quoted),
        };
        is_word |= quoted || !text.trim().is_empty();
        for (number, piece) in text.split(|c: char| !quoted && c.is_ascii_whitespace()).enumerate() {
            if number > 0 && words.last().is_some_and(|last| !last.is_empty()) {
                words.push(String::new());
            }
            words.last_mut().into_iter().for_each(|last| last.push_str(piece));
        }
    }
    if words.len() > 1 && words.last().is_some_and(String::is_empty) {
        words.pop();
    }
    if is_word { words } else { Vec::new() }
}

/// The result of `[` or `test`, if it follows from the arguments.
fn tested(arguments: &[String]) -> Option<bool> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["]"] => Some(false),
        [text] | [text, "]"] => Some(!text.is_empty()),
        ["-n", text, rest @ ..] if rest.is_empty() || rest == ["]"] => Some(!text.is_empty()),
        ["-z", text, rest @ ..] if rest.is_empty() || rest == ["]"] => Some(text.is_empty()),
        [one, "=" | "==", other, rest @ ..] if rest.is_empty() || rest == ["]"] => Some(one == other),
        [one, "!=", other, rest @ ..] if rest.is_empty() || rest == ["]"] => Some(one != other),
        _ => None,
    }
}

/// Commands that read no file and have no effect on the boot.
const PLAIN: [&str; 8] =
    ["boot", "clear", "echo", "export", "serial", "terminal_input", "terminal_output", "true"];
/// Commands of one boot.
const MAX_STEPS: usize = 10_000;
/// Calls within calls.
const MAX_CALLS: usize = 16;
