//! Loader mode: what the kernel starts instead of modprobe.
//!
//! Tells PID 1 what the kernel asks for, waits for the bench's word and then is
//! modprobe to the kernel: same arguments but `-q`, same exit status, same death.

use std::io::{self, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use guest_protocol::{Answer, LoaderOutcome};
use nix::sys::signal::{Signal, raise};

use crate::children::{End, drain, real_modprobe};
use crate::gate::module::{Report, SOCKET, receive, send};

/// As a shell reports a program that it did not find.
const NOT_FOUND: i32 = 127;
/// As modprobe fails.
const FAILED: i32 = 1;

/// Runs, and returns what the kernel is to see.
pub(crate) fn run() -> u8 {
    let argv: Vec<String> =
        std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let end = UnixStream::connect(SOCKET)
        .and_then(|stream| serve(stream, &argv, real_modprobe().as_deref()));
    let end = end.unwrap_or_else(|e| {
        // The kernel gave this process no standard error; PID 1, if it lives,
        // notes that the connection broke.
        eprintln!("iwlbench-agent: module loader {argv:?}: {e}");
        End::Exited(FAILED)
    });
    match end {
        End::Exited(status) => status as u8,
        End::Killed(signal) => {
            if let Ok(signal) = Signal::try_from(signal) {
                // Fails only for a signal that does not exist.
                let _ = raise(signal);
            }
            End::Killed(signal).shell_status() as u8
        }
    }
}

/// Talks with PID 1 as [`crate::gate::module`] says, and does what it is told.
fn serve(mut stream: UnixStream, argv: &[String], real: Option<&Path>) -> io::Result<End> {
    send(&mut stream, &argv)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let (end, report) = match receive(&mut answers)? {
        Answer::Proceed => proceed(argv, real)?,
        Answer::Exit { status } => answered(status, String::new()),
        Answer::Kill { signal } => {
            (End::Killed(signal), (LoaderOutcome::Killed { signal }, String::new()))
        }
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

/// With it modprobe does not say why it fails; its status is the same.
const QUIET: &str = "-q";

fn proceed(argv: &[String], real: Option<&Path>) -> io::Result<(End, Report)> {
    let Some(program) = real else {
        let report = (LoaderOutcome::NoModprobe, String::new());
        return Ok((End::Exited(NOT_FOUND), report));
    };
    let quiet = usize::from(argv.get(1).is_some_and(|first| first == QUIET));
    let mut child =
        Command::new(program).args(argv.iter().skip(1 + quiet)).stderr(Stdio::piped()).spawn()?;
    let stderr = drain(child.stderr.take());
    let end = End::from(child.wait()?);
    let outcome = match end {
        End::Exited(status) => LoaderOutcome::Exited { status },
        End::Killed(signal) => LoaderOutcome::Killed { signal },
    };
    Ok((end, (outcome, stderr)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asks::Asks;
    use crate::gate::module;
    use crate::outbox;
    use guest_protocol::{FromGuest, GuestEvent, Question};
    use std::io::BufRead;
    use std::sync::Arc;
    use std::thread;

    const KERNELS_ARGV: [&str; 4] = ["/run/iwlbench/modprobe", "-q", "--", "iwlmvm"];

    /// One request, from the loader through PID 1's side to the bench and back.
    fn request(argv: &[&str], real: Option<&str>, answer: Answer) -> (End, Question, GuestEvent) {
        let argv: Vec<String> = argv.iter().map(|arg| (*arg).to_owned()).collect();
        let (loader, pid1) = UnixStream::pair().unwrap();
        let (port, bench) = UnixStream::pair().unwrap();
        let (outbox, queue) = outbox::channel();
        let asks = Arc::new(Asks::new(outbox.clone()));
        let asked = Arc::clone(&asks);
        let threads = [
            thread::spawn(move || module::serve(pid1, &asked, &outbox)),
            thread::spawn(move || {
                let mut port = port;
                queue.write_to(|message| {
                    message.map_or(Ok(()), |message| outbox::write_line(&mut port, message))
                });
            }),
        ];
        let loader = thread::spawn({
            let real = real.map(str::to_owned);
            move || serve(loader, &argv, real.as_deref().map(Path::new))
        });

        let mut said = BufReader::new(bench).lines();
        let mut hear = || serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();
        let FromGuest::Ask { id, question, .. } = hear() else { panic!("no question") };
        asks.answer(id, answer);
        let FromGuest::Event { event, .. } = hear() else { panic!("no event") };
        let end = loader.join().unwrap().unwrap();
        drop(asks);
        for thread in threads {
            thread.join().unwrap();
        }
        (end, question, event)
    }

    fn outcome(event: GuestEvent) -> (LoaderOutcome, String) {
        let GuestEvent::ModuleLoaderExit { outcome, stderr, .. } = event else {
            panic!("{event:?}")
        };
        (outcome, stderr)
    }

    #[test]
    fn the_bench_hears_the_kernels_arguments() {
        let (end, question, event) =
            request(&KERNELS_ARGV, Some("/bin/false"), Answer::Exit { status: 7 });
        assert_eq!(end, End::Exited(7));
        let argv: Vec<String> = KERNELS_ARGV.map(str::to_owned).into();
        assert_eq!(question, Question::Module { argv: argv.clone(), module: "iwlmvm".into() });
        assert_eq!(
            event,
            GuestEvent::ModuleLoaderExit {
                id: 1,
                argv,
                outcome: LoaderOutcome::Answered { status: 7 },
                stderr: String::new()
            }
        );
    }

    #[test]
    fn modprobe_gets_the_arguments_and_the_kernel_its_status() {
        // A shell stands in: what it does shows that the arguments arrived.
        let argv = ["modprobe", "-c", "echo no such module >&2; exit 3"];
        let quietly = ["modprobe", "-q", "-c", "echo no such module >&2; exit 3"];
        for argv in [&argv[..], &quietly] {
            let (end, _, event) = request(argv, Some("/bin/sh"), Answer::Proceed);
            assert_eq!(end, End::Exited(3));
            assert_eq!(
                outcome(event),
                (LoaderOutcome::Exited { status: 3 }, "no such module\n".to_owned())
            );
        }
    }

    #[test]
    fn a_modprobe_that_is_killed() {
        let argv = ["modprobe", "-c", "kill -9 $$"];
        let (end, _, event) = request(&argv, Some("/bin/sh"), Answer::Proceed);
        assert_eq!(end, End::Killed(9));
        assert_eq!(outcome(event).0, LoaderOutcome::Killed { signal: 9 });
    }

    #[test]
    fn a_modprobe_that_the_bench_kills() {
        let (end, _, event) = request(&KERNELS_ARGV, None, Answer::Kill { signal: 9 });
        assert_eq!(end, End::Killed(9));
        assert_eq!(outcome(event).0, LoaderOutcome::Killed { signal: 9 });
    }

    #[test]
    fn much_on_standard_error_is_cut() {
        let argv = ["modprobe", "-c", "head -c 200000 /dev/zero >&2"];
        let (end, _, event) = request(&argv, Some("/bin/sh"), Answer::Proceed);
        assert_eq!(end, End::Exited(0));
        assert_eq!(outcome(event).1.len(), 4096);
    }

    #[test]
    fn no_modprobe_at_all() {
        let (end, _, event) = request(&KERNELS_ARGV, None, Answer::Proceed);
        assert_eq!(end, End::Exited(127));
        assert_eq!(outcome(event).0, LoaderOutcome::NoModprobe);
    }

    #[test]
    fn a_firmware_answer_fails_the_request() {
        let (end, _, event) = request(&KERNELS_ARGV, None, Answer::Errno { errno: 2 });
        assert_eq!(end, End::Exited(1));
        let (outcome, stderr) = outcome(event);
        assert_eq!(outcome, LoaderOutcome::Answered { status: 1 });
        assert!(stderr.contains("firmware answer"), "{stderr}");
    }
}
