//! Watches for operators' tokens that end: without a valid one of an administrator, somebody has to go to the broker's machine.
//!
//! A check is for the metrics, and warns in the log. The log names no operator; `operator list` does.

use std::sync::Arc;

use vouchsafe_protocol::UnixTime;

use crate::api::operators::TOKEN_NOTICE;
use crate::broker::Broker;
use crate::clock;
use crate::metrics::tokens::last_of_administrators;

/// One check. `announces`: whether the log gets the warnings, too.
pub(crate) async fn look(broker: Arc<Broker>, announces: bool) {
    let now = clock::now();
    match broker.keystore.token_ends().await {
        Ok(ends) => {
            broker.metrics.tokens.observe(&ends, now);
            if let Some(last) = last_of_administrators(&ends).filter(|_| announces) {
                announce(last, now);
            }
        }
        // A fault of the keystore is reported by readiness.
        Err(error) => tracing::warn!(event = "operator.tokens_not_read", %error),
    }
}

fn announce(last: UnixTime, now: UnixTime) {
    let ends_at = clock::human(last);
    if last <= now {
        tracing::warn!(
            event = "operator.administrators_ended",
            ends_at,
            "no administrator has a valid token: `vouchsafe recover-admin` adds one"
        );
    } else if last.since(now) < TOKEN_NOTICE {
        tracing::warn!(
            event = "operator.administrators_end_soon",
            ends_at,
            "the last valid token of an administrator ends: `vouchsafe operator rotate` replaces it"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::lines::Lines;

    #[test]
    fn the_end_of_the_last_administrators_token_is_announced_from_14_days_before() {
        let now = UnixTime(1_800_000_000);
        for (last, event) in [
            (now.plus(TOKEN_NOTICE), ""),
            (now.plus(TOKEN_NOTICE - 1), "operator.administrators_end_soon"),
            (now.plus(1), "operator.administrators_end_soon"),
            (now, "operator.administrators_ended"),
            (UnixTime(0), "operator.administrators_ended"),
        ] {
            let (lines, _guard) = Lines::of_this_thread();
            announce(last, now);
            let text = lines.text();
            assert_eq!(text.lines().count(), usize::from(!event.is_empty()), "{text}");
            assert!(text.contains(event), "{text}");
        }
    }
}
