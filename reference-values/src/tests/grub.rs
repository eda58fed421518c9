//! Boots through GRUB: what is certain, what the configuration determines, and where interpretation ends.

use crate::test_util::ImageBuilder;
use crate::{EfiImage, GrubBoot, ScriptError};
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceValues};

const LINE: &str = "/vmlinuz root=/dev/sda1 ro";
const CONFIGURATION: &str = "# comment\nset timeout=0\nset root_device=/dev/sda1\nmenuentry 'A test' --class os {\n\
    \tlinux /vmlinuz root=$root_device ro\n\tinitrd /initrd\n}\n";

/// What the boot of `CONFIGURATION` runs.
const COMMANDS: [&str; 7] = [
    "set timeout=0",
    "set root_device=/dev/sda1",
    "menuentry A test --class os {\n\tlinux /vmlinuz root=$root_device ro\n\tinitrd /initrd\n}",
    "setparams A test",
    "linux /vmlinuz root=/dev/sda1 ro",
    LINE,
    "initrd /initrd",
];

fn with(
    configuration: &[&str],
    line: Option<&str>,
    initrds: &[&[u8]],
    first: Option<Vec<&str>>,
) -> Result<ReferenceValues, ScriptError> {
    boot_of(&ImageBuilder::grub("2.12"), configuration, line, initrds, first)
}

/// With this GRUB.
fn boot_of(
    grub: &ImageBuilder,
    configuration: &[&str],
    line: Option<&str>,
    initrds: &[&[u8]],
    first: Option<Vec<&str>>,
) -> Result<ReferenceValues, ScriptError> {
    let [shim, kernel] = ["shim", "kernel"].map(|name| ImageBuilder::program(name.as_bytes()).bytes());
    let grub = grub.bytes();
    let image = |bytes| EfiImage::parse(bytes).expect("an image");
    GrubBoot {
        shim: Some(image(&shim)),
        grub: image(&grub),
        kernel: image(&kernel),
        kernel_file: &kernel,
        initrds: initrds.to_vec(),
        command_line: line,
        configuration: configuration.to_vec(),
        first_commands: first,
        earlier: None,
    }
    .reference_values()
}

fn script(configuration: &str) -> ScriptError {
    let error = with(&[configuration], None, &[b"initrd"], None).map(|values| values.unknown);
    match error {
        Err(error) => error,
        Ok(unknown) => panic!("{unknown:?}"),
    }
}

/// The reason why the commands are unknown.
fn unknown(configuration: &[&str]) -> String {
    let values = with(configuration, Some(LINE), &[b"initrd"], None).expect("the files are known");
    assert!(values.values.iter().all(|value| value.pcr == 4), "{:?}", values.values);
    assert!(values.of_pcr(9).any(|event| event.component == ReferenceComponent::Kernel));
    values.unknown.iter().map(|unknown| unknown.text.as_str()).collect::<Vec<_>>().join("\n")
}

fn texts(values: &ReferenceValues) -> Vec<&str> {
    let text = |component| match component {
        &ReferenceComponent::GrubCommand { ref text } | &ReferenceComponent::CommandLine { ref text } => {
            Some(text.as_str())
        }
        _ => None,
    };
    values.of_pcr(8).filter_map(|event| text(&event.component)).collect()
}

fn extended(digests: &[Digest32]) -> Digest32 {
    digests
        .iter()
        .fold(Digest32([0; 32]), |value, digest| Digest32::of_parts(&[value.as_bytes(), digest.as_bytes()]))
}

#[test]
fn a_whole_configuration_gives_every_event_and_the_final_values() {
    let first = Some(vec!["source (hd0)/grub.cfg"]);
    let values = with(&[CONFIGURATION], None, &[b"initrd"], first).expect("followed");
    let expected = [&["source (hd0)/grub.cfg"][..], &COMMANDS].concat();
    assert_eq!(texts(&values), expected);
    let pcr8: Vec<Digest32> = expected.iter().map(|text| Digest32::of(text.as_bytes())).collect();
    let value = |pcr, number: usize| values.values.iter().filter(|value| value.pcr == pcr).nth(number);
    assert_eq!(value(8, 0).map(|value| value.value), Some(extended(&pcr8)));
    let kernel = ImageBuilder::program(b"kernel").bytes();
    let files = [CONFIGURATION.as_bytes(), &kernel, b"initrd"].map(Digest32::of);
    assert_eq!(value(9, 0).map(|value| value.value), Some(extended(&files)));
    assert_eq!(values.unknown, []);
}

