//! Claims of valid reports.

use super::*;

#[test]
fn report_versions_2_to_5_verify() {
    for version in 2..=5 {
        let mut builder = genoa();
        builder.version = version;
        let claims = verify_fake(&builder).unwrap();
        assert_eq!(claims.report_version, version);
        assert_eq!(claims.cpuid.is_some(), version >= 3);
        assert_eq!(claims.launch_mitigations.is_some(), version >= 5);
        let json = serde_json::to_value(&claims).unwrap();
        let mask = claims.launch_mitigations.map(|mask| format!("{mask:016x}"));
        assert_eq!(json.get("launch_mitigations").and_then(|mask| mask.as_str()), mask.as_deref());
    }
}

#[test]
fn t11_a_milan_report_gives_claims_but_no_root() {
    let Some((report, vek)) = captured("milan_v2_virtee", "milan_v2_virtee.vcek.der") else { return };
    let fake = verify_fake(&SnpReportBuilder::new(Product::Milan)).unwrap();
    for claims in [verify_builtin(&report, &vek, NOW).unwrap(), fake] {
        assert_eq!(claims.product, Product::Milan);
        assert_eq!(claims.root, None);
        assert_eq!(claims.root_withheld, Some(RootWithheld::MilanSeedExtraction));
        let json = serde_json::to_value(&claims).unwrap();
        assert_eq!(json["root_withheld"], "milan-seed-extraction");
        assert!(json.get("root").is_none());
    }
}

#[test]
fn t13_the_platform_is_a_claim() {
    let platform = |version, bits| {
        let mut builder = genoa();
        (builder.version, builder.platform_info) = (version, bits);
        verify_fake(&builder).unwrap().platform
    };
    assert_eq!(platform(5, 1 << 5).alias_check_complete, Some(true));
    assert_eq!(platform(3, 0).alias_check_complete, Some(false));
    assert_eq!(platform(2, 0).alias_check_complete, None);
    assert_eq!(platform(2, 1 << 5).alias_check_complete, Some(true));
    let bits = platform(5, 0b1001_1111);
    assert!(bits.smt && bits.tsme && bits.ecc && bits.rapl_dis && bits.ciphertext_hiding && bits.tio);
    assert_eq!((bits.unknown_bits, platform(5, 1 << 6 | 1 << 63).unknown_bits), (0, 1 << 6 | 1 << 63));
}

#[test]
fn t14_mitigations_at_launch_and_now_are_claims_of_their_own() {
    let mut builder = genoa();
    (builder.launch_mitigations, builder.current_mitigations) = (0x1, 0x3);
    let claims = verify_fake(&builder).unwrap();
    assert_eq!((claims.launch_mitigations, claims.current_mitigations), (Some(0x1), Some(0x3)));
    // Before version 5 they are absent, and an absent claim satisfies no condition.
    builder.version = 4;
    let claims = verify_fake(&builder).unwrap();
    assert_eq!((claims.launch_mitigations, claims.current_mitigations), (None, None));
}

#[test]
fn t15_policy_and_privilege_level_are_claims() {
    let policy = |bits| {
        let mut builder = genoa();
        builder.policy = bits;
        verify_fake(&builder).unwrap().policy
    };
    let plain = policy(0x3_1f05);
    assert_eq!((plain.abi_major, plain.abi_minor), (0x1f, 0x05));
    assert!(plain.smt && !plain.debug && !plain.migration_agent);
    assert!(policy(1 << 17 | 1 << 19).debug);
    assert!(policy(1 << 17 | 1 << 18).migration_agent);
    let rest = policy(0b11_1111 << 20 | 1 << 17);
    assert!(rest.single_socket && rest.cxl_allow && rest.mem_aes_256_xts);
    assert!(rest.rapl_dis && rest.ciphertext_hiding && rest.page_swap_disable && !rest.smt);
    let mut builder = genoa();
    (builder.vmpl, builder.report_id_ma) = (3, [1; 32]);
    let claims = verify_fake(&builder).unwrap();
    assert_eq!((claims.vmpl, claims.has_migration_agent), (3, true));
}
