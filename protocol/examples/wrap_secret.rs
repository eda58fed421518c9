//! Both sides of a release without evidence: a challenge, the guest's key, the transcript, a wrapped secret, the signed answer.
//!
//!     cargo run -p vouchsafe-protocol --example wrap_secret
//!
//! It prints what evidence must be bound to. In a real release the broker verifies evidence, decides and
//! records before it wraps; crates `attestation`, `policy` and `keystore` do that.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

use aws_lc_rs::rand;
use vouchsafe_protocol::challenge::ChallengeKey;
use vouchsafe_protocol::messages::{ReleaseAnswer, WrappedSecret};
use vouchsafe_protocol::wrap::SecretLabel;
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, DecisionId, Digest32, GuestKey, GuestPublicKey, IdentityKey, Nonce,
    PlaintextSecret, ReleasePaths, RequestDigest, SecretPath, Suite, UnixTime,
};
use zeroize::Zeroizing;

fn main() -> Result<(), Box<dyn Error>> {
    Ok(std::io::stdout().write_all(run()?.as_bytes())?)
}

/// Releases a secret to a guest in the same process; returns a description of the steps.
///
/// # Errors
/// When a step fails.
pub(crate) fn run() -> Result<String, Box<dyn Error>> {
    // The broker's keys. Guests pin the public half of the identity in their own configuration.
    let identity = IdentityKey::from_seed(&Zeroizing::new(random()?))?;
    let challenges = ChallengeKey::new(&random()?);
    let pinned = identity.identity();

    // Broker: a challenge, which it does not store. A real program takes the time from its clock.
    let now = UnixTime(1_800_000_000);
    let challenge = challenges.issue(&pinned, Nonce(random()?), now, 60);

    // Guest: a key for this request only, and the transcript over everything that the request consists of.
    let key = GuestKey::generate(Suite::XWing);
    let paths = ReleasePaths::sort(vec![SecretPath::parse("prod/db-01/token")?])?;
    let bound = BoundRequest::release(&pinned, challenge.nonce, key.public().clone(), &paths);

    // Guest: collects evidence that is bound to the transcript, in one or several of these ways.
    let transcript = bound.transcript();
    let mut said = String::new();
    writeln!(said, "report data: {}", hex::encode(transcript.report_data(None).0))?;
    writeln!(said, "quote nonce: {}", hex::encode(transcript.quote_nonce(None).0))?;
    writeln!(said, "token nonce: {}", transcript.token_nonce().as_str())?;

    // Broker: the challenge is its own and live; it computes the same transcript from its own identity and
    // the request.
    let nonce = challenges.check(&pinned, &challenge, now.plus(1))?;
    // It signs an answer to exactly this request: SHA-256 of the body as sent.
    let request = RequestDigest::of(b"the body of the guest's request");
    let answer = answer(&identity, nonce, key.public(), &paths, &request)?;

    // Guest: the signature of the pinned identity over its own transcript and request, then the ciphertexts.
    let opened = answer.open_with(&key, &bound, &request)?;
    for secret in &opened {
        writeln!(said, "{} version {}: {} bytes", secret.path, secret.version, secret.secret.expose().len())?;
    }
    Ok(said)
}

/// The broker's part once it has decided: wraps a secret for each path and signs.
fn answer(
    identity: &IdentityKey,
    nonce: Nonce,
    key: &GuestPublicKey,
    paths: &ReleasePaths,
    request: &RequestDigest,
) -> Result<ReleaseAnswer, Box<dyn Error>> {
    let broker: BrokerIdentity = identity.identity();
    let bound = BoundRequest::release(&broker, nonce, key.clone(), paths);
    let secret = PlaintextSecret::new(b"correct horse battery staple".to_vec())?;
    let items: Vec<_> =
        paths.as_slice().iter().map(|path| (SecretLabel { path, version: 1 }, &secret)).collect();
    let wrapped = bound.key().wrap(&bound.transcript(), &items)?;
    let policy_digest = Digest32::of(b"the text of the policy");
    let secrets = paths.as_slice().iter().zip(wrapped.ciphertexts).map(|(path, ciphertext)| WrappedSecret {
        path: path.clone(),
        version: 1,
        policy_digest,
        ciphertext,
    });
    let decision = DecisionId(random()?);
    let transcript = bound.transcript();
    Ok(ReleaseAnswer::sign(identity, &transcript, request, decision, wrapped.enc, secrets.collect()))
}

fn random<const N: usize>() -> Result<[u8; N], Box<dyn Error>> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}
