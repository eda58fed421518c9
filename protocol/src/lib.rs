//! The protocol between guest and broker, byte for byte.
//!
//! No I/O and no clock; the only external input is the system's randomness for fresh keys. The layouts of
//! hash, signature and AEAD inputs are comments above the code that makes them, and `protocol/vectors/` has
//! known answers for each of them, for checking other implementations.
//!
//! | step | module |
//! |---|---|
//! | issue a challenge | [`challenge`] |
//! | bind the guest's key, the challenge and the request, and each kind of evidence to that | [`request`] |
//! | carry evidence | [`evidence`] |
//! | the word that closes the boot-phase latch | [`latch`] |
//! | wrap secrets to the guest's key, open them | [`wrap`] |
//! | sign an answer or a refusal, check it | [`answer`] |
//! | sign the state of the decision log | [`checkpoint`] |
//! | name the identity that signs next, follow it from a pinned one | [`succession`] |
//! | lay out the input of a hash, a signature or a MAC | [`hashing`] |
//! | requests, answers and problems on the wire | [`messages`], [`problem`] |
//! | name what a boot is expected to measure | [`reference_values`] |
//! | sign lists of what an update may measure | [`signer`] |
//! | show text of others on a terminal | [`text`] |

pub mod answer;
pub mod bundle;
pub mod challenge;
pub mod checkpoint;
pub mod digest;
pub mod encoding;
pub mod evidence;
pub mod hashing;
pub mod identity;
pub mod latch;
pub mod limits;
pub mod messages;
pub mod named_members;
pub mod path;
pub mod problem;
pub mod reference_values;
pub mod request;
pub mod secret;
pub mod signer;
pub mod succession;
pub mod suite;
pub mod text;
pub mod time;
#[cfg(test)]
mod vectors;
pub mod wrap;
mod xwing;

pub use answer::{DecisionId, RequestDigest};
pub use challenge::{Challenge, Nonce};
pub use checkpoint::Checkpoint;
pub use digest::{Digest32, Digest48};
pub use encoding::{Bytes, SharedBytes};
pub use evidence::{Evidence, GoogleTokenEvidence, SevSnpEvidence, TdxEvidence, VtpmEvidence};
pub use identity::{BrokerIdentity, IdentityKey};
pub use latch::{LATCH_WORD, RECOVERY_WORD};
pub use path::{ObjectName, SecretPath};
pub use problem::ReasonCode;
pub use request::{
    Action, BaselineProposal, Body, BoundRequest, ProposalId, ReleaseBody, ReleasePaths, Transcript,
    VolumeAction, VolumeHeaders,
};
pub use secret::PlaintextSecret;
pub use signer::{UpdateSigner, UpdateSigningKey};
pub use succession::{Succession, SuccessionAnswer};
pub use suite::Suite;
pub use time::UnixTime;
pub use wrap::{GuestKey, GuestPublicKey};
