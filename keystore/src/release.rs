//! From paths to opened secrets: `input` reads what a decision needs at one epoch and makes the grant or the
//! denial, `unseal` opens what a grant names. `proposal` is the input of decisions about proposals for a baseline.

pub(crate) mod input;
mod proposal;
pub(crate) mod unseal;

pub use input::{DecisionInput, GuardrailsError};
pub use proposal::BaselineInput;
pub(crate) use proposal::baseline_input;
pub use unseal::UnsealError;
