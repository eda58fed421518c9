//! What a change of a baseline comes to.

use crate::api::baselines::ChangedBaseline;

/// The version in force, and the policies that name the baseline.
pub(super) fn changed(ChangedBaseline { name, version, policies }: ChangedBaseline) -> String {
    let done = version.map_or_else(
        || format!("{name} is revoked."),
        |version| format!("{name}: version {version} is in force."),
    );
    let policies: Vec<String> = policies.iter().map(ToString::to_string).collect();
    match policies.as_slice() {
        [] => format!("{done} No policy that you may read names it."),
        names => format!("{done} Policies that name it: {}.", names.join(", ")),
    }
}
