//! The process itself: `process_*` as every exporter has them, and which build this is.

use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGaugeVec, Opts, Registry};

use super::registry::registered;

/// Adds both to the registry.
pub(super) fn register(registry: &Registry) -> prometheus::Result<()> {
    registry.register(Box::new(ProcessCollector::for_self()))?;
    let build = Opts::new("vouchsafe_build_info", "Always 1; the label has the version of the program");
    let build = registered(registry, IntGaugeVec::new(build, &["version"])?)?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[test]
    fn process_and_build_are_measured() {
        let text = String::from_utf8(Metrics::new().unwrap().text().unwrap()).unwrap();
        let value = |name: &str| {
            let line = text
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_else(|| panic!("{name} in {text}"));
            line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
        };
        for name in ["process_resident_memory_bytes ", "process_open_fds ", "process_threads "] {
            assert!(value(name) > 0.0, "{name}");
        }
        assert!(value("process_start_time_seconds ") > 1.7e9);
        assert!((value("vouchsafe_build_info{") - 1.0).abs() < f64::EPSILON);
    }
}
