//! T20: the chips on which an instance was seen, the alarm for a new one, and who sees it.

use serde_json::{Value, json};
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::snp::SnpReportBuilder;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_protocol::ReasonCode;

use crate::snp::alone;
use crate::world::World;

const PATH: &str = "prod/db/token";

/// A broker whose policy requires vTPM and report of this VM's boot.
fn world(vm: &SimulatedVm) -> World {
    let world = World::bare("");
    let captured = world.request(vm, Kinds::BOTH, &[PATH]).request.evidence;
    let captured = world.write("evidence.json", &serde_json::to_string(&captured).unwrap());
    world.policy_of("prod/both", "app", &captured);
    world.put(PATH, "prod/both", b"sesame");
    world
}

/// The same VM on another chip.
fn on_chip(vm: &SimulatedVm, chip: u8) -> SimulatedVm {
    let mut vm = vm.clone();
    vm.set_report(SnpReportBuilder { chip_id: [chip; 64], ..vm.report.clone() });
    vm
}

/// The same on a host that masks the chip's id.
fn masked(vm: &SimulatedVm, chip: u8) -> SimulatedVm {
    let mut vm = on_chip(vm, chip);
    let vek = Some(vm.report.fitting_vek());
    vm.set_report(SnpReportBuilder { vek, chip_id: [0; 64], ..vm.report.clone() });
    vm
}

fn name(chip: u8) -> String {
    format!("sev-snp:{}", format!("{chip:02x}").repeat(64))
}

/// A release with vTPM and report; returns its decision.
fn granted(world: &World, vm: &SimulatedVm) -> String {
    granted_by(world, vm, Kinds::BOTH)
}

fn granted_by(world: &World, vm: &SimulatedVm, kinds: Kinds) -> String {
    let asked = world.request(vm, kinds, &[PATH]);
    let reply = world.send(&asked);
    assert_eq!(reply.open(&asked)[0].secret.expose(), b"sesame");
    reply.answer().decision.to_string()
}

/// Events of the broker's log by this name.
fn events(world: &World, name: &str) -> Vec<Value> {
    let log = world.broker.read_log();
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["event"] == name).collect()
}

fn counted(world: &World, metric: &str) -> u64 {
    let (_, text) = world.get(&format!("{}/metrics", world.broker.operators_url()), None);
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{metric}: {text}")).parse().unwrap()
}

