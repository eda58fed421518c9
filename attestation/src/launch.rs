//! Google's launch endorsements: its signed word on which measurement is which build of its firmware.

mod claims;
mod store;

pub use self::claims::LaunchEndorsement;
pub use self::store::EndorsementStore;
