//! All cases that need no patience, against one broker.

use vouchsafe_tests::process::Process;

use super::client::BOUND;
use super::honest::Honest;
use super::world::{CLIENTS, World};
use super::{guests, heads, operators, tokens};

#[test]
fn t54_no_bad_input_at_any_route_brings_down_slows_or_changes_the_broker() {
    let world = World::start(LIMITS);
    let routes = world.description.routes();
    let token = world.broker.token();
    let strangers = [
        heads::methods(&routes),
        heads::targets(&routes),
        heads::heads(),
        tokens::cases(&routes, token),
        guests::cases(&world.description, &routes),
    ]
    .concat();
    let operators = operators::cases(&world.description, &routes, token);
    assert!(strangers.len() > 1000 && operators.len() > 500, "{} {}", strangers.len(), operators.len());
    let process = Process::new(world.broker.process_id());
    let honest = Honest::start(&world);

    // The first requests of each kind fill caches and pools.
    let warm: Vec<_> = strangers.iter().step_by(10).cloned().collect();
    world.run(&warm);
    let before = process.resident().unwrap();
    process.forget_peak().unwrap();
    let data = world.data();
    let of_strangers = world.run(&strangers);
    assert_eq!(world.data(), data, "strangers leave the data as it is, byte for byte");
    let of_operators = world.run(&operators);
    assert_eq!(world.data(), data, "so do refused requests of operators");
    let (after, peak) = (process.resident().unwrap(), process.peak().unwrap());
    let (asked, slowest) = honest.end();

    println!(
        "{} cases of strangers, the slowest {of_strangers:?}; {} of operators, {of_operators:?}; \
         resident {before} KiB before, {after} after, {peak} at the most; \
         {asked} requests of honest clients, the slowest {slowest:?}",
        strangers.len(),
        operators.len()
    );
    assert!(asked > 50 && slowest < BOUND, "{asked} {slowest:?}");
    assert!(after.saturating_sub(before) < KEPT_KIB, "{before} {after}");
    assert!(peak.saturating_sub(before) < PEAK_KIB, "{before} {peak}");
    assert_eq!(world.errors(), Vec::<String>::new());
    // A change shows that the comparison is sensitive.
    world.broker.operate(&["operator", "add", "ed", "--role", "auditor", "--namespace", "dev"], b"").unwrap();
    assert_ne!(world.data(), data);
}

/// Long pauses between what the broker writes by itself; short ones for clients that send too little.
const LIMITS: &str = "probe = 3600\nhead = 3\nbody = 2\nhandshake = 10\nidle = 10\n";
/// Growth of resident memory over the run: what the allocator keeps, and refusals that are remembered.
const KEPT_KIB: u64 = 96 * 1024;
/// At the most: a body of 2 MiB for each client, and its copies in buffers.
const PEAK_KIB: u64 = CLIENTS as u64 * 3 * 1024 + KEPT_KIB;
