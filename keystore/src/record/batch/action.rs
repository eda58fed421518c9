//! Records of actions that have a transaction of their own.

use vouchsafe_protocol::{Nonce, UnixTime};

use super::{Batches, MAX_SPENT, evidence_rows, spend};
use crate::db::columns::time;
use crate::db::grants::{self, NonceRow};
use crate::db::{Connection, StoreError, Tx};
use crate::log::record::{EvidencePiece, LogRecord};
use crate::log::{Leaf, LogState, append};
use crate::record::pending::PendingAction;

/// A nonce, and the last second in which its challenge is accepted.
pub(super) type ExpiringNonce = (Nonce, UnixTime);

impl Batches {
    /// Carries out an action.
    pub(in crate::record) async fn action(&mut self, action: PendingAction) {
        match action {
            PendingAction::Volume(pending) => self.volume(*pending).await,
            PendingAction::Proposal(pending) => self.proposal(*pending).await,
        }
    }

    /// Spends a nonce; false if it is spent already.
    pub(super) async fn spend_once(
        &self,
        connection: &mut Connection,
        (nonce, expires_at): ExpiringNonce,
    ) -> Result<bool, StoreError> {
        let row = NonceRow { nonce: nonce.0.to_vec(), expires_at: time(expires_at)? };
        Ok(expires_at > self.floor(connection).await?
            && !self.spent.contains_key(&nonce)
            && !spend(connection, vec![row]).await?.is_empty())
    }

    /// Appends one record with its evidence, and commits.
    pub(super) async fn append_alone(
        &mut self,
        mut tx: Tx<'_>,
        state: LogState,
        record: &LogRecord,
        evidence: &[EvidencePiece],
        (nonce, expires_at): ExpiringNonce,
    ) -> Result<(), StoreError> {
        let pieces = self.new_pieces(evidence.iter().collect());
        grants::keep_evidence(&mut tx, evidence_rows(&pieces)).await?;
        let leaf = Leaf::new(&self.log.keyring, state.size(), record)?;
        let state = append(&mut tx, &self.log.keyring, state, vec![leaf]).await?;
        let kept: Vec<_> = pieces.iter().map(|piece| piece.bytes.digest()).collect();
        tx.commit().await?;
        self.log.pins.saw(&state);
        if self.spent.len() < MAX_SPENT {
            self.spent.insert(nonce, expires_at);
        }
        self.kept.extend(kept);
        Ok(())
    }
}
