//! Tokens of Google Cloud Attestation: Google verifies this VM and states in a signed token what it is and
//! whose.
//!
//! Google issues a nonce and wants it in quotes made for it; they are sent and dropped. The token is bound to
//! a request by the nonce that we ask Google to put into it. Guaranteed here: the token is one that was
//! issued for this challenge, audience and nonce, according to Google; its content is not checked, since the
//! broker verifies it. A token is useful only together with the guest's key, but is never printed
//! nevertheless.

#[cfg(feature = "google")]
mod api;
#[cfg(feature = "google")]
mod deadline;
mod error;
#[cfg(feature = "google")]
mod issuers;
#[cfg(feature = "google")]
mod metadata;
mod statement;

pub use error::{Call, TokenError};
pub use statement::{Issued, Statement, TokenRequest};

use crate::config::GoogleTokenConfig;

/// Whether this build can request tokens.
pub const BUILT_IN: bool = cfg!(feature = "google");

/// Google Cloud Attestation, as configured.
#[derive(Clone, Debug)]
pub struct GoogleAttestation {
    config: GoogleTokenConfig,
}

impl GoogleAttestation {
    /// The service with this configuration. No request is sent.
    ///
    /// # Errors
    /// [`TokenError::LeftOut`] in a build without it.
    pub fn new(config: GoogleTokenConfig) -> Result<Self, TokenError> {
        if BUILT_IN { Ok(Self { config }) } else { Err(TokenError::LeftOut) }
    }

    /// Requests a challenge, has `show` make a statement over its nonce, and has Google issue the token.
    ///
    /// # Errors
    /// [`TokenError`] names the call that failed and Google's error; errors of `show` are returned unchanged.
    pub fn token<E: From<TokenError>>(
        &self,
        request: &TokenRequest<'_>,
        show: impl FnOnce(&[u8]) -> Result<Statement, E>,
    ) -> Result<Issued, E> {
        #[cfg(feature = "google")]
        return api::token(&self.config, request, show);
        #[cfg(not(feature = "google"))]
        {
            // Unreachable: there is no value of this type.
            let _ = (&self.config, request, show);
            Err(TokenError::LeftOut.into())
        }
    }
}
