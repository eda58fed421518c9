//! Samples of `/v1/identities` and `/v1/succession`.

use vouchsafe_protocol::{IdentityKey, Succession, SuccessionAnswer};
use zeroize::Zeroizing;

use super::{AT, BROKER, Sample};
use crate::api::identities::{
    ChangedIdentity, Identity, IdentityState, PromoteIdentity, RemoveIdentity, RemovedIdentity,
};

samples! {
    Identity = [
        (IdentityState::Next, Some(AT), None),
        (IdentityState::Primary, None, None),
        (IdentityState::Previous, Some(AT), Some(AT)),
        (IdentityState::Removed, Some(AT), None),
    ].map(|(state, since, accepted_until)| Self { identity: BROKER, state, created_at: since, since, accepted_until });
    ChangedIdentity = [Self { identity: BROKER }];
    PromoteIdentity = [0, 7_776_000].map(|overlap| Self { identity: BROKER, overlap });
    RemoveIdentity = [Self { identity: BROKER }];
    RemovedIdentity = [true, false].map(|erased| Self { erased });
    SuccessionAnswer = [vec![], vec![statement()]].map(|statements| Self { statements });
}

fn statement() -> Succession {
    let key = IdentityKey::from_seed(&Zeroizing::new([7; 32])).expect("a key");
    Succession::sign(&key, BROKER, AT, 7_776_000)
}
