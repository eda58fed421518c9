//! Clients that send or read slowly, half-open ones, and ones that leave: each connection ends within the time that
//! the configuration gives it.

use std::io::{ErrorKind, Read as _, Write as _};

use std::thread;
use std::time::{Duration, Instant};

use vouchsafe_protocol::ReasonCode;
use vouchsafe_tests::tls;

use super::cases::Request;
use super::client::another_address;
use super::described::Listener;
use super::world::World;

/// What a client does before it waits.
#[derive(Clone, Debug)]
enum Step {
    /// Sends these bytes.
    Send(String),
    /// Sends the first of these bytes one by one, until the broker has had enough.
    Drip(String),
    /// Reads an answer with this status.
    Answer(u16),
    /// Sends no more, and says so.
    Finish,
}

/// What a client does, and how its connection ends.
#[derive(Clone)]
struct Slow {
    name: &'static str,
    steps: Vec<Step>,
    /// The last answer, if there is one.
    last: Option<ReasonCode>,
    /// From the last step to the end.
    bound: Duration,
}

fn send(text: impl Into<String>) -> Step {
    Step::Send(text.into())
}

fn drip(text: impl Into<String>) -> Step {
    Step::Drip(text.into())
}

/// For each listener: `request` is one with an answer and no body, `submission` the head of one whose body is read.
fn slow_clients(request: &str, submission: &str) -> Vec<Slow> {
    [slow_heads(request), slow_bodies(submission), half_closed(request, submission)].concat()
}

fn slow(name: &'static str, steps: &[Step], last: Option<ReasonCode>, bound: Duration) -> Slow {
    Slow { name, steps: steps.to_vec(), last, bound }
}

fn slow_heads(request: &str) -> Vec<Slow> {
    let half = &request[..20];
    let timeout = Some(ReasonCode::RequestTimeout);
    let many = "x".repeat(500);
    let field = format!("{}x: {many}", &request[..request.len() - 2]);
    let served = Step::Answer(200);
    vec![
        slow("no head", &[], timeout, HEAD),
        slow("half a head", &[send(half)], timeout, HEAD),
        slow("a head in drips", &[drip(field.clone())], timeout, HEAD),
        slow("no second request", &[send(request), served.clone()], None, IDLE),
        slow("half a second head", &[send(request), served.clone(), send(half)], timeout, HEAD),
        slow("a second head in drips", &[send(request), served.clone(), drip(field)], timeout, HEAD),
        slow(
            "half a head with the request before",
            &[send(format!("{request}{half}")), served.clone()],
            None,
            IDLE + HEAD,
        ),
        slow(
            "a head in drips, begun with the request before",
            &[
                send(format!("{request}{half}")),
                served,
                drip(format!("{}x: {many}", &request[20..request.len() - 2])),
            ],
            timeout,
            HEAD,
        ),
    ]
}

fn slow_bodies(submission: &str) -> Vec<Slow> {
    let timeout = Some(ReasonCode::RequestTimeout);
    let announced = format!("{submission}content-length: 100\r\n\r\n");
    let unread = format!("PUT /livez HTTP/1.1\r\nhost: broker\r\n{CHUNKS}");
    vec![
        slow("no body", &[send(announced.clone())], timeout, BODY),
        slow("a body in drips", &[send(announced), drip(" ".repeat(100))], timeout, BODY),
        slow("no chunk", &[send(format!("{submission}{CHUNKS}"))], timeout, BODY),
        slow(
            "chunks in drips",
            &[send(format!("{submission}{CHUNKS}")), drip("1\r\n \r\n".repeat(50))],
            timeout,
            BODY,
        ),
        slow(
            "a chunk's size in drips",
            &[send(format!("{submission}{CHUNKS}")), drip("0".repeat(300))],
            timeout,
            BODY,
        ),
        slow("no chunk of a body that is not read", &[send(unread.clone()), Step::Answer(405)], None, END),
        slow(
            "chunks of a body that is not read, in drips",
            &[send(unread), Step::Answer(405), drip("1\r\n \r\n".repeat(50))],
            None,
            END,
        ),
    ]
}

fn half_closed(request: &str, submission: &str) -> Vec<Slow> {
    let half = &request[..20];
    let malformed = Some(ReasonCode::MalformedRequest);
    let announced = format!("{submission}content-length: 100\r\n\r\n");
    vec![
        slow(
            "the sending half closed after a request",
            &[send(request), Step::Finish, Step::Answer(200)],
            None,
            END,
        ),
        slow("the sending half closed without a request", &[Step::Finish], None, END),
        slow("the sending half closed in a head", &[send(half), Step::Finish], None, END),
        slow("the sending half closed in a body", &[send(announced), Step::Finish], malformed, END),
        slow(
            "the sending half closed in a chunk",
            &[send(format!("{submission}{CHUNKS}5\r\n ")), Step::Finish],
            malformed,
            END,
        ),
    ]
}

const CHUNKS: &str = "transfer-encoding: chunked\r\n\r\n";

