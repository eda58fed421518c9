//! `POST /v1/identities/promote`: makes the next identity the one that signs.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::taken::read_again;
use crate::api::identities::{ChangedIdentity, PromoteIdentity};
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let PromoteIdentity { identity, overlap } = body.json()?;
    let permit = principal.authorize_everywhere(Act::ManageKeyring)?;
    let broker = broker.into_inner();
    broker.keystore.promote_identity(principal.by(&permit), identity, overlap).await?;
    read_again(&broker).await?;
    answer(&ChangedIdentity { identity })
}
