//! Which chips a grant shows, and of whom.

use vouchsafe_policy::chip::Chip;

use crate::chips::Subject;
use crate::log::record::GrantRecord;

/// A chip that a subject shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sighting {
    pub(crate) subject: Subject,
    pub(crate) chip: Chip,
}

impl Sighting {
    /// What a grant shows.
    pub(crate) fn of(grant: &GrantRecord, chip: Option<&Chip>) -> Vec<Self> {
        let Some(chip) = chip else { return Vec::new() };
        subjects(grant).into_iter().map(|subject| Self { subject, chip: chip.clone() }).collect()
    }
}

/// The subjects of a grant, each once.
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
