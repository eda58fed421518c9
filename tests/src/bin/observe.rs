//! A real Prometheus scrapes a real broker under load, with the alert rules and the queries of the dashboard that this tree ships.
//!
//! It fails if the broker is not scraped, if a rule or query is refused by Prometheus, if a panel of the dashboard stays empty that
//! this load fills, or if an alert fires that should not.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use serde_json::Value;
use ureq::Agent;
use vouchsafe_protocol::{ReleasePaths, SecretPath};
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::fleet::{self, Guest, Kind, Operators};

/// Runs Prometheus against a broker under load.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program `prometheus`.
    #[arg(long, value_name = "FILE")]
    prometheus: PathBuf,
    /// Seconds of load.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(20..=3600))]
    seconds: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path(), &fleet::roots(), fleet::LIMITS)?;
    let prometheus = Prometheus::start(&arguments.prometheus, folder.path(), &broker)?;
    let releases = load(&broker, Duration::from_secs(arguments.seconds))?;
    prometheus.require_scraped()?;
    let rules = prometheus.require_rules()?;
    let queries = prometheus.require_dashboard()?;
    let granted = prometheus.number("sum(vouchsafe_grants_total)")?;
    ensure!(
        granted > 0.0 && granted <= f64::from(releases),
        "Prometheus counts {granted} grants, of {releases} releases"
    );
    say(&format!(
        "{releases} releases; {rules} alert rules and {queries} queries are evaluated without an error"
    ))
}

