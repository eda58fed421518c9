//! `POST /v1/keyring/remove`: removes a generation that nothing needs any more.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::keyring::RemoveGeneration;
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::done;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let RemoveGeneration { generation } = body.json()?;
    let permit = principal.authorize_everywhere(Act::ManageKeyring)?;
    let config = broker.config();
    let (by, lifetime) = (principal.by(&permit), config.challenge_ttl.as_secs());
    broker.keystore.remove_generation(by, &config.keyring_file()?, generation, lifetime).await?;
    broker.observe_keyring();
    done()
}
