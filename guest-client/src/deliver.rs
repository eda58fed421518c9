//! How secrets leave this program, and what protects them on the way.
//!
//! | way | protection | lifetime |
//! |---|---|---|
//! | [`descriptor`]: stdout or an open descriptor | written without a buffer in between; to a terminal only with `--force` | until it is read |
//! | [`private_file`] | owner and permissions from the start, atomic, in a folder that no other user can change | until it is removed |
//! | [`memory_file`]: an inherited descriptor | in memory only, sealed, readable by its owner | until no process holds it |
//! | [`tmpfs`] | a mount that only the command and its children see, not swapped out where the kernel supports that | until no process sees it |
//! | [`key_socket`]: a socket for systemd | to root only, by the name of its peer ([`key_request`]) | until it is read |
//! | [`environment`] | none: variables leak easily | until the command ends |
//!
//! [`command`] runs a command with a memory file, the tmpfs or the environment, as another [`user`] if requested. JSON with secrets is
//! erased when it is dropped ([`json`]). Before a secret is requested, everything that its delivery needs is
//! opened, checked and made, and the memory of this process is protected
//! ([`memory`](vouchsafe_guest_client::memory)). Not guaranteed: that the kernel never swaps out the memory
//! of the command.

pub(crate) mod account;
pub(crate) mod command;
pub(crate) mod descriptor;
mod environment;
pub(crate) mod json;
pub(crate) mod key_request;
pub(crate) mod key_socket;
pub(crate) mod memory_file;
pub(crate) mod private_file;
mod standard;
mod tmpfs;
mod user;
