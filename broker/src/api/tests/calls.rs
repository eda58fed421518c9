//! Every operation with its request and answer types, and examples of each.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vouchsafe_protocol::messages::{
    ChallengeAnswer, ProposalAnswer, ProposalRequest, ReleaseAnswer, ReleaseRequest, VolumeAnswer,
    VolumeRequest,
};
use vouchsafe_protocol::{Evidence, SuccessionAnswer, bundle::Bundle};

use super::samples::{self, Sample};
use crate::api::baselines::{BaselineSummary, ChangedBaseline, RevokeBaseline};
use crate::api::chips::{ChipPage, ListChips};
use crate::api::collateral::{CollateralStatus, ImportCollateral, RemoveCollateral};
use crate::api::decisions::{Decision, DecisionPage, ListDecisions, ShowDecision};
use crate::api::documents::{Document, NewDocument, ShowDocument, StoredVersion};
use crate::api::guardrails::{Guardrails, GuardrailsReset, GuardrailsVersion, PutGuardrails};
use crate::api::identities::{ChangedIdentity, Identity, PromoteIdentity, RemoveIdentity, RemovedIdentity};
use crate::api::info::Info;
use crate::api::keyring::{ChangedGeneration, Generation, RemoveGeneration, Resealed};
use crate::api::operators::{
    AddedOperator, NewOperator, Operator, RemoveOperator, RotateToken, RotatedToken,
};
use crate::api::policies::{CheckedPolicy, ListedPolicy, PolicyDiff, PolicyDiffRequest};
use crate::api::proposals::{ApproveProposal, ListProposals, Proposal, RejectProposal};
use crate::api::readiness::Readiness;
use crate::api::secrets::{
    ChangeVersion, DestroyedVersion, GenerateSecret, PutSecret, SecretSummary, SecretVersion, SetPolicy,
    ShowSecret,
};
use crate::api::volumes::{ListVolumes, NameVolume, Volume, VolumePage};

/// An operation, and sample values of its parts.
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) query: Vec<Value>,
    pub(super) request: Vec<Value>,
    pub(super) answer: Vec<Value>,
    /// Whether success has no body.
    pub(super) is_silent: bool,
}

pub(super) fn all() -> Vec<Call> {
    let mut all = vec![
        post("/v1/challenge").gives::<ChallengeAnswer>(),
        post("/v1/release").takes::<ReleaseRequest>().gives::<ReleaseAnswer>(),
        post("/v1/volumes").takes::<VolumeRequest>().gives::<VolumeAnswer>(),
        post("/v1/baseline-proposals").takes::<ProposalRequest>().gives::<ProposalAnswer>(),
        get("/v1/info").gives::<Info>(),
        get("/v1/succession").gives::<SuccessionAnswer>(),
        get("/livez"),
        get("/readyz").gives::<Readiness>(),
        get("/metrics"),
    ];
    all.extend(objects());
    all.extend(records());
    all
}

fn objects() -> Vec<Call> {
    vec![
        get("/v1/secrets").lists::<SecretSummary>(),
        get("/v1/secrets/show").asks::<ShowSecret>().gives::<SecretSummary>(),
        post("/v1/secrets/put").takes::<PutSecret>().gives::<SecretVersion>(),
        post("/v1/secrets/generate").takes::<GenerateSecret>().gives::<SecretVersion>(),
        post("/v1/secrets/set-policy").takes::<SetPolicy>().silent(),
        post("/v1/secrets/retire").takes::<ChangeVersion>().silent(),
        post("/v1/secrets/restore").takes::<ChangeVersion>().silent(),
        post("/v1/secrets/destroy").takes::<ChangeVersion>().gives::<DestroyedVersion>(),
        get("/v1/policies").lists::<ListedPolicy>(),
        get("/v1/policies/show").asks::<ShowDocument>().gives::<Document>(),
        post("/v1/policies/check").takes::<NewDocument>().gives::<CheckedPolicy>(),
        post("/v1/policies/diff").takes::<PolicyDiffRequest>().gives::<PolicyDiff>(),
        post("/v1/policies/put").takes::<NewDocument>().gives::<StoredVersion>(),
        get("/v1/baselines").lists::<BaselineSummary>(),
        get("/v1/baselines/show").asks::<ShowDocument>().gives::<Document>(),
        post("/v1/baselines/put").takes::<NewDocument>().gives::<ChangedBaseline>(),
        post("/v1/baselines/revoke").takes::<RevokeBaseline>().gives::<ChangedBaseline>(),
        get("/v1/baseline-proposals").asks::<ListProposals>().lists::<Proposal>(),
        post("/v1/baseline-proposals/approve").takes::<ApproveProposal>().gives::<ChangedBaseline>(),
        post("/v1/baseline-proposals/reject").takes::<RejectProposal>().silent(),
        get("/v1/guardrails").gives::<Guardrails>(),
        post("/v1/guardrails/put").takes::<PutGuardrails>().gives::<GuardrailsVersion>(),
        post("/v1/guardrails/reset").gives::<GuardrailsReset>(),
    ]
}

