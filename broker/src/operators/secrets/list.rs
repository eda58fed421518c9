//! `GET /v1/secrets`: the secrets in the namespaces that the operator may read, without values.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let readable = principal.permits(Act::ReadObjects);
    answer(&broker.keystore.permitted_lists(&readable).secrets().await?)
}
