//! `GET /v1/identities`: the identities, and what each is used for.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_protocol::UnixTime;

use crate::api::identities::Identity;
use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let permit = principal.authorize_everywhere(Act::ManageKeyring)?;
    let known = |time: UnixTime| (time.0 > 0).then_some(time);
    let all = broker.keystore.permitted(&permit).identities().await?;
    let listed = all.all().iter().map(|found| Identity {
        identity: found.identity,
        state: found.state,
        created_at: known(found.created_at),
        since: known(found.since),
        accepted_until: all.accepted_until(&found.identity),
    });
    answer(&listed.collect::<Vec<_>>())
}
