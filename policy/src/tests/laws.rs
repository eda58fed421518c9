//! Properties that the check of every policy has, tested on random policies with a fixed seed.

use super::*;
use crate::checks::boot_rank;

/// A small deterministic random number generator.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // Numerical Recipes' linear congruential generator; the upper bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Conditions that are well-typed anywhere.
const ATOMS: [&str; 26] = [
    "principal has vtpm.root && principal.vtpm.root == Root::\"google\"",
    "principal has vtpm.instance && principal.vtpm.instance.project_number == \"1\"",
    "principal has vtpm.instance && principal.vtpm.instance.instance_id == \"2\"",
    "principal has technology && principal.technology == Technology::\"sev-snp\"",
    "principal has vtpm.technology && principal.vtpm.technology == Technology::\"sev-snp\"",
    "principal has vtpm && principal.vtpm.secure_boot.enabled",
    "principal has vtpm && principal.vtpm.secure_boot.shim_validation_disabled",
    "principal has vtpm && principal.vtpm.phase == Phase::\"initrd\"",
    "principal has vtpm.arguments && principal.vtpm.arguments.contains(\"panic=-1\")",
    "principal has vtpm.command_line && principal.vtpm.command_line == \"/k panic=-1\"",
    "principal has vtpm.grub_files && [\"FILE\"].containsAll(principal.vtpm.grub_files)",
    "principal has vtpm.efi_applications && [\"FILE\"].containsAll(principal.vtpm.efi_applications)",
    "principal has vtpm.pcrs && principal.vtpm.pcrs.pcr8 == \"FILE\"",
    "principal has vtpm.pcrs && principal.vtpm.pcrs.pcr7 == \"FILE\"",
    "principal in Baseline::\"prod/web\"",
    "principal has snp",
    "principal has snp.root && principal.snp.root == Root::\"amd\"",
    "principal has snp && principal.snp.policy.debug",
    "principal has snp && principal.snp.measurement == \"MEASURED\"",
    "principal has snp && principal.snp.reported_tcb.snp >= 1",
    "principal has snp.chip_id && principal.snp.chip_id == \"aa\"",
    "principal has google_token.root && principal.google_token.root == Root::\"google\"",
    "principal has google_token.instance && principal.google_token.instance.project_number == \"1\"",
    "principal has google_token && principal.google_token.software_name == SoftwareName::\"GCE\"",
    "principal has google_token.debug_disabled && principal.google_token.debug_disabled",
    "principal has tdx.tcb && principal.tdx.tcb.status == TcbStatus::\"up-to-date\"",
];

/// Complete policies: for a vTPM, a composite and a token.
const COMPLETE: [&[&str]; 3] = [
    &[
        "principal has vtpm.instance && principal.vtpm.root == Root::\"google\"",
        "principal has vtpm.instance && principal.vtpm.instance.project_number == \"1\"",
        "principal has technology && principal.technology == Technology::\"sev-snp\"",
        "principal in Baseline::\"prod/web\"",
    ],
    &[
        "principal has vtpm.instance && principal.vtpm.root == Root::\"google\"",
        "principal has vtpm.instance && principal.vtpm.instance.project_number == \"1\"",
        "principal has technology && principal.technology == Technology::\"sev-snp\"",
        "principal in Baseline::\"prod/web\"",
        "principal has snp.root && principal.snp.root == Root::\"amd\"",
        "principal has snp && !principal.snp.policy.debug",
        "principal has snp && principal.snp.reported_tcb.boot_loader >= 1 && principal.snp.reported_tcb.tee >= 1 && \
         principal.snp.reported_tcb.snp >= 1 && principal.snp.reported_tcb.microcode >= 1",
    ],
    &[
        "principal has google_token.instance && principal.google_token.root == Root::\"google\"",
        "principal has google_token.instance && principal.google_token.instance.project_number == \"1\"",
        "principal has technology && principal.technology == Technology::\"sev\"",
        "principal has google_token && principal.google_token.software_name == SoftwareName::\"GCE\"",
    ],
];
const ACCEPTS: [&str; 6] = [
    "",
    "@accepts(\"pcr7-alone\")",
    "@accepts(\"token-alone\")",
    "@accepts(\"composite-boot-chain\")",
    "@accepts(\"boot-chain\")",
    "@accepts(\"missing-claim, token-alone\")",
];

