//! One connection below HTTP: bounds its lifetime, and its unread bytes to a window.
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
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix_http::RequestHead;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::admission::ConnectionPermit;

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
    end: Pin<Box<Sleep>>,
}

impl<S> Stream<S> {
    pub(crate) fn new(io: S, connection: Rc<Connection>) -> Self {
        let end = Box::pin(sleep(connection.lifetime.saturating_add(LAST_REQUEST)));
        Self { io, connection, end }
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

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_end(context)?;
        let window = self.connection.window.get();
        if window == 0 {
            *self.connection.reader.borrow_mut() = Some(context.waker().clone());
            return Poll::Pending;
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_end(context)?;
        Pin::new(&mut self.io).poll_write(context, bytes)
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
