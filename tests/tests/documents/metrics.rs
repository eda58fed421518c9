//! Alert rules, dashboard and documents name metrics that the broker has.

use std::collections::BTreeSet;

use super::tree;

/// Everything in a text that is named like a metric of the broker. A histogram's series have endings of their own.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let words = words.filter(|word| word.starts_with("vouchsafe_"));
    let series = |word: &str| {
        let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end));
        base.unwrap_or(word).to_owned()
    };
    words.map(series).collect()
}

#[test]
fn rules_and_dashboard_query_metrics_of_the_broker() {
    let sources = tree::files().into_iter().filter(|(name, _)| name.starts_with("broker/src/metrics"));
    let there: BTreeSet<String> = sources.flat_map(|(_, text)| named(&text)).collect();
    for file in
        ["config/prometheus/alerts.yml", "config/prometheus/alerts.test.yml", "config/grafana/vouchsafe.json"]
    {
        let named = named(&tree::read(file));
        assert!(named.len() > 3, "{file} names metrics");
        let unknown: Vec<_> = named.difference(&there).collect();
        assert!(unknown.is_empty(), "{file} names metrics that do not exist: {unknown:?}");
    }
}

/// Every alert says what to do first.
#[test]
fn every_alert_has_a_summary_and_a_next_step() {
    let rules = tree::read("config/prometheus/alerts.yml");
    let alerts = rules.matches("- alert: ").count();
    assert!(alerts > 10, "{alerts} alerts");
    for key in ["severity: ", "summary: ", "description: "] {
        assert_eq!(rules.matches(key).count(), alerts, "{key}");
    }
}
