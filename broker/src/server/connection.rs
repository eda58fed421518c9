//! One connection below HTTP: bounds its lifetime, and its unread bytes to a window; errors that the HTTP server
//! answers without a body become problems ([`Farewell`]).
//!
//! The HTTP server would buffer up to 160 kB per connection. Here it gets a window: enough bytes for the head
//! of a request, and then the number of bytes that requests have consumed, in heads and body bytes read. So
//! until a body is admitted, an unverified client can make the broker buffer no more than the window, however
//! requests are split or pipelined.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use actix_http::RequestHead;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use vouchsafe_protocol::ReasonCode;

use super::farewell::{BareError, Farewell};
use crate::admission::ConnectionPermit;
use crate::problem::Audience;

/// A connection, as its requests see it. All its requests are served on one thread.
#[derive(Debug)]
pub(crate) struct Connection {
    permit: ConnectionPermit,
    opened: Instant,
    lifetime: Duration,
    requests: Cell<u32>,
    /// Bytes that may still be read.
    window: Cell<usize>,
    /// Bytes of heads that were consumed but not credited to the window.
    withheld: Cell<usize>,
    /// The reader waiting for the window to grow.
    reader: RefCell<Option<Waker>>,
    /// Whether the body of the current request has been read completely.
    body_read: Cell<bool>,
    /// Nothing more is read.
    over: Cell<bool>,
}

/// The last answer of a connection to something that is no request.
#[derive(Debug)]
enum Last {
    /// There was none.
    None,
    Sending(Box<Farewell>),
    Sent,
}

impl Connection {
    pub(crate) fn new(permit: ConnectionPermit, lifetime: Duration) -> Rc<Self> {
        Rc::new(Self {
            permit,
            opened: Instant::now(),
            lifetime,
            requests: Cell::new(0),
            window: Cell::new(WINDOW),
            withheld: Cell::new(0),
            reader: RefCell::default(),
            body_read: Cell::new(false),
            over: Cell::new(false),
        })
    }

    /// The client's address.
    pub(crate) const fn peer(&self) -> IpAddr {
        self.permit.address()
    }

    /// A request's head was read: credits its bytes to the window.
    pub(crate) fn begin_request(&self, head: &RequestHead) {
        self.requests.set(self.requests.get().saturating_add(1));
        self.body_read.set(false);
        let length = HeadLength::of(head);
        self.withheld.set(self.withheld.get().saturating_add(length.usual.saturating_sub(length.least)));
        self.open_window(length.least);
    }

    /// Adds this number of body bytes, which were read, to the window.
    pub(crate) fn consumed(&self, bytes: usize) {
        self.open_window(bytes);
    }

    /// The body of the current request has been read completely.
    pub(crate) fn body_ended(&self) {
        self.body_read.set(true);
    }

    /// Whether to close the connection after the answer to the current request: its lifetime or number of
    /// requests is reached, there is an unread body, or the window is too small for another head.
    pub(crate) fn ends(&self, requests: u32, has_body: bool) -> bool {
        let spent = self.requests.get() >= requests
            || self.opened.elapsed() >= self.lifetime
            || self.withheld.get() > MOST_WITHHELD;
        let ends = self.over.get() || spent || (has_body && !self.body_read.get());
        self.over.set(ends);
        ends
    }

    fn open_window(&self, bytes: usize) {
        if self.over.get() {
            return;
        }
        self.window.set(self.window.get().saturating_add(bytes));
        if bytes > 0
            && let Some(reader) = self.reader.borrow_mut().take()
        {
            reader.wake();
        }
    }
}

/// Estimated length of a head. The HTTP server does not report it: spaces and line ends may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HeadLength {
    /// Lower bound: only bytes that are certainly consumed are credited.
    least: usize,
    /// As clients write it.
    usual: usize,
}

impl HeadLength {
    fn of(head: &RequestHead) -> Self {
        let target = head.uri.path().len() + head.uri.query().map_or(0, |query| 1 + query.len());
        let line = head.method.as_str().len() + target + "  HTTP/1.1\n".len();
        let (fields, bytes) = head.headers.iter().fold((0, 0), |(fields, bytes), (name, value)| {
            (fields + 1, bytes + name.as_str().len() + value.len() + ":\n".len())
        });
        let least = line + bytes + "\n".len();
        // Each line ends with CR LF, and a space follows each colon.
        Self { least, usual: least + 2 + 2 * fields }
    }
}

/// The byte stream of a connection.
#[derive(Debug)]
pub(crate) struct Stream<S> {
    io: S,
    connection: Rc<Connection>,
    audience: Audience,
    end: Pin<Box<Sleep>>,
    /// Whether the window was used up before a request began, when it was last read from.
    is_full: bool,
    last: Last,
}

impl<S> Stream<S> {
    pub(crate) fn new(io: S, connection: Rc<Connection>, audience: Audience) -> Self {
        let end = Box::pin(sleep(connection.lifetime.saturating_add(LAST_REQUEST)));
        Self { io, connection, audience, end, is_full: false, last: Last::None }
    }

    pub(crate) const fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Fails once the connection has outlived its lifetime, whatever it is doing.
    fn check_end(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Sends the last answer, if there is one to send. Nothing is read or written after it.
    fn poll_last(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Last::Sending(farewell) = &mut self.last {
            ready!(farewell.poll(&mut self.io, context))?;
            self.last = Last::Sent;
        }
        Poll::Ready(Ok(()))
    }

    /// The window is used up: the HTTP server has to take something out of it first. If that was the head of the
    /// first request, the head is too large.
    fn poll_full(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.requests.get() > 0 || !self.is_full {
            *self.connection.reader.borrow_mut() = Some(context.waker().clone());
            if self.connection.requests.get() == 0 {
                // The HTTP server reads until it has to wait, and only then looks for a head.
                self.is_full = true;
                context.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        self.last = Last::Sending(Box::new(Farewell::new(self.audience, ReasonCode::RequestTooLarge)));
        self.poll_last(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_end(context)?;
        if !matches!(self.last, Last::None) {
            // The end of what is read.
            return self.poll_last(context);
        }
        let window = self.connection.window.get();
        if window == 0 {
            return self.poll_full(context);
        }
        let before = buffer.filled().len();
        let read = if buffer.remaining() <= window {
            Pin::new(&mut self.io).poll_read(context, buffer)
        } else {
            let mut part = [0; WINDOW];
            let length = window.min(WINDOW);
            let mut part = ReadBuf::new(part.get_mut(..length).unwrap_or_default());
            let read = Pin::new(&mut self.io).poll_read(context, &mut part);
            buffer.put_slice(part.filled());
            read
        };
        self.connection.window.set(window.saturating_sub(buffer.filled().len().saturating_sub(before)));
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_end(context)?;
        if let (Last::None, Some(BareError { start, code })) = (&self.last, BareError::at_end_of(bytes)) {
            if let Some(before) = bytes.get(..start).filter(|before| !before.is_empty()) {
                return Pin::new(&mut self.io).poll_write(context, before);
            }
            self.last = Last::Sending(Box::new(Farewell::new(self.audience, code)));
        }
        if matches!(self.last, Last::None) {
            return Pin::new(&mut self.io).poll_write(context, bytes);
        }
        ready!(self.poll_last(context))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_end(context)?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_end(context)?;
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Bytes that may be read and not consumed. The head of a request must fit.
pub(crate) const WINDOW: usize = 16 * 1024;
/// A head of half a window always fits.
const MOST_WITHHELD: usize = WINDOW / 2;
/// Extra time for a request that began just before the end of the lifetime.
const LAST_REQUEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
