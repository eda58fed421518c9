//! The API calls, made with Google's client library. Its runtime exists only for one token.

use std::future::Future;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use google_cloud_auth::credentials::{idtoken, mds};
use google_cloud_confidentialcomputing_v1::client::ConfidentialComputing;
use google_cloud_confidentialcomputing_v1::model::tpm_attestation::Quote;
use google_cloud_confidentialcomputing_v1::model::{
    self, Challenge, GcpCredentials, TdxCcelAttestation, TokenOptions, TpmAttestation,
    VerifyAttestationRequest, VerifyAttestationResponse,
};
use tokio::runtime::{Builder, Runtime};
use vouchsafe_protocol::Bytes;

use super::deadline::Deadline;
use super::error::{Call, TokenError, quoted};
use super::statement::{Issued, Statement, TokenRequest};
use super::{issuers, metadata};
use crate::config::{GoogleTokenConfig, TokenType};
use crate::vtpm::BankQuote;

pub(super) fn token<E: From<TokenError>>(
    config: &GoogleTokenConfig,
    request: &TokenRequest<'_>,
    show: impl FnOnce(&[u8]) -> Result<Statement, E>,
) -> Result<Issued, E> {
    let mut session = Session::open(config)?;
    let parent = metadata::parent(config, &session.deadline)?;
    let (challenge, nonce) = session.challenge(&parent)?;
    let statement = show(&nonce)?;
    let message = session
        .with_statement(statement)?
        .set_challenge(&challenge)
        .set_token_options(options(config, request));
    let message = if config.service_account {
        let id_token = session.id_token(&challenge)?;
        message.set_gcp_credentials(GcpCredentials::new().set_service_account_id_tokens([id_token]))
    } else {
        message
    };
    Ok(issued(session.verify(message)?)?)
}

/// One runtime, one client, and the remaining time.
struct Session<'c> {
    config: &'c GoogleTokenConfig,
    deadline: Deadline,
    runtime: Option<Runtime>,
    client: Option<ConfidentialComputing>,
}

impl<'c> Session<'c> {
    fn open(config: &'c GoogleTokenConfig) -> Result<Self, TokenError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(TokenError::Runtime)?;
        let deadline = Deadline::start(config.timeout);
        Ok(Self { config, deadline, runtime: Some(runtime), client: None })
    }

    /// The client, made with the first call. Credentials only come from the metadata server: those in the
    /// environment may belong to another program.
    fn client(&mut self) -> Result<ConfidentialComputing, TokenError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let call = Call::Client;
        let failed = |message: String| TokenError::Unreachable { call, message: quoted(&message) };
        let endpoint = self.config.endpoint.as_str();
        let metadata = self.config.metadata.as_str();
        let client = self.run(call, async {
            let credentials = mds::Builder::default().with_endpoint(metadata).with_scopes([SCOPE]).build();
            let credentials = credentials.map_err(|error| failed(error.to_string()))?;
            let builder =
                ConfidentialComputing::builder().with_endpoint(endpoint).with_credentials(credentials);
            builder.build().await.map_err(|error| failed(error.to_string()))
        })?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// Name and nonce of a new challenge.
    fn challenge(&mut self, parent: &str) -> Result<(String, Vec<u8>), TokenError> {
        let call = Call::CreateChallenge;
        let asked = self.client()?.create_challenge().set_parent(parent).set_challenge(Challenge::new());
        let challenge =
            self.run(call, async { asked.send().await.map_err(|error| refusal(call, &error)) })?;
        if !is_challenge(&challenge.name) {
            let what = format!("challenge {:?}", quoted(&challenge.name));
            return Err(TokenError::Malformed { call, what });
        }
        let nonce =
            STANDARD.decode(&challenge.tpm_nonce).ok().filter(|nonce| (1..=MAX_NONCE).contains(&nonce.len()));
        Ok((challenge.name, nonce.ok_or(TokenError::ChallengeNonce)?))
    }

    /// The id token of the VM's service account, for this challenge only.
    fn id_token(&self, challenge: &str) -> Result<String, TokenError> {
        let call = Call::IdToken;
        let failed = |message: String| TokenError::Credentials { call, message: quoted(&message) };
        let builder = idtoken::mds::Builder::new(challenge)
            .with_endpoint(self.config.metadata.as_str())
            .with_format(idtoken::mds::Format::Full);
        self.run(call, async {
            let credentials = builder.build().map_err(|error| failed(error.to_string()))?;
            credentials.id_token().await.map_err(|error| failed(chain(&error)))
        })
    }

    /// A request with the evidence for Google.
    fn with_statement(&self, statement: Statement) -> Result<VerifyAttestationRequest, TokenError> {
        let message = VerifyAttestationRequest::new();
        Ok(match statement {
            Statement::Vtpm { quotes, event_log, ak_certificate, issuers } => {
                let tpm = TpmAttestation::new()
                    .set_quotes(quotes.into_iter().map(quote))
                    .set_tcg_event_log(event_log);
                message.set_tpm_attestation(self.with_key(tpm, Some(ak_certificate), issuers)?)
            }
            Statement::Tdx { quote, event_log, table, ak_certificate, issuers } => {
                let tdx = TdxCcelAttestation::new()
                    .set_td_quote(quote)
                    .set_ccel_data(event_log)
                    .set_ccel_acpi_table(table);
                message
                    .set_td_ccel(tdx)
                    .set_instance(metadata::instance(self.config, &self.deadline)?)
                    .set_tpm_attestation(self.with_key(TpmAttestation::new(), ak_certificate, issuers)?)
            }
        })
    }

