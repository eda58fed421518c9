//! The vTPM of a GCE instance: its attestation key, its quote, its PCRs, its firmware log.
//!
//! GCE keeps the AK's certificate and template in NV; the key itself is created from the template each time,
//! and is always the same. Guaranteed here: the key is the one in the certificate, the quote carries the
//! requested nonce, and the PCR values are the quoted ones. Not checked: signatures and certificates, which
//! the broker verifies.

mod address;
mod algorithm;
mod connection;
mod error;
mod event_log;
mod key;
mod nv;
mod pcr;
mod quote;
mod spki;

pub use address::{AddressError, TpmAddress};
pub use algorithm::{AkAlgorithm, AkChoice};
pub use connection::{Vtpm, check_tcti};
pub use error::{QuotePart, Step, VtpmError};
pub use event_log::{DEFAULT_EVENT_LOG, DEFAULT_USERSPACE_LOG, read_event_log, read_userspace_log};
pub use key::AttestationKey;
pub use pcr::BankDigest;
pub use quote::{BankQuote, PCRS, Quote};
pub use spki::{SpkiError, subject_public_key_info};
