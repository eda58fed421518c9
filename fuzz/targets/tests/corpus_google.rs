//! Writes the corpora of what Google signs: `cargo test -p vouchsafe-fuzz-targets -- --ignored`. From the builders alone.

mod seeds;

use seeds::write;
use vouchsafe_attestation::Technology;
use vouchsafe_attestation::google_token::TokenKind;
use vouchsafe_attestation::test_util::google_token::FakeAttestationService;
use vouchsafe_attestation::test_util::launch::{EndorsementSpec, FakeTcbSigner};
use vouchsafe_protocol::{Digest48, UnixTime};

const NOW: UnixTime = UnixTime(1_771_500_000);

#[test]
#[ignore = "writes the corpora that replay.rs runs over"]
fn write_tokens() {
    let service = FakeAttestationService::shared();
    for kind in [TokenKind::Oidc, TokenKind::Pki] {
        let spec = service.spec(kind, "https://broker.example", "a-nonce-of-ours", NOW);
        write("google_token", kind.name(), spec.sign(service).as_bytes());
        write("google_token", "claims", spec.claims.to_string().as_bytes());
        let tdx = spec.of_technology(Technology::Tdx).claims.to_string();
        write("google_token", "claims-tdx", tdx.as_bytes());
    }
    write("google_token", "jwks", &service.jwks());
}

#[test]
#[ignore = "writes the corpora that replay.rs runs over"]
fn write_endorsements() {
    let signer = FakeTcbSigner::shared();
    let spec = EndorsementSpec::default().with_tdx(16, &Digest48([0x54; 48]));
    write("launch_endorsement", "endorsement", &spec.sign(signer));
    write("launch_endorsement", "message", &spec.golden(signer));
    let snp = EndorsementSpec { tdx: None, ..spec };
    write("launch_endorsement", "sev-snp", &snp.sign(signer));
}
