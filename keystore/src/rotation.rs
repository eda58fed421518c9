//! Rotation of the keyring: a new generation is added, becomes the primary one, every row is sealed or authenticated
//! under it, and the old generation is removed, all while the keystore is used.
//!
//! A change of the keyring is recorded first, and then its file is replaced: a process that is killed in between leaves a record
//! of a step that was not taken, and never a step without a record. Taking the step again adds another record.
//!
//! A generation is removed only if no row needs it. That is checked while nothing else writes, and whatever writes takes its
//! generation from the keyring only once it may write: no row can get the generation later. Before, the write-ahead log is
//! emptied, which no reader of an older state survives.

mod kinds;
mod reseal;
mod status;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;
use vouchsafe_protocol::UnixTime;

use crate::blocking::blocking;
use crate::db::{Reader, StoreError, empties_shortly};
use crate::keyring::file::KeyringFileError;
use crate::keyring::locked::{KeyringFile, OpenKeyring, Replacement};
use crate::keyring::{GenerationId, GenerationState, GenerationSummary, Keyring, KeyringError};
use crate::log::NewestHeadError;
use crate::registry::Registry;
use crate::registry::change::Actor;

pub use reseal::{RESEAL_MOST, Resealed, UnreadableRow};
pub use status::{GenerationUse, NEWEST_HEAD_FILE};
pub(crate) use status::{Outdated, outdated, uses};

/// Why a step of the rotation was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Not a step from this keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The keyring's file.
    #[error(transparent)]
    File(#[from] KeyringFileError),
    /// The file has other generations than the keyring in use.
    #[error("keyring {} was changed since the broker read it: let the broker read it with SIGHUP, then try again", path.display())]
    FileChanged {
        /// The file.
        path: PathBuf,
    },
    /// The keyring is from before a step that was taken.
    #[error(
        "the keyring is older than the one in use: it would bring back generation {id}. Put the newest file in place, or continue \
         from it with `vouchsafe keyring`"
    )]
    Older {
        /// The generation.
        id: GenerationId,
    },
    /// Rows show that it was promoted, and the keyring's file cannot be changed.
    #[error(
        "generation {id} of the keyring was promoted, and is only pending in the keyring that this broker has: {reason}. Put the \
         newest keyring in place; if there is none, promote it there with `vouchsafe keyring promote --file FILE`, and start \
         the broker with that"
    )]
    NotPromoted {
        /// The generation.
        id: GenerationId,
        /// Why the broker does not promote it itself.
        reason: String,
    },
    /// Rows need the generation.
    #[error("generation {id} is still needed by {rows}: run `vouchsafe keyring reseal` first")]
    Needed {
        /// The generation.
        id: GenerationId,
        /// How many rows of which kinds.
        rows: String,
    },
    /// Challenges that were issued under it are still accepted.
    #[error(
        "challenges that were issued under generation {id} are accepted for another {seconds} s: guests with one of them would \
         be refused; try again after that"
    )]
    Outstanding {
        /// The generation.
        id: GenerationId,
        /// How long.
        seconds: u64,
    },
    /// The write-ahead log could not be emptied.
    #[error(
        "a backup or a long read still uses an older state of the database, with rows that need generation {id}: try again when \
         it has ended"
    )]
    OlderState {
        /// The generation.
        id: GenerationId,
    },
    /// The file with the newest head.
    #[error(transparent)]
    Newest(#[from] NewestHeadError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lets one step at a time be taken.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    turn: Mutex<()>,
    /// The generation for which resealing is on record, since this process started.
    resealing: Mutex<Option<GenerationId>>,
}

/// A change of the keyring, as it is recorded.
struct Step {
    action: &'static str,
    id: GenerationId,
}

impl Rotation {
    /// Adds a pending generation to the keyring and its file.
    pub(crate) async fn add(
        &self,
        registry: &Registry,
        actor: Actor<'_>,
        file: &KeyringFile,
    ) -> Result<GenerationId, RotationError> {
        self.step(registry, actor, file, ADD, |keyring| Ok(keyring.with_pending(actor.at)?)).await
    }

    /// Makes the pending generation the primary one.
    pub(crate) async fn promote(
        &self,
        registry: &Registry,
        actor: Actor<'_>,
        file: &KeyringFile,
    ) -> Result<GenerationId, RotationError> {
        self.step(registry, actor, file, PROMOTE, |keyring| Ok(keyring.with_promoted(actor.at)?)).await
    }

