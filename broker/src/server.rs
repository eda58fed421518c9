//! Two HTTP servers in one process, for guests and for operators, each with its own sockets, threads and
//! limits, so that a flood at one does not affect the other.
//!
//! A connection is admitted before its TLS handshake (`admission`) and bounded below HTTP (`connection`).

pub(crate) mod client;
pub(crate) mod connection;
mod ending;
mod error;
mod farewell;
mod patience;
mod prepared;
mod proxy;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::{HttpService, Protocol};
use actix_server::GracefulShutdownSignal;
use actix_service::{
    IntoServiceFactory as _, Service, ServiceFactoryExt as _, apply_fn_factory, fn_service, map_config,
};
use actix_web::App;
use actix_web::dev::{AppConfig, Server, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::rt::net::TcpStream;
use actix_web::web::{Data, ServiceConfig};
use arc_swap::ArcSwap;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::limits::MAX_REQUEST;

use crate::admission::Admission;
use crate::broker::Broker;
use crate::config::BrokerConfig;
use crate::problem::{Audience, HttpProblem};
use crate::tls::ListenerTls;
use crate::traces::Trace;
use crate::{guests, operators};
use client::Client;
use connection::Connection;
use prepared::PreparedSocket;
use proxy::Proxies;
use stream::Stream;

pub use error::ServeError;
pub use prepared::{Certificates, PreparedListeners};

/// Both servers, listening.
pub struct Servers {
    /// Address of the guests' listener.
    pub guests: SocketAddr,
    /// Address of the operators' listener.
    pub operators: SocketAddr,
    certificates: Certificates,
    running: [Server; 2],
}

/// Stops both servers after the running requests.
#[derive(Clone)]
pub struct Stop([ServerHandle; 2]);

/// The configuration for accepting connections.
#[derive(Clone)]
struct Accepting {
    broker: Arc<Broker>,
    admission: Arc<Admission>,
    tls: Arc<ArcSwap<ListenerTls>>,
    audience: Audience,
    proxies: Arc<Proxies>,
}

impl Servers {
    /// Starts to listen and serve.
    ///
    /// # Errors
    /// [`ServeError`] names the address.
    pub fn start(broker: &Arc<Broker>, prepared: PreparedListeners) -> Result<Self, ServeError> {
        let PreparedListeners { certificates, guests, operators } = prepared;
        // Both listen before either is served.
        let (guests, operators) = (guests.listen()?, operators.listen()?);
        let addresses = (guests.address, operators.address);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let [guests_tls, operators_tls] = certificates.0.clone();
        let accepting = |admission: &Arc<Admission>, tls, audience| Accepting {
            broker: Arc::clone(broker),
            admission: Arc::clone(admission),
            tls,
            audience,
            proxies: Arc::new(Proxies::new(admission)),
        };
        let guests_server = accepting(&broker.admission.guests, guests_tls, Audience::Guests);
        let operators_server = accepting(&broker.admission.operators, operators_tls, Audience::Operators);
        let running = [
            serve(guests_server, guests, threads, guests::configure)?,
            serve(operators_server, operators, OPERATORS_THREADS, operators::configure)?,
        ];
        let (guests, operators) = addresses;
        Ok(Self { guests, operators, certificates, running })
    }

    /// How to stop them.
    #[must_use]
    pub fn stop(&self) -> Stop {
        Stop(self.running.each_ref().map(Server::handle))
    }

    /// The certificates in use.
    #[must_use]
    pub fn certificates(&self) -> Certificates {
        self.certificates.clone()
    }

    /// Serves until stopped.
    ///
    /// # Errors
    /// When a server stops unexpectedly.
    pub async fn run(self) -> io::Result<()> {
        let [guests, operators] = self.running;
        tokio::try_join!(guests, operators).map(|_| ())
    }
}

impl Stop {
    /// Stops accepting connections and waits for running requests, up to the configured time.
    pub async fn stop(&self) {
        let [guests, operators] = &self.0;
        tokio::join!(guests.stop(true), operators.stop(true));
    }
}

impl Accepting {
    /// A connection after admission and TLS handshake; `None` if it was turned away or failed.
    async fn accept(&self, io: TcpStream) -> Option<(Stream<TlsStream<TcpStream>>, SocketAddr)> {
        let config = self.broker.config();
        timeout(config.limits.handshake, self.open(io, &config)).await.ok()?
    }

    async fn open(
        &self,
        mut io: TcpStream,
        config: &BrokerConfig,
    ) -> Option<(Stream<TlsStream<TcpStream>>, SocketAddr)> {
        let peer = io.peer_addr().ok()?;
        let listener = match self.audience {
            Audience::Guests => &config.guests,
            Audience::Operators => &config.operators,
        };
        let client = self.proxies.client(&listener.proxies, &mut io, peer.ip()).await?;
        let permit = self.admission.connect(client, Instant::now()).ok()?;
        io.set_nodelay(true).ok()?;
        let stream = TlsAcceptor::from(Arc::clone(&self.tls.load().server)).accept(io).await.ok()?;
        let connection = Connection::new(permit, config.limits.connection);
        let stream = Stream::new(stream, connection, self.audience, &config.limits);
        Some((stream, SocketAddr::new(client, peer.port())))
    }
}

fn serve(
    accepting: Accepting,
    socket: PreparedSocket,
    threads: usize,
    configure: fn(&Broker, &mut ServiceConfig),
) -> Result<Server, ServeError> {
    let server = Server::build()
        .workers(threads)
        // Admission turns away excess connections, so the server's own limit is off.
        .max_concurrent_connections(usize::MAX)
        .shutdown_timeout(accepting.broker.config().stop_timeout.as_secs())
        .disable_signals();
    let stopping = server.graceful_shutdown_signal();
    let connections = move || connections(accepting.clone(), stopping.clone(), configure);
    let PreparedSocket { section, address, socket } = socket;
    let listening = server.listen("listener", socket, connections);
    Ok(listening.map_err(|source| ServeError::Listen { section, address, source })?.run())
}

/// The service for connections: admission, TLS, HTTP, and the routes of the listener.
fn connections(
    accepting: Accepting,
    stopping: GracefulShutdownSignal,
    configure: fn(&Broker, &mut ServiceConfig),
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = Ended, InitError = ()> {
    let (broker, paced) = (Data::from(Arc::clone(&accepting.broker)), accepting.clone());
    let (limits, traces, audience) = (broker.config().limits, broker.traces.clone(), accepting.audience);
    let app = App::new()
        .app_data(broker.clone())
        .wrap_fn(move |request, service| {
            let bounds = Bounds::begin(&request);
            let trace = Trace::begin(traces.as_ref(), audience, &request);
            let answer = match pace(&paced, &request) {
                Ok(wait) => Ok(after(wait, service.call(request))),
                Err(problem) => Err(request.error_response(problem)),
            };
            async move {
                let answer = match answer {
                    Ok(answer) => answer.await?,
                    Err(turned_away) => turned_away,
                };
                answered(&trace, &answer);
                Ok(bounds.apply(answer))
            }
        })
        .configure(|app| configure(&broker, app));
    let http = HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .keep_alive(limits.idle)
        .client_request_timeout(limits.head)
        .client_disconnect_timeout(DISCONNECT)
        .on_connect_ext(|stream: &Stream<TlsStream<TcpStream>>, data| {
            data.insert(Rc::clone(stream.connection()));
        })
        .finish(map_config(app.into_factory(), |_| AppConfig::default()))
        .map_err(|_| Ended);
    let http = apply_fn_factory(http, serve_to_the_end);
    fn_service(move |io: TcpStream| {
        let accepting = accepting.clone();
        async move {
            let (stream, peer) = accepting.accept(io).await.ok_or(Ended)?;
            Ok((stream, Protocol::Http1, Some(peer)))
        }
    })
    .map_init_err(|_: ()| ())
    .and_then(http)
}

fn answered<B>(trace: &Trace, answer: &ServiceResponse<B>) {
    let refusal = answer.response().error().and_then(|error| error.as_error::<HttpProblem>());
    let route = answer.request().match_pattern();
    trace.answered(route.as_deref(), answer.status().as_u16(), refusal.map(HttpProblem::code));
}

async fn after<A: Future>(wait: Duration, answer: A) -> A::Output {
    if !wait.is_zero() {
        sleep(wait).await;
    }
    answer.await
}

/// How long a request has to wait since its network sends too many; an error if that is too long.
fn pace(accepting: &Accepting, request: &ServiceRequest) -> Result<Duration, HttpProblem> {
    let (client, headers) = (Client::of(request.request()), request.headers());
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // Without a length it may become as large as the limit.
    let unknown = if headers.contains_key(TRANSFER_ENCODING) { MAX_REQUEST } else { 0 };
    let body = length.unwrap_or(unknown).min(MAX_REQUEST);
    accepting.admission.request(client.network, body, Instant::now()).map_err(|seconds| {
        accepting.broker.metrics.refused(ReasonCode::Overloaded);
        let problem =
            accepting.audience.problem(ReasonCode::Overloaded, "the address sends too many requests");
        problem.retry_after(seconds)
    })
}

/// Serves a connection, and ends it where the HTTP server has not.
fn serve_to_the_end<H: Service<Connected, Response = (), Error = Ended>>(
    connected: Connected,
    http: &H,
) -> impl Future<Output = Result<(), Ended>> + use<H> {
    let ending = connected.0.ending();
    let served = http.call(connected);
    async move {
        let served = served.await;
        ending.end().await;
        served
    }
}

/// What the HTTP server takes: an admitted connection after its TLS handshake, and its client.
type Connected = (Stream<TlsStream<TcpStream>>, Protocol, Option<SocketAddr>);

/// The limits of a request's connection.
struct Bounds {
    connection: Option<Rc<Connection>>,
    requests: u32,
    has_body: bool,
}

impl Bounds {
    fn begin(request: &ServiceRequest) -> Self {
        let connection = request.conn_data::<Rc<Connection>>().cloned();
        if let Some(connection) = &connection {
            connection.begin_request(request.head());
        }
        let requests = request.app_data::<Data<Broker>>().map(|broker| broker.config().limits.requests);
        let headers = request.headers();
        let has_body = headers.contains_key(TRANSFER_ENCODING)
            || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
        Self { connection, requests: requests.unwrap_or_default(), has_body }
    }

    /// Applies the limits to an answer: closes the connection if it is due.
    fn apply<B>(&self, mut answer: ServiceResponse<B>) -> ServiceResponse<B> {
        let ends = |connection: &Rc<Connection>| connection.ends(self.requests, self.has_body);
        if self.connection.as_ref().is_none_or(ends) {
            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        answer
    }
}

/// The connection has ended, so the error cannot be reported.
#[derive(Clone, Copy, Debug)]
struct Ended;

/// Two, so that one that is busy with strangers' handshakes leaves one to operators.
const OPERATORS_THREADS: usize = 2;
/// How long to wait for a client that was answered and is still sending.
const DISCONNECT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
