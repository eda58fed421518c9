//! One connection below HTTP: it lives a bounded time, and never more bytes of it lie around than a window.
//!
//! The HTTP server reads what comes, up to 160 kB a connection. Here it gets a window of bytes: enough for the head of a
//! request, and then as much again as requests took out, their heads and what was read of their bodies. So what a stranger
//! can make the broker keep is the window, however requests are cut or follow each other, until a body has been admitted.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix_http::RequestHead;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::admission::ConnectionPermit;

/// A connection, as its requests see it. Requests of a connection are served on one thread.
#[derive(Debug)]
pub(crate) struct Connection {
    permit: ConnectionPermit,
    opened: Instant,
    lifetime: Duration,
    requests: Cell<u32>,
    /// Bytes that may still be read.
    window: Cell<usize>,
    /// Bytes of heads that were taken out and not given back.
    withheld: Cell<usize>,
    /// Who waits for a window.
    reader: RefCell<Option<Waker>>,
    /// Whether the body of the current request was read to its end.
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

    /// Whose it is.
    pub(crate) fn network(&self) -> crate::admission::Network {
        self.permit.network()
    }

    /// This head was read: there is room for as many other bytes.
    pub(crate) fn begin_request(&self, head: &RequestHead) {
        self.requests.set(self.requests.get().saturating_add(1));
        self.body_read.set(false);
        let length = HeadLength::of(head);
        self.withheld.set(self.withheld.get().saturating_add(length.usual.saturating_sub(length.least)));
        self.open_window(length.least);
    }

    /// So many bytes of a body were taken out.
    pub(crate) fn consumed(&self, bytes: usize) {
        self.open_window(bytes);
    }

    /// The body of the current request was read to its end.
    pub(crate) fn body_ended(&self) {
        self.body_read.set(true);
    }

    /// Whether the connection ends with the answer to the current request: it has lived long enough, had its number of
    /// requests, or there is a body that nobody reads; or the window became too small for another head.
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

/// How many bytes of the connection a head was. The HTTP server does not say: spaces and ends of lines may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HeadLength {
    /// Not less than this: only what is surely gone makes room.
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
        // Each line ends with a carriage return too, and a space follows each colon.
        Self { least, usual: least + 2 + 2 * fields }
    }
}

/// The bytes of a connection.
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

    /// An error once the connection has lived too long, whatever it is doing.
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

/// Bytes that a connection may have read and not used. The head of a request has to fit.
pub(crate) const WINDOW: usize = 16 * 1024;
/// A head of half a window always fits.
const MOST_WITHHELD: usize = WINDOW / 2;
/// What a request that began just before the end of the lifetime still gets.
const LAST_REQUEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
