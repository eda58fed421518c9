//! A complete test of Google Cloud Attestation, up to a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::diagnosis::Diagnosis;
use super::finding::{Finding, Status};
use super::machine::Machine;
use super::system::on_compute_engine;
use crate::config::{CollectConfig, EvidenceChoice};
use crate::evidence::{CollectError, LocalEvidence};
use crate::google_token::BUILT_IN;

/// What can be checked without a request.
pub(super) fn built_in(machine: &Machine, evidence: EvidenceChoice, tdx: bool) -> Finding {
    let id = "google-token";
    if !BUILT_IN {
        let listed = matches!(evidence, EvidenceChoice::Listed { google_token: true, .. });
        let (status, also) = if listed {
            (Status::Missing, ", and `evidence` names \"google-token\"")
        } else {
            (Status::Warning, "")
        };
        let fix = "Use a build with the feature `google` where a policy asks for a token.";
        let what = format!("this build cannot ask Google Cloud Attestation for tokens{also}");
        return Finding::new(id, status, what, fix);
    }
    if !on_compute_engine(machine) {
        let what = "no metadata server and no Google Cloud Attestation outside Compute Engine";
        let fix = "Tokens can be had by Compute Engine instances only.";
        return Finding::new(id, Status::Warning, what.to_owned(), fix);
    }
    let fix = if tdx {
        "`evidence` has to name \"google-token\". Google does not take the TDX quotes of some images; it is shown the vTPM \
         then. `doctor --google` tries it."
    } else {
        "`evidence` has to name \"google-token\"; `doctor --google` asks for a token and shows what it says."
    };
    Finding::ok(id, "built in, not asked".to_owned()).with(fix)
}

impl Diagnosis {
    /// Has Google issue a token for `audience` over a random nonce, and adds the result and the token's
    /// claims. The token is not valid for a release, and is not shown.
    pub fn ask_google(&mut self, config: &CollectConfig, audience: &str) {
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).expect("the operating system has randomness");
        let issued = LocalEvidence::new(None, None).with_token(config).and_then(|source| {
            let (sender, remarks) = std::sync::mpsc::channel();
            // The receiver lives until the end of this closure.
            let mut source = source.on_remark(move |text| drop(sender.send(text.to_owned())));
            let evidence = source.capture(&nonce, audience)?.0;
            let token = evidence.google_token.map(|token| token.token).unwrap_or_default();
            Ok((token, remarks.try_iter().collect::<Vec<_>>()))
        });
        match issued {
            Ok((token, remarks)) => self.add_token(&token, remarks),
            Err(error) => self.findings.push(refused(&error)),
        }
    }

    fn add_token(&mut self, token: &str, remarks: Vec<String>) {
        self.token_claims = claims(token);
        let (status, what) = match &self.token_claims {
            Some(_) => (Status::Ok, "issued a token; what it says is below".to_owned()),
            None => (Status::Warning, "issued a token whose claims are not JSON".to_owned()),
        };
        self.findings.push(Finding { id: "google-service", status, what, fix: None });
        for what in remarks {
            let fix = Some("A policy may need what is missing because of it.");
            self.findings.push(Finding { id: "google-remark", status: Status::Warning, what, fix });
        }
    }
}

fn refused(error: &CollectError) -> Finding {
    let fix = match error {
        CollectError::Token(_) => GOOGLE_FIX,
        _ => "Google is shown the vTPM or a TDX quote; the checks above say what is missing.",
    };
    Finding { id: "google-service", status: Status::Missing, what: error.to_string(), fix: Some(fix) }
}

/// The second of the three parts of a JWS, RFC 7515 §7.1.
fn claims(token: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

const GOOGLE_FIX: &str = "See [google_token] in the configuration; the VM needs the network, the metadata server, and \
                          a service account that may use the API.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_shown_and_the_token_is_not() {
        let payload =
            serde_json::json!({"hwmodel": "GCP_INTEL_TDX", "x": "a\u{1b}[31m\u{202e}b", "n": {"a": [1]}});
        let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload.to_string()));
        let mut diagnosis = Diagnosis { provable: vec![], findings: vec![], token_claims: None };
        diagnosis.add_token(&token, vec!["a remark".to_owned()]);
        let shown = diagnosis.to_string();
        assert!(
            shown.contains("  hwmodel: \"GCP_INTEL_TDX\"\n") && shown.contains("  n: {\"a\":[1]}\n"),
            "{shown}"
        );
        assert!(shown.contains("x: \"a\\u001b[31m b\"") && shown.contains("a remark"), "{shown}");
        let json = serde_json::to_string(&diagnosis).unwrap();
        for text in [shown, json] {
            assert!(!text.contains("e30.") && !text.contains("c2ln"), "{text}");
        }
        for token in ["", "a.b", "a.!.c", "a.W10.c"] {
            assert_eq!(claims(token), None, "{token}");
        }
    }
}
