//! `POST /v1/policies/check`: whether a policy would be taken. Stores nothing.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use vouchsafe_policy::Purpose;
use vouchsafe_protocol::{Digest32, ObjectName};

use crate::body::Body;
use crate::broker::Broker;
use crate::operators::document::NewDocument;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

#[derive(Serialize)]
struct Checked {
    name: ObjectName,
    digest: Digest32,
    #[serde(rename = "for")]
    purpose: Option<Purpose>,
    baselines: Vec<ObjectName>,
    /// What the policy takes that may not have been meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let NewDocument { name, text } = body.json()?;
    operator.must(Act::ManagePolicies, name.namespace())?;
    let (policy, notes) = broker.keystore.check_policy(&name, &text, operator.by().at).await?;
    let baselines = policy.baselines().iter().cloned().collect();
    let notes = notes.iter().map(ToString::to_string).collect();
    answer(&Checked { digest: policy.digest(), purpose: policy.purpose(), baselines, notes, name })
}
