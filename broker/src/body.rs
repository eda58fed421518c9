//! A request's body: admitted before it is kept, bounded in time while it is read.
//!
//! A body that is read whole takes its length out of the listener's room for bodies first, and its buffer is reserved
//! once. Before that no more than the connection's window is kept, which is enough for [`BodyReader::opening`].

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BodyStream, MessageBody as _};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Data};
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::limits::MAX_REQUEST;
use zeroize::Zeroize as _;

use crate::admission::{Admission, BodyPermit, Network, TurnedAway};
use crate::broker::Broker;
use crate::problem::HttpProblem;
use crate::server::connection::Connection;

/// What bodies of a route may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes.
    pub size: usize,
    /// The detail of problems is for operators; guests get a decision id.
    pub audience: Audience,
}

/// Who reads the answers of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// VMs.
    Guests,
    /// Operators.
    Operators,
}

impl Audience {
    /// A problem as this audience is told it.
    #[must_use]
    pub fn problem(self, code: ReasonCode, detail: impl Into<String>) -> HttpProblem {
        match self {
            Self::Guests => HttpProblem::for_guest(code),
            Self::Operators => HttpProblem::for_operator(code, detail),
        }
    }
}

/// The bytes of a body. Their room is taken until this and what was made of it are dropped.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    audience: Audience,
    room: Arc<BodyPermit>,
}

impl Body {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Its room, for as long as the work lasts that is made of it.
    pub(crate) fn room(&self) -> Arc<BodyPermit> {
        Arc::clone(&self.room)
    }

    /// The JSON in it.
    ///
    /// # Errors
    /// `malformed-request`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpProblem> {
        self.parse().map_err(|error| self.audience.problem(ReasonCode::MalformedRequest, error.to_string()))
    }

    /// The JSON in it, of which an error repeats nothing: some of it is a secret.
    ///
    /// # Errors
    /// `malformed-request`.
    pub fn secret_json<T: DeserializeOwned>(&self) -> Result<T, HttpProblem> {
        self.parse().map_err(|error| {
            let place = format!("malformed at line {}, column {}", error.line(), error.column());
            self.audience.problem(ReasonCode::MalformedRequest, place)
        })
    }

    /// The JSON in it, with the parser's own words for what is wrong.
    ///
    /// # Errors
    /// Those of the parser.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.bytes)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.audience == Audience::Operators {
            // It may have been a secret.
            self.bytes.zeroize();
        }
    }
}

/// What the first bytes of a body say.
#[derive(Debug)]
pub enum Opening<T> {
    /// This.
    Found(T),
    /// Nothing yet: there must be more.
    Incomplete,
    /// Nothing that can be meant.
    Malformed(String),
}

/// Why no opening was found.
#[derive(Debug)]
pub enum NoOpening {
    /// The bytes are wrong, or too few or too many.
    Malformed(String),
    /// The body did not arrive.
    Problem(HttpProblem),
}

/// A body of which nothing is kept yet.
pub struct BodyReader {
    payload: Pin<Box<BodyStream<Payload>>>,
    /// What was read for an opening.
    opening: Vec<u8>,
    /// By the header.
    length: Option<usize>,
    limits: BodyLimits,
    deadline: Instant,
    admission: Arc<Admission>,
    network: Network,
    /// Only a test's request has none.
    connection: Option<Rc<Connection>>,
}

impl BodyReader {
    fn new(request: &HttpRequest, payload: &mut Payload) -> Result<Self, HttpProblem> {
        let internal = || HttpProblem::new(ReasonCode::Internal);
        let limits = request.app_data::<BodyLimits>().copied().ok_or_else(internal)?;
        let broker = request.app_data::<Data<Broker>>().ok_or_else(internal)?;
        let problem = |code: ReasonCode| limits.audience.problem(code, code.title());
        let length = length(request.headers()).map_err(|()| problem(ReasonCode::MalformedRequest))?;
        let connection = request.conn_data::<Rc<Connection>>().cloned();
        let address = || Network::from(request.peer_addr().map_or(UNKNOWN, |peer| peer.ip()));
        Ok(Self {
            payload: Box::pin(BodyStream::new(payload.take())),
            opening: Vec::new(),
            length,
            limits,
            deadline: Instant::now() + broker.config().limits.body,
            admission: Arc::clone(match limits.audience {
                Audience::Guests => &broker.admission.guests,
                Audience::Operators => &broker.admission.operators,
            }),
            network: connection.as_ref().map_or_else(address, |connection| connection.network()),
            connection,
        })
    }

    /// Whom it comes from.
    #[must_use]
    pub const fn network(&self) -> Network {
        self.network
    }

    /// What the body starts with, from at most `limit` bytes and without taking room for any.
    ///
    /// # Errors
    /// [`NoOpening`].
    pub async fn opening<T>(
        &mut self,
        limit: usize,
        find: impl Fn(&[u8]) -> Opening<T>,
    ) -> Result<T, NoOpening> {
        self.check_length().map_err(NoOpening::Problem)?;
        loop {
            let shown = self.opening.get(..limit).unwrap_or(&self.opening);
            match find(shown) {
                Opening::Found(found) => return Ok(found),
                Opening::Malformed(reason) => return Err(NoOpening::Malformed(reason)),
                Opening::Incomplete if self.opening.len() >= limit => {
                    return Err(NoOpening::Malformed(format!("not within the first {limit} bytes")));
                }
                Opening::Incomplete => {}
            }
            match self.chunk().await.map_err(NoOpening::Problem)? {
                Some(chunk) => self.opening.extend_from_slice(&chunk),
                None => return Err(NoOpening::Malformed("the body ends too early".to_owned())),
            }
        }
    }

