//! Captured evidence with its required result, through the binary.
//!
//! Every `expect.json` below `../shared/evidence` is run; `VOUCHSAFE_FIELD_CASES` names another folder. A
//! case has `name`, `args` (arguments of `vouchsafe`; those that name a file of the folder are taken from
//! there, `@shared:` is `../shared/evidence`), `must` (the required result) and `sha256` of its files.
//! Members of `must`: `rc`, `refused`, `refused_not_starting_with`, `secure_boot`, `technology`, `product`,
//! `root`, `tcb`, `advisories`, `phase`, `withheld`; `note` is for people. A case with an unknown member
//! fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};
use vouchsafe_protocol::Digest32;

#[test]
fn captured_evidence_gets_its_verdict() {
    let Some(shared) = vouchsafe_captured::folder() else { return };
    let folder = std::env::var_os("VOUCHSAFE_FIELD_CASES").map(PathBuf::from);
    let lists = folder.map_or_else(|| expectations(&shared), |folder| vec![folder.join("expect.json")]);
    assert!(!lists.is_empty(), "no expect.json below {}", shared.display());
    let (mut wrong, mut count) = (Vec::new(), 0);
    for list in lists {
        let text = fs::read_to_string(&list).expect("read");
        let cases: Vec<Value> = serde_json::from_str(&text).expect("a list of cases");
        let folder = list.parent().expect("in a folder");
        for case in &cases {
            count += 1;
            let name = case["name"].as_str().expect("a name");
            if let Err(found) = run(case, folder, &shared) {
                wrong.push(format!("{name}: {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// Runs a case; returns the differences.
fn run(case: &Value, folder: &Path, shared: &Path) -> Result<(), String> {
    for (file, digest) in case["sha256"].as_object().into_iter().flatten() {
        let path = file.strip_prefix("@shared:").map_or_else(|| folder.join(file), |file| shared.join(file));
        let found = Digest32::of(&fs::read(&path).map_err(|error| format!("{file}: {error}"))?);
        if digest.as_str() != Some(found.to_string().as_str()) {
            return Err(format!("{file} is not the file of the case"));
        }
    }
    let arguments = case["args"].as_array().ok_or("no args")?.iter().map(|argument| {
        let argument = argument.as_str().unwrap_or_default();
        match argument.strip_prefix("@shared:") {
            Some(file) => shared.join(file).into_os_string(),
            None => argument.into(),
        }
    });
    let output = Command::new(env!("CARGO_BIN_EXE_vouchsafe"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|error| error.to_string())?;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let must = case["must"].as_object().ok_or("no verdict")?;
    compare(must, output.status.code(), &said).map_err(|wrong| {
        let refused = said.get("refused").map(|_| said.to_string()).unwrap_or_default();
        format!("{wrong}; {:?} {refused} {}", output.status.code(), String::from_utf8_lossy(&output.stderr))
    })
}

fn compare(must: &Map<String, Value>, code: Option<i32>, said: &Value) -> Result<(), String> {
    let refused = said["refused"].as_str().unwrap_or_default();
    for (member, wanted) in must {
        let fits = match member.as_str() {
            "note" => true,
            "rc" => code.map(i64::from) == wanted.as_i64(),
            "refused" => wanted == refused,
            "refused_not_starting_with" => {
                !refused.is_empty() && wanted.as_str().is_some_and(|prefix| !refused.starts_with(prefix))
            }
            "secure_boot" => {
                found(said, &["boot", "vtpm.boot", "tdx.unconfirmed_boot"], "secure_boot.enabled") == *wanted
            }
            "technology" => found(said, &["", "boot"], "technology") == *wanted,
            "product" => found(said, &["sev_snp"], "product") == *wanted,
            "root" => found(said, &PIECES, "root") == *wanted,
            "phase" => found(said, &["vtpm", "pcrs", ""], "phase") == *wanted,
            "tcb" => found(said, &["tdx.tcb"], "status") == *wanted,
            "advisories" => {
                let advisories = found(said, &["tdx.tcb"], "advisory_ids");
                wanted.as_u64() == u64::try_from(advisories.as_array().map_or(0, Vec::len)).ok()
            }
            "withheld" => withheld(said, wanted),
            other => return Err(format!("the verdict's member {other:?} is not known to this test")),
        };
        if !fits {
            return Err(format!("{member} must be {wanted}"));
        }
    }
    Ok(())
}

/// The member of the first of these objects that has it; null where none has.
fn found(said: &Value, objects: &[&str], member: &str) -> Value {
    let pointer = |object: &str| format!("/{object}/{member}").replace('.', "/").replace("//", "/");
    objects.iter().find_map(|object| said.pointer(&pointer(object))).cloned().unwrap_or_default()
}

/// Whether each claim of the list is withheld.
fn withheld(said: &Value, wanted: &Value) -> bool {
    let lists = ["/withheld", "/boot/withheld", "/vtpm/boot/withheld"].map(|list| said.pointer(list));
    let all = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
    let claims: Vec<&Value> = all.filter_map(|one| one.get("claim")).collect();
    wanted.as_array().is_some_and(|wanted| wanted.iter().all(|claim| claims.contains(&claim)))
}

/// Every list of cases below a folder.
fn expectations(folder: &Path) -> Vec<PathBuf> {
    let mut lists: Vec<PathBuf> = fs::read_dir(folder)
        .expect("read")
        .map(|entry| entry.expect("an entry").path().join("expect.json"))
        .filter(|list| list.is_file())
        .collect();
    lists.sort();
    lists
}

const PIECES: [&str; 4] = ["vtpm", "sev_snp", "tdx", "google_token"];
