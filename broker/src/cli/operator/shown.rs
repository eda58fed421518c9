//! Tokens and their ends, for people.

use vouchsafe_protocol::UnixTime;

use crate::api::operators::AddedOperator;
use crate::clock;

/// A new token, which is shown only once.
pub(in crate::cli) fn token(added: &AddedOperator<'_>) -> String {
    let AddedOperator { name, token, expires_at } = added;
    format!("Token of operator {name}, shown this once; it {}:\n\n  {token}\n", end(*expires_at))
}

/// When a token ends.
pub(in crate::cli) fn end(expires_at: Option<UnixTime>) -> String {
    expires_at.map_or_else(|| "never ends".to_owned(), |end| format!("ends at {}", clock::human(end)))
}
