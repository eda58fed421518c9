use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const FULL: PoolError = PoolError::Full { seconds: 1 };

fn network(last: u8) -> Network {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)).into()
}

fn guests(last: u8) -> Lane {
    Lane::Guests(network(last))
}

fn suspects(last: u8) -> Lane {
    Lane::Suspects(network(last))
}

/// A pool whose only thread is busy until the sender is dropped.
fn busy(queue: usize, share: usize) -> (Pool, Sender<()>) {
    let pool = Pool::start(1, queue, share).unwrap();
    let ((release, held), (started, running)) = (channel::<()>(), channel());
    let hold = move |_| {
        started.send(()).unwrap();
        assert!(held.recv().is_err());
    };
    pool.spawn(Lane::Operators, hold).unwrap();
    running.recv().unwrap();
    (pool, release)
}

/// Jobs that tell how they ended.
struct Told(Sender<(&'static str, Result<(), PoolError>)>, Receiver<(&'static str, Result<(), PoolError>)>);

impl Told {
    fn new() -> Self {
        let (ended, end) = channel();
        Self(ended, end)
    }

    fn spawn(&self, pool: &Pool, lane: Lane, name: &'static str) -> Result<(), PoolError> {
        let ended = self.0.clone();
        pool.spawn(lane, move |turn| ended.send((name, turn)).unwrap())
    }

    /// The names of those that had their turn, in order.
    fn order(self) -> Vec<&'static str> {
        let Self(ended, end) = self;
        drop(ended);
        end.iter().map(|(name, turn)| turn.map(|()| name).unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_a_full_queue_refuses_at_once() {
    let (pool, release) = busy(2, 2);
    let pool = Arc::new(pool);
    let waiting: Vec<_> = (0..2)
        .map(|number| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.run(guests(number), move || number).await })
        })
        .collect();
    while pool.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.run(guests(1), || ()).await, Err(FULL));
    drop(release);
    for (number, task) in (0..).zip(waiting) {
        assert_eq!(task.await.unwrap(), Ok(number));
    }
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn t44_one_network_does_not_delay_another_and_operators_come_first() {
    let ((pool, release), told) = (busy(8, 3), Told::new());
    for name in ["a1", "a2", "a3"] {
        told.spawn(&pool, guests(1), name).unwrap();
    }
    assert_eq!(told.spawn(&pool, guests(1), "a4"), Err(FULL), "it has its share");
    told.spawn(&pool, guests(2), "b1").unwrap();
    told.spawn(&pool, Lane::Operators, "operator").unwrap();
    drop(release);
    assert_eq!(told.order(), ["operator", "a1", "b1", "a2", "a3"]);
}

#[test]
fn t44_in_a_full_queue_the_longest_line_makes_room() {
    let ((pool, release), told) = (busy(4, 4), Told::new());
    for name in ["a1", "a2", "a3", "a4"] {
        told.spawn(&pool, guests(1), name).unwrap();
    }
    told.spawn(&pool, guests(2), "b1").unwrap();
    assert_eq!(told.1.try_recv(), Ok(("a4", Err(FULL))), "it is told at once");
    told.spawn(&pool, guests(2), "b2").unwrap();
    assert_eq!(told.1.try_recv(), Ok(("a3", Err(FULL))));
    assert_eq!(told.spawn(&pool, guests(2), "b3"), Err(FULL), "then both have as much");
    drop(release);
    assert_eq!(told.order(), ["a1", "b1", "a2", "b2"]);
}

#[test]
fn t44_suspects_get_one_turn_in_eight_and_make_room_first() {
    let ((pool, release), told) = (busy(10, 8), Told::new());
    told.spawn(&pool, suspects(1), "s1").unwrap();
    told.spawn(&pool, suspects(1), "s2").unwrap();
    for name in ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"] {
        told.spawn(&pool, guests(2), name).unwrap();
    }
    assert_eq!(told.spawn(&pool, suspects(1), "s3"), Err(FULL));
    told.spawn(&pool, guests(3), "b1").unwrap();
    assert_eq!(told.1.try_recv(), Ok(("s2", Err(FULL))));
    drop(release);
    assert_eq!(told.order(), ["a1", "b1", "a2", "a3", "a4", "a5", "a6", "s1", "a7", "a8"]);
}

#[test]
fn t44_retry_after_is_the_time_that_the_queue_takes() {
    let (pool, release) = busy(1024, 1024);
    pool.0.lock().usual = Average::default();
    pool.0.lock().usual.add(Duration::from_millis(200));
    for _ in 0..20 {
        pool.spawn(guests(1), |_| {}).unwrap();
    }
    pool.spawn(guests(2), |_| {}).unwrap();
    // Another of the long line waits for all 21; of a new network for one of each other.
    assert_eq!([pool.retry_after(guests(1)), pool.retry_after(guests(3))], [5, 1]);
    assert_eq!([pool.retry_after(suspects(3)), pool.retry_after(Lane::Operators)], [2, 1]);
    drop(release);
}

#[tokio::test]
async fn t44_verifiers_give_way_to_other_threads() {
    let pool = Pool::start(1, 1, 1).unwrap();
    let own = getpriority_process(None).unwrap();
    let of_verifier = pool.run(guests(1), || getpriority_process(None).unwrap()).await.unwrap();
    assert_eq!(of_verifier, (own + NICE).min(19));
}

#[tokio::test]
async fn a_panic_costs_one_job_and_no_thread() {
    let pool = Pool::start(1, 1, 1).unwrap();
    let panicked = pool.run(guests(1), || -> u8 { panic!("a bug") }).await;
    assert_eq!(panicked, Err(PoolError::Failed));
    assert_eq!(pool.run(guests(1), || 1).await, Ok(1));
}
