//! Records of the log, the evidence in them, chips and volumes.

use vouchsafe_policy::operators::{OperatorAction, Permits, WHOLE_BROKER};
use vouchsafe_protocol::{DecisionId, ObjectName, SecretPath};

use super::PermittedLists;
use crate::db::StoreError;
use crate::log::record::{LogRecord, VolumeRecord};
use crate::log::{DecisionFilter, LoggedRecord};
use crate::registry::chips::{ChipFilter, SeenChip};
use crate::registry::volumes::VolumeFilter;
use crate::replay::KeptPiece;
use crate::volumes::VolumeId;

/// Some records, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionPage {
    /// The records.
    pub records: Vec<LoggedRecord>,
    /// `before` of the next page; `None` if this is the last.
    pub next: Option<u64>,
}

/// Some chips, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipPage {
    /// The chips.
    pub chips: Vec<SeenChip>,
    /// `before` of the next page; `None` if this is the last.
    pub next: Option<u64>,
}

/// Some volumes, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumePage {
    /// The newest record of each.
    pub volumes: Vec<VolumeRecord>,
    /// `after` of the next page; `None` if this is the last.
    pub next: Option<VolumeId>,
}

impl LogRecord {
    /// Whether these permissions cover every namespace that is concerned; for a record that concerns none, the whole broker.
    #[must_use]
    pub fn is_readable(&self, permits: &Permits) -> bool {
        let namespaces: Vec<&str> = match self {
            Self::Grant(grant) => grant.secrets.iter().map(|secret| secret.path.namespace()).collect(),
            Self::Refusal(refusal) => {
                let baseline = refusal.baseline.iter().map(ObjectName::namespace);
                refusal.paths.iter().map(SecretPath::namespace).chain(baseline).collect()
            }
            Self::Volume(volume) => vec![volume.path.namespace()],
            Self::Proposal(record) => vec![record.proposal.baseline.namespace()],
            Self::Operator(change) => {
                change.target.split_once('/').map(|(namespace, _)| namespace).into_iter().collect()
            }
        };
        let covers = |namespace: &str| permits.cover(OperatorAction::ReadRecords, namespace);
        if namespaces.is_empty() { covers(WHOLE_BROKER) } else { namespaces.into_iter().all(covers) }
    }
}

impl PermittedLists<'_> {
    /// Records of the log: the number that the filter requests, if there are enough.
    ///
    /// # Errors
    /// When the database fails or a leaf was changed.
    pub async fn decisions(self, mut filter: DecisionFilter) -> Result<DecisionPage, StoreError> {
        self.needs(OperatorAction::ReadRecords)?;
        let wanted = filter.limit();
        let namespaces = self.permits.namespaces();
        if namespaces.is_some() {
            // Records that name a namespace of the operator may name others too, and are passed over then.
            filter.limit = Some(DecisionFilter::MAX_PAGE);
        }
        let mut records = Vec::new();
        loop {
            let found = self.keystore.decisions(&filter, namespaces.as_deref()).await?;
            let is_last = found.len() < filter.limit();
            for logged in found {
                filter.before = Some(logged.index);
                if logged.record.is_readable(self.permits) {
                    records.push(logged);
                }
                if records.len() == wanted {
                    return Ok(DecisionPage { records, next: filter.before.filter(|index| *index > 0) });
                }
            }
            if is_last || filter.before == Some(0) {
                return Ok(DecisionPage { records, next: None });
            }
        }
    }

    /// The record with this id. One that may not be read looks like one that is not there.
    ///
    /// # Errors
    /// When the database fails or the leaf was changed.
    pub async fn decision(self, id: DecisionId) -> Result<Option<LoggedRecord>, StoreError> {
        self.needs(OperatorAction::ReadRecords)?;
        let logged = self.keystore.decision(id).await?;
        Ok(logged.filter(|logged| logged.record.is_readable(self.permits)))
    }

    /// The evidence of a decision, in the order of its record. `None` if there is no such decision that may
    /// be read, it has no evidence, or a piece is missing.
    ///
    /// # Errors
    /// When the database fails, or a row was changed.
    pub async fn evidence_of(self, decision: DecisionId) -> Result<Option<Vec<KeptPiece>>, StoreError> {
        match self.decision(decision).await? {
            Some(logged) => self.keystore.evidence_of(&logged.record).await,
            None => Ok(None),
        }
    }

    /// Chips whose grant may be read: the number that the filter requests, if there are enough.
    ///
    /// # Errors
    /// When the database fails, or a row or the record of its grant was changed.
    pub async fn chips(self, mut filter: ChipFilter) -> Result<ChipPage, StoreError> {
        self.needs(OperatorAction::ReadRecords)?;
        let wanted = filter.limit();
        let mut chips = Vec::new();
        loop {
            let found = self.keystore.chips(&filter).await?;
            let is_last = found.len() < filter.limit();
            for chip in found {
                filter.before = Some(chip.index);
                if chip.grant.record.is_readable(self.permits) {
                    chips.push(chip);
                }
                if chips.len() == wanted {
                    return Ok(ChipPage { chips, next: filter.before.filter(|index| *index > 0) });
                }
            }
            if is_last || filter.before == Some(0) {
                return Ok(ChipPage { chips, next: None });
            }
            filter.limit = Some(ChipFilter::MAX_PAGE);
        }
    }

    /// Registered volumes whose secret may be read about: the number that the filter requests, if there are enough.
    ///
    /// # Errors
    /// When the database fails or a record was changed.
    pub async fn volumes(self, mut filter: VolumeFilter) -> Result<VolumePage, StoreError> {
        self.needs(OperatorAction::ReadObjects)?;
        let wanted = filter.limit();
        let mut volumes = Vec::new();
        loop {
            let found = self.keystore.volume_records(&filter).await?;
            let is_last = found.len() < filter.limit();
            for (record, is_registered) in found {
                filter.after = Some(record.volume());
                if is_registered && self.covers(record.path.namespace()) {
                    volumes.push(record);
                }
                if volumes.len() == wanted {
                    return Ok(VolumePage { volumes, next: filter.after });
                }
            }
            if is_last {
                return Ok(VolumePage { volumes, next: None });
            }
            // Forgotten volumes and those of other namespaces are passed over.
            filter.limit = Some(VolumeFilter::MAX_PAGE);
        }
    }
}
