//! `GET /v1/baselines/show?name=…`: a baseline's text, in its current or the requested version.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::registry::{DocumentError, DocumentKind};

use crate::api::documents::{Document, ShowDocument};
use crate::broker::Broker;
use crate::operators::principal::{Act, Queried};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    Queried { principal, query }: Queried<ShowDocument>,
) -> Result<HttpResponse, HttpProblem> {
    let ShowDocument { name, version } = query;
    let permit = principal.authorize(Act::ReadObjects, name.namespace())?;
    let kind = DocumentKind::Baseline;
    let document = broker.keystore.permitted(&permit).document(kind, &name, version).await?;
    answer(&Document::from(document.ok_or(DocumentError::Unknown { kind, name })?))
}
