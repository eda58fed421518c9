//! `POST /v1/collateral/import`: the body is one file or a bundle.
//!
//! A bundle must be signed by this broker, as its present identity or a previous one, or by the one that the operator names in `signed_by`. With
//! `measurement` the file is a launch endorsement for it; otherwise its kind is detected from its form.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_attestation::collateral::{ItemError, is_bundle};
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::bundle::Bundle;
use vouchsafe_protocol::limits::MAX_REQUEST;

use crate::api::collateral::ImportCollateral;
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::{answer, blocking};
use crate::operators::submission::QueriedSubmission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    QueriedSubmission { principal, body, query: how }: QueriedSubmission<ImportCollateral>,
) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ManageCollateral)?;
    let (is_bundle, at) = (is_bundle(body.as_slice()), principal.at);
    if !is_bundle && body.as_slice().len() > MAX_REQUEST {
        return Err(HttpProblem::for_operator(
            ReasonCode::RequestTooLarge,
            "only a bundle may be that large",
        ));
    }
    let import = move || {
        let (collateral, file) = (broker.collateral_service().managed(&permit)?, body.as_slice());
        if !is_bundle {
            return collateral.import(file, how.measurement, at);
        }
        let bundle = Bundle::parse(file).map_err(ItemError::from)?;
        let own = Some(bundle.signer()).filter(|signer| broker.identities().has_signed_as(signer));
        let signer = how.signed_by.or(own).unwrap_or_else(|| broker.identity());
        collateral.import_bundle(bundle, &signer, at)
    };
    answer(&blocking(import).await?)
}
