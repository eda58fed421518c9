//! The claims from boot loaders' texts, and those that are withheld.

use super::command_line::Ambiguity;
use super::command_line::CommandLine;
use crate::withheld::Withheld;

/// The claims from texts.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) line: Option<CommandLine>,
    pub(super) kernel_path: Option<String>,
    pub(super) arguments: Vec<String>,
    pub(super) grub_commands: Vec<String>,
    pub(super) withheld: Vec<Withheld>,
}

impl Texts {
    /// Withholds claims for this reason.
    pub(super) fn withhold(&mut self, claims: &[&'static str], ambiguity: &Ambiguity) {
        let withheld = claims.iter().map(|claim| Withheld::new(claim, ambiguity.reason(), ambiguity));
        self.withheld.extend(withheld);
    }
}

/// Claims that depend on the kernel's command line.
pub(super) const COMMAND_LINE_CLAIMS: [&str; 3] = ["command_line", "arguments", "words"];
