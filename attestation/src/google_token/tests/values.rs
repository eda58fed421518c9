//! The allowed values of claims.

use super::*;

/// Each of these values has the wrong type for the claim.
fn malformed(claim: &'static str, path: &str, values: &[Value]) {
    for value in values {
        let result = with_claim(path, value.clone());
        assert_eq!(result, Err(TokenError::ClaimMalformed { claim }), "{value}");
    }
}

/// `submods` with one member of one module changed, or removed with `Value::Null`.
fn with_module(module: &str, claim: &str, value: Value) -> Result<GoogleTokenClaims, TokenError> {
    let mut submods = confidential_space().claims["submods"].clone();
    let members = submods[module].as_object_mut().unwrap();
    if value.is_null() {
        members.remove(claim);
    } else {
        members.insert(claim.to_owned(), value);
    }
    let mut spec = confidential_space();
    spec.set("submods", submods);
    Verifier::new().verify(&spec.sign(service()))
}

/// A token as issued in Confidential Space.
fn confidential_space() -> TokenSpec {
    let mut spec = spec(TokenKind::Oidc, |_| ()).of_technology(Technology::Tdx);
    spec.set("swname", json!("CONFIDENTIAL_SPACE"));
    spec.set("swversion", json!(["250800"]));
    spec.set("dbgstat", json!("disabled-since-boot"));
    let mut submods = spec.claims["submods"].clone();
    submods["confidential_space"] =
        json!({ "support_attributes": ["STABLE", "USABLE"], "monitoring_enabled": { "memory": false } });
    submods["container"] = json!({
        "image_reference": "example/image@sha256:00",
        "image_digest": "sha256:00",
        "image_id": "sha256:01",
        "restart_policy": "Never",
        "args": ["/bin/app", "--flag"],
        "env": { "TOKEN": "a secret" },
    });
    spec.set("submods", submods);
    spec
}

#[test]
fn every_technology_has_its_name() {
    for technology in
        [Technology::None, Technology::Sev, Technology::SevEs, Technology::SevSnp, Technology::Tdx]
    {
        let token = spec(TokenKind::Oidc, |_| ()).of_technology(technology).sign(service());
        assert_eq!(Verifier::new().verify(&token).unwrap().technology, technology);
    }
    let unknown = |found: &str| TokenError::ClaimUnknown { claim: "hwmodel", found: found.to_owned() };
    for found in ["INTEL_TDX", "GCP_AMD_SEV_SNP ", "gcp_amd_sev", ""] {
        assert_eq!(with_claim("hwmodel", json!(found)), Err(unknown(found)));
    }
}

