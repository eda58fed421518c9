#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| vouchsafe_fuzz_targets::luks_header(data));
