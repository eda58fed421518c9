//! Bad input at every route of both listeners of a real broker process, over TLS.
//!
//! Cases come from tables: the routes that `broker/openapi.yaml` describes, which are those of the code, and what can
//! be wrong with a request. Whatever a client sends, the broker answers within [`client::BOUND`] with no 5xx and with a
//! problem on every error; strangers change no byte on disk and learn nothing; memory stays within bounds; and clients
//! that behave are served meanwhile.

#[cfg(test)]
mod answer;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod client;
#[cfg(test)]
mod described;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod guests;
#[cfg(test)]
mod heads;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod world;
