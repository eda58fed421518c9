//! Runs every target over its corpus, and over every finding that was ever made.

use std::fs;
use std::path::PathBuf;

use vouchsafe_fuzz_targets as targets;

macro_rules! replay {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(stringify!($target));
                let mut inputs = 0;
                for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
                    targets::$target(&fs::read(entry.unwrap().path()).unwrap());
                    inputs += 1;
                }
                assert!(inputs > 0, "{} is empty", folder.display());
            }
        )*

        #[test]
        fn every_corpus_has_a_target() {
            let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus");
            let mut found: Vec<_> =
                fs::read_dir(corpus).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            found.sort();
            let mut expected = vec![$(stringify!($target)),*];
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
    };
}

replay! {
    snp_report certificate_table clevis_jwe tpms_attest tpmt_signature event_log userspace_log ccel instance_info go_tpm_tools evidence_json
    challenge verify google_token launch_endorsement collateral_bundle tdx_quote tdx_collateral luks_header boot_log
    grub_configuration efi_image proposal proxy_header component_list age_file
    keyring_file kms_answer succession
}
