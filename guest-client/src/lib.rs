//! Runs inside the VM: collects evidence, requests secrets, opens them.
//!
//! Nothing here decides whether evidence is valid: the broker does. The library decides which answers to
//! trust: it opens only one that a pinned identity signed, for its own request.
//!
//! | step | module |
//! |---|---|
//! | collect from the vTPM | [`vtpm`] |
//! | collect from the processor | [`hardware`], [`platform`] |
//! | have Google vouch for this VM | [`google_token`] |
//! | bind the pieces to each other and to the request | [`evidence`] |
//! | ask, ask again, open | [`client`] |
//! | carry requests | [`transport`] |
//! | what to ask, and whom to trust | [`config`] |
//! | tell initrd from system, and rule out shells | [`boot`] |
//! | close the boot-phase latch | [`latch`] |
//! | check the header of an encrypted volume | [`luks`] |
//! | open what the Clevis pin encrypted | [`clevis`] |
//! | predict what the next boot will measure (feature `updates`) | `update` |
//! | keep secrets in memory | [`memory`] |
//! | say what this VM can prove | [`doctor`] |

pub mod boot;
pub mod clevis;
pub mod client;
pub mod config;
pub mod doctor;
pub mod evidence;
pub mod google_token;
pub mod hardware;
pub mod latch;
pub mod luks;
pub mod memory;
pub mod platform;
pub mod transport;
#[cfg(feature = "updates")]
pub mod update;
pub mod vtpm;

pub use client::{Client, FetchError, Release};
pub use config::GuestConfig;
pub use evidence::{CollectRequest, EvidenceSource, LocalEvidence};
