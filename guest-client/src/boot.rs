//! What the boot does to a request: whether this is an initrd, whether a shell could open in it, and what runs after it.

mod command_line;
mod initrd;
mod root;

pub use command_line::{ShellRisk, check_command_line};
pub use initrd::Initrd;
pub use root::{NotUnlocked, RECOVERY_MARK, RUNTIME_FOLDER, check_root};
