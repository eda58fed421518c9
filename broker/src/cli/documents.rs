//! Policies and baselines by their names, and the files with their texts.

use std::path::PathBuf;

use clap::Args;
use vouchsafe_protocol::ObjectName;

use super::failure::Failure;
use super::output;
use crate::api::documents::{NewDocument, ShowDocument};

/// A document and the file with its text.
#[derive(Debug, Args)]
pub(super) struct Document {
    /// Its name, such as prod/db.
    pub(super) name: ObjectName,
    /// File with its text; - is standard input.
    pub(super) file: PathBuf,
}

/// A document of the broker.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its name.
    pub(super) name: ObjectName,
    /// An older version instead of the current one.
    #[arg(long)]
    pub(super) version: Option<u64>,
}

impl Document {
    /// The request for `put` or `check`.
    pub(super) fn read(self, limit: usize) -> Result<NewDocument, Failure> {
        Ok(NewDocument { text: output::read_text(&self.file, limit)?, name: self.name })
    }
}

impl Named {
    pub(super) fn query(self) -> ShowDocument {
        ShowDocument { name: self.name, version: self.version }
    }
}
