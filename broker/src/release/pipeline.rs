//! The pipeline of a release: decide, unseal, wrap, record.

use vouchsafe_keystore::Keystore;
use vouchsafe_keystore::record::{
    GrantBinding, GrantRecord, GrantedSecret, GuardrailsRef, NewGrant, RecordError,
};
use vouchsafe_policy::{Denial, ReleaseGrant};
use vouchsafe_protocol::messages::{ReleaseAnswer, WrappedSecret};
use vouchsafe_protocol::wrap::{SecretLabel, WrapError};
use vouchsafe_protocol::{Body, BoundRequest, PlaintextSecret, VolumeHeaders};

use super::commit::Action;
use super::decision::{Decision, decide};
use super::error::{Failure, ReleaseError};
use crate::attested::{Session, Verified, instance_name, retry_in};
use crate::traces::Step;

/// The action of a release.
pub(super) enum Release {}

impl Action for Release {
    type Prepared = Prepared;
    type Done = ReleaseAnswer;

    fn prepare(verified: Verified) -> Result<Prepared, Failure> {
        prepare(verified)
    }

    fn record(
        Prepared { verified, grant, answer }: Prepared,
        keystore: &Keystore,
        then: impl FnOnce(Verified, Result<ReleaseAnswer, RecordError>) + Send + 'static,
    ) {
        keystore.record_then(grant, move |result| then(verified, result.map(|_index| answer)));
    }
}

/// An answer that may be sent once its grant is recorded.
pub(super) struct Prepared {
    pub(super) verified: Verified,
    pub(super) grant: NewGrant,
    pub(super) answer: ReleaseAnswer,
}

/// Prepares the answer to a verified request, and the record that must precede it.
pub(super) fn prepare(verified: Verified) -> Result<Prepared, Failure> {
    let session = verified.session();
    let broker = &session.broker;
    let failed = |error: ReleaseError| Failure::new(error, verified.context());

    // 1. Decide. Only a grant continues.
    let decision = decide(&verified).map_err(|error| failed(error.into()))?;
    let is_for_owner = decision.is_for_owner(&verified);
    if decision.verdict.is_ok() || is_for_owner {
        broker.issuers.saw(verified.claims().claims(), session.now);
    }
    let Decision { input, verdict } = decision;
    let grant = verdict.map_err(|denial| denied(&verified, denial, is_for_owner))?;

    let answer = {
        // 2. Unseal exactly what the grant names.
        let unsealing = session.trace.step(Step::Unseal);
        let secrets = broker.keystore.unseal(&grant, &input).map_err(|error| failed(error.into()))?;
        drop(unsealing);

        // 3. Wrap it to the key that the evidence commits to, and sign the answer.
        let _wrapping = session.trace.step(Step::Wrap);
        wrap(session, &grant, &secrets).map_err(|error| failed(error.into()))?
    };

    // 4. Record: this consumes the grant, and spends the nonce.
    let grant = record_of(&verified, grant, input.guardrails());
    Ok(Prepared { verified, grant, answer })
}

/// A denial. While CRLs named by verified certificates are being fetched, the next decision may differ.
pub(super) fn denied(verified: &Verified, denial: Denial, is_for_owner: bool) -> Failure {
    let denial = Box::new(denial);
    let collateral = verified.session().broker.collateral_service();
    match collateral.want_crls(verified.claims().claims().missing_crls()) {
        Some(wait) => {
            let error = ReleaseError::AwaitsCrls { denial, seconds: retry_in(wait) };
            Failure::new(error, verified.context())
        }
        None if is_for_owner => Failure::new(ReleaseError::Denied(denial), verified.context_with_evidence()),
        None => Failure::new(ReleaseError::Denied(denial), verified.context()),
    }
}

fn wrap(
    session: &Session,
    grant: &ReleaseGrant,
    secrets: &[PlaintextSecret],
) -> Result<ReleaseAnswer, WrapError> {
    let labels = grant.secrets().iter().map(|s| SecretLabel { path: s.path(), version: s.version() });
    let labelled: Vec<(SecretLabel<'_>, &PlaintextSecret)> = labels.zip(secrets).collect();
    let wrapped = grant.wrap_key().wrap(&grant.transcript(), &labelled)?;
    let secrets =
        grant.secrets().iter().zip(wrapped.ciphertexts).map(|(granted, ciphertext)| WrappedSecret {
            path: granted.path().clone(),
            version: granted.version(),
            policy_digest: granted.policy_digest(),
            ciphertext,
        });
    let (enc, secrets) = (wrapped.enc, secrets.collect());
    let (identity, request) = (&session.identity, &session.request);
    Ok(ReleaseAnswer::sign(identity, &grant.transcript(), request, session.decision, enc, secrets))
}

/// What a record keeps of the transcript's input.
pub(super) fn binding(bound: &BoundRequest) -> GrantBinding {
    let key = bound.key();
    GrantBinding { broker: *bound.broker(), public_key: key.as_bytes().into(), suite: key.suite() }
}

/// The headers of a release.
fn headers(body: &Body) -> VolumeHeaders {
    match body {
        Body::Release(release) => release.headers().clone(),
        Body::Volume(_) | Body::Proposal(_) => VolumeHeaders::default(),
    }
}

/// Consumes the grant: what remains of it is its record.
fn record_of(verified: &Verified, grant: ReleaseGrant, guardrails: GuardrailsRef) -> NewGrant {
    let session = verified.session();
    let secrets = grant.secrets().iter().map(|granted| GrantedSecret {
        path: granted.path().clone(),
        policy: granted.policy().clone(),
        policy_digest: granted.policy_digest(),
        version: granted.version(),
    });
    let record = GrantRecord {
        at: session.now,
        binding: Some(binding(grant.bound())),
        chips: Vec::new(),
        claims: verified.claims_digest(),
        decision: session.decision,
        epoch: grant.epoch(),
        evidence: Vec::new(),
        guardrails: Some(guardrails),
        headers: headers(grant.bound().body()),
        instance: grant.instance().map(instance_name),
        nonce: grant.nonce(),
        peer: session.peer(),
        secrets: secrets.collect(),
    };
    NewGrant {
        record,
        clock: session.broker.clock.clock(),
        chip: grant.chip().cloned(),
        evidence: verified.evidence().to_vec(),
        nonce_expires_at: session.expires_at,
    }
}
