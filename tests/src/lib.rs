//! Harness of the end-to-end tests, the demo, the benchmarks, the load generator and the crash test.

pub mod broker;
pub mod clock;
pub mod collector;
pub mod documents;
pub mod fleet;
pub mod floor;
pub mod pem;
pub mod process;
pub mod swtpm;
pub mod tls;
pub mod vm;
