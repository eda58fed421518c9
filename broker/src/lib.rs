//! The broker service and the operator's tool.
//!
//! The only crate with a clock, HTTP servers and outbound HTTP. `attested` verifies requests, `release`
//! answers them; the routes are in [`guests`] and [`operators`].

pub mod admission;
pub mod api;
mod attested;
mod average;
mod baselines;
pub mod body;
pub mod broker;
mod bucket;
mod checkpoints;
pub mod cli;
pub mod clock;
pub mod collateral;
pub mod config;
mod failed;
mod foreign;
pub mod gate;
pub mod guests;
pub mod hardening;
pub mod health;
mod identities;
pub mod keyring_home;
pub mod kms;
pub mod log;
mod methods;
pub mod metrics;
pub mod notify;
pub mod operators;
pub mod pool;
pub mod problem;
mod random;
pub mod refusals;
mod release;
mod reload;
pub mod root_keyring;
mod rounds;
pub mod server;
pub mod service_cas;
#[cfg(test)]
mod testing;
pub mod tls;
mod tokens;
mod traces;
mod tries;
mod wants;

pub use broker::{Broker, StartError};
pub use config::BrokerConfig;
