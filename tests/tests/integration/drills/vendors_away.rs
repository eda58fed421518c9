//! The vendors' CRLs have not been reachable for a week.

use vouchsafe_attestation::test_util::ca::CrlSpec;
use vouchsafe_attestation::test_util::vm::Kinds;
use vouchsafe_protocol::{ReasonCode, UnixTime};
use vouchsafe_tests::pem;

use super::{PATH, VALUE, line, readiness, refusal, until};
use crate::vendors::Vendors;
use crate::world::{World, command_line, google, now, simulated, text};

const WEEK: u64 = 7 * 86_400;

#[test]
fn crls_that_nobody_renewed_are_named_and_an_import_or_the_vendor_brings_releases_back() {
    // The last ones are a week old and end in some seconds.
    let ends = now() + 12;
    let vendors = Vendors::start_with(&CrlSpec::current(UnixTime(now() - WEEK), UnixTime(ends)));
    let configuration =
        format!("[limits]\nprobe = 1\n{}refresh_min = 1\nrefresh_max = 2\n", vendors.configuration());
    let world = World::fetching(&configuration);
    world.policy("prod/app", &["--for", "app", "--command-line", &command_line()]);
    world.put(PATH, "prod/app", VALUE);
    let served = || {
        let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
        let reply = world.send(&asked);
        if reply.status == 200 {
            Ok(reply.open(&asked)[0].secret.expose().to_vec())
        } else {
            Err(refusal(&reply))
        }
    };
    until("the first release", || served().ok());
    until("ready", || readiness(&world).0.then_some(()));
    vendors.go_away();
    assert_eq!(served(), Ok(VALUE.to_vec()), "while the CRL is current");
    until("the CRLs' end", || (now() > ends).then_some(()));
    until("the broker is unready", || (!readiness(&world).0).then_some(()));
    assert_eq!(readiness(&world).1, ["crls-missing"]);
    let first = line(&world.broker, "broker.not_ready", "crls-missing");
    let step =
        "`vouchsafe collateral status` shows which CRL, `vouchsafe collateral refresh` or `import` gets it";
    assert_eq!(first["message"], step);
    // It shows which, why, and what helps.
    let status = until("a failed fetch", || {
        let status = world.run(&["collateral", "status"]);
        status.lines().any(|line| line.starts_with("crl ") && line.contains(": io: ")).then_some(status)
    });
    assert!(status.contains(" overdue "), "{status}");
    assert!(status.contains("1 overdue: `vouchsafe collateral refresh` fetches now"), "{status}");
    assert_eq!(served().unwrap_err(), ReasonCode::CollateralPending);

    // By hand, from another machine.
    let current = CrlSpec::current(UnixTime(now() - 60), UnixTime(now() + 86_400));
    let file = world.write("google.crl", &pem::crl(&google().root_crl(&current)));
    world.run(&["collateral", "import", text(&file)]);
    assert_eq!(served(), Ok(VALUE.to_vec()));
    until("ready", || readiness(&world).0.then_some(()));
    // Or the vendors are back.
    vendors.come_back(&current);
    world.run(&["collateral", "refresh"]);
    until("a fetch", || {
        let status = world.run(&["collateral", "status"]);
        (!status.contains("overdue") && !status.contains(": io: ")).then_some(())
    });
    assert_eq!(served(), Ok(VALUE.to_vec()));
}