    fn with_key(
        &self,
        tpm: TpmAttestation,
        certificate: Option<Vec<u8>>,
        issuers: Vec<Bytes>,
    ) -> Result<TpmAttestation, TokenError> {
        let Some(certificate) = certificate else { return Ok(tpm) };
        let chain = if issuers.is_empty() { issuers::fetch(&certificate, &self.deadline)? } else { issuers };
        let chain = chain.into_iter().map(|issuer| issuer.0);
        Ok(tpm.set_ak_cert(certificate).set_cert_chain(chain))
    }

    fn verify(&mut self, message: VerifyAttestationRequest) -> Result<VerifyAttestationResponse, TokenError> {
        let call = Call::VerifyAttestation;
        let asked = self.client()?.verify_attestation().with_request(message);
        self.run(call, async { asked.send().await.map_err(|error| refusal(call, &error)) })
    }

    /// Runs `future` within the remaining time.
    fn run<T>(
        &self,
        call: Call,
        future: impl Future<Output = Result<T, TokenError>>,
    ) -> Result<T, TokenError> {
        let rest = self.deadline.rest(call)?;
        let Some(runtime) = &self.runtime else { return Err(self.deadline.late(call)) };
        runtime
            .block_on(async { tokio::time::timeout(rest, future).await })
            .map_err(|_| self.deadline.late(call))?
    }
}

/// A pending name resolution must not delay the boot.
impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn options(config: &GoogleTokenConfig, request: &TokenRequest<'_>) -> TokenOptions {
    let kind = match config.r#type {
        TokenType::Oidc => model::TokenType::Oidc,
        TokenType::Pki => model::TokenType::Pki,
    };
    TokenOptions::new().set_audience(request.audience).set_nonce([request.nonce]).set_token_type(kind)
}

fn quote(BankQuote { algorithm, attest, signature, pcrs }: BankQuote) -> Quote {
    Quote::new()
        .set_hash_algo(algorithm)
        .set_pcr_values(pcrs.into_iter().map(|(pcr, value)| (i32::from(pcr), value)))
        .set_raw_quote(attest)
        .set_raw_signature(signature)
}

/// Whether this is `projects/P/locations/L/challenges/C`: it becomes part of a path, and an audience.
fn is_challenge(name: &str) -> bool {
    let plain = |part: &str| part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.:".contains(&c));
    let named = |part: &str| !part.is_empty() && !part.starts_with('.') && plain(part);
    let parts: Vec<_> = name.split('/').collect();
    matches!(parts.as_slice(), ["projects", project, "locations", location, "challenges", id]
        if named(project) && named(location) && named(id))
}

/// The token in the response, if it looks like one.
fn issued(response: VerifyAttestationResponse) -> Result<Issued, TokenError> {
    let remarks = response.partial_errors.iter().map(|error| quoted(&error.message)).collect();
    let token = response.oidc_claims_token;
    if token.is_empty() {
        return Err(TokenError::NotIssued { remarks });
    }
    // RFC 7515 §7.1: three parts in base64url.
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let part = |part: &str| !part.is_empty() && part.bytes().all(letter);
    if token.split('.').count() != 3 || !token.split('.').all(part) {
        let what = "not a token in compact form".to_owned();
        return Err(TokenError::Malformed { call: Call::VerifyAttestation, what });
    }
    Ok(Issued { token, remarks })
}

/// Maps the library's error. A response that cannot be parsed may contain a token, so its text is omitted.
fn refusal(call: Call, error: &google_cloud_confidentialcomputing_v1::Error) -> TokenError {
    if error.is_authentication() {
        return TokenError::Credentials { call, message: quoted(&chain(error)) };
    }
    if error.is_deserialization() {
        return TokenError::Malformed { call, what: "not the JSON that is documented".to_owned() };
    }
    if error.is_timeout() {
        return TokenError::Unreachable { call, message: "no answer".to_owned() };
    }
    let Some(status) = error.http_status_code() else {
        return TokenError::Unreachable { call, message: quoted(&chain(error)) };
    };
    if status < 400 {
        return TokenError::Malformed { call, what: format!("status {status}") };
    }
    let message = match (error.status(), error.http_payload()) {
        (Some(status), _) => quoted(&status.message),
        (None, Some(payload)) => quoted(&String::from_utf8_lossy(payload)),
        (None, None) => "no reason given".to_owned(),
    };
    TokenError::Refused { call, status, message }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = source.source();
    }
    text
}

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Upper limit of Google's nonce. In a TDX quote for Google it is padded with zeros to 64 bytes; the report
/// data of a release is a digest of 64 bytes. With at least 16 zeros, an attacker who impersonates Google
/// cannot find a nonce that turns one into the other.
const MAX_NONCE: usize = 48;