fn records() -> Vec<Call> {
    vec![
        get("/v1/decisions").asks::<ListDecisions>().gives::<DecisionPage>(),
        get("/v1/decisions/show").asks::<ShowDecision>().gives::<Decision>(),
        get("/v1/decisions/evidence").asks::<ShowDecision>().gives::<Evidence>(),
        get("/v1/chips").asks::<ListChips>().gives::<ChipPage>(),
        get("/v1/volumes").asks::<ListVolumes>().gives::<VolumePage>(),
        get("/v1/volumes/show").asks::<NameVolume>().gives::<Volume>(),
        post("/v1/volumes/forget").takes::<NameVolume>().silent(),
        get("/v1/collateral").gives::<CollateralStatus>(),
        post("/v1/collateral/import").asks::<ImportCollateral>().gives::<CollateralStatus>(),
        get("/v1/collateral/export").gives::<Bundle>(),
        post("/v1/collateral/refresh").gives::<CollateralStatus>(),
        post("/v1/collateral/remove").takes::<RemoveCollateral>().gives::<CollateralStatus>(),
        get("/v1/operators").lists::<Operator>(),
        post("/v1/operators/add").takes::<NewOperator>().gives::<AddedOperator<'static>>(),
        post("/v1/operators/rotate").takes::<RotateToken>().gives::<RotatedToken>(),
        post("/v1/operators/remove").takes::<RemoveOperator>().silent(),
        get("/v1/identities").lists::<Identity>(),
        post("/v1/identities/add").gives::<ChangedIdentity>(),
        post("/v1/identities/promote").takes::<PromoteIdentity>().gives::<ChangedIdentity>(),
        post("/v1/identities/remove").takes::<RemoveIdentity>().gives::<RemovedIdentity>(),
        get("/v1/keyring").lists::<Generation>(),
        post("/v1/keyring/add").gives::<ChangedGeneration>(),
        post("/v1/keyring/promote").gives::<ChangedGeneration>(),
        post("/v1/keyring/reseal").gives::<Resealed>(),
        post("/v1/keyring/remove").takes::<RemoveGeneration>().silent(),
    ]
}

impl Call {
    /// Whether the operation is one for operators.
    pub(super) fn needs_token(&self) -> bool {
        let open =
            ["/v1/challenge", "/v1/release", "/v1/info", "/v1/succession", "/livez", "/readyz", "/metrics"];
        let guests = ["/v1/volumes", "/v1/baseline-proposals"];
        let is_guests = self.method == "POST" && guests.contains(&self.path);
        !open.contains(&self.path) && !is_guests
    }

    fn asks<T: Sample + Serialize + DeserializeOwned>(mut self) -> Self {
        self.query = accepted::<T>();
        self
    }

    fn takes<T: Sample + Serialize + DeserializeOwned>(mut self) -> Self {
        self.request = accepted::<T>();
        self
    }

    fn gives<T: Sample + Serialize + DeserializeOwned>(mut self) -> Self {
        self.answer = T::samples().iter().map(written::<T>).collect();
        self
    }

    fn lists<T: Sample + Serialize + DeserializeOwned>(mut self) -> Self {
        self.answer = vec![Value::Array(T::samples().iter().map(written::<T>).collect())];
        self
    }

    const fn silent(mut self) -> Self {
        self.is_silent = true;
        self
    }
}

const fn get(path: &'static str) -> Call {
    Call { method: "GET", path, query: Vec::new(), request: Vec::new(), answer: Vec::new(), is_silent: false }
}

fn post(path: &'static str) -> Call {
    Call { method: "POST", ..get(path) }
}

/// The JSON of a value; asserts that it parses back to the same JSON.
fn written<T: Serialize + DeserializeOwned>(value: &T) -> Value {
    let written = serde_json::to_value(value).expect("JSON");
    let read: T = serde_json::from_value(written.clone()).expect("what is written can be read");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), written);
    written
}

/// The samples of a request, and every variant that still parses with one member left out. Unknown members
/// must be rejected.
fn accepted<T: Sample + Serialize + DeserializeOwned>() -> Vec<Value> {
    let mut accepted: Vec<Value> = T::samples().iter().map(written::<T>).collect();
    for sample in accepted.clone() {
        let mut places = Vec::new();
        samples::objects(&sample, "", &mut places);
        for place in places {
            let object =
                |value: &Value| value.pointer(&place).and_then(Value::as_object).expect("an object").clone();
            for name in object(&sample).keys() {
                let mut without = sample.clone();
                without.pointer_mut(&place).and_then(Value::as_object_mut).expect("an object").remove(name);
                if serde_json::from_value::<T>(without.clone()).is_ok() {
                    accepted.push(without);
                }
            }
        }
        let mut more = sample.clone();
        more.as_object_mut().expect("an object").insert("unknown".to_owned(), json!(1));
        assert!(serde_json::from_value::<T>(more.clone()).is_err(), "{more}");
    }
    accepted
}
