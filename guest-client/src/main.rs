//! `vouchsafe-guest`: fetches secrets for this VM and delivers them.
//!
//! Exit codes: 0 done; 1 `doctor` found nothing that this VM can prove, or no usable broker; 2 usage or
//! configuration; 10 refused by the broker; 11 no broker gave a valid signed answer; 12 no evidence; 13 the
//! broker signed an answer that does not match; 14 output or cryptsetup failed, or the command's user or files, or the
//! socket, could not be set up; 15 no broker is usable as configured; 16 the kernel's command line can lead to a shell in the initrd;
//! 17 the latch is not closed; 18 a volume's header cannot be read, or is not accepted; 19 the passphrase or
//! recovery code opens no key slot; 20 `update`: the next boot measures what is not allowed yet; 21 an operator has rejected
//! the proposal; 22 what the next boot will measure cannot be told; `exec` passes on the command's own exit code, 126 and 127 as a shell does.

mod cli;
mod cryptsetup;
mod deliver;

use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_tpm_library();
    cli::main()
}

/// By default the TPM library logs to stderr; errors are returned to us anyway.
#[expect(unsafe_code, reason = "there is no other way to set a variable that the C library reads")]
fn quiet_tpm_library() {
    if std::env::var_os("TSS2_LOG").is_none() {
        // SAFETY: this is the first thing the process does; no other thread exists.
        unsafe { std::env::set_var("TSS2_LOG", "all+none") };
    }
}