#[test]
fn confidential_space_has_more_claims() {
    let claims = Verifier::new().verify(&confidential_space().sign(service())).unwrap();
    assert_eq!(claims.software_name, SoftwareName::ConfidentialSpace);
    assert_eq!(claims.software_version, ["250800"]);
    assert_eq!(claims.debug_disabled, Some(true));
    assert_eq!(claims.attester_tcb, ["INTEL"]);
    // 2024-03-13.
    let tcb = TokenTdxTcb { status: "UpToDate".to_owned(), date: Some(UnixTime(1_710_288_000)) };
    assert_eq!(claims.tdx_tcb, Some(tcb));
    assert_eq!(claims.support_attributes, ["STABLE", "USABLE"]);
    assert_eq!(claims.monitoring_enabled, [("memory".to_owned(), false)].into());
    let container = claims.container.as_ref().unwrap();
    assert_eq!(container.arguments, ["/bin/app", "--flag"]);
    assert_eq!(container.restart_policy.as_deref(), Some("Never"));
    let json = serde_json::to_string(&claims).unwrap();
    assert!(!json.contains("a secret"), "the environment is not kept");
    assert!(json.contains(r#""software_name":"CONFIDENTIAL_SPACE""#));
}

#[test]
fn the_debug_state_counts_for_confidential_space_only() {
    let verify = |value: Value| {
        let mut spec = confidential_space();
        spec.set("dbgstat", value);
        Verifier::new().verify(&spec.sign(service())).map(|claims| claims.debug_disabled)
    };
    assert_eq!(verify(json!("enabled")), Ok(Some(false)));
    assert_eq!(verify(Value::Null), Ok(None));
    let unknown = TokenError::ClaimUnknown { claim: "dbgstat", found: "disabled".to_owned() };
    assert_eq!(verify(json!("disabled")), Err(unknown));
    assert_eq!(with_claim("dbgstat", json!("disabled-since-boot")).unwrap().debug_disabled, None);
}

/// `null` represents an absent list, object or text; the claims that every token has are still required.
#[test]
fn a_claim_that_is_null_is_absent() {
    let with_null = |claim: &str| {
        let mut spec = confidential_space();
        spec.claims[claim] = Value::Null;
        Verifier::new().verify(&spec.sign(service()))
    };
    assert_eq!(with_null("google_service_accounts").unwrap().service_accounts, Vec::<String>::new());
    assert_eq!(with_null("attester_tcb").unwrap().attester_tcb, Vec::<String>::new());
    assert_eq!(with_null("swversion").unwrap().software_version, Vec::<String>::new());
    assert_eq!(with_null("tdx").unwrap().tdx_tcb, None);
    assert_eq!(with_null("submods").unwrap().instance, None);
    assert_eq!(with_null("dbgstat").unwrap().debug_disabled, None, "which fails a policy's condition on it");
    let mut spec = confidential_space();
    spec.claims["submods"]["container"]["args"] = Value::Null;
    spec.claims["submods"]["confidential_space"]["support_attributes"] = Value::Null;
    let claims = Verifier::new().verify(&spec.sign(service())).unwrap();
    assert!(claims.support_attributes.is_empty() && claims.container.unwrap().arguments.is_empty());
    for claim in ["aud", "hwmodel", "secboot", "exp"] {
        assert_eq!(with_null(claim), Err(TokenError::ClaimMissing { claim }));
    }
}

#[test]
fn unknown_names_are_refused() {
    let unknown = |claim, found: &str| Err(TokenError::ClaimUnknown { claim, found: found.to_owned() });
    assert_eq!(with_claim("swname", json!("GKE")), unknown("swname", "GKE"));
    assert_eq!(with_claim("oemid", json!(11130)), unknown("oemid", "11130"));
}

#[test]
fn t39_another_issuer_is_refused() {
    for found in ["https://accounts.google.com", "https://confidentialcomputing.googleapis.com/", ""] {
        let refused = with_claim("iss", json!(found));
        assert_eq!(refused, Err(TokenError::IssuerMismatch { found: found.to_owned() }));
    }
}

#[test]
fn claims_that_every_token_has_are_required() {
    for claim in ["iss", "aud", "iat", "nbf", "exp", "sub", "secboot", "oemid", "hwmodel", "swname"] {
        assert_eq!(with_claim(claim, Value::Null), Err(TokenError::ClaimMissing { claim }));
    }
}

#[test]
fn claims_of_the_wrong_kind_are_refused_by_name() {
    let no_text = [json!(1), json!(true), json!(["a"]), json!({})];
    for claim in ["iss", "aud", "sub", "eat_profile", "hwmodel", "swname", "dbgstat"] {
        malformed(claim, claim, &no_text);
    }
    for claim in ["iat", "nbf", "exp", "oemid"] {
        malformed(claim, claim, &[json!("11129"), json!(1.5), json!(-1), json!(true)]);
    }
    malformed("secboot", "secboot", &[json!("true"), json!(1)]);
    for claim in ["swversion", "attester_tcb"] {
        malformed(claim, claim, &[json!(1), json!([1]), json!({})]);
    }
    malformed("google_service_accounts", "google_service_accounts", &[json!("a"), json!([1])]);
    malformed("tdx", "tdx", &[json!("UpToDate"), json!([1])]);
    malformed("submods", "submods", &[json!([]), json!("gce")]);
}

#[test]
fn the_platforms_tcb_may_be_a_list() {
    let status = json!({ "gcp_attester_tcb_status": "OutOfDate" });
    let date = json!({ "gcp_attester_tcb_date": "2024-03-13T00:00:00Z" });
    let tcb = |value| with_claim("tdx", value).map(|claims| claims.tdx_tcb.unwrap());
    assert_eq!(tcb(json!([status])).unwrap().date, None);
    assert_eq!(tcb(json!([status, date])).unwrap().date, Some(UnixTime(1_710_288_000)));
    assert_eq!(tcb(status).unwrap().status, "OutOfDate");
    let missing = TokenError::ClaimMissing { claim: "tdx.gcp_attester_tcb_status" };
    assert_eq!(tcb(json!([])).unwrap_err(), missing);
    let claim = "tdx.gcp_attester_tcb_date";
    for bad in ["2024-03-13", "2024-03-13T00:00:00+01:00", "2024-02-30T00:00:00Z", "yesterday"] {
        let value = json!({ "gcp_attester_tcb_status": "UpToDate", "gcp_attester_tcb_date": bad });
        assert_eq!(tcb(value).unwrap_err(), TokenError::ClaimMalformed { claim }, "{bad}");
    }
}

#[test]
fn t48_the_instance_is_whole_or_absent() {
    for (member, claim) in [
        ("zone", "submods.gce.zone"),
        ("project_id", "submods.gce.project_id"),
        ("project_number", "submods.gce.project_number"),
        ("instance_id", "submods.gce.instance_id"),
        ("instance_name", "submods.gce.instance_name"),
    ] {
        assert_eq!(with_module("gce", member, Value::Null), Err(TokenError::ClaimMissing { claim }));
        assert_eq!(with_module("gce", member, json!(7)), Err(TokenError::ClaimMalformed { claim }));
    }
    let claim = "submods.gce.instance_id";
    for bad in ["", "-1", "+1", "01", " 1", "1.0", "0x1", "18446744073709551616", "１"] {
        let refused = with_module("gce", "instance_id", json!(bad));
        assert_eq!(refused, Err(TokenError::ClaimMalformed { claim }), "{bad}");
    }
    assert!(with_module("gce", "instance_id", json!("18446744073709551615")).is_ok());
    assert_eq!(with_claim("submods", json!({})).unwrap().instance, None);
    assert_eq!(with_claim("submods", Value::Null).unwrap().instance, None);
    let claim = "submods.gce";
    assert_eq!(with_claim("submods", json!({ "gce": [] })), Err(TokenError::ClaimMalformed { claim }));
}

#[test]
fn the_workload_is_of_its_kind() {
    for (module, member, claim, bad) in [
        ("container", "image_reference", "submods.container.image_reference", json!(1)),
        ("container", "image_digest", "submods.container.image_digest", json!([])),
        ("container", "image_id", "submods.container.image_id", json!(1)),
        ("container", "restart_policy", "submods.container.restart_policy", json!(1)),
        ("container", "args", "submods.container.args", json!("one")),
        (
            "confidential_space",
            "support_attributes",
            "submods.confidential_space.support_attributes",
            json!("STABLE"),
        ),
        (
            "confidential_space",
            "monitoring_enabled",
            "submods.confidential_space.monitoring_enabled",
            json!({ "memory": "no" }),
        ),
    ] {
        assert_eq!(with_module(module, member, bad), Err(TokenError::ClaimMalformed { claim }));
    }
    let claim = "submods.container.image_digest";
    let missing = with_module("container", "image_digest", Value::Null);
    assert_eq!(missing, Err(TokenError::ClaimMissing { claim }));
}

#[test]
fn claims_that_google_adds_are_passed_over() {
    assert!(with_claim("a_new_claim", json!({ "any": ["thing", 1.5, -7] })).is_ok());
}
