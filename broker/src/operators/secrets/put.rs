//! `POST /v1/secrets/put`: a secret, or a new version of it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use vouchsafe_keystore::store::NewVersion;
use vouchsafe_policy::Purpose;
use vouchsafe_protocol::{Bytes, ObjectName, PlaintextSecret, ReasonCode, SecretPath};

use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    path: SecretPath,
    #[serde(rename = "for")]
    purpose: Purpose,
    policy: ObjectName,
    value: Bytes,
}

/// Which version it became.
#[derive(Serialize)]
pub(super) struct Version {
    pub(super) path: SecretPath,
    pub(super) version: u64,
}

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let Put { path, purpose, policy, value } = body.secret_json()?;
    operator.must(Act::ManageSecrets, path.namespace())?;
    let secret = PlaintextSecret::new(value.0)
        .map_err(|error| HttpProblem::for_operator(ReasonCode::InvalidObject, error.to_string()))?;
    let new = NewVersion { path: &path, purpose, policy: &policy };
    let version = broker.keystore.put_secret(operator.by(), new, &secret).await?;
    answer(&Version { path, version })
}
