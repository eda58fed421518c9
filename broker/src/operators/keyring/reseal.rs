//! `POST /v1/keyring/reseal`: seals a limited number of rows anew, under the primary generation. The client calls it until
//! none remains.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn post(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ManageKeyring)?;
    answer(&broker.keystore.reseal(principal.by(&permit)).await?)
}
