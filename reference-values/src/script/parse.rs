//! Parser of GRUB's language: commands, `if`, functions. Blocks of a menu stay text, since GRUB measures them so.

use std::iter::Peekable;
use std::str::Chars;

use super::error::ScriptError;

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A command.
    Command(Command),
    /// Alternatives, tried in order, and what runs if none is chosen.
    If(Vec<Arm>, Vec<Self>),
    /// A function with its body.
    Function(String, Vec<Self>),
}

/// One alternative of an `if`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arm {
    pub(super) condition: Vec<Node>,
    pub(super) body: Vec<Node>,
}

/// A command before its variables are expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) words: Vec<Word>,
    /// Text between the braces after the words.
    pub(super) block: Option<String>,
}

/// A word, in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
    /// Whether it has quotes, so that it is a word even if it is empty.
    pub(super) quoted: bool,
}

/// Part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Variable {
        name: String,
        /// Between double quotes, so that spaces in it separate no words.
        quoted: bool,
    },
}

impl Word {
    /// The text of a word without quotes and variables, such as a keyword.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] if !self.quoted => Some(text),
            _ => None,
        }
    }

    fn push(&mut self, c: char) {
        if let Some(Part::Text(text)) = self.parts.last_mut() {
            text.push(c);
        } else {
            self.parts.push(Part::Text(c.to_string()));
        }
    }
}

/// Parses a file, or a block.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, ScriptError> {
    parse_at(text, 0)
}

fn parse_at(text: &str, depth: usize) -> Result<Vec<Node>, ScriptError> {
    let mut source = Source { text: text.chars().peekable(), depth };
    match source.nodes(&[])? {
        (nodes, None) => Ok(nodes),
        (_, Some(keyword)) => Err(ScriptError::Command { command: keyword }),
    }
}

struct Source<'a> {
    text: Peekable<Chars<'a>>,
    depth: usize,
}

impl Source<'_> {
    /// Statements up to one of these keywords, which is returned, or to the end.
    fn nodes(&mut self, ends: &[&str]) -> Result<(Vec<Node>, Option<String>), ScriptError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ScriptError::TooDeep);
        }
        let mut nodes = Vec::new();
        let mut end = None;
        while let Some(mut command) = self.command()? {
            let keyword = command.words.first().and_then(Word::plain).unwrap_or_default().to_owned();
            if ends.contains(&keyword.as_str()) {
                end = Some((keyword, command));
                break;
            }
            match keyword.as_str() {
                "if" => nodes.push(self.alternatives()?),
                "function" => {
                    let name = command.words.pop().and_then(|word| word.plain().map(str::to_owned));
                    let body = command.block.take();
                    let (Some(name), Some(body)) = (name, body) else { return Err(ScriptError::Unfinished) };
                    nodes.push(Node::Function(name, parse_at(&body, self.depth)?));
                }
                "while" | "until" | "for" | "then" | "elif" | "else" | "fi" | "do" | "done" => {
                    return Err(ScriptError::Command { command: keyword });
                }
                _ => nodes.push(Node::Command(command)),
            }
        }
        self.depth -= 1;
        Ok((nodes, end.map(|(keyword, _)| keyword)))
    }

    /// What follows `if`.
    fn alternatives(&mut self) -> Result<Node, ScriptError> {
        let mut arms = Vec::new();
        loop {
            let condition = self.until(&["then"])?.0;
            let (body, end) = self.until(&["elif", "else", "fi"])?;
            arms.push(Arm { condition, body });
            match end.as_str() {
                "elif" => {}
                "else" => return Ok(Node::If(arms, self.until(&["fi"])?.0)),
                _ => return Ok(Node::If(arms, Vec::new())),
            }
        }
    }

    fn until(&mut self, ends: &[&str]) -> Result<(Vec<Node>, String), ScriptError> {
        let (nodes, end) = self.nodes(ends)?;
        Ok((nodes, end.ok_or(ScriptError::Unfinished)?))
    }

    /// The next command; `None` at the end. `if`, `then`, `elif` and `else` end where the statement after them begins.
    fn command(&mut self) -> Result<Option<Command>, ScriptError> {
        let mut command = Command::default();
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
                _ => {
                    let word = self.word()?;
                    let opens = command.words.is_empty()
                        && word.plain().is_some_and(|word| ["if", "then", "elif", "else"].contains(&word));
                    command.words.push(word);
                    if opens {
                        break;
                    }
                }
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

    fn word(&mut self) -> Result<Word, ScriptError> {
        let (mut word, mut quote) = (Word::default(), None);
        while let Some(&c) = self.text.peek() {
            if quote.is_none() && (c.is_ascii_whitespace() || c == ';') {
                return Ok(word);
            }
            self.text.next();
            match (c, quote) {
                ('\'' | '"', None) => (quote, word.quoted) = (Some(c), true),
                (_, Some(open)) if c == open => quote = None,
                ('\\', None) => self.text.next().into_iter().for_each(|next| word.push(next)),
                // Within double quotes a backslash only escapes these.
                ('\\', Some('"')) => match self.text.next_if(|next| ['$', '"', '\\'].contains(next)) {
                    Some(next) => word.push(next),
                    None => word.push(c),
                },
                ('$', None | Some('"')) => {
                    let name = self.variable()?;
                    word.parts.push(Part::Variable { name, quoted: quote.is_some() });
                }
                _ => word.push(c),
            }
        }
        if quote.is_some() { Err(ScriptError::Unfinished) } else { Ok(word) }
    }

    fn variable(&mut self) -> Result<String, ScriptError> {
        // The result of the last command, and the arguments of a function.
        if let Some(special) = self.text.next_if(|c| ['?', '#', '@', '*'].contains(c)) {
            return Ok(special.to_string());
        }
        let braced = self.text.next_if_eq(&'{').is_some();
        let mut name = String::new();
        while let Some(c) = self.text.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if name.is_empty() || (braced && self.text.next_if_eq(&'}').is_none()) {
            return Err(ScriptError::Variable { name });
        }
        Ok(name)
    }
}

/// Statements within statements.
const MAX_DEPTH: usize = 32;
