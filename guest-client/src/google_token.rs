//! Tokens of Google Cloud Attestation: Google looks at this VM and says in a signed token what it is and whose.
//!
//! Google hands out a nonce and wants it in quotes of its own; those are made, sent and forgotten. What binds the
//! token to a request is the nonce that we ask Google to put into it. Guaranteed here: the token is one that was
//! issued for this challenge, audience and nonce, as far as Google says so; nothing in it is looked at, the broker
//! verifies it. A token is worth something to whoever has it only together with the guest's key, but it is never
//! printed either.

#[cfg(feature = "google")]
mod api;
#[cfg(feature = "google")]
mod deadline;
mod error;
#[cfg(feature = "google")]
mod issuers;
#[cfg(feature = "google")]
mod metadata;

use std::fmt;

pub use error::{Call, TokenError};
use vouchsafe_protocol::Bytes;

use crate::config::GoogleTokenConfig;
use crate::evidence::CollectError;
use crate::vtpm::BankQuote;

/// Whether this build can ask for tokens.
pub const BUILT_IN: bool = cfg!(feature = "google");

/// Google Cloud Attestation, as configured.
#[derive(Clone, Debug)]
pub struct GoogleAttestation {
    config: GoogleTokenConfig,
}

/// What a token is to say besides what Google finds out.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// For whom it is.
    pub audience: &'a str,
    /// The one `eat_nonce`.
    pub nonce: &'a str,
}

/// What Google is shown, made over its own nonce.
#[derive(Clone, Debug)]
pub enum Statement {
    /// The vTPM's.
    Vtpm {
        /// One quote a bank, over all its PCRs.
        quotes: Vec<BankQuote>,
        /// The firmware's event log.
        event_log: Vec<u8>,
        /// The AK's certificate, DER.
        ak_certificate: Vec<u8>,
        /// Its issuing CAs, DER; empty to have them fetched from where the certificate says they are.
        issuers: Vec<Bytes>,
    },
    /// The trust domain's.
    Tdx {
        /// The quote.
        quote: Vec<u8>,
        /// The CCEL event log.
        event_log: Vec<u8>,
        /// The ACPI table CCEL.
        table: Vec<u8>,
        /// The certificate of the vTPM's AK, DER, where there is a vTPM.
        ak_certificate: Option<Vec<u8>>,
        /// Its issuing CAs, as above.
        issuers: Vec<Bytes>,
    },
}

/// A token, and what Google remarks about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The token, a JWS in compact form.
    pub token: String,
    /// Parts that Google left out, and why.
    pub remarks: Vec<String>,
}

/// Without the token.
impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("remarks", &self.remarks).finish_non_exhaustive()
    }
}

impl GoogleAttestation {
    /// The service, as `config` says. Nothing is asked of it.
    ///
    /// # Errors
    /// [`TokenError::LeftOut`] in a build without it.
    pub fn new(config: GoogleTokenConfig) -> Result<Self, TokenError> {
        if BUILT_IN { Ok(Self { config }) } else { Err(TokenError::LeftOut) }
    }

    /// Asks for a challenge, has `show` make a statement over its nonce, and has Google issue the token.
    ///
    /// # Errors
    /// [`TokenError`] names the call that failed and what Google said; what `show` says passes through.
    pub fn token(
        &self,
        request: &TokenRequest<'_>,
        show: impl FnOnce(&[u8]) -> Result<Statement, CollectError>,
    ) -> Result<Issued, CollectError> {
        #[cfg(feature = "google")]
        return api::token(&self.config, request, show);
        #[cfg(not(feature = "google"))]
        {
            // Cannot be: there is no value of this type.
            let _ = (&self.config, request, show);
            Err(TokenError::LeftOut.into())
        }
    }
}
