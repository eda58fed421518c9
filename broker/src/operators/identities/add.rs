//! `POST /v1/identities/add`: makes the next identity.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::taken::read_again;
use crate::api::identities::ChangedIdentity;
use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn post(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ManageKeyring)?;
    let broker = broker.into_inner();
    let identity = broker.keystore.add_identity(principal.by(&permit)).await?;
    read_again(&broker).await?;
    answer(&ChangedIdentity { identity })
}
