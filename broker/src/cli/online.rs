//! Arguments of a command that talks to a broker: its own, and those of the connection. Commands that need no
//! broker do not show the latter.

use clap::Args;

use super::client::Connection;

/// A command's own arguments, with those of the connection.
#[derive(Debug, Args)]
pub(super) struct Online<T: Args> {
    #[command(flatten)]
    pub(super) connection: Connection,
    #[command(flatten)]
    pub(super) arguments: T,
}
