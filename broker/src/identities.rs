//! The broker's identities in use: read from the keystore, and read again after each change.
//!
//! Another broker of the same keystore may change them too, so they are read with every probe of readiness as well. Until then this one
//! goes on as before: it signs as the identity that its challenges are for, and accepts challenges for the next one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use vouchsafe_keystore::registry::Identities;
use vouchsafe_keystore::{Keyring, Keystore, StoreError};
use vouchsafe_protocol::challenge::ChallengeError;
use vouchsafe_protocol::{BrokerIdentity, Challenge, IdentityKey, Nonce, UnixTime};

/// The identities in use.
#[derive(Debug)]
pub(crate) struct CurrentIdentities {
    current: ArcSwap<Identities>,
    reading: Mutex<()>,
}

/// A live challenge: its nonce, and the key that signs the answer.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) nonce: Nonce,
    pub(crate) identity: Arc<IdentityKey>,
}

impl CurrentIdentities {
    pub(crate) fn new(identities: Identities) -> Self {
        Self { current: ArcSwap::from_pointee(identities), reading: Mutex::default() }
    }

    /// The identities.
    pub(crate) fn load(&self) -> Arc<Identities> {
        self.current.load_full()
    }

    /// The key of the identity that signs.
    pub(crate) fn signing_key(&self) -> Arc<IdentityKey> {
        Arc::clone(self.current.load().primary())
    }

    /// What a live challenge of this broker or of a replica says, under any key of the keyring and for any of the identities.
    pub(crate) fn accept(
        &self,
        keyring: &Keyring,
        challenge: &Challenge,
        now: UnixTime,
    ) -> Result<Accepted, ChallengeError> {
        let identities = self.load();
        for key in keyring.challenge_keys() {
            for identity in identities.keys() {
                match key.check(&identity.identity(), challenge, now) {
                    Err(ChallengeError::NotIssuedHere) => {}
                    checked => {
                        return checked.map(|nonce| Accepted { nonce, identity: Arc::clone(identity) });
                    }
                }
            }
        }
        Err(ChallengeError::NotIssuedHere)
    }

    /// Reads them again; returns those of before.
    pub(crate) async fn read(&self, keystore: &Keystore) -> Result<Arc<Identities>, StoreError> {
        // One after the other, so that none puts an older state in the place of a newer one.
        let _turn = self.reading.lock().await;
        let identities = keystore.identities().await?;
        Ok(self.current.swap(Arc::new(identities)))
    }
}

/// The identities other than the primary one that a started broker finds its own signatures under. The next one is among them: the
/// database may have been restored from before its promotion.
pub(crate) fn signed_before(identities: &Identities) -> Vec<BrokerIdentity> {
    identities.keys().skip(1).map(|key| key.identity()).collect()
}
