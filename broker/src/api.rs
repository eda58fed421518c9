//! The JSON of the operators' interface: requests, queries and answers, one file per resource.
//!
//! Handlers, the command line and tests share these types, and a test compares `openapi.yaml` with all of
//! them. Requests and queries reject unknown members; answers may gain members in later versions. Times are
//! seconds since 1970, versions count from 1, bytes are base64url without padding. What guests exchange with
//! the broker is in [`vouchsafe_protocol::messages`].

pub mod baselines;
pub mod chips;
pub mod collateral;
pub mod decisions;
pub mod documents;
pub mod guardrails;
pub mod identities;
pub mod info;
pub mod keyring;
pub mod operators;
pub mod policies;
pub mod proposals;
pub mod readiness;
pub mod secrets;
pub mod volumes;

/// The answer of every listener to a request that it does not serve.
pub use vouchsafe_protocol::problem::Problem;

#[cfg(test)]
mod tests;