#[test]
fn applications_are_in_order_and_the_kernel_counts_twice_once_or_not() {
    let values = with(&[CONFIGURATION], None, &[b"initrd"], None).expect("followed");
    let digest = |name: &str| ImageBuilder::program(name.as_bytes()).digest();
    let grub = ImageBuilder::grub("2.12").digest();
    let start = [Digest32::of(b"Calling EFI Application from Boot Option"), Digest32::of(&[0; 4])];
    let applications = [&start[..], &[digest("shim"), grub, digest("kernel"), digest("kernel")]].concat();
    let found: Vec<Digest32> = values.values.iter().filter(|v| v.pcr == 4).map(|v| v.value).collect();
    assert_eq!(found, [6, 5, 4].map(|count| extended(&applications[..count])));
}

#[test]
fn without_the_first_commands_pcr_8_is_not_known() {
    let values = with(&[CONFIGURATION], None, &[b"initrd"], None).expect("followed");
    assert!(values.values.iter().all(|value| value.pcr != 8));
    assert!(values.unknown.iter().any(|unknown| unknown.text.starts_with("PCR 8")), "{:?}", values.unknown);
}

#[test]
fn the_version_of_grub_decides_how_the_options_end() {
    use ReferenceComponent::LoadOptions;
    let options =
        |text: &str| Digest32::of(&text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    let bare = format!("BOOT_IMAGE={LINE}");
    let of =
        |grub: &ImageBuilder| boot_of(grub, &[CONFIGURATION], None, &[b"initrd"], None).expect("followed");
    for (version, text) in [("2.06", bare.clone()), ("2.12", bare.clone()), ("2.14", format!("{bare}\0"))] {
        let values = of(&ImageBuilder::grub(version));
        let found: Vec<_> = values.of_pcr(9).filter(|event| event.component == LoadOptions).collect();
        assert_eq!(found.iter().map(|event| event.digest).collect::<Vec<_>>(), [options(&text)], "{version}");
        assert!(values.unknown.iter().all(|unknown| unknown.event.is_none()), "{version}");
    }
    // Without GRUB's version the event is reported as unknown, and so are the values that depend on it.
    for grub in [ImageBuilder::program(b"grub"), ImageBuilder::grub("0.97"), ImageBuilder::grub("2.x")] {
        let values = of(&grub);
        assert!(values.of_pcr(9).all(|event| event.component != LoadOptions));
        let unknown = values.unknown.iter().find_map(|unknown| unknown.event.as_ref()).expect("said");
        assert_eq!((unknown.pcr, &unknown.component), (9, &LoadOptions));
        assert_eq!(values.values.iter().filter(|value| value.pcr == 9).count(), 1);
    }
}

#[test]
fn commands_that_depend_on_the_machine_end_the_interpretation() {
    for (configuration, name) in [
        ("if [ -e /x ]; then\nset a=1\nfi\n", "if"),
        ("search --file --set=root /x\n", "search"),
        ("load_env\n", "load_env"),
        ("insmod part_gpt\n", "insmod"),
        ("function f {\n true\n}\n", "function"),
        ("submenu x {\n}\n", "submenu"),
    ] {
        assert!(unknown(&[configuration]).contains(&format!("{name:?}")), "{configuration}");
    }
    assert!(unknown(&["set a=$root\n"]).contains("$root"));
    assert!(unknown(&["echo 'x\n"]).contains("within a quote"));
    assert!(unknown(&["menuentry x {\n"]).contains("within a quote or a block"));
    assert!(unknown(&["set default=saved\nmenuentry x {\n}\n"]).contains("starts no entry"));
    assert!(unknown(&["menuentry x {\n linux /v 'a b'\n}\n"]).contains("quotes, spaces"));
    assert!(unknown(&["source /other\n"]).contains("1 files"));
    assert!(unknown(&[CONFIGURATION, CONFIGURATION]).contains("2 files"));
    assert!(unknown(&[]).contains("0 files"));
}

#[test]
fn files_that_do_not_fit_the_configuration_are_refused() {
    let other = with(&[CONFIGURATION], Some("/vmlinuz ro"), &[b"initrd"], None);
    assert_eq!(other, Err(ScriptError::OtherCommandLine { found: LINE.to_owned() }));
    assert_eq!(with(&[CONFIGURATION], None, &[], None), Err(ScriptError::Initrds { count: 1 }));
    assert_eq!(script("menuentry x {\n echo\n}\n"), ScriptError::Kernels { count: 0 });
    assert_eq!(script("menuentry x {\n linux /a\n linux /b\n}\n"), ScriptError::Kernels { count: 2 });
}

#[test]
fn one_file_reads_the_next_and_default_names_an_entry() {
    let files = ["set default=1\nsource /b\n", "menuentry a {\n}\nmenuentry b {\n linux /v; initrd /i\n}\n"];
    let values = with(&files, None, &[b"initrd"], None).expect("followed");
    let expected = [
        "set default=1",
        "source /b",
        "menuentry a {\n}",
        "menuentry b {\n linux /v; initrd /i\n}",
        "setparams b",
        "linux /v",
        "/v",
        "initrd /i",
    ];
    assert_eq!(texts(&values), expected);
}
