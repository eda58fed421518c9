//! What GRUB does with a configuration.
//!
//! Without the commands of an earlier boot, only what does not depend on the machine is interpreted: commands in
//! sequence, variables that the file itself sets, entries of a menu. `if`, `search`, `load_env` and so on end
//! the interpretation. With them, the configuration is followed beside that boot (`guide.rs`).
//!
//! GRUB measures each command as its words separated by single spaces, after quotes are removed and variables
//! expanded; a block as it is in the file.

mod error;
mod guide;
mod machine;
mod parse;

pub use error::ScriptError;
pub(crate) use machine::{Inputs, Step, run};
