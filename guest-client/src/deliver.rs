//! How secrets leave this program, and what protects them on the way.
//!
//! | way | protected by | gone |
//! |---|---|---|
//! | [`descriptor`]: stdout, or an open descriptor | written without a buffer in between; a terminal has to be allowed | with its reader |
//! | [`private_file`] | owner and permissions from the start, a folder that nobody else can change, no foreign links; whole or not at all | when it is removed |
//! | [`memory_file`]: an inherited descriptor | exists in memory only, sealed, readable by its owner | with the last process that holds it |
//! | [`tmpfs`] | a mount that only the command and its children see, never swapped out where the kernel can do that | with the last process that sees it |
//! | [`environment`] | nothing: variables leak easily | with the command |
//!
//! [`command`] becomes the command that is handed the last three, as another [`user`] if asked. Text made of secrets is erased when
//! it is dropped ([`json`]). Before a secret is requested, everything that its delivery needs is opened, checked and made, and the memory
//! of this process is protected ([`memory`](vouchsafe_guest_client::memory)). Not guaranteed: that the kernel never swaps out the memory
//! of the command.

pub(crate) mod account;
pub(crate) mod command;
pub(crate) mod descriptor;
mod environment;
pub(crate) mod json;
mod memory_file;
pub(crate) mod private_file;
mod tmpfs;
mod user;