fn tree(random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.below(4) == 0 {
        return format!("({})", random.pick(&ATOMS));
    }
    let (one, other) = (tree(random, depth - 1), tree(random, depth - 1));
    match random.below(6) {
        0 | 1 => format!("({one} && {other})"),
        2 | 3 => format!("({one} || {other})"),
        4 => format!("!{one}"),
        _ => format!("(if {one} then {other} else {})", tree(random, depth - 1)),
    }
}

/// The conditions of a complete policy, with some removed and maybe a random one added.
fn conditions(random: &mut Random) -> String {
    let mut all: Vec<String> = random.pick(&COMPLETE).iter().map(|text| format!("({text})")).collect();
    for _ in 0..random.below(3) {
        all.remove(random.below(all.len()));
    }
    if random.below(3) == 0 {
        all.push(tree(random, 2));
    }
    all.join(" && ")
}

/// `None` if Cedar itself finds the condition impossible.
fn findings(accepts: &str, condition: &str, forbids: &str) -> Option<Vec<CheckError>> {
    let text = format!(
        "@id(\"release\") @for(\"app\") {accepts} permit (principal is Vm, action == Action::\"release\", resource)
         when {{ {condition} }};\n{forbids}"
    );
    let text = text.replace("FILE", &"1".repeat(64)).replace("MEASURED", &"1".repeat(96));
    let compiled = match CompiledPolicy::compile(&name("prod/p"), &text) {
        Ok(compiled) => compiled,
        Err(PolicyError::Invalid { .. }) => return None,
        Err(error) => panic!("{error}\n{text}"),
    };
    let found = compiled.check(&known(&["prod/web"]), NOW);
    Some(found.map_or_else(|found| found.as_slice().to_vec(), |_| Vec::new()))
}

/// Everything that is open now was open before, and for the boot no less of it.
fn is_narrower(after: &[CheckError], before: &[CheckError]) -> bool {
    after.iter().all(|new| match new {
        CheckError::Gap { gap, .. } if boot_rank(gap).is_some() => before
            .iter()
            .any(|old| matches!(old, CheckError::Gap { gap: old, .. } if boot_rank(old) >= boot_rank(gap))),
        other => before.contains(other),
    })
}

#[test]
fn t53_another_forbid_never_adds_a_finding() {
    let mut random = Random(8);
    let (mut tried, mut closed) = (0, 0);
    while tried < CASES {
        let accepts = random.pick(&ACCEPTS);
        let condition = conditions(&mut random);
        let forbid = |random: &mut Random, id: usize| {
            let clause = random.pick(&["when", "unless"]);
            format!(
                "@id(\"no{id}\") forbid (principal is Vm, action == Action::\"release\", resource) {clause} {{ {} }};",
                tree(random, 2)
            )
        };
        let (one, other) = (forbid(&mut random, 1), forbid(&mut random, 2));
        let Some(before) = findings(accepts, &condition, &one) else { continue };
        let Some(after) = findings(accepts, &condition, &format!("{one}\n{other}")) else { continue };
        assert!(is_narrower(&after, &before), "{accepts} {condition}\n{one}\n{other}\n{before:?}\n{after:?}");
        tried += 1;
        closed += usize::from(after.len() < before.len());
    }
    assert!(closed > 0, "no forbid closed anything");
}

#[test]
fn t53_an_alternative_is_accepted_exactly_when_both_sides_are() {
    let mut random = Random(38);
    let (mut tried, mut taken, mut refused) = (0, 0, 0);
    while tried < CASES {
        let accepts = random.pick(&ACCEPTS);
        let (one, other) = (conditions(&mut random), conditions(&mut random));
        let sides = [findings(accepts, &one, ""), findings(accepts, &other, "")];
        let Some(either) = findings(accepts, &format!("({one}) || ({other})"), "") else { continue };
        let [Some(one_found), Some(other_found)] = sides else { continue };
        let expected = one_found.is_empty() && other_found.is_empty();
        assert_eq!(
            either.is_empty(),
            expected,
            "{accepts}\n{one}\n{other}\n{one_found:?}\n{other_found:?}\n{either:?}"
        );
        tried += 1;
        if expected { taken += 1 } else { refused += 1 }
    }
    assert!(taken > 3 && refused > 3, "{taken} taken, {refused} refused");
}

/// Number of policies per law.
const CASES: usize = 60;