/// Releases from two guests for this long.
fn load(broker: &Broker, time: Duration) -> anyhow::Result<u32> {
    fleet::prepare(broker, POLICY, &Kind::Snp.policy())?;
    let path = SecretPath::parse("observe/db/password")?;
    fleet::put(&Operators::new(broker)?, &path, POLICY, &[0x5e; 32])?;
    let paths = ReleasePaths::new(vec![path])?;
    let vms = fleet::boot(2);
    let mut guests = vms
        .iter()
        .map(|vm| Guest::new(broker, Arc::clone(vm), Kind::Snp))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (start, mut releases) = (Instant::now(), 0);
    while start.elapsed() < time {
        for guest in &mut guests {
            guest.fetch(&paths)?;
            releases += 1;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // Two more scrapes.
    std::thread::sleep(Duration::from_secs(2 * SCRAPE_SECONDS + 1));
    Ok(releases)
}

/// A running Prometheus.
struct Prometheus {
    child: Child,
    url: String,
    agent: Agent,
}

impl Prometheus {
    fn start(program: &Path, folder: &Path, broker: &Broker) -> anyhow::Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let configuration = folder.join("prometheus.yml");
        fs::write(&configuration, configuration_for(broker)?)?;
        let log = fs::File::create(folder.join("prometheus.log"))?;
        let child = Command::new(program)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| program.display().to_string())?;
        Ok(Self { child, url: format!("http://127.0.0.1:{port}"), agent: broker.agent()? })
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let request = self.agent.get(format!("{}{path}", self.url)).query_pairs(query.iter().copied());
        let mut response = request.call()?;
        let answer: Value = serde_json::from_str(&response.body_mut().read_to_string()?)?;
        match (text(&answer, "/status"), answer.pointer("/data")) {
            ("success", Some(data)) => Ok(data.clone()),
            _ => bail!("{path}: {}", text(&answer, "/error")),
        }
    }

    fn query(&self, query: &str) -> anyhow::Result<Vec<Value>> {
        let data = self.get("/api/v1/query", &[("query", query)]).with_context(|| query.to_owned())?;
        Ok(list(&data, "/result").to_vec())
    }

    fn number(&self, query: &str) -> anyhow::Result<f64> {
        let result = self.query(query)?;
        let series = result.first().context("no result")?;
        Ok(text(series, "/value/1").parse()?)
    }

    fn require_scraped(&self) -> anyhow::Result<()> {
        let targets = self.get("/api/v1/targets", &[])?;
        let target = list(&targets, "/activeTargets").first().context("no target")?;
        ensure!(text(target, "/health") == "up", "the broker is not scraped: {}", text(target, "/lastError"));
        Ok(())
    }

    /// Every shipped rule is evaluated, and none of those fires that are for trouble.
    fn require_rules(&self) -> anyhow::Result<usize> {
        let groups = self.get("/api/v1/rules", &[])?;
        let groups = list(&groups, "/groups");
        let rules: Vec<_> = groups.iter().flat_map(|group| list(group, "/rules")).collect();
        ensure!(!rules.is_empty(), "Prometheus has read no rule");
        for rule in &rules {
            let name = text(rule, "/name");
            ensure!(text(rule, "/health") == "ok", "{name}: {}", text(rule, "/lastError"));
            // The test roots of this broker are extra trust anchors.
            let expected = if name == "VouchsafeExtraTrustAnchors" { "firing" } else { "inactive" };
            let collateral =
                ["VouchsafeCollateralEnds", "VouchsafeCrlsOverdue", "VouchsafeFetchesFail"].contains(&name);
            ensure!(collateral || text(rule, "/state") == expected, "{name} is {}", text(rule, "/state"));
        }
        Ok(rules.len())
    }

    /// Every query of the dashboard is evaluated, and has a result unless this load cannot give one.
    fn require_dashboard(&self) -> anyhow::Result<usize> {
        let queries = dashboard()?;
        for query in &queries {
            let empty_is_fine = NOT_FILLED.iter().any(|name| query.contains(name));
            let result = self.query(query)?;
            ensure!(empty_is_fine || !result.is_empty(), "no result: {query}");
        }
        Ok(queries.len())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Nothing can be done about a failure.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The shipped sample, for this broker.
fn configuration_for(broker: &Broker) -> anyhow::Result<String> {
    let operators = broker.operators_url();
    let target =
        operators.strip_prefix("https://").context("operators connect by https")?.trim_end_matches('/');
    let folder = root().join("config/prometheus");
    let mut sample = fs::read_to_string(folder.join("prometheus.yml"))?;
    for (shipped, here) in [
        ("scrape_interval: 30s", format!("scrape_interval: {SCRAPE_SECONDS}s")),
        ("evaluation_interval: 30s", "evaluation_interval: 2s".to_owned()),
        ("/etc/prometheus/vouchsafe/alerts.yml", folder.join("alerts.yml").display().to_string()),
        ("/etc/prometheus/vouchsafe/ca.pem", broker.ca().display().to_string()),
        ("127.0.0.1:8444", target.to_owned()),
    ] {
        ensure!(sample.matches(shipped).count() == 1, "the sample has not {shipped} once");
        sample = sample.replace(shipped, &here);
    }
    Ok(sample)
}

/// The queries of all panels, with the variables filled in as Grafana would.
fn dashboard() -> anyhow::Result<BTreeSet<String>> {
    let shipped = fs::read_to_string(root().join("config/grafana/vouchsafe.json"))?;
    let dashboard: Value = serde_json::from_str(&shipped)?;
    let targets = list(&dashboard, "/panels").iter().flat_map(|panel| list(panel, "/targets"));
    let queries: BTreeSet<String> = targets
        .map(|target| text(target, "/expr"))
        .map(|query| query.replace("$__rate_interval", "10s").replace("$instance", ".*"))
        .collect();
    ensure!(!queries.is_empty(), "the dashboard has no query");
    Ok(queries)
}

/// A text in an answer; empty if there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

const POLICY: &str = "observe/any";
const SCRAPE_SECONDS: u64 = 1;
/// Metrics that are absent without a baseline, or zero without fetches.
const NOT_FILLED: [&str; 2] = ["vouchsafe_baseline_expiry_seconds", "vouchsafe_collateral_"];
