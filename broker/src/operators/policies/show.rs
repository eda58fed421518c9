//! `GET /v1/policies/show?name=…`: a policy's text, its current version or the one asked for.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::store::{DocumentError, DocumentKind};

use crate::api::documents::{Document, ShowDocument};
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, Query, answer};
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    operator: Operator,
    Query(ShowDocument { name, version }): Query<ShowDocument>,
) -> Result<HttpResponse, HttpProblem> {
    operator.must(Act::ReadObjects, name.namespace())?;
    let kind = DocumentKind::Policy;
    let document = broker.keystore.document(kind, &name, version).await?;
    answer(&Document::from(document.ok_or(DocumentError::Unknown { kind, name })?))
}