    /// Removes a generation that nothing needs any more. `lifetime`: of challenges, in seconds.
    pub(crate) async fn remove(
        &self,
        registry: &Registry,
        actor: Actor<'_>,
        file: &KeyringFile,
        id: GenerationId,
        lifetime: u64,
    ) -> Result<(), RotationError> {
        let remove = |keyring: &Keyring| {
            let next = keyring.without(id)?;
            let retired = keyring.generations().into_iter().find(|found| found.id == id);
            require_expired(id, retired.and_then(|found| found.retired_at), actor.at, lifetime)?;
            Ok((next, id))
        };
        self.step(registry, actor, file, REMOVE, remove).await.map(|_| ())
    }

    /// Makes the pending generation the primary one if rows show that it was. `file`: `None` if it cannot be changed.
    pub(crate) async fn complete_promotion(
        &self,
        registry: &Registry,
        file: Option<&KeyringFile>,
        at: UnixTime,
    ) -> Result<Option<GenerationId>, RotationError> {
        let mut tx = registry.log().pools.read(Reader::Records, "keyring-status").await?;
        let found = outdated(&mut tx, registry.keyring()).await?;
        tx.rollback().await?;
        let Some(Outdated::NotPromoted(id)) = found else { return Ok(None) };
        let not_promoted = |reason: String| RotationError::NotPromoted { id, reason };
        let file = file.ok_or_else(|| not_promoted("the broker cannot change it".to_owned()))?;
        match self.promote(registry, Actor::offline(START, at), file).await {
            // These pass by themselves.
            Err(RotationError::File(
                error @ (KeyringFileError::Busy { .. } | KeyringFileError::Wrapper(_)),
            )) => Err(error.into()),
            Err(RotationError::File(error)) => Err(not_promoted(error.to_string())),
            promoted => promoted.map(Some),
        }
    }

    /// Takes one step: reads the file, which must have the keyring in use, and installs what `change` makes of it.
    async fn step(
        &self,
        registry: &Registry,
        actor: Actor<'_>,
        file: &KeyringFile,
        action: &'static str,
        change: impl FnOnce(&Keyring) -> Result<(Keyring, GenerationId), RotationError>,
    ) -> Result<GenerationId, RotationError> {
        let _turn = self.turn.lock().await;
        let open = unchanged(registry.keyring(), file).await?;
        let (next, id) = change(&open.keyring)?;
        install(registry, actor, next, &[Step { action, id }], Some(open)).await?;
        Ok(id)
    }

    /// Takes a keyring that was changed elsewhere, such as on another broker of this keystore; returns whether it is another. It
    /// is loaded once no other step is being taken.
    pub(crate) async fn take<E: From<RotationError> + Send + 'static>(
        &self,
        registry: &Registry,
        load: impl FnOnce() -> Result<Keyring, E> + Send + 'static,
        at: UnixTime,
    ) -> Result<bool, E> {
        let _turn = self.turn.lock().await;
        // It may wait for what unwraps the root keys.
        let new = blocking(load).await?;
        Ok(take(registry, new, at).await?)
    }
}

async fn take(registry: &Registry, new: Keyring, at: UnixTime) -> Result<bool, RotationError> {
    let current = registry.keyring();
    current.require_same_keys(&new)?;
    require_later(current, &new)?;
    let steps = steps(&current.generations(), &new.generations());
    install(registry, Actor::offline(RELOAD, at), new, &steps, None).await?;
    Ok(!steps.is_empty())
}

/// A keyring from before a promotion or a removal would bring back the old generation.
fn require_later(current: &Keyring, new: &Keyring) -> Result<(), RotationError> {
    let (old, newest) = (current.generations(), current.newest());
    for one in new.generations() {
        let was = old.iter().find(|other| other.id == one.id).map(|other| other.state);
        let is_back = match was {
            None => one.id <= newest,
            Some(GenerationState::Retired) => one.state != GenerationState::Retired,
            Some(GenerationState::Primary) => one.state == GenerationState::Pending,
            Some(GenerationState::Pending) => false,
        };
        if is_back {
            return Err(RotationError::Older { id: one.id });
        }
    }
    Ok(())
}

