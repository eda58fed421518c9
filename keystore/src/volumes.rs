//! Encrypted volumes: which header each has, and which one may be opened next (T32, T33).
//!
//! A volume is the path of the secret that opens it, and the instance that has it. Its VM registers the digest of the
//! header, and announces the next one before writing it. From then on a release of the secret to this instance needs
//! a header, and it must be the current or the announced one; the announced one becomes the current one with the
//! first grant for it, and an older one is refused from then on.
//!
//! The newest record of a volume in the decision log is its state: there is no other table. A grant for a volume
//! reads that record under the log's lock, so that it holds with concurrent grants and several brokers.
//!
//! **Limits.** A header is looked at, not the data: single blocks of the data segment that are put back are not found.
//! The first registration trusts the header that the VM has by then. An instance without a registered volume is not
//! asked for a header, so a policy for disks names its instance; evidence that names no instance has no volumes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchsafe_protocol::messages::VolumeState;
use vouchsafe_protocol::{Digest32, SecretPath, VolumeAction};

/// Identifies a volume: `prod/db-01/disk@123456789012/4567890123456789012`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId {
    path: SecretPath,
    /// `project number/instance id`.
    instance: String,
}

/// The text is not the id of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a volume is `path@project number/instance id`")]
pub struct UnknownVolume;

impl VolumeId {
    /// The volume of this instance that the secret at `path` opens.
    pub(crate) fn new(path: &SecretPath, instance: &str) -> Self {
        Self { path: path.clone(), instance: instance.to_owned() }
    }

    /// The path of the secret.
    #[must_use]
    pub const fn path(&self) -> &SecretPath {
        &self.path
    }

    /// `project number/instance id`.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.path, self.instance)
    }
}

impl FromStr for VolumeId {
    type Err = UnknownVolume;

    fn from_str(text: &str) -> Result<Self, UnknownVolume> {
        let (path, instance) = text.split_once('@').ok_or(UnknownVolume)?;
        let (project, id) = instance.split_once('/').ok_or(UnknownVolume)?;
        let is_number = |text: &str| text.parse::<u64>().is_ok_and(|number| number.to_string() == text);
        let path = SecretPath::parse(path).map_err(|_| UnknownVolume)?;
        let is_instance = is_number(project) && is_number(id);
        is_instance.then(|| Self { path, instance: instance.to_owned() }).ok_or(UnknownVolume)
    }
}

impl Serialize for VolumeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VolumeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a header is refused. For operators: a guest learns only a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeRefusal {
    /// A release without a header, but a volume is registered.
    #[error("{volume}: no header was presented; registered is {}", shown(registered))]
    NoHeader {
        /// The volume.
        volume: VolumeId,
        /// What is registered.
        registered: VolumeState,
    },
    /// A release with a header that is neither the current nor the announced one.
    #[error("{volume}: header {presented} was presented; registered is {}", shown(registered))]
    OtherHeader {
        /// The volume.
        volume: VolumeId,
        /// The header of the request.
        presented: Digest32,
        /// What is registered.
        registered: VolumeState,
    },
    /// A registration, but another header is registered.
    #[error(
        "{volume}: header {presented} cannot be registered; registered is {}, until an operator forgets it \
         (`vouchsafe volume forget {volume}`)",
        shown(registered)
    )]
    Registered {
        /// The volume.
        volume: VolumeId,
        /// The header of the request.
        presented: Digest32,
        /// What is registered.
        registered: VolumeState,
    },
    /// A header is announced for a volume that is not registered.
    #[error("{volume}: there is no registered header that another one could follow")]
    NotRegistered {
        /// The volume.
        volume: VolumeId,
    },
    /// A header is announced to follow another one than the current one.
    #[error("{volume}: a header that follows {from} was announced; registered is {}", shown(registered))]
    NotCurrent {
        /// The volume.
        volume: VolumeId,
        /// The header that it would follow.
        from: Digest32,
        /// What is registered.
        registered: VolumeState,
    },
    /// The header that is announced is the current one.
    #[error("{volume}: header {current} was announced to follow itself")]
    Unchanged {
        /// The volume.
        volume: VolumeId,
        /// The header.
        current: Digest32,
    },
    /// Too many headers were announced since the volume was registered.
    #[error(
        "{volume}: its header changed {MAX_CHANGES} times; `vouchsafe volume forget {volume}` lets it register anew"
    )]
    TooManyChanges {
        /// The volume.
        volume: VolumeId,
    },
}

