//! The certificate of the listeners has ended, and nobody renewed it.

use std::fs;

use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair, SanType, date_time_ymd};
use rustix::process::{Pid, Signal, kill_process};
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_tests::broker::guest;

use super::{PATH, VALUE, line, until};
use crate::world::World;

/// Replaces the certificate by one of the same CA that ends with this year.
fn install(world: &World, ca: &Issuer<'_, KeyPair>, until: i32) {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::IpAddress("127.0.0.1".parse().unwrap())];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 12, 31));
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let tls = world.broker.data().join("tls");
    fs::write(tls.join("certificate.pem"), params.signed_by(&key, ca).unwrap().pem()).unwrap();
    fs::write(tls.join("key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn an_ended_certificate_is_named_by_broker_operator_and_guest() {
    let mut world = World::start();
    world.put(PATH, "prod/app", VALUE);
    let (_vm, config) = world.vm("vm", AkAlgorithm::Ecc);
    fs::write(&config, fs::read_to_string(&config).unwrap() + "[limits]\nattempts = 1\n").unwrap();
    world.broker.stop().unwrap();
    // As with a certificate of the site's own CA: its key is elsewhere, so the broker cannot renew it.
    let tls = world.broker.data().join("tls");
    let read = |name: &str| fs::read_to_string(tls.join(name)).unwrap();
    let key = KeyPair::from_pem(&read("ca-key.pem")).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "vouchsafe broker CA");
    let ca = Issuer::new(params, key);
    fs::remove_file(tls.join("ca-key.pem")).unwrap();
    install(&world, &ca, 2025);

    // Nobody reaches it, but it starts and says why.
    let waited = world.broker.run().unwrap_err().to_string();
    assert!(waited.contains("is not ready after 10 s"), "{waited}");
    let first = line(&world.broker, "tls.certificate_ends", "\"ended\":true");
    assert_eq!(
        first["message"],
        "clients refuse it afterwards: put a new certificate in its place and send SIGHUP"
    );
    let output = world.broker.operator(&["secret", "list"], b"").unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("certificate expired") && said.contains("send SIGHUP to the broker"), "{said}");
    let output = guest(&config, ["fetch", PATH]).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(11), "{said}");
    assert!(said.contains("the certificate has to be renewed, or this machine's clock is wrong"), "{said}");

    // The step that all of them name.
    install(&world, &ca, 2099);
    let process = Pid::from_raw(i32::try_from(world.broker.process_id()).unwrap()).unwrap();
    kill_process(process, Signal::HUP).unwrap();
    line(&world.broker, "broker.reloaded", "");
    until("the operator is served", || world.broker.operate(&["secret", "list"], b"").ok());
    let output = guest(&config, ["fetch", PATH]).unwrap();
    assert_eq!(output.stdout, VALUE, "{output:?}");
}
