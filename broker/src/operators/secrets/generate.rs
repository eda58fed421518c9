//! `POST /v1/secrets/generate`: a secret that no operator ever sees.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Deserialize;
use vouchsafe_keystore::store::NewVersion;
use vouchsafe_policy::Purpose;
use vouchsafe_protocol::{ObjectName, SecretPath};

use super::put::Version;
use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Generate {
    path: SecretPath,
    #[serde(rename = "for")]
    purpose: Purpose,
    policy: ObjectName,
    #[serde(default)]
    per_instance: bool,
    #[serde(default = "length")]
    length: usize,
}

const fn length() -> usize {
    32
}

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let Generate { path, purpose, policy, per_instance, length } = body.json()?;
    operator.must(Act::ManageSecrets, path.namespace())?;
    let new = NewVersion { path: &path, purpose, policy: &policy };
    let version = if per_instance {
        broker.keystore.generate_per_instance(operator.by(), new).await?
    } else {
        broker.keystore.generate_secret(operator.by(), new, length).await?
    };
    answer(&Version { path, version })
}
