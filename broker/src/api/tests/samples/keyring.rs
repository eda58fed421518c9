//! Samples of `/v1/keyring`.

use super::{AT, Sample};
use crate::api::keyring::{
    ChangedGeneration, Generation, GenerationState, RemoveGeneration, Resealed, UnreadableRow,
};

samples! {
    Generation = [
        (GenerationState::Pending, None), (GenerationState::Primary, None), (GenerationState::Retired, Some(AT)),
    ].map(|(state, retired_at)| Self {
        generation: 1, state, created_at: AT, retired_at, rows: [("secrets".to_owned(), 2)].into(),
    });
    ChangedGeneration = [Self { generation: 2 }];
    Resealed = [0, 1].map(|remaining| {
        let row = UnreadableRow { table: "secrets".into(), key: "prod/db".into(), problem: "tampered with".into() };
        Self { generation: 2, rows: 4096, remaining, unreadable: vec![row] }
    });
    RemoveGeneration = [Self { generation: 1 }];
}
