//! Evidence as records keep it: split into pieces stored by digest, so that the VMs of a fleet share logs and
//! chains.

use std::collections::BTreeMap;

use vouchsafe_attestation::Claims;
use vouchsafe_keystore::record::EvidencePiece;
use vouchsafe_keystore::replay::KeptPiece;
use vouchsafe_protocol::limits::{MAX_CERTIFICATE, MAX_ENDORSEMENT};
use vouchsafe_protocol::{
    Bytes, Digest32, Evidence, GoogleTokenEvidence, SevSnpEvidence, SharedBytes, TdxEvidence, VtpmEvidence,
};

/// All pieces of verified evidence.
pub(crate) fn pieces(evidence: Evidence) -> Vec<EvidencePiece> {
    let Evidence { vtpm, sev_snp, tdx, google_token } = evidence;
    let mut pieces = Vec::with_capacity(8);
    let mut keep = |kind, bytes: SharedBytes| pieces.push(EvidencePiece { kind, bytes });
    if let Some(vtpm) = vtpm {
        keep("ak-certificate", vtpm.ak_certificate.into());
        usable(vtpm.ca_certificates).for_each(|certificate| keep("ak-issuer", certificate.into()));
        keep("quote", vtpm.quote.into());
        keep("quote-signature", vtpm.signature.into());
        keep("event-log", vtpm.event_log);
        vtpm.userspace_log.into_iter().for_each(|log| keep("userspace-log", log.into()));
        let pcrs = serde_json::to_vec(&vtpm.pcrs).expect("numbers and digests are JSON");
        keep("pcrs", pcrs.into());
    }
    if let Some(snp) = sev_snp {
        keep("snp-report", snp.report.into());
        usable(snp.vek_certificate).for_each(|certificate| keep("vek-certificate", certificate.into()));
        usable(snp.ca_certificates).for_each(|certificate| keep("vek-issuer", certificate.into()));
        let endorsement = snp.launch_endorsement.filter(|bytes| bytes.len() <= MAX_ENDORSEMENT);
        endorsement.into_iter().for_each(|endorsement| keep("launch-endorsement", endorsement.into()));
    }
    if let Some(tdx) = tdx {
        keep("tdx-quote", tdx.quote.into());
        tdx.event_log.into_iter().for_each(|log| keep("tdx-event-log", log));
    }
    if let Some(google) = google_token {
        keep("google-token", google.token.into_bytes().into());
    }
    pieces
}

/// Certificates within the verifier's size limit: a larger one was not used, and is not kept.
fn usable(certificates: impl IntoIterator<Item = Bytes>) -> impl Iterator<Item = Bytes> {
    certificates.into_iter().filter(|certificate| certificate.len() <= MAX_CERTIFICATE)
}

/// Reassembles evidence from its pieces. `None` when a kind is unknown or a piece is missing.
pub(crate) fn assemble(pieces: Vec<KeptPiece>) -> Option<Evidence> {
    let mut kept: BTreeMap<&str, Vec<Bytes>> = BTreeMap::new();
    for KeptPiece { kind, bytes } in pieces {
        let kind = KINDS.into_iter().find(|known| *known == kind)?;
        kept.entry(kind).or_default().push(Bytes(bytes));
    }
    let mut all = |kind| kept.remove(kind).unwrap_or_default();
    let mut evidence = Evidence::default();
    if let Some(ak_certificate) = all("ak-certificate").pop() {
        evidence.vtpm = Some(VtpmEvidence {
            ak_certificate,
            ca_certificates: all("ak-issuer"),
            quote: all("quote").pop()?,
            signature: all("quote-signature").pop()?,
            pcrs: serde_json::from_slice(&all("pcrs").pop()?).ok()?,
            event_log: all("event-log").pop()?.into(),
            userspace_log: all("userspace-log").pop(),
        });
    }
    if let Some(report) = all("snp-report").pop() {
        evidence.sev_snp = Some(SevSnpEvidence {
            report,
            vek_certificate: all("vek-certificate").pop(),
            ca_certificates: all("vek-issuer"),
            launch_endorsement: all("launch-endorsement").pop(),
        });
    }
    if let Some(quote) = all("tdx-quote").pop() {
        evidence.tdx = Some(TdxEvidence { quote, event_log: all("tdx-event-log").pop().map(Into::into) });
    }
    if let Some(token) = all("google-token").pop() {
        evidence.google_token = Some(GoogleTokenEvidence { token: String::from_utf8(token.0).ok()? });
    }
    kept.is_empty().then_some(evidence)
}

