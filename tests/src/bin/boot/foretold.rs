//! The predictions of the operator's tool for a boot.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use vouchsafe_attestation::event_log::EventKind;
use vouchsafe_protocol::Digest32;
use vouchsafe_tests::broker::program;

use crate::disk::run;

/// Predicted events and final values, and what cannot be predicted.
#[derive(Deserialize)]
pub(crate) struct Foretold {
    events: Vec<Event>,
    values: Vec<FinalValue>,
    unknown: Vec<Unknown>,
}

#[derive(Deserialize)]
struct Event {
    pcr: u8,
    component: String,
    digest: Digest32,
    text: Option<String>,
    name: Option<String>,
}

/// The final value of a PCR.
#[derive(Deserialize)]
pub(crate) struct FinalValue {
    pcr: u8,
    /// Its value.
    pub(crate) value: Digest32,
    /// The condition for this value.
    #[serde(default)]
    pub(crate) when: String,
}

#[derive(Deserialize)]
struct Unknown {
    text: String,
    pcr: Option<u8>,
    component: Option<String>,
}

/// A predicted event.
pub(crate) struct Expected {
    /// Its digest; `None` if it cannot be predicted.
    pub(crate) digest: Option<Digest32>,
    /// Its component, in the tool's words.
    pub(crate) component: String,
    /// The same with its text or name.
    pub(crate) what: String,
}

impl Foretold {
    /// The predictions for a boot from these files.
    pub(crate) fn of(files: &[OsString]) -> anyhow::Result<Self> {
        let mut command = Command::new(program("vouchsafe")?);
        let output = run(command.args(["--json", "baseline", "predict"]).args(files))?;
        Ok(serde_json::from_slice(&output)?)
    }

    /// Whether GRUB loads the kernel.
    pub(crate) fn is_grub(&self) -> bool {
        self.events.iter().any(|event| event.component == "grub")
    }

    /// Events of a PCR in order, those with an unknown digest last.
    pub(crate) fn events(&self, pcr: u8) -> Vec<Expected> {
        let known = self.events.iter().filter(|event| event.pcr == pcr).map(|event| {
            let detail = event.text.as_ref().or(event.name.as_ref());
            let detail = detail.map(|detail| format!(" {}", detail.replace('\n', " ")));
            let what = format!("{}{}", event.component, detail.unwrap_or_default());
            Expected { digest: Some(event.digest), component: event.component.clone(), what }
        });
        let unknown = self.unknown.iter().filter(|unknown| unknown.pcr == Some(pcr));
        let unknown = unknown.filter_map(|unknown| {
            let component = unknown.component.clone()?;
            Some(Expected { digest: None, what: component.clone(), component })
        });
        known.chain(unknown).collect()
    }

    /// Final values of a PCR.
    pub(crate) fn values(&self, pcr: u8) -> impl Iterator<Item = &FinalValue> {
        self.values.iter().filter(move |value| value.pcr == pcr)
    }

    /// What cannot be predicted, in the tool's words.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(|unknown| unknown.text.as_str())
    }
}

/// Whether an event of the log is of this kind. Only the kernel EFI stub's events are identified by their
/// kind.
pub(crate) fn is_kind(component: &str, kind: EventKind) -> bool {
    match component {
        "load-options" => kind == EventKind::KernelLoadOptions,
        "loaded-initrd" => kind == EventKind::KernelInitrd,
        _ => false,
    }
}

/// The baseline of a file with an update allowed, as the operator's tool prints it.
pub(crate) fn predict_into(files: &[OsString], baseline: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(program("vouchsafe")?);
    command.args(["baseline", "predict"]).args(files).arg("--into").arg(baseline);
    Ok(String::from_utf8(run(&mut command)?)?)
}