    /// All of it, once there is room for it. Where it is not taken in, the rest is [discarded](Self::discard).
    ///
    /// # Errors
    /// `overloaded` without room, `request-too-large`, `request-timeout`, `malformed-request`.
    pub async fn whole(mut self) -> Result<Body, HttpProblem> {
        match self.take_in().await {
            Ok(body) => Ok(body),
            Err(problem) => {
                self.discard().await;
                Err(problem)
            }
        }
    }

    async fn take_in(&mut self) -> Result<Body, HttpProblem> {
        self.check_length()?;
        // Without a length it may become as large as any.
        let room = self.length.unwrap_or(self.limits.size).max(self.opening.len());
        let permit = self.admission.body(self.network, room).map_err(|reason| self.turned_away(reason))?;
        let mut bytes = Vec::with_capacity(self.length.unwrap_or_default().max(self.opening.len()));
        bytes.append(&mut self.opening);
        if let Some(connection) = &self.connection {
            connection.consumed(bytes.len());
        }
        while let Some(mut chunk) = self.chunk().await? {
            if bytes.len().saturating_add(chunk.len()) > room {
                return Err(self.problem(ReasonCode::RequestTooLarge));
            }
            bytes.extend_from_slice(&chunk);
            if let Some(connection) = &self.connection {
                connection.consumed(chunk.len());
            }
            self.forget(&mut chunk);
        }
        if let Some(connection) = &self.connection {
            connection.body_ended();
        }
        Ok(Body { bytes, audience: self.limits.audience, room: Arc::new(permit) })
    }

    /// Receives what is under way for a moment and keeps none of it: a client that is still sending would otherwise see
    /// its connection reset in place of the answer. Ends after so many bytes, so much time, or a pause.
    pub async fn discard(mut self) {
        let end = self.deadline.min(Instant::now() + DISCARD);
        let opening = std::mem::take(&mut self.opening);
        let mut left = DISCARD_BYTES.saturating_sub(opening.len());
        if let Some(connection) = &self.connection {
            connection.consumed(opening.len());
        }
        while left > 0 {
            self.deadline = end.min(Instant::now() + DISCARD_PAUSE);
            let Ok(Some(mut chunk)) = self.chunk().await else { return };
            left = left.saturating_sub(chunk.len());
            if let Some(connection) = &self.connection {
                connection.consumed(chunk.len());
            }
            self.forget(&mut chunk);
        }
    }

    /// By what the header says.
    fn check_length(&self) -> Result<(), HttpProblem> {
        match self.length {
            Some(length) if length > self.limits.size => Err(self.problem(ReasonCode::RequestTooLarge)),
            _ => Ok(()),
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, HttpProblem> {
        let next = poll_fn(|context| self.payload.as_mut().poll_next(context));
        match timeout_at(self.deadline, next).await {
            Err(_) => Err(self.problem(ReasonCode::RequestTimeout)),
            Ok(Some(Err(PayloadError::Overflow))) => Err(self.problem(ReasonCode::RequestTooLarge)),
            Ok(Some(Err(_))) => Err(self.problem(ReasonCode::MalformedRequest)),
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(None) => Ok(None),
        }
    }

    /// It may have been part of a secret. Where the bytes are shared, whoever shares them is done with them.
    fn forget(&self, chunk: &mut Bytes) {
        if self.limits.audience == Audience::Operators
            && let Ok(mut bytes) = std::mem::take(chunk).try_into_mut()
        {
            let bytes: &mut BytesMut = &mut bytes;
            bytes[..].zeroize();
        }
    }

    fn problem(&self, code: ReasonCode) -> HttpProblem {
        self.limits.audience.problem(code, code.title())
    }

    fn turned_away(&self, reason: TurnedAway) -> HttpProblem {
        self.limits.audience.problem(ReasonCode::Overloaded, reason.to_string()).retry_after(RETRY_AFTER)
    }
}

impl FromRequest for BodyReader {
    type Error = HttpProblem;
    type Future = std::future::Ready<Result<Self, HttpProblem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        std::future::ready(Self::new(request, payload))
    }
}

/// The announced length; `None` for a body in chunks, and for none.
fn length(headers: &HeaderMap) -> Result<Option<usize>, ()> {
    let Some(value) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
    value.to_str().ok().and_then(|text| text.parse().ok()).map(Some).ok_or(())
}

/// Enough for honest evidence on its way.
const DISCARD: Duration = Duration::from_secs(1);
/// The largest request of a guest.
const DISCARD_BYTES: usize = MAX_REQUEST;
/// A client that is still sending is heard of within a round trip.
const DISCARD_PAUSE: Duration = Duration::from_millis(250);
/// Seconds after which there may be room again.
const RETRY_AFTER: u32 = 1;
/// Counts as one network.
const UNKNOWN: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