fn shown(state: &VolumeState) -> String {
    let VolumeState { generation, current, pending } = state;
    match pending {
        Some(pending) => format!("generation {generation}, {current}, and announced {pending}"),
        None => format!("generation {generation}, {current}"),
    }
}

/// What a grant means for a registered volume: the state after it, where that is another one.
pub(crate) fn release(
    volume: &VolumeId,
    registered: VolumeState,
    presented: Option<Digest32>,
) -> Result<Option<VolumeState>, Box<VolumeRefusal>> {
    let VolumeState { generation, current, pending } = registered;
    match presented {
        None => Err(Box::new(VolumeRefusal::NoHeader { volume: volume.clone(), registered })),
        // Before the announced header is written, the VM still has this one; nothing changes.
        Some(header) if header == current => Ok(None),
        Some(header) if Some(header) == pending => {
            let generation = generation.saturating_add(1);
            Ok(Some(VolumeState { generation, current: header, pending: None }))
        }
        Some(presented) => {
            Err(Box::new(VolumeRefusal::OtherHeader { volume: volume.clone(), presented, registered }))
        }
    }
}

/// What an action does to a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// This is registered from now on.
    Changed(VolumeState),
    /// This is registered already, and is what the action asks for.
    Unchanged(VolumeState),
}

/// Carries out an action on a volume with this state, of which `changes` records were made since its registration.
pub(crate) fn act(
    volume: &VolumeId,
    registered: Option<(VolumeState, u64)>,
    action: &VolumeAction,
) -> Result<Effect, Box<VolumeRefusal>> {
    match action {
        VolumeAction::RegisterVolume { digest, .. } => {
            register(volume, registered.map(|(state, _)| state), *digest)
        }
        VolumeAction::AdvanceVolume { from, to, .. } => {
            let (state, changes) = registered
                .ok_or_else(|| Box::new(VolumeRefusal::NotRegistered { volume: volume.clone() }))?;
            advance(volume, state, changes, *from, *to)
        }
    }
}

fn register(
    volume: &VolumeId,
    registered: Option<VolumeState>,
    digest: Digest32,
) -> Result<Effect, Box<VolumeRefusal>> {
    match registered {
        None => Ok(Effect::Changed(VolumeState { current: digest, generation: 1, pending: None })),
        Some(state) if state.current == digest => Ok(Effect::Unchanged(state)),
        Some(registered) => {
            Err(Box::new(VolumeRefusal::Registered { volume: volume.clone(), presented: digest, registered }))
        }
    }
}

fn advance(
    volume: &VolumeId,
    registered: VolumeState,
    changes: u64,
    from: Digest32,
    to: Digest32,
) -> Result<Effect, Box<VolumeRefusal>> {
    let volume = || volume.clone();
    if from != registered.current {
        return Err(Box::new(VolumeRefusal::NotCurrent { volume: volume(), from, registered }));
    }
    if to == from {
        return Err(Box::new(VolumeRefusal::Unchanged { volume: volume(), current: to }));
    }
    if registered.pending == Some(to) {
        return Ok(Effect::Unchanged(registered));
    }
    if changes >= MAX_CHANGES {
        return Err(Box::new(VolumeRefusal::TooManyChanges { volume: volume() }));
    }
    Ok(Effect::Changed(VolumeState { pending: Some(to), ..registered }))
}

