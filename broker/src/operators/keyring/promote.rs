//! `POST /v1/keyring/promote`: makes the pending generation the primary one.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::keyring::ChangedGeneration;
use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn post(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ManageKeyring)?;
    let generation =
        broker.keystore.promote_generation(principal.by(&permit), &broker.config().keyring_file()?).await?;
    broker.observe_keyring();
    answer(&ChangedGeneration { generation })
}
