//! The chip that a grant was seen on, by subject.

use vouchsafe_policy::chip::Chip;

use crate::chips::Subject;
use crate::log::record::GrantRecord;

/// A chip seen with a subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sighting {
    pub(crate) subject: Subject,
    pub(crate) chip: Chip,
}

impl Sighting {
    /// The sightings of a grant.
    pub(crate) fn of(grant: &GrantRecord, chip: Option<&Chip>) -> Vec<Self> {
        let Some(chip) = chip else { return Vec::new() };
        subjects(grant).into_iter().map(|subject| Self { subject, chip: chip.clone() }).collect()
    }
}

/// The subjects of a grant, without duplicates.
fn subjects(grant: &GrantRecord) -> Vec<Subject> {
    if let Some(instance) = &grant.instance {
        return vec![Subject::Instance(instance.clone())];
    }
    let mut subjects: Vec<_> =
        grant.secrets.iter().map(|secret| Subject::Policy(secret.policy.clone())).collect();
    subjects.sort();
    subjects.dedup();
    subjects
}
