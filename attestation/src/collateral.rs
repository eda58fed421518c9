//! Stored collateral as a value: which items are accepted, which item replaces which, and what a verification
//! lacked.
//!
//! Stored items are not trusted: a CRL is used only if the issuer of the certificate to check signed it, a CA
//! must chain to an anchor, and everything else is verified together with the evidence. The only exception
//! are key sets: nothing signs them, so they are trusted as stored.
//!
//! Every change is made on a copy, and gives a new value or one exact error. A network attacker can withhold
//! collateral, but the replacement rules protect what is stored (T17).
//!
//! Left to the caller: fetching; files and their names; whether to trust a bundle's signer.

mod check;
mod crl;
mod error;
mod export;
mod fetched;
mod intake;
mod item;
mod metadata;
mod missing;
mod pcs;
mod read;
mod replacement;
mod stored;
mod tdx;
#[cfg(test)]
mod tests;

pub use self::check::CheckInputs;
pub use self::crl::StoredCrl;
pub use self::error::ItemError;
pub use self::intake::LeftOut;
pub use self::item::Item;
pub use self::item::KeySet;
pub use self::metadata::IMPORTED;
pub use self::metadata::ItemMetadata;
pub use self::metadata::MetadataByDigest;
pub use self::missing::Chip;
pub use self::missing::Issuer;
pub use self::missing::Measured;
pub use self::missing::Missing;
pub use self::missing::missing;
pub use self::missing::unendorsed;
pub use self::pcs::PcsAnswers;
pub use self::read::is_bundle;
pub use self::read::is_key_set;
pub use self::read::split;
pub use self::stored::Loaded;
pub use self::stored::StoredCollateral;
pub use self::tdx::TdxDescription;
pub use self::tdx::TdxItemError;
pub use self::tdx::TdxPart;
