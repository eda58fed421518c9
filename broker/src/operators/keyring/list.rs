//! `GET /v1/keyring`: the generations, and what needs each.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::keyring::Generation;
use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ManageKeyring)?;
    let all = broker.keystore.permitted(&permit).generations().await?.into_iter().map(|found| Generation {
        generation: found.generation.id,
        state: found.generation.state,
        created_at: found.generation.created_at,
        retired_at: found.generation.retired_at,
        rows: found.rows.into_iter().map(|(table, count)| (table.to_owned(), count)).collect(),
    });
    answer(&all.collect::<Vec<_>>())
}