/// What leads from one list of generations to another.
fn steps(old: &[GenerationSummary], new: &[GenerationSummary]) -> Vec<Step> {
    let primary = |all: &[GenerationSummary]| {
        all.iter().find(|one| one.state == GenerationState::Primary).map(|one| one.id)
    };
    let lacks = |all: &[GenerationSummary], id| !all.iter().any(|one| one.id == id);
    let added = new.iter().filter(|one| lacks(old, one.id)).map(|one| Step { action: ADD, id: one.id });
    let promoted = primary(new).filter(|id| primary(old) != Some(*id));
    let promoted = promoted.map(|id| Step { action: PROMOTE, id });
    let removed = old.iter().filter(|one| lacks(new, one.id)).map(|one| Step { action: REMOVE, id: one.id });
    added.chain(promoted).chain(removed).collect()
}

/// The keyring's file, which must have the one in use.
async fn unchanged(current: &Keyring, file: &KeyringFile) -> Result<OpenKeyring, RotationError> {
    let reading = file.clone();
    let open = blocking(move || reading.open()).await?;
    current.require_same_keys(&open.keyring)?;
    if open.keyring.is_like(current) {
        return Ok(open);
    }
    Err(RotationError::FileChanged { path: file.path().to_owned() })
}

fn require_expired(
    id: GenerationId,
    retired_at: Option<UnixTime>,
    now: UnixTime,
    lifetime: u64,
) -> Result<(), RotationError> {
    let until = retired_at.map_or(0, |at| at.plus(lifetime).0);
    match until.saturating_sub(now.0) {
        0 => Ok(()),
        seconds => Err(RotationError::Outstanding { id, seconds }),
    }
}

/// Records the steps, replaces the file and uses the keyring.
async fn install(
    registry: &Registry,
    actor: Actor<'_>,
    next: Keyring,
    steps: &[Step],
    file: Option<OpenKeyring>,
) -> Result<(), RotationError> {
    // Before anything is changed: a step that is not permitted leaves no trace.
    let mut authorized = Vec::with_capacity(steps.len());
    for step in steps {
        authorized.push((step, actor.authorize(step.action, step.id.to_string())?));
    }
    for (step, _) in authorized.iter().filter(|(step, _)| step.action == REMOVE) {
        prepare_removal(registry, &next, step.id).await?;
    }
    let next = Arc::new(next);
    let replacement = match file {
        // The lock on the file goes with it, so that no other step begins if the caller does not wait for the end of this one.
        Some(open) => {
            let next = Arc::clone(&next);
            Some(blocking(move || open.prepare(&next)).await?)
        }
        None => None,
    };
    for (step, authorized) in &authorized {
        let mut change = registry.change(authorized).await?;
        if step.action == REMOVE {
            // While nothing else writes.
            require_unneeded(status::rows_of(change.connection(), step.id).await?, step.id)?;
        }
        change.commit().await?;
    }
    let replaced = replacement.map_or(Ok(()), Replacement::put_in_place);
    if let Err(error) = replaced.as_ref()
        && !matches!(error, KeyringFileError::NotDurable { .. })
    {
        return Ok(replaced?);
    }
    registry.keyring().replace_with(&next);
    // Only now under the primary generation, which may be another one.
    registry.write_newest_head();
    Ok(replaced?)
}

/// Checks that no row needs the generation, and sees to it that no file and no reader of an older state does.
async fn prepare_removal(registry: &Registry, next: &Keyring, id: GenerationId) -> Result<(), RotationError> {
    let mut tx = registry.log().pools.write("keyring").await?;
    let needing = status::rows_of(&mut tx, id).await;
    tx.rollback().await?;
    require_unneeded(needing?, id)?;
    registry.newest_head().write(next, &registry.log().pins.state())?;
    if empties_shortly(&registry.log().pools.writer).await {
        return Ok(());
    }
    Err(RotationError::OlderState { id })
}

fn require_unneeded(needing: Vec<(&'static str, u64)>, id: GenerationId) -> Result<(), RotationError> {
    if needing.is_empty() {
        return Ok(());
    }
    let mut rows = String::new();
    for (table, count) in needing {
        let between = if rows.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _written = write!(rows, "{between}{count} of {table}");
    }
    Err(RotationError::Needed { id, rows })
}

const ADD: &str = "keyring.add";
const PROMOTE: &str = "keyring.promote";
const RESEAL: &str = "keyring.reseal";
const REMOVE: &str = "keyring.remove";
/// Recorded as the operator where the file was changed by hand.
const RELOAD: &str = "reload";
/// The same where a promotion is completed.
const START: &str = "start";