fn wait(world: &World, listener: Listener, slow: &Slow) {
    let mut client = world.connect(listener);
    let mut until = Instant::now();
    for step in &slow.steps {
        until = Instant::now();
        match step {
            Step::Send(text) => client.send(text.as_bytes()),
            Step::Drip(text) => {
                let bytes = text.as_bytes().chunks(1);
                let dripped = bytes.take_while(|byte| {
                    client.send(byte);
                    !client.ends_within(DRIP) && client.received().is_empty()
                });
                let count = dripped.count();
                assert!(count < text.len(), "{}: it could go on dripping", slow.name);
            }
            Step::Answer(status) => {
                let answer = client.answer(false).unwrap_or_else(|| panic!("{}: no answer", slow.name));
                assert_eq!(answer.status, *status, "{}", slow.name);
            }
            Step::Finish => client.finish_sending(),
        }
    }
    let left = slow.bound.saturating_sub(until.elapsed()) + SLACK;
    let last = client.ends_within(left).then(|| client.answer(false));
    let last = last.unwrap_or_else(|| panic!("{listener:?} {}: still open after {left:?}", slow.name));
    let code = last.map(|answer| world.problem(listener, &answer));
    // Without a request, it is the broker's choice whether to say something.
    assert!(code == slow.last, "{listener:?} {}: {code:?}", slow.name);
}

/// No TLS, or the first bytes of it.
fn wait_without_tls(world: &World, listener: Listener, bytes: &[u8]) {
    let mut socket = tls::connect_from(another_address(), world.address(listener)).unwrap();
    socket.set_read_timeout(Some(HANDSHAKE + SLACK)).unwrap();
    socket.write_all(bytes).unwrap();
    // An alert may come first.
    let mut end = socket.read(&mut [0; 64]);
    while matches!(end, Ok(1..)) {
        end = socket.read(&mut [0; 64]);
    }
    let is_tick =
        |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    assert!(!end.as_ref().is_err_and(is_tick), "{listener:?} {bytes:?}: still open");
}

/// Asks for much and reads nothing of it.
fn read_nothing(world: &World, listener: Listener) {
    let mut client = world.connect(listener);
    let path = if listener == Listener::Operators { "/metrics" } else { "/v1/info" };
    let request = Request::new("GET", path).bytes();
    for _ in 0..200 {
        client.send(&request);
    }
    thread::sleep(IDLE + SLACK);
    drop(client);
}

/// Leaves in the middle, without a word.
fn leave(world: &World, listener: Listener, request: &str) {
    for length in [1, request.len() / 2, request.len() - 1, request.len()] {
        let mut client = world.connect(listener);
        client.send(&request.as_bytes()[..length]);
        client.reset();
    }
}

#[test]
fn t54_slow_and_half_open_clients_are_answered_or_cut_off_in_time() {
    let world = World::start("head = 1\nbody = 1\nhandshake = 1\nidle = 2\nrequests = 300\n");
    let token = world.broker.token();
    let submission = |path: &str, more: &str| format!("POST {path} HTTP/1.1\r\nhost: broker\r\n{more}");
    let bearer = format!("authorization: Bearer {token}\r\n");
    let clients = [
        (
            Listener::Guests,
            "GET /v1/info HTTP/1.1\r\nhost: broker\r\n\r\n".to_owned(),
            submission("/v1/release", ""),
        ),
        (
            Listener::Operators,
            format!("GET /v1/secrets HTTP/1.1\r\nhost: broker\r\n{bearer}\r\n"),
            submission("/v1/secrets/put", &bearer),
        ),
    ];
    let world = &world;
    thread::scope(|scope| {
        for (listener, request, submission) in &clients {
            for slow in slow_clients(request, submission) {
                scope.spawn(move || wait(world, *listener, &slow));
            }
            for bytes in
                [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", &[0xff; 40]]
            {
                scope.spawn(move || wait_without_tls(world, *listener, bytes));
            }
            scope.spawn(move || leave(world, *listener, request));
            scope.spawn(move || read_nothing(world, *listener));
        }
    });
    // Nothing is left of any of them.
    let open = |metrics: &str| {
        let count = metrics.lines().filter_map(|line| line.strip_prefix("vouchsafe_connections{listener="));
        count.map(str::to_owned).collect::<Vec<_>>()
    };
    let started = Instant::now();
    loop {
        let mut client = world.connect(Listener::Operators);
        client.send(&Request::new("GET", "/metrics").bytes());
        let metrics = String::from_utf8(client.answer(false).unwrap().body).unwrap();
        if open(&metrics) == ["\"guests\"} 0", "\"operators\"} 1"] {
            break;
        }
        assert!(started.elapsed() < SLACK, "{:?}", open(&metrics));
        thread::sleep(DRIP);
    }
    assert_eq!(world.errors(), Vec::<String>::new());
}

/// As configured.
const HANDSHAKE: Duration = Duration::from_secs(1);
const HEAD: Duration = Duration::from_secs(1);
const BODY: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(2);
/// From the last answer to the end of a connection on which the client goes on sending.
const END: Duration = Duration::from_secs(1);
/// For what is still received after the last answer, and for a busy machine.
const SLACK: Duration = Duration::from_secs(6);
/// Between two bytes.
const DRIP: Duration = Duration::from_millis(150);
