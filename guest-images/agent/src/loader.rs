//! Loader mode: what the kernel starts instead of modprobe.
//!
//! Tells PID 1 what the kernel asks for, waits for the bench's word and then is
//! modprobe to the kernel: same arguments, same exit status, same death.

use std::io::{self, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};

use guest_protocol::{Answer, LoaderOutcome};
use nix::sys::signal::{Signal, raise};

use crate::children::{End, drain, real_modprobe};
use crate::gate::module::{Report, SOCKET, receive, send};

/// As a shell reports a program that it did not find.
const NOT_FOUND: i32 = 127;
/// As modprobe fails.
const FAILED: i32 = 1;

/// Runs, and returns what the kernel is to see.
pub(crate) fn run() -> ExitCode {
    let argv: Vec<String> =
        std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let end = serve(&argv).unwrap_or_else(|e| {
        // The kernel gave this process no standard error; PID 1, if it lives,
        // notes that the connection broke.
        eprintln!("iwlbench-agent: module loader {argv:?}: {e}");
        End::Exited(FAILED)
    });
    match end {
        End::Exited(status) => ExitCode::from(status as u8),
        End::Killed(signal) => {
            if let Ok(signal) = Signal::try_from(signal) {
                // Fails only for a signal that does not exist.
                let _ = raise(signal);
            }
            ExitCode::from(End::Killed(signal).shell_status() as u8)
        }
    }
}

fn serve(argv: &[String]) -> io::Result<End> {
    let mut stream = UnixStream::connect(SOCKET)?;
    send(&mut stream, &argv)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let (end, report) = match receive(&mut answers)? {
        Answer::Proceed => modprobe(argv)?,
        Answer::Exit { status } => answered(status, String::new()),
        other => answered(
            FAILED,
            format!("the bench gave a firmware answer to a module question: {other:?}"),
        ),
    };
    send(&mut stream, &report)?;
    // PID 1 closes when the report is on its way: only then may the kernel go on.
    answers.read_to_end(&mut Vec::new())?;
    Ok(end)
}

fn answered(status: i32, stderr: String) -> (End, Report) {
    let report = (LoaderOutcome::Answered { status }, stderr);
    (End::Exited(status), report)
}

fn modprobe(argv: &[String]) -> io::Result<(End, Report)> {
    let Some(program) = real_modprobe() else {
        let report = (LoaderOutcome::NoModprobe, String::new());
        return Ok((End::Exited(NOT_FOUND), report));
    };
    let mut child =
        Command::new(&program).args(argv.iter().skip(1)).stderr(Stdio::piped()).spawn()?;
    let stderr = drain(child.stderr.take());
    let end = End::from(child.wait()?);
    let outcome = match end {
        End::Exited(status) => LoaderOutcome::Exited { status },
        End::Killed(signal) => LoaderOutcome::Killed { signal },
    };
    Ok((end, (outcome, stderr)))
}
