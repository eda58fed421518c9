//! `GET /v1/policies`: the policies that the operator may read.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::registry::{DocumentKind, DocumentSummary};

use crate::api::policies::ListedPolicy;
use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(broker: Data<Broker>, principal: Principal) -> Result<HttpResponse, HttpProblem> {
    let readable = principal.permits(Act::ReadObjects);
    let lists = broker.keystore.permitted_lists(&readable);
    let policies = lists.documents(DocumentKind::Policy).await?;
    let found = lists.policy_findings(principal.at).await?;
    let listed = policies.into_iter().map(|DocumentSummary { name, version, revoked }| {
        let findings = found.iter().filter(|found| found.policy == name);
        let findings =
            findings.flat_map(|found| found.findings.as_slice()).map(ToString::to_string).collect();
        ListedPolicy { name, version, revoked, findings }
    });
    answer(&listed.collect::<Vec<_>>())
}
