//! Runs inside the VM: collects evidence, asks for secrets, opens them.
//!
//! Nothing here decides whether evidence is good: the broker does. What the library decides is whose
//! answer it takes: only one that a pinned identity signed, for its own request, is opened.
//!
//! | step | module |
//! |---|---|
//! | collect from the vTPM | [`vtpm`] |
//! | collect from the processor | [`hardware`] |
//! | keep secrets in memory | [`memory`] |
//! | say what this VM can prove | [`doctor`] |

pub mod doctor;
pub mod hardware;
pub mod memory;
pub mod vtpm;
