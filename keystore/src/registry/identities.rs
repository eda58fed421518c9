//! The broker's identities: one signs. During a rotation there is the next one, which guests may pin before it signs anything, and
//! previous ones, whose statements lead guests that pin only them to the one that signs.
//!
//! Each step is one transaction, so a process that is killed leaves either the old or the new state, with its record.

pub(crate) mod table;
pub(crate) mod types;

use vouchsafe_protocol::succession::{MAX_SUCCESSION_LIFETIME, MAX_SUCCESSIONS, Succession};
use vouchsafe_protocol::{BrokerIdentity, UnixTime};

use super::change::{Actor, Change};
use super::handle::Registry;
use super::secrets::types::Erasure;
use crate::db::StoreError;
use crate::sealing::IdentitySeed;
use table::{delete_key, delete_use, read, write_key, write_use};
use types::{Identities, IdentityError, IdentityState, IdentityUse};

impl Registry {
    /// All identities.
    pub(crate) async fn identities(&self) -> Result<Identities, StoreError> {
        let mut view = self.view().await?;
        read(&mut view.tx, self.check(view.epoch)).await
    }

    /// Makes the next identity, which signs nothing yet.
    pub(crate) async fn add_identity(&self, actor: Actor<'_>) -> Result<BrokerIdentity, IdentityError> {
        // Its record names it.
        let seed = IdentitySeed::generate()?;
        let identity = seed.key()?.identity();
        let authorized = actor.authorize(ADD, identity.to_string())?;
        let mut change = self.change(&authorized).await?;
        let identities = current(&mut change).await?;
        if let Some(next) = identities.next() {
            return Err(IdentityError::AlreadyNext { identity: next.identity });
        }
        let id = identities.all().iter().map(|found| found.id).max().unwrap_or(0).saturating_add(1);
        // The identity that the keystore was made with has no row before this.
        if let Some(first) = identities.all().iter().find(|found| !found.is_stored) {
            write_use(&mut change, first).await?;
        }
        write_key(&mut change, id, &seed).await?;
        let (state, at) = (IdentityState::Next, actor.at);
        let next =
            IdentityUse { id, identity, state, created_at: at, since: at, statement: None, is_stored: true };
        write_use(&mut change, &next).await?;
        change.commit().await?;
        Ok(identity)
    }

    /// Makes the next identity, which is `identity`, the one that signs. For `lifetime` seconds, a statement of the one before leads
    /// guests that pin only that one to it; with 0 there is no statement. If all that is so already, nothing changes.
    pub(crate) async fn promote_identity(
        &self,
        actor: Actor<'_>,
        identity: BrokerIdentity,
        lifetime: u64,
    ) -> Result<(), IdentityError> {
        if lifetime > MAX_SUCCESSION_LIFETIME {
            return Err(IdentityError::Lifetime { seconds: lifetime });
        }
        let authorized = actor.authorize(PROMOTE, identity.to_string())?;
        let mut change = self.change(&authorized).await?;
        let identities = current(&mut change).await?;
        if identities.primary().identity() == identity {
            // The answer may have been lost.
            let is_same = identities.overlap_of_promotion() == Some(lifetime);
            let other = IdentityError::SignsAlready { identity, seconds: lifetime };
            return is_same.then_some(()).ok_or(other);
        }
        let next = identities.next().filter(|next| next.identity == identity);
        let next = next.ok_or(IdentityError::NotNext { identity })?;
        let previous: Vec<_> = identities.of(IdentityState::Previous).collect();
        if let Some(oldest) = previous.first()
            && previous.len() >= MAX_SUCCESSIONS
        {
            return Err(IdentityError::TooManyPrevious { oldest: oldest.identity });
        }
        let key = identities.primary();
        let statement = (lifetime > 0).then(|| Succession::sign(key, identity, actor.at, lifetime));
        let since = actor.at;
        for primary in identities.of(IdentityState::Primary) {
            let (state, statement) = (IdentityState::Previous, statement.clone());
            write_use(&mut change, &IdentityUse { state, since, statement, ..primary.clone() }).await?;
        }
        write_use(&mut change, &IdentityUse { state: IdentityState::Primary, since, ..next.clone() }).await?;
        Ok(change.commit().await?)
    }

    /// Removes the next identity, or the oldest previous one, and erases its key. `lifetime`: of challenges, in seconds.
    pub(crate) async fn remove_identity(
        &self,
        actor: Actor<'_>,
        identity: &BrokerIdentity,
        lifetime: u64,
    ) -> Result<Erasure, IdentityError> {
        let authorized = actor.authorize(REMOVE, identity.to_string())?;
        let mut change = self.change(&authorized).await?;
        let identities = current(&mut change).await?;
        let unknown = IdentityError::Unknown { identity: *identity };
        let found = identities.all().iter().find(|found| found.identity == *identity).ok_or(unknown)?;
        require_removable(&identities, found, actor.at, lifetime)?;
        delete_key(&mut change, found.id).await?;
        match found.state {
            // It has signed nothing.
            IdentityState::Next => delete_use(&mut change, found.id).await?,
            _ => {
                let (state, since) = (IdentityState::Removed, actor.at);
                write_use(&mut change, &IdentityUse { state, since, ..found.clone() }).await?;
            }
        }
        Ok(self.commit_destruction(change).await?)
    }
}

/// The identities that a change finds.
async fn current(change: &mut Change<'_>) -> Result<Identities, StoreError> {
    let check = change.check();
    read(change.connection(), check).await
}

fn require_removable(
    identities: &Identities,
    found: &IdentityUse,
    now: UnixTime,
    lifetime: u64,
) -> Result<(), IdentityError> {
    let identity = found.identity;
    match found.state {
        IdentityState::Next => Ok(()),
        IdentityState::Primary => Err(IdentityError::Signs { identity }),
        IdentityState::Removed => Err(IdentityError::Unknown { identity }),
        IdentityState::Previous => {
            // Its statement may be a step between an older one and the one that signs.
            match identities.of(IdentityState::Previous).next() {
                Some(oldest) if oldest.id != found.id => {
                    return Err(IdentityError::NotOldest { identity, oldest: oldest.identity });
                }
                _ => {}
            }
            match found.since.plus(lifetime).since(now) {
                0 => Ok(()),
                seconds => Err(IdentityError::Outstanding { identity, seconds }),
            }
        }
    }
}

const ADD: &str = "identity.add";
const PROMOTE: &str = "identity.promote";
/// The action of the record that an identity was removed.
pub(crate) const REMOVE: &str = "identity.remove";