/// SHA-256 of the claims as JSON.
pub(crate) fn digest(claims: &Claims) -> Digest32 {
    let mut json = Vec::with_capacity(USUAL_CLAIMS);
    serde_json::to_writer(&mut json, claims).expect("claims have string keys and no fallible members");
    Digest32::of(&json)
}

/// Bytes; longer claims only take more allocations.
const USUAL_CLAIMS: usize = 8192;

/// Every kind that [`pieces`] returns.
const KINDS: [&str; 14] = [
    "ak-certificate",
    "ak-issuer",
    "quote",
    "quote-signature",
    "event-log",
    "userspace-log",
    "pcrs",
    "snp-report",
    "vek-certificate",
    "vek-issuer",
    "launch-endorsement",
    "tdx-quote",
    "tdx-event-log",
    "google-token",
];

#[cfg(test)]
mod tests {
    use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
    use vouchsafe_protocol::{BoundRequest, BrokerIdentity, GuestKey, Nonce, ReleasePaths, Suite};

    use super::*;

    fn kept(kinds: Kinds) -> (Evidence, Vec<KeptPiece>) {
        let key = GuestKey::generate(Suite::XWing);
        let paths = ReleasePaths::sort(vec!["prod/a/x".parse().unwrap()]).unwrap();
        let bound =
            BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), key.public().clone(), &paths);
        let evidence = SimulatedVm::new().evidence(kinds, &bound);
        let pieces = named(&evidence);
        (evidence, pieces)
    }

    fn named(evidence: &Evidence) -> Vec<KeptPiece> {
        pieces(evidence.clone()).into_iter().map(|piece| piece_of(piece.kind, &piece.bytes)).collect()
    }

    fn piece_of(kind: &str, bytes: &[u8]) -> KeptPiece {
        KeptPiece { kind: kind.to_owned(), bytes: bytes.to_vec() }
    }

    #[test]
    fn evidence_survives_being_split_and_reassembled() {
        for kinds in [Kinds::VTPM, Kinds::REPORT, Kinds::BOTH] {
            let (evidence, pieces) = kept(kinds);
            assert_eq!(assemble(pieces), Some(evidence));
        }
    }

    #[test]
    fn every_kind_survives_being_split_and_reassembled() {
        let (mut evidence, _) = kept(Kinds::BOTH);
        evidence.vtpm.as_mut().unwrap().userspace_log = Some(Bytes(vec![4; 9]));
        evidence.sev_snp.as_mut().unwrap().launch_endorsement = Some(Bytes(vec![3; 9]));
        evidence.tdx = Some(TdxEvidence { quote: Bytes(vec![1; 9]), event_log: Some(vec![2; 9].into()) });
        evidence.google_token = Some(GoogleTokenEvidence { token: "a.b.c".to_owned() });
        let pieces = named(&evidence);
        for kind in KINDS {
            assert!(pieces.iter().any(|piece| piece.kind == kind), "{kind}");
        }
        assert_eq!(assemble(pieces.clone()), Some(evidence));

        // A log without its quote is not evidence, and a token is text.
        let mut fewer = pieces;
        fewer.retain(|piece| piece.kind != "tdx-quote");
        assert_eq!(assemble(fewer), None);
        assert_eq!(assemble(vec![piece_of("google-token", &[0xff])]), None);
    }

    #[test]
    fn incomplete_pieces_give_no_evidence() {
        let (_, pieces) = kept(Kinds::BOTH);
        for missing in ["ak-certificate", "quote", "quote-signature", "event-log", "pcrs", "snp-report"] {
            let mut fewer = pieces.clone();
            fewer.retain(|piece| piece.kind != missing);
            assert_eq!(assemble(fewer), None, "{missing}");
        }
        let strange = [pieces, vec![piece_of("other", &[1])]].concat();
        assert_eq!(assemble(strange), None);
    }
}
