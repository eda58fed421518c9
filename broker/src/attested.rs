//! Attested requests: the steps that every action shares, before anything is decided.
//!
//! [`Request::open`] accepts a request under a live challenge of this broker and binds it to its key and its
//! body. [`Request::verify`] verifies the evidence for exactly that, and is the only way to a [`Verified`]
//! request. What the request asks for plays no part here: it is read from the body once the evidence has been
//! verified.

mod arrival;
mod context;
mod error;
pub(crate) mod evidence;
mod limits;
mod session;
mod verify;

pub(crate) use arrival::Arrival;
pub(crate) use context::{Failure, VmContext, instance_name};
pub(crate) use error::{RequestError, retry_in};
pub(crate) use session::{Incoming, Received, Request, Session, namespaces};
pub(crate) use verify::Verified;
