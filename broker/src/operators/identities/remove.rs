//! `POST /v1/identities/remove`: removes the next identity, or the oldest previous one, and erases its key.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::registry::Erasure;

use super::taken::read_again;
use crate::api::identities::{RemoveIdentity, RemovedIdentity};
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let RemoveIdentity { identity } = body.json()?;
    let permit = principal.authorize_everywhere(Act::ManageKeyring)?;
    let broker = broker.into_inner();
    // Once its key is gone, the broker neither signs as it nor relies on what it signed.
    broker.observe_identities().await?;
    broker.sign_collateral().await?;
    let lifetime = broker.config().challenge_ttl.as_secs();
    let erasure = broker.keystore.remove_identity(principal.by(&permit), &identity, lifetime).await?;
    read_again(&broker).await?;
    answer(&RemovedIdentity { erased: erasure == Erasure::Done })
}
