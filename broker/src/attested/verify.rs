//! Verifies the evidence of a request. Missing collateral is fetched in the background; no request waits for
//! it.

use vouchsafe_attestation::collateral::{Missing, missing, unendorsed};
use vouchsafe_attestation::{Instance, VerifiedClaims, VerifyInputs, verify_with};
use vouchsafe_keystore::record::EvidencePiece;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::request::CarriedLists;

use super::context::{Failure, VerifiedVm, VmContext, instance_name};
use super::error::{RequestError, retry_in};
use super::evidence;
use super::session::{Request, Session};
use crate::collateral::{Asker, Prospect};
use crate::traces::{Running, Step};

/// A request whose evidence has been verified. Only [`Request::verify`] makes one.
///
/// What is requested, and the key to answer to, are read from the claims: that is what the evidence commits
/// to.
pub(crate) struct Verified {
    claims: VerifiedClaims,
    claims_digest: Digest32,
    evidence: Vec<EvidencePiece>,
    lists: CarriedLists,
    /// The last field, so that its room is released after the evidence.
    session: Session,
}

impl Request {
    /// Verifies the evidence, counts the request and queues fetches of endorsements that the evidence lacked.
    pub(crate) fn verify(self) -> Result<Verified, Failure<RequestError>> {
        let mut certified = None;
        let mut step = self.session.trace.step(Step::Verify);
        let claims = match self.verify_evidence(&mut certified, &step) {
            Ok(claims) => claims,
            Err(error) => {
                let error = self.fetch_missing(error, certified.as_deref());
                step.refused(error.code());
                return Err(Failure::new(error, VmContext::of_certificate(certified)));
            }
        };
        drop(step);
        let verified = Verified::new(self, claims);
        let instance = verified.instance().map(instance_name);
        if let Err(limited) = verified.session.count(instance.as_deref()) {
            return Err(Failure::new(limited, verified.context()));
        }
        for endorsement in unendorsed(verified.claims.claims()) {
            verified.session.broker.collateral_service().want(endorsement, Asker::Verified);
        }
        Ok(verified)
    }

    /// Sets `certified` to the instance in the AK certificate, once that is verified.
    fn verify_evidence(
        &self,
        certified: &mut Option<String>,
        step: &Running,
    ) -> Result<VerifiedClaims, RequestError> {
        let broker = &*self.session.broker;
        let loaded = broker.collateral();
        let config = broker.config();
        let inputs = VerifyInputs {
            anchors: &broker.anchors,
            collateral: &loaded.collateral,
            endorsements: &loaded.endorsements,
            audiences: &config.urls,
            now: self.session.now,
            cache: &broker.cache,
        };
        let gate = |instance: Option<&Instance>| {
            *certified = instance.map(instance_name);
            self.session.admit(certified.as_deref()).map_err(RequestError::from)
        };
        let mut verifying = Running::default();
        verify_with(&self.evidence, self.bound.clone(), &inputs, gate, |kind| {
            // The one before ends first.
            drop(std::mem::take(&mut verifying));
            verifying = step.within(Step::VerifyKind(kind));
        })
    }

    /// Queues a fetch of the collateral that this verification lacked. The guest is told when to retry (T44).
    fn fetch_missing(&self, error: RequestError, certified: Option<&str>) -> RequestError {
        let RequestError::Evidence(error) = error else { return error };
        let Some(missing) = missing(&error, &self.evidence) else { return error.into() };
        let asker = self.session.asker(certified);
        let is_issuer = matches!(missing, Missing::Issuer(_));
        match self.session.broker.collateral_service().want(missing, asker) {
            Prospect::Soon(wait) | Prospect::Full(wait) => {
                RequestError::Pending { error, seconds: retry_in(wait) }
            }
            Prospect::Gone(_) if is_issuer => RequestError::Unobtainable(error),
            Prospect::Gone(wait) => RequestError::Pending { error, seconds: retry_in(wait) },
            // A retry cannot succeed until an operator has imported it.
            Prospect::Never => error.into(),
        }
    }
}

impl Verified {
    fn new(request: Request, claims: VerifiedClaims) -> Self {
        let evidence = evidence::pieces(request.evidence);
        let claims_digest = evidence::digest(claims.claims());
        Self { claims, claims_digest, evidence, lists: request.lists, session: request.session }
    }

    /// The verified claims, bound to their request.
    pub(crate) const fn claims(&self) -> &VerifiedClaims {
        &self.claims
    }

    /// SHA-256 of the claims, for the record.
    pub(crate) const fn claims_digest(&self) -> Digest32 {
        self.claims_digest
    }

    /// The evidence, for the record.
    pub(crate) fn evidence(&self) -> &[EvidencePiece] {
        &self.evidence
    }

    /// The component lists that came with the request. They are not verified.
    pub(crate) const fn lists(&self) -> &CarriedLists {
        &self.lists
    }

    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }

    /// The instance, where the evidence names one.
    pub(crate) fn instance(&self) -> Option<&Instance> {
        self.claims.claims().instance()
    }

    /// The VM's context for a refusal.
    pub(crate) fn context(&self) -> VmContext {
        self.vm_context(None)
    }

    /// The VM's context, with its evidence, for a refusal that is worth a durable record.
    pub(crate) fn context_with_evidence(&self) -> VmContext {
        self.vm_context(Some(self.evidence.clone()))
    }

    fn vm_context(&self, evidence: Option<Vec<EvidencePiece>>) -> VmContext {
        let instance = self.instance().map(instance_name);
        VmContext::Verified(Box::new(VerifiedVm { claims: self.claims_digest, instance, evidence }))
    }
}
