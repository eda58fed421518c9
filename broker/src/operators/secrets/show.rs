//! `GET /v1/secrets/show?path=…`: metadata of a secret, never its value.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::registry::SecretError;

use crate::api::secrets::ShowSecret;
use crate::broker::Broker;
use crate::operators::principal::{Act, Queried};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    Queried { principal, query }: Queried<ShowSecret>,
) -> Result<HttpResponse, HttpProblem> {
    let ShowSecret { path } = query;
    let permit = principal.authorize(Act::ReadObjects, path.namespace())?;
    let secret = broker.keystore.permitted(&permit).secret(&path).await?;
    answer(&secret.ok_or(SecretError::Unknown { path })?)
}
