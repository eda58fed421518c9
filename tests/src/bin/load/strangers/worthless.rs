//! Evidence that costs a broker as much as possible and its sender as little: all is as it should be but a signature.

use std::ops::Range;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_protocol::limits::MAX_EVENT_LOG;
use vouchsafe_protocol::messages::ReleaseRequest;
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Challenge, GuestKey, Nonce, ReleasePaths, SecretPath, Suite, UnixTime,
    VolumeHeaders,
};
use vouchsafe_tests::fleet::Kind;

/// A request in which only the challenge and what commits to it are replaced.
pub(super) struct Template {
    broker: BrokerIdentity,
    key: GuestKey,
    paths: ReleasePaths,
    kind: Kind,
    /// The text between the challenge and the signed bytes, and after those.
    parts: [String; 2],
    /// The report or the quote.
    signed: Vec<u8>,
    /// Where it commits to the request.
    commitment: Range<usize>,
}

impl Template {
    /// With a report alone or a quote alone; `large` with an event log of the largest size.
    pub(super) fn new(
        broker: BrokerIdentity,
        vm: &SimulatedVm,
        kind: Kind,
        large: bool,
    ) -> anyhow::Result<Self> {
        let key = GuestKey::generate(Suite::XWing);
        let paths = ReleasePaths::new(vec![SecretPath::parse("load/db/password")?])?;
        let challenge = placeholder();
        let bound = BoundRequest::release(&broker, challenge.nonce, key.public().clone(), &paths);
        let mut evidence = vm.evidence(kind.evidence(), &bound);
        let signed = match (&mut evidence.sev_snp, &mut evidence.vtpm) {
            (Some(snp), None) => snp.report.to_vec(),
            (None, Some(vtpm)) => {
                if large {
                    vtpm.event_log = vec![0xa5; MAX_EVENT_LOG].into();
                }
                // The last byte of the signature.
                if let Some(byte) = vtpm.signature.0.last_mut() {
                    *byte ^= 1;
                }
                vtpm.quote.to_vec()
            }
            _ => anyhow::bail!("a template has a report or a quote"),
        };
        let start = find(&signed, &committed(kind, &bound)).context("the commitment")?;
        let commitment = start..start + committed(kind, &bound).len();
        let public_key = key.public().as_bytes().into();
        let (suite, headers) = (Suite::XWing, VolumeHeaders::default());
        let request = ReleaseRequest {
            challenge: challenge.clone(),
            suite,
            public_key,
            paths: paths.clone(),
            headers,
            evidence,
        };
        let text = serde_json::to_string(&request)?;
        let text = text.strip_prefix(&opening(&challenge)?).context("the challenge comes first")?;
        let (before, after) =
            text.split_once(&BASE64_URL_SAFE_NO_PAD.encode(&signed)).context("the signed bytes")?;
        let parts = [before.to_owned(), after.to_owned()];
        let template = Self { broker, key, paths, kind, parts, signed, commitment };
        ensure!(kind != Kind::Snp || !large, "a report has no log");
        Ok(template)
    }

    /// The body of a request under this challenge.
    pub(super) fn request(&self, challenge: &Challenge) -> anyhow::Result<String> {
        let bound =
            BoundRequest::release(&self.broker, challenge.nonce, self.key.public().clone(), &self.paths);
        let mut signed = self.signed.clone();
        let place = signed.get_mut(self.commitment.clone()).context("the commitment")?;
        place.copy_from_slice(&committed(self.kind, &bound));
        let [before, after] = &self.parts;
        Ok(format!("{}{before}{}{after}", opening(challenge)?, BASE64_URL_SAFE_NO_PAD.encode(signed)))
    }
}

/// What the signed bytes commit to. A report's signature does not fit any more once that is replaced.
fn committed(kind: Kind, bound: &BoundRequest) -> Vec<u8> {
    let transcript = bound.transcript();
    match kind {
        Kind::Snp => transcript.report_data(None).0.to_vec(),
        Kind::Vtpm | Kind::Both => transcript.quote_nonce(None).0.to_vec(),
    }
}

fn opening(challenge: &Challenge) -> anyhow::Result<String> {
    Ok(format!("{{\"challenge\":{}", serde_json::to_string(challenge)?))
}

fn placeholder() -> Challenge {
    Challenge {
        nonce: Nonce([7; 32]),
        issued_at: UnixTime(1),
        expires_at: UnixTime(2),
        mac: vec![7; 32].into(),
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
