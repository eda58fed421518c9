//! Bounds of a log, checked before anything is allocated.

/// Upper limit of events in a log.
pub const MAX_EVENTS: usize = 4096;
/// Upper limit of an event's data; the largest seen on a real machine is a dbx of 23 kB.
pub const MAX_EVENT_DATA: usize = 64 * 1024;
/// Upper limit of algorithms that a log may declare.
pub const MAX_ALGORITHMS: usize = 8;
