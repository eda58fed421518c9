//! Metrics of operators' tokens.

use prometheus::{IntGaugeVec, Opts, Registry};
use vouchsafe_keystore::registry::TokenEnd;
use vouchsafe_policy::operators::OperatorRole;
use vouchsafe_protocol::UnixTime;

use super::registry::registered;

/// When operators' tokens end.
#[derive(Clone, Debug)]
pub struct TokenMetrics {
    first: IntGaugeVec,
    administrators: IntGaugeVec,
}

impl TokenMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let first = Opts::new(
            "vouchsafe_operator_token_expiry_seconds",
            "Until the first valid token of a role ends; absent for a role of which none ends",
        );
        let administrators = Opts::new(
            "vouchsafe_administrator_access_seconds",
            "Until the last token of an administrator ends, negative afterwards; absent if one never ends",
        );
        Ok(Self {
            first: registered(registry, IntGaugeVec::new(first, &["role"])?)?,
            administrators: registered(registry, IntGaugeVec::new(administrators, &[])?)?,
        })
    }

    /// Sets the metrics from the ends of all tokens.
    pub fn observe(&self, ends: &[TokenEnd], now: UnixTime) {
        self.first.reset();
        self.administrators.reset();
        let left = |end: UnixTime| seconds(end).saturating_sub(seconds(now));
        for role in OperatorRole::ALL {
            let of_role = ends.iter().filter(|(found, _)| *found == role);
            if let Some(first) = of_role.filter_map(|(_, end)| *end).filter(|end| now < *end).min() {
                self.first.with_label_values(&[role.as_str()]).set(left(first));
            }
        }
        if let Some(last) = last_of_administrators(ends) {
            self.administrators.with_label_values::<&str>(&[]).set(left(last));
        }
    }
}

/// When the last token of an administrator ends; `None` if one never ends.
#[must_use]
pub(crate) fn last_of_administrators(ends: &[TokenEnd]) -> Option<UnixTime> {
    let administrators = ends.iter().filter(|(role, _)| *role == OperatorRole::Administrator);
    // `None` if any is, and for a broker that has no administrator yet.
    let ends: Option<Vec<UnixTime>> = administrators.map(|(_, end)| *end).collect();
    ends?.into_iter().max()
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use OperatorRole::{Administrator, Auditor, Editor};

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn the_first_end_of_a_role_and_the_last_of_administrators_are_shown() {
        let metrics = Metrics::new().unwrap();
        let now = UnixTime(1_800_000_000);
        let at = |seconds| Some(now.plus(seconds));
        let shown = |ends: &[TokenEnd]| {
            metrics.tokens.observe(ends, now);
            let text = String::from_utf8(metrics.text().unwrap()).unwrap();
            let of_tokens = |line: &&str| {
                line.starts_with("vouchsafe_operator_token_") || line.starts_with("vouchsafe_administrator_")
            };
            text.lines().filter(of_tokens).map(str::to_owned).collect::<Vec<_>>()
        };
        let ends = [
            (Administrator, at(70)),
            (Administrator, at(50)),
            (Editor, at(10)),
            (Editor, None),
            (Auditor, None),
        ];
        assert_eq!(
            shown(&ends),
            [
                "vouchsafe_administrator_access_seconds 70",
                "vouchsafe_operator_token_expiry_seconds{role=\"administrator\"} 50",
                "vouchsafe_operator_token_expiry_seconds{role=\"editor\"} 10",
            ]
        );
        // An administrator whose token never ends; an end that is reached.
        assert_eq!(
            shown(&[(Administrator, at(70)), (Administrator, None), (Editor, Some(now))]),
            ["vouchsafe_operator_token_expiry_seconds{role=\"administrator\"} 70"]
        );
        let ended = Some(UnixTime(now.0 - 5));
        assert_eq!(shown(&[(Administrator, ended)]), ["vouchsafe_administrator_access_seconds -5"]);
        assert!(shown(&[]).is_empty());
    }
}