/// First chips and moves, once the broker has counted the answered requests.
fn assert_counted(world: &World, expected: [u64; 2]) {
    let now = || [counted(world, FIRST), counted(world, MOVED)];
    for _ in 0..50 {
        if now() == expected {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(now(), expected);
}

fn instance() -> String {
    let AkCertificateSpec { project_number, instance_id, .. } = AkCertificateSpec::default();
    format!("{project_number}/{instance_id}")
}

const FIRST: &str = "vouchsafe_chips_first_total{subject=\"instance\"}";
const MOVED: &str = "vouchsafe_chips_moved_total{subject=\"instance\"}";

#[test]
fn t20_an_instance_on_another_chip_raises_an_alarm_that_operators_see() {
    let vm = SimulatedVm::new();
    let mut world = world(&vm);
    let (one, other) = (on_chip(&vm, 0xa1), on_chip(&vm, 0xb2));
    let first = granted(&world, &one);
    granted(&world, &one);
    assert_counted(&world, [1, 0]);
    let moved = granted(&world, &other);
    granted(&world, &other);
    granted(&world, &one);
    assert_counted(&world, [1, 1]);

    let subject = format!("instance {}", instance());
    let [quiet] = &events(&world, "chip.first")[..] else { panic!("{}", world.broker.read_log()) };
    assert_eq!((&quiet["level"], &quiet["decision"]), (&json!("INFO"), &json!(first)));
    let [alarm] = &events(&world, "chip.moved")[..] else { panic!("{}", world.broker.read_log()) };
    assert_eq!((&alarm["level"], &alarm["decision"]), (&json!("WARN"), &json!(moved)));
    assert_eq!((&alarm["subject"], &alarm["chip"]), (&json!(subject), &json!(name(0xb2))));
    assert_eq!(alarm["earlier"], json!(name(0xa1)));

    let listed = world.json(&["chips", "list", "--instance", &instance()]);
    let chips = listed["chips"].as_array().unwrap();
    assert_eq!(chips.len(), 2, "{listed}");
    assert_eq!((&chips[0]["chip"], &chips[0]["earlier"]), (&json!(name(0xb2)), &json!(name(0xa1))));
    assert_eq!((&chips[0]["subject"], &chips[0]["decision"]), (&json!(subject), &json!(moved)));
    assert_eq!((&chips[1]["chip"], chips[1].get("earlier")), (&json!(name(0xa1)), None));
    assert_eq!(world.json(&["chips", "list", "--instance", "1/2"])["chips"], json!([]));
    let human = world.run(&["chips", "list"]);
    assert!(human.contains(&subject) && human.contains("sev-snp:b2b2"), "{human}");
    let explained = world.run(&["explain", &moved]);
    assert!(explained.contains(&format!("new chip  {}", name(0xb2))), "{explained}");
    assert!(explained.contains(&format!("before it came {}", name(0xa1))), "{explained}");

    // Recorded chips are known after a restart; others raise an alarm.
    world.broker.stop().unwrap();
    world.broker.run().unwrap();
    granted(&world, &other);
    assert_counted(&world, [0, 0]);
    granted(&world, &on_chip(&vm, 0xc3));
    assert_counted(&world, [0, 1]);
    assert_eq!(events(&world, "chip.moved").len(), 2);
    assert_eq!(events(&world, "chip.first").len(), 1);
}

#[test]
fn t20_a_report_alone_counts_for_the_policy_that_takes_it() {
    let world = World::bare("");
    world.put_policy_text("prod/snp", &alone("@accepts(\"owner\")"));
    world.put(PATH, "prod/snp", b"sesame");
    let vm = SimulatedVm::new();
    // A report that masks its chip belongs to the chip in its certificate: a forger cannot hide it.
    for vm in [on_chip(&vm, 0xa1), masked(&vm, 0xa1), masked(&vm, 0xb2), on_chip(&vm, 0xb2)] {
        granted_by(&world, &vm, Kinds::REPORT);
    }
    let listed = world.json(&["chips", "list", "--policy", "prod/snp"]);
    let chips: Vec<_> = listed["chips"].as_array().unwrap().iter().map(|chip| &chip["chip"]).collect();
    assert_eq!(chips, [&json!(name(0xb2)), &json!(name(0xa1))]);
    let counter =
        |name: &str| counted(&world, &format!("vouchsafe_chips_{name}_total{{subject=\"policy\"}}"));
    assert_eq!([counter("first"), counter("moved"), counter("not_kept")], [1, 1, 0]);
    assert_counted(&world, [0, 0]);
    assert_eq!(events(&world, "chip.moved")[0]["subject"], "policy prod/snp");
}

#[test]
fn t20_a_refused_request_records_no_chip() {
    let vm = SimulatedVm::new();
    let world = world(&vm);
    let debug = SnpReportBuilder { policy: 0x3_0000 | 1 << 19, chip_id: [0xd4; 64], ..vm.report.clone() };
    let mut open = vm.clone();
    open.set_report(debug);
    let asked = world.request(&open, Kinds::BOTH, &[PATH]);
    world.assert_refused(&asked, ReasonCode::NotGranted, "the host may debug this guest");
    // A forged report, without evidence in which Google names the instance.
    let asked = world.request(&on_chip(&vm, 0xe5), Kinds::REPORT, &[PATH]);
    world.assert_refused(&asked, ReasonCode::NotGranted, "vtpm.instance");
    assert_eq!(world.json(&["chips", "list"])["chips"], json!([]));
    assert_counted(&world, [0, 0]);
}
