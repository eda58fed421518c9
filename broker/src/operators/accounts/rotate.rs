//! `POST /v1/operators/rotate`: replaces the token of the request, or of another operator. The caller has generated the new one.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::registry::{HashedToken, Rotation};
use vouchsafe_protocol::ReasonCode;

use crate::api::operators::RotateToken;
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let RotateToken { name, token_id, token_hash, expires_in, overlap } = body.json()?;
    let token = HashedToken { id: token_id, hash: token_hash };
    let rotation = |name| Rotation { name, token: token.clone(), lifetime: expires_in, overlap };
    let rotated = match name.as_deref() {
        // Whoever names an operator keeps the new token for that one, and would go on with the old one.
        Some(name) if name == principal.name() => {
            let detail = "this is the operator of your own token: leave the name out to replace that";
            return Err(HttpProblem::for_operator(ReasonCode::Conflict, detail));
        }
        None => broker.keystore.rotate_token(principal.by_token(), rotation(principal.name())).await?,
        Some(other) => {
            let permit = principal.authorize_everywhere(Act::ManageOperators)?;
            broker.keystore.rotate_token(principal.by(&permit), rotation(other)).await?
        }
    };
    answer(&rotated)
}
