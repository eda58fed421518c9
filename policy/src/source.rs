//! Limits on policy text before it is parsed.
//!
//! Cedar's parser is recursive: a few hundred brackets overflow the stack of an ordinary thread and abort the
//! process, which no error handling can catch. So size, nesting and the length of operator chains are checked
//! first, and the parser runs on a thread with a large stack.

use std::thread;

/// Upper limit of bytes of a policy text.
pub const MAX_TEXT: usize = 64 * 1024;
/// Upper limit for nesting of brackets, of conditions and of unary operators.
pub const MAX_NESTING: usize = 64;
/// Upper limit of operators in one policy.
pub const MAX_OPERATORS: usize = 4096;
/// Upper limit of policies in one text.
pub const MAX_POLICIES: usize = 256;

/// Why a text is not passed to the parser.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Too long.
    #[error("the text has {length} bytes, at most {MAX_TEXT} are read")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Too deep.
    #[error("line {line}: nesting is deeper than {MAX_NESTING}")]
    TooDeep {
        /// The line that exceeds the limit, from 1.
        line: usize,
    },
    /// Too many operators in a policy.
    #[error("line {line}: a policy has more than {MAX_OPERATORS} operators")]
    TooManyOperators {
        /// The line that exceeds the limit, from 1.
        line: usize,
    },
    /// Too many policies.
    #[error("line {line}: there are more than {MAX_POLICIES} policies")]
    TooManyPolicies {
        /// The line that exceeds the limit, from 1.
        line: usize,
    },
    /// The thread for the parser could not be started.
    #[error("no memory for the parser")]
    NoThread,
}

/// A text that is safe to parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource(String);

impl PolicySource {
    /// Counts; parses nothing.
    ///
    /// # Errors
    /// The first limit that is exceeded.
    pub fn new(text: &str) -> Result<Self, SourceError> {
        if text.len() > MAX_TEXT {
            return Err(SourceError::TooLong { length: text.len() });
        }
        let mut counter = Counter { line: 1, ..Counter::default() };
        tokens(text).try_for_each(|(_, token)| counter.count(token))?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The tokens of a text, including comments and blanks, each with its offset in bytes.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let offset = text.len() - rest.len();
        let (token, following) = rest.split_at(token_length(rest, first));
        rest = following;
        Some((offset, token))
    })
}

/// Runs `work` on a thread with a stack large enough for deep recursion.
pub(super) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, SourceError> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("policy-parser".to_owned()).stack_size(STACK);
        let thread = builder.spawn_scoped(scope, work).map_err(|_| SourceError::NoThread)?;
        thread.join().map_err(|_| SourceError::NoThread)
    })
}

#[derive(Default)]
struct Counter {
    line: usize,
    depth: usize,
    conditionals: usize,
    unary: usize,
    operators: usize,
    policies: usize,
}

impl Counter {
    fn count(&mut self, token: &str) -> Result<(), SourceError> {
        let line = self.line;
        self.line += token.matches('\n').count();
        if token.starts_with("//") || token.trim().is_empty() {
            return Ok(());
        }
        self.unary = if matches!(token, "!" | "-") { self.unary + 1 } else { 0 };
        match token {
            "(" | "[" | "{" => self.depth += 1,
            ")" | "]" | "}" => self.depth = self.depth.saturating_sub(1),
            // The end of a policy; unclosed brackets are left to the parser to reject.
            ";" => {
                *self = Self {
                    line: self.line,
                    depth: self.depth,
                    policies: self.policies + 1,
                    ..Self::default()
                };
            }
            "if" => self.conditionals += 1,
            "has" | "like" | "in" | "is" => self.operators += 1,
            _ if token.starts_with(OPERATORS) => self.operators += 1,
            _ => {}
        }
        if self.depth > MAX_NESTING || self.conditionals > MAX_NESTING || self.unary > MAX_NESTING {
            return Err(SourceError::TooDeep { line });
        }
        if self.operators > MAX_OPERATORS {
            return Err(SourceError::TooManyOperators { line });
        }
        if self.policies > MAX_POLICIES {
            return Err(SourceError::TooManyPolicies { line });
        }
        Ok(())
    }
}

/// Length of the first token: a comment, a string, a word, blanks, or a single character.
fn token_length(text: &str, first: char) -> usize {
    let until = |end: fn(char) -> bool| text.find(end).unwrap_or(text.len());
    match first {
        '/' if text.starts_with("//") => until(|c| c == '\n'),
        '"' => string_length(text),
        c if is_word(c) => until(|c| !is_word(c)),
        c if c.is_whitespace() => until(|c| !c.is_whitespace()),
        c => c.len_utf8(),
    }
}

/// Length of a string literal; an unterminated one extends to the end.
fn string_length(text: &str) -> usize {
    let mut escaped = true; // the opening quote
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

const OPERATORS: [char; 11] = ['.', '&', '|', '+', '-', '*', '=', '<', '>', '!', '%'];
const STACK: usize = 64 * 1024 * 1024;
