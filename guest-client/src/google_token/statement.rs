//! The request to Google, the statement that it verifies, and the token that it issues.

use std::fmt;

use vouchsafe_protocol::Bytes;

use crate::vtpm::BankQuote;

/// The requested content of a token, in addition to Google's findings.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// Its audience.
    pub audience: &'a str,
    /// The only `eat_nonce`.
    pub nonce: &'a str,
}

/// The evidence for Google, made over Google's nonce.
#[derive(Clone, Debug)]
pub enum Statement {
    /// The vTPM's.
    Vtpm {
        /// One quote per bank, over all its PCRs.
        quotes: Vec<BankQuote>,
        /// The firmware's event log.
        event_log: Vec<u8>,
        /// The AK's certificate, DER.
        ak_certificate: Vec<u8>,
        /// Its issuing CAs, DER; empty to have them fetched from the URL in the certificate.
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
        /// The certificate of the vTPM's AK, DER, if there is a vTPM.
        ak_certificate: Option<Vec<u8>>,
        /// Its issuing CAs, as above.
        issuers: Vec<Bytes>,
    },
}

/// A token, with Google's remarks.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The token, a JWS in compact form.
    pub token: String,
    /// Parts that Google omitted, with reasons.
    pub remarks: Vec<String>,
}

/// Everything except the token.
impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("remarks", &self.remarks).finish_non_exhaustive()
    }
}
