//! From paths to opened secrets: `input` reads what a decision needs at one epoch and makes the grant or the
//! denial, `unseal` opens what a grant names.

pub(crate) mod input;
pub(crate) mod unseal;

pub use input::{DecisionInput, GuardrailsError};
pub use unseal::UnsealError;
