//! Samples of `/v1/keyring`.

use super::{AT, Sample};
use crate::api::keyring::{ChangedGeneration, Generation, GenerationState, RemoveGeneration, Resealed};

samples! {
    Generation = [
        (GenerationState::Pending, None), (GenerationState::Primary, None), (GenerationState::Retired, Some(AT)),
    ].map(|(state, retired_at)| Self {
        generation: 1, state, created_at: AT, retired_at, rows: [("secrets".to_owned(), 2)].into(),
    });
    ChangedGeneration = [Self { generation: 2 }];
    Resealed = [Self { generation: 2, rows: 4096, remaining: 0 }];
    RemoveGeneration = [Self { generation: 1 }];
}
