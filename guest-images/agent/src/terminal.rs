//! The user's shell: a program on a terminal of its own, whose other end is a port to the host.
//!
//! Its lines come raw over the port; what concerns the terminal's size comes as a command.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use guest_protocol::{SHELL_PORT_NAME, Terminal};
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};

use crate::children::Children;
use crate::mounts::mount_at;
use crate::port;
use crate::shell::BUSYBOX;

/// Where the small programs are linked.
const LINKS: &str = "/run/iwlbench/bin";
/// Where the kernel has its pseudo-terminals.
const TERMINALS: &str = "/dev/pts";
/// The image's own programs first: modprobe is the real one.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/run/iwlbench/bin";
/// How long the last of a program's output may take, after its end.
const LAST: Duration = Duration::from_secs(2);

/// The terminal that is in use.
static TERMINAL: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// As a shell reports a program that is not there, and one that cannot be run.
const NOT_FOUND: i32 = 127;
const NOT_RUN: i32 = 126;

/// Runs a program, or a shell, on a terminal until it ends; its exit status, and why it was not run, if
/// so.
pub(crate) fn run(
    children: &Children,
    argv: &[String],
    terminal: Terminal,
) -> io::Result<(i32, String)> {
    let port = port::find_named(SHELL_PORT_NAME).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, "this machine has no port for it")
    })?;
    let port = File::options().read(true).write(true).open(port)?;
    link_programs(children)?;
    mount_at("devpts", TERMINALS)?;
    let pty = openpty(Some(&size(terminal)), None)?;
    if !terminal.echo {
        let mut modes = tcgetattr(&pty.slave)?;
        modes.local_flags.remove(LocalFlags::ECHO);
        modes.output_flags.remove(OutputFlags::OPOST);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &modes)?;
    }
    *TERMINAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(pty.master.try_clone()?);
    let (program, args) = match argv {
        [program, args @ ..] => (program.clone(), args),
        [] => (format!("{LINKS}/sh"), argv),
    };
    let mut command = Command::new(&program);
    command.args(args).current_dir("/root").env_clear();
    command.envs([("PATH", PATH), ("HOME", "/root"), ("TERM", "xterm"), ("PS1", "guest# ")]);
    let slave = pty.slave.as_fd();
    command.stdin(slave.try_clone_to_owned()?);
    command.stdout(slave.try_clone_to_owned()?);
    command.stderr(slave.try_clone_to_owned()?);
    own_terminal(&mut command);
    let end = children.start_as_it_is(&mut command);
    // The program's ends are the only ones left, so that the output ends with it.
    drop(command);
    drop(pty.slave);
    let end = match end {
        Ok(end) => end,
        Err(error) => {
            *TERMINAL.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return if argv.is_empty() { Err(error) } else { Ok(not_run(argv, &error)) };
        }
    };

    let (mut keys, mut to_program) = (port.try_clone()?, File::from(pty.master.try_clone()?));
    // Left behind when the program has ended: a read of the port cannot be called off.
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        // 0 is a host that is not there yet, or not any more.
        while let Ok(length) = keys.read(&mut chunk) {
            if length == 0 {
                thread::sleep(Duration::from_millis(50));
            } else if to_program.write_all(&chunk[..length]).is_err() {
                return;
            }
        }
    });
    let (mut screen, mut from_program) = (port, File::from(pty.master));
    let (said_all, all_said) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        // EIO: nobody has the terminal any more.
        let _ = io::copy(&mut from_program, &mut screen);
        drop(said_all);
    });
    let end = end.recv().map_err(io::Error::other)?;
    // What it has left in the background may hold the terminal.
    let _ = all_said.recv_timeout(LAST);
    *TERMINAL.lock().unwrap_or_else(PoisonError::into_inner) = None;
    Ok((end.shell_status(), String::new()))
}

/// Why the user's command was not run, as a shell has it.
fn not_run(argv: &[String], error: &io::Error) -> (i32, String) {
    let program = argv.first().map_or("", String::as_str);
    let status = match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_RUN,
    };
    // One word that is a whole line.
    let remedy = match argv {
        [line] if line.contains(char::is_whitespace) => {
            "; a whole line is a shell's: sh -c 'COMMAND…'"
        }
        _ => "",
    };
    let why = match status {
        NOT_FOUND => "not found in the guest".to_owned(),
        _ => error.to_string(),
    };
    (status, format!("{program}: {why}{remedy}"))
}

/// The user's terminal has another size.
pub(crate) fn resize(terminal: Terminal) -> io::Result<()> {
    let current = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(current) = current.as_ref() else { return Ok(()) };
    let size = rustix::termios::Winsize {
        ws_row: terminal.rows,
        ws_col: terminal.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(rustix::termios::tcsetwinsize(current, size)?)
}

fn size(terminal: Terminal) -> Winsize {
    Winsize { ws_row: terminal.rows, ws_col: terminal.columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn link_programs(children: &Children) -> io::Result<()> {
    if Path::new(LINKS).exists() {
        return Ok(());
    }
    if !Path::new(BUSYBOX).exists() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "this image has no busybox"));
    }
    fs::create_dir_all(LINKS)?;
    let linked = children.run(Path::new(BUSYBOX), &["--install", "-s", LINKS])?;
    match linked.end.shell_status() {
        0 => Ok(()),
        _ => Err(io::Error::other(linked.stderr)),
    }
}

/// Makes the program's standard input its terminal, so that Ctrl-C is its.
fn own_terminal(command: &mut Command) {
    #[allow(unsafe_code, reason = "pre_exec is the only way to give a program a terminal")]
    // SAFETY: the closure runs between fork and exec and makes two system calls.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_not_run_is_named_with_a_shells_status() {
        let not_run = |argv: &[&str], kind: io::ErrorKind| {
            let argv: Vec<_> = argv.iter().map(|word| (*word).to_owned()).collect();
            not_run(&argv, &kind.into())
        };
        let (status, said) = not_run(&["nosuch", "a b"], io::ErrorKind::NotFound);
        assert_eq!((status, said.as_str()), (127, "nosuch: not found in the guest"));
        let (status, said) = not_run(&["uname -r; exit 7"], io::ErrorKind::NotFound);
        assert!(status == 127 && said.ends_with("a shell's: sh -c 'COMMAND…'"), "{said}");
        assert_eq!(not_run(&["/etc"], io::ErrorKind::PermissionDenied).0, 126);
    }
}
