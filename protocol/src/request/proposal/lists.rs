//! The component lists that a VM sends with a proposal.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest32;
use crate::encoding::{SharedBytes, deserialize_at_most};
use crate::limits::{MAX_COMPONENT_LIST, MAX_COMPONENT_LISTS};

/// Component lists as files of the VM have them, at most [`MAX_COMPONENT_LISTS`]. Nothing in them has been checked but
/// their size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CarriedLists(Vec<SharedBytes>);

/// Why lists cannot be sent with a proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarriedListsError {
    /// Too many.
    #[error("at most {MAX_COMPONENT_LISTS} component lists come with a proposal, not {count}")]
    Count {
        /// Their number.
        count: usize,
    },
    /// One is too long.
    #[error("a component list has at most {MAX_COMPONENT_LIST} bytes, not {length}")]
    TooLarge {
        /// Its length.
        length: usize,
    },
    /// They are not those that the proposal names.
    #[error("the component lists are not those that the proposal names by their digests")]
    OtherLists,
}

impl CarriedLists {
    /// Takes these lists.
    ///
    /// # Errors
    /// When there are too many, or one is too long.
    pub fn new(lists: Vec<SharedBytes>) -> Result<Self, CarriedListsError> {
        if lists.len() > MAX_COMPONENT_LISTS {
            return Err(CarriedListsError::Count { count: lists.len() });
        }
        match lists.iter().map(|list| list.len()).find(|length| *length > MAX_COMPONENT_LIST) {
            Some(length) => Err(CarriedListsError::TooLarge { length }),
            None => Ok(Self(lists)),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// SHA-256 of each.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest32> {
        self.0.iter().map(SharedBytes::digest).collect()
    }
}

impl Deref for CarriedLists {
    type Target = [SharedBytes];

    fn deref(&self) -> &[SharedBytes] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CarriedLists {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lists = deserialize_at_most::<_, _, MAX_COMPONENT_LISTS>(deserializer)?;
        Self::new(lists).map_err(serde::de::Error::custom)
    }
}
