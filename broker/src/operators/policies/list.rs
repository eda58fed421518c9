//! `GET /v1/policies`: the policies that the operator may read.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::store::{DocumentKind, DocumentSummary};

use crate::api::policies::ListedPolicy;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, operator: Operator) -> Result<HttpResponse, HttpProblem> {
    let mut policies = broker.keystore.documents(DocumentKind::Policy).await?;
    policies.retain(|policy| operator.may(Act::ReadObjects, policy.name.namespace()));
    let found = broker.keystore.policy_findings(operator.by().at).await?;
    let listed = policies.into_iter().map(|DocumentSummary { name, version, revoked }| {
        let findings = found.iter().filter(|found| found.policy == name);
        let findings =
            findings.flat_map(|found| found.findings.as_slice()).map(ToString::to_string).collect();
        ListedPolicy { name, version, revoked, findings }
    });
    answer(&listed.collect::<Vec<_>>())
}
