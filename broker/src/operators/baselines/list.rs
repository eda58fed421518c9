//! `GET /v1/baselines`: the baselines that the operator may read, with state and expiry.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::clock;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let readable = principal.permits(Act::ReadObjects);
    answer(&broker.keystore.permitted_lists(&readable).baselines(clock::now()).await?)
}
