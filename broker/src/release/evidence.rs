//! Evidence as the record keeps it: in pieces by digest, so that a fleet shares its logs and chains.

use std::sync::Arc;

use vouchsafe_attestation::Claims;
use vouchsafe_keystore::record::EvidencePiece;
use vouchsafe_protocol::{Bytes, Digest32, Evidence};

/// All pieces of verified evidence.
pub(super) fn pieces(evidence: &Evidence) -> Vec<EvidencePiece> {
    let mut pieces = Vec::with_capacity(8);
    let mut keep = |kind, bytes: &Bytes| pieces.push(EvidencePiece::new(kind, Arc::from(&bytes[..])));
    if let Some(vtpm) = &evidence.vtpm {
        keep("ak-certificate", &vtpm.ak_certificate);
        vtpm.ca_certificates.iter().for_each(|certificate| keep("ak-issuer", certificate));
        keep("quote", &vtpm.quote);
        keep("quote-signature", &vtpm.signature);
        keep("event-log", &vtpm.event_log);
        let pcrs = serde_json::to_vec(&vtpm.pcrs).expect("numbers and digests are JSON");
        keep("pcrs", &pcrs.into());
    }
    if let Some(snp) = &evidence.sev_snp {
        keep("snp-report", &snp.report);
        snp.vek_certificate.iter().for_each(|certificate| keep("vek-certificate", certificate));
        snp.ca_certificates.iter().for_each(|certificate| keep("vek-issuer", certificate));
        snp.launch_endorsement.iter().for_each(|endorsement| keep("launch-endorsement", endorsement));
    }
    if let Some(tdx) = &evidence.tdx {
        keep("tdx-quote", &tdx.quote);
        tdx.event_log.iter().for_each(|log| keep("tdx-event-log", log));
    }
    if let Some(google) = &evidence.google_token {
        keep("google-token", &google.token.as_bytes().into());
    }
    pieces
}

/// SHA-256 of the claims as JSON.
pub(super) fn digest(claims: &Claims) -> Digest32 {
    Digest32::of(&serde_json::to_vec(claims).expect("claims have string keys and no fallible members"))
}
