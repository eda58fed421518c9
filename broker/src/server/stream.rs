//! The bytes of one connection, between TLS and HTTP: bounds its lifetime, how long it waits for its client, and its
//! unread bytes to the window of the [`Connection`]. Errors that the HTTP server answers without a body become problems
//! ([`Farewell`]).

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use vouchsafe_protocol::ReasonCode;

use super::connection::{Connection, WINDOW};
use super::ending::Ending;
use super::farewell::{BareError, Farewell};
use super::patience::{Late, Patience};
use crate::config::Limits;
use crate::problem::Audience;

/// The byte stream of a connection.
#[derive(Debug)]
pub(crate) struct Stream<S> {
    /// Shared with the [`Ending`].
    io: Rc<RefCell<S>>,
    connection: Rc<Connection>,
    audience: Audience,
    end: Pin<Box<Sleep>>,
    patience: Patience,
    /// Whether the window was used up before a request began, when it was last read from.
    is_full: bool,
    last: Last,
}

/// The last answer of a connection to something that is no request.
#[derive(Debug)]
enum Last {
    /// There was none.
    None,
    Sending(Box<Farewell>),
    Sent,
}

impl<S> Stream<S> {
    pub(crate) fn new(io: S, connection: Rc<Connection>, audience: Audience, limits: &Limits) -> Self {
        let end = Box::pin(sleep(connection.lifetime().saturating_add(LAST_REQUEST)));
        let (io, patience) = (Rc::new(RefCell::new(io)), Patience::new(limits));
        Self { io, connection, audience, end, patience, is_full: false, last: Last::None }
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
    /// What ends the connection once the HTTP server has dropped the stream.
    pub(super) fn ending(&self) -> Ending<S> {
        Ending::new(Rc::clone(&self.io), Rc::clone(&self.connection), self.audience)
    }

    /// Sends this instead of everything that comes after it.
    fn answer_last(&mut self, code: ReasonCode) {
        self.last = Last::Sending(Box::new(Farewell::new(self.audience, code)));
    }

    /// Sends the last answer, if there is one to send. Nothing is read or written after it.
    fn poll_last(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Last::Sending(farewell) = &mut self.last {
            ready!(farewell.poll(&mut *self.io.borrow_mut(), context))?;
            self.last = Last::Sent;
        }
        Poll::Ready(Ok(()))
    }

    /// The window is used up: the HTTP server has to take something out of it first. If that was the head of the
    /// first request, the head is too large.
    fn poll_full(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_unused = self.connection.is_unused();
        if is_unused && self.is_full {
            self.answer_last(ReasonCode::RequestTooLarge);
            return self.poll_last(context);
        }
        self.connection.wait_for_window(context.waker().clone());
        if is_unused {
            // The HTTP server reads until it has to wait, and only then looks for a head.
            self.is_full = true;
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Ends a wait for the client that has lasted too long.
    fn check_patience(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.connection.is_answered() {
            self.patience.begun();
        }
        match self.patience.late(context) {
            None => Ok(()),
            Some(Late::Head) => {
                self.answer_last(ReasonCode::RequestTimeout);
                Ok(())
            }
            Some(Late::Other) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Reads no more than this.
    fn poll_window(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        window: usize,
    ) -> Poll<io::Result<()>> {
        let mut io = self.io.borrow_mut();
        if buffer.remaining() <= window {
            return Pin::new(&mut *io).poll_read(context, buffer);
        }
        let mut part = [0; WINDOW];
        let length = window.min(WINDOW);
        let mut part = ReadBuf::new(part.get_mut(..length).unwrap_or_default());
        let read = Pin::new(&mut *io).poll_read(context, &mut part);
        buffer.put_slice(part.filled());
        read
    }

    /// Notes whether the client takes what is sent.
    fn note_write(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => self.patience.stalled(context)?,
            Poll::Ready(_) => self.patience.sent(),
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_end(context)?;
        if matches!(self.last, Last::None) {
            self.check_patience(context)?;
        }
        if !matches!(self.last, Last::None) {
            // The end of what is read.
            return self.poll_last(context);
        }
        let window = self.connection.window();
        if window == 0 {
            return self.poll_full(context);
        }
        let before = buffer.filled().len();
        let read = self.poll_window(context, buffer, window);
        let count = buffer.filled().len().saturating_sub(before);
        if count > 0 {
            self.connection.read(count);
            self.patience.received(context);
        }
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
                let written = Pin::new(&mut *self.io.borrow_mut()).poll_write(context, before);
                return self.note_write(context, written);
            }
            self.answer_last(code);
        }
        if matches!(self.last, Last::None) {
            let written = Pin::new(&mut *self.io.borrow_mut()).poll_write(context, bytes);
            return self.note_write(context, written);
        }
        ready!(self.poll_last(context))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_end(context)?;
        let flushed = Pin::new(&mut *self.io.borrow_mut()).poll_flush(context);
        match &flushed {
            Poll::Pending => self.patience.stalled(context)?,
            Poll::Ready(Ok(())) if self.connection.is_answered() => {
                let is_last = self.connection.is_over();
                self.patience.answered(is_last, context);
            }
            Poll::Ready(_) => {}
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_end(context)?;
        let closed = Pin::new(&mut *self.io.borrow_mut()).poll_shutdown(context);
        match &closed {
            Poll::Pending => self.patience.stalled(context)?,
            Poll::Ready(Ok(())) => self.connection.complete(),
            Poll::Ready(Err(_)) => {}
        }
        closed
    }
}

/// Extra time for a request that began just before the end of the lifetime.
const LAST_REQUEST: Duration = Duration::from_secs(60);
