//! Names with a special meaning for the registry.

use vouchsafe_protocol::ObjectName;

/// The namespace whose policies and baselines all others may use.
pub(super) const SHARED: &str = "shared";

/// The name of the only guardrails document.
pub(crate) fn guardrails_name() -> ObjectName {
    ObjectName::parse("shared/guardrails").expect("a constant that a test parses")
}
