//! What the boot does to a request: whether this is an initrd, and whether a shell could open in it.

mod command_line;
mod initrd;

pub use command_line::{ShellRisk, check_command_line};
pub use initrd::Initrd;