/// Records of one volume after which no further header can be announced. A header changes with its key slots, so far
/// less often; each record is kept for years.
pub(crate) const MAX_CHANGES: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Digest32 = Digest32([1; 32]);
    const NEXT: Digest32 = Digest32([2; 32]);
    const OTHER: Digest32 = Digest32([3; 32]);

    fn id() -> VolumeId {
        "prod/db/disk@1/2".parse().unwrap()
    }

    fn state(current: Digest32, pending: Option<Digest32>) -> VolumeState {
        VolumeState { generation: 4, current, pending }
    }

    fn registering(digest: Digest32) -> VolumeAction {
        VolumeAction::RegisterVolume { path: id().path().clone(), digest }
    }

    fn advancing(from: Digest32, to: Digest32) -> VolumeAction {
        VolumeAction::AdvanceVolume { path: id().path().clone(), from, to }
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!(id().to_string(), "prod/db/disk@1/2");
        assert_eq!((id().path().as_str(), id().instance()), ("prod/db/disk", "1/2"));
        for text in
            ["prod/db/disk", "prod/db/disk@1", "prod/db/disk@1/2/3", "prod/db/disk@01/2", "x@1/2", "@1/2"]
        {
            assert_eq!(text.parse::<VolumeId>(), Err(UnknownVolume), "{text}");
        }
    }

    #[test]
    fn t32_a_registered_volume_needs_its_header() {
        let volume = id();
        for pending in [None, Some(NEXT)] {
            let registered = state(OLD, pending);
            assert_eq!(release(&volume, registered, Some(OLD)), Ok(None));
            let refused = VolumeRefusal::NoHeader { volume: id(), registered };
            assert_eq!(release(&volume, registered, None), Err(Box::new(refused)));
            let refused = VolumeRefusal::OtherHeader { volume: id(), presented: OTHER, registered };
            assert_eq!(release(&volume, registered, Some(OTHER)), Err(Box::new(refused)));
        }
    }

    #[test]
    fn t33_the_announced_header_takes_the_place_of_the_current_one() {
        let promoted = release(&id(), state(OLD, Some(NEXT)), Some(NEXT)).unwrap().unwrap();
        assert_eq!(promoted, VolumeState { generation: 5, current: NEXT, pending: None });
        let refused = VolumeRefusal::OtherHeader { volume: id(), presented: OLD, registered: promoted };
        assert_eq!(release(&id(), promoted, Some(OLD)), Err(Box::new(refused)));
    }

    #[test]
    fn t32_a_header_is_registered_once() {
        let first = VolumeState { generation: 1, current: OLD, pending: None };
        assert_eq!(act(&id(), None, &registering(OLD)), Ok(Effect::Changed(first)));
        let registered = state(OLD, Some(NEXT));
        assert_eq!(act(&id(), Some((registered, 1)), &registering(OLD)), Ok(Effect::Unchanged(registered)));
        for presented in [NEXT, OTHER] {
            let refused = VolumeRefusal::Registered { volume: id(), presented, registered };
            assert_eq!(act(&id(), Some((registered, 1)), &registering(presented)), Err(Box::new(refused)));
        }
    }

    #[test]
    fn t33_a_header_is_announced_after_the_current_one() {
        let registered = state(OLD, Some(OTHER));
        let announced = act(&id(), Some((registered, 1)), &advancing(OLD, NEXT));
        assert_eq!(announced, Ok(Effect::Changed(state(OLD, Some(NEXT)))), "it replaces an earlier one");
        assert_eq!(
            act(&id(), Some((registered, 1)), &advancing(OLD, OTHER)),
            Ok(Effect::Unchanged(registered))
        );
        let refused = VolumeRefusal::NotRegistered { volume: id() };
        assert_eq!(act(&id(), None, &advancing(OLD, NEXT)), Err(Box::new(refused)));
        let refused = VolumeRefusal::NotCurrent { volume: id(), from: OTHER, registered };
        assert_eq!(act(&id(), Some((registered, 1)), &advancing(OTHER, NEXT)), Err(Box::new(refused)));
        let refused = VolumeRefusal::Unchanged { volume: id(), current: OLD };
        assert_eq!(act(&id(), Some((registered, 1)), &advancing(OLD, OLD)), Err(Box::new(refused)));
    }

    #[test]
    fn t44_the_changes_of_a_volume_are_bounded() {
        let registered = state(OLD, None);
        assert!(act(&id(), Some((registered, MAX_CHANGES - 1)), &advancing(OLD, NEXT)).is_ok());
        let refused = VolumeRefusal::TooManyChanges { volume: id() };
        assert_eq!(
            act(&id(), Some((registered, MAX_CHANGES)), &advancing(OLD, NEXT)),
            Err(Box::new(refused))
        );
        // What was announced before can always become the current one.
        assert!(release(&id(), state(OLD, Some(NEXT)), Some(NEXT)).is_ok());
    }

    #[test]
    fn a_refusal_says_what_differs() {
        let registered = state(OLD, Some(NEXT));
        let refused = release(&id(), registered, Some(OTHER)).unwrap_err().to_string();
        assert_eq!(
            refused,
            format!(
                "prod/db/disk@1/2: header {OTHER} was presented; registered is generation 4, {OLD}, and announced {NEXT}"
            )
        );
    }
}
