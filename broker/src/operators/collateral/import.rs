//! `POST /v1/collateral/import`: the body is a file or a bundle.
//!
//! A bundle is taken from this broker itself, or from the one that the operator names in `signed_by`. With
//! `measurement` the file is the launch endorsement for it; else its form says what it is.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Deserialize;
use vouchsafe_protocol::bundle::Bundle;
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::{BrokerIdentity, Digest48, ReasonCode};

use crate::body::Body;
use crate::broker::Broker;
use crate::collateral::{CollateralFileError, is_bundle};
use crate::operators::operator::Act;
use crate::operators::{Operator, Query, answer};
use crate::problem::HttpProblem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    #[serde(default)]
    signed_by: Option<BrokerIdentity>,
    #[serde(default)]
    measurement: Option<Digest48>,
}

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    Query(how): Query<How>,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    operator.must_everywhere(Act::ManageCollateral)?;
    let by = operator.by();
    let (service, file) = (broker.collateral_service(), body.as_slice());
    let status = if is_bundle(file) {
        let signer = how.signed_by.unwrap_or_else(|| broker.identity());
        let bundle = Bundle::parse(file).map_err(refused)?;
        service.import_bundle(bundle, &signer, by.at)?
    } else if file.len() > MAX_REQUEST {
        return Err(HttpProblem::for_operator(
            ReasonCode::RequestTooLarge,
            "only a bundle may be that large",
        ));
    } else {
        service.import(file, how.measurement, by.at)?
    };
    tracing::info!(event = "collateral.imported", operator = by.operator, items = status.items.len());
    answer(&status)
}

fn refused(error: vouchsafe_protocol::bundle::BundleError) -> HttpProblem {
    CollateralFileError::Content(error.into()).into()
}
