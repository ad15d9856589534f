//! QEMU: its arguments, its process, its monitor.
//!
//! Monitor, console and agent are socket pairs that the child inherits: they have no path that
//! could be in the way or stay behind. QEMU's vfio-user client takes nothing but a path; what a
//! card listens on is opened with `O_PATH`, its name removed, and the descriptor handed down, so
//! that the path is `/proc/self/fd/N`: good for as many plugs as a scenario likes.

use std::ffi::OsString;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use command_fds::{CommandFdExt, FdMapping};
use guest_kit::Qemu;

use crate::facts::accel::Accel;
use crate::facts::printable::printable;
use crate::machine::signals::{self, Watched};
use crate::machine::speed;
use crate::script::scenario::MOST_CARDS;

/// Root ports of every machine: as many cards can be in it at once.
pub const PORTS: usize = MOST_CARDS;

/// What a guest is made of. Cards go into its root ports `rp0`, `rp1`, …
#[derive(Debug, Clone)]
pub struct Machine<'a> {
    /// KVM or TCG.
    pub accel: Accel,
    /// Memory, MiB.
    pub memory: u32,
    /// Virtual CPUs.
    pub cpus: u32,
    /// bzImage.
    pub kernel: &'a Path,
    /// initramfs.
    pub initrd: &'a Path,
    /// Kernel command line.
    pub append: &'a str,
    /// kHz of the CPU's time-stamp counter, if its kernel is told: see [`Machine::timed`].
    pub tsc_khz: Option<u32>,
    /// Arguments of the user's own.
    pub more: &'a [String],
    /// QEMU filters its own system calls.
    pub sandbox: bool,
    /// It has a port for a shell.
    pub shell: bool,
    /// It stands still at its first instruction until a debugger lets it go on, which QEMU awaits
    /// here.
    pub gdb: Option<&'a str>,
}

impl<'a> Machine<'a> {
    /// The same, with a kernel that is told how fast its CPU's counter goes. TCG's is the host's; a kernel
    /// that measures it while the host is busy takes it for another, and is wrong ever after: its
    /// clock races until it measures again, and its loops last many times as long as they should, up to a
    /// lockup that it reports.
    #[must_use]
    pub fn timed(&self) -> Machine<'a> {
        let tcg = self.accel == Accel::Tcg;
        Machine { tsc_khz: tcg.then(speed::tsc_khz).flatten(), ..self.clone() }
    }
}

/// How a guest comes to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Power-on, with this many cards in their ports.
    PowerOn {
        /// The first so many.
        cards: usize,
    },
    /// It waits for a snapshot and stands still; no card is in it.
    Incoming,
}

/// A socket that a card listens on and QEMU can connect to.
#[derive(Debug)]
pub struct CardSocket {
    listener: OwnedFd,
    /// The socket's file, without a name.
    file: OwnedFd,
}

impl CardSocket {
    /// The card's end and QEMU's.
    pub fn split(self) -> (OwnedFd, OwnedFd) {
        (self.listener, self.file)
    }

    /// A new one.
    ///
    /// # Errors
    /// There is no place for it, not even for a moment.
    pub fn new() -> anyhow::Result<CardSocket> {
        use rustix::fs::{CWD, Mode, OFlags, openat};
        let dir = Temporary::new()?;
        let path = dir.path().join("card");
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        let file = openat(CWD, &path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("cannot open {}", path.display()))?;
        dir.close()?;
        Ok(CardSocket { listener: listener.into(), file })
    }
}

/// A temporary directory, gone with the value. While there is one, no signal ends the process at once.
#[derive(Debug)]
pub struct Temporary {
    dir: tempfile::TempDir,
    // Gone after it.
    _watched: Watched,
}

impl Temporary {
    /// A new one.
    ///
    /// # Errors
    /// There is no place for one.
    pub fn new() -> anyhow::Result<Temporary> {
        let watched = signals::on_signal(|_| ());
        let dir = tempfile::Builder::new().prefix("iwlbench-").tempdir();
        let dir = dir.with_context(|| {
            let place = std::env::temp_dir();
            let place = place.display();
            format!("no temporary directory can be made in {place}: set TMPDIR to another")
        })?;
        Ok(Temporary { dir, _watched: watched })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Removes it.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn close(self) -> io::Result<()> {
        self.dir.close()
    }
}

/// The host's ends of a started guest.
pub struct Guest {
    /// The process.
    pub process: Process,
    /// QMP.
    pub qmp: UnixStream,
    /// The serial console.
    pub console: UnixStream,
    /// The agent's port.
    pub agent: UnixStream,
    /// The shell's port, if the machine has one.
    pub shell: Option<UnixStream>,
    /// The whole command line.
    pub command_line: Vec<String>,
}

/// Bytes of what QEMU says that are kept.
const MOST_SAID: u64 = 32 << 20;

/// QEMU's process. Dropped, it has ended.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Writes down what it says; ends with it.
    scribe: Option<JoinHandle<()>>,
}

impl Process {
    /// Its status, if it has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        self.written();
        Some(status)
    }

    /// For how long its threads have run, added up, and for how long they have run or wanted to; none where
    /// the kernel does not tell.
    pub fn scheduled(&self) -> Option<(Duration, Duration)> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        // Time on a CPU, time in a queue for one.
        let of_one = |task: io::Result<std::fs::DirEntry>| {
            let schedstat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            let mut words = schedstat.split_whitespace().map(str::parse::<u64>);
            let mut next = || words.next()?.ok().map(Duration::from_nanos);
            Some((next()?, next()?))
        };
        let sum = |(ran, busy), (runs, waits)| (ran + runs, busy + runs + waits);
        Some(tasks.filter_map(of_one).fold((Duration::ZERO, Duration::ZERO), sum))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As the system's.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.written();
        Ok(status)
    }

    /// What it said is in its file.
    fn written(&mut self) {
        if let Some(scribe) = self.scribe.take() {
            let _ = scribe.join();
        }
    }

    /// Its status, in words. If it does not end by itself in time it is killed, which the words say.
    pub fn end_within(&mut self, within: Duration) -> String {
        let deadline = Instant::now() + within;
        while self.status().is_none() {
            if Instant::now() > deadline {
                self.kill();
                let _ = self.wait();
                return format!("killed: it did not end within {} s", within.as_secs());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        match self.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Ends it, without waiting for that.
    pub fn kill(&mut self) {
        // Fails only if it has ended.
        let _ = self.child.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = self.wait();
    }
}

/// As much of QEMU's last words is looked at.
const LAST_WORDS: u64 = 4096;

/// QEMU's own last line, of the file that has what it said: without its name, if there is one.
pub fn last_words(said: &Path) -> Option<String> {
    let mut file = std::fs::File::open(said).ok()?;
    let begin = file.metadata().ok()?.len().saturating_sub(LAST_WORDS);
    file.seek(io::SeekFrom::Start(begin)).ok()?;
    let mut text = Vec::new();
    file.take(LAST_WORDS).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    let last = last.split_once("qemu-system-x86_64: ").map_or(last, |(_, what)| what);
    Some(printable(last).into_owned())
}

/// First descriptor that QEMU inherits.
const FIRST_FD: i32 = 3;

/// What QEMU inherits beside its sockets: the guest's memory, and the file of a snapshot.
const MEMORY_FD: i32 = FIRST_FD + 3 + PORTS as i32;
const SNAPSHOT_FD: i32 = MEMORY_FD + 1;
const SHELL_FD: i32 = SNAPSHOT_FD + 1;
/// Where QEMU finds the snapshot.
pub fn snapshot_path() -> String {
    format!("/proc/self/fd/{SNAPSHOT_FD}")
}

/// Where QEMU finds the first card's socket; the others follow.
const FIRST_CARD_FD: i32 = FIRST_FD + 3;

/// A card on a socket, as `-device` and `device_add` take it.
pub fn card_device(bus: &str, id: &str, socket: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({"driver": "vfio-user-pci", "id": id, "bus": bus, "socket": socket})
}

/// QEMU's name for a card of a session.
pub fn card_id(card: usize) -> String {
    format!("card{card}")
}

/// A card of a session.
pub fn session_card(card: usize) -> serde_json::Value {
    let path = format!("/proc/self/fd/{}", FIRST_CARD_FD as usize + card);
    let socket = serde_json::json!({"type": "unix", "path": path});
    card_device(&format!("rp{card}"), &card_id(card), &socket)
}

/// The arguments for a guest whose sockets are the descriptors from [`FIRST_FD`] on: monitor,
/// console, agent, then the cards', the memory's and the snapshot's. They name no path but the
/// kernel's and the initramfs'.
pub fn arguments(machine: &Machine<'_>, start: Start) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut arg = |option: &str, value: &str| {
        args.push(option.into());
        args.push(value.into());
    };
    let accel = match machine.accel {
        Accel::Kvm => "kvm",
        Accel::Tcg => "tcg,thread=multi",
    };
    arg("-accel", accel);
    // Of the machine's own devices those that no guest uses are left out: each is code that a guest
    // can talk to.
    arg(
        "-machine",
        "q35,memory-backend=mem,sata=off,smbus=off,usb=off,i8042=off,vmport=off,dump-guest-core=off",
    );
    arg("-cpu", cpu(machine.accel));
    arg("-smp", &machine.cpus.to_string());
    // The card reads and writes guest memory, so the memory must be shared with it.
    let memory = format!(
        "memory-backend-file,id=mem,size={}M,share=on,mem-path=/proc/self/fd/{MEMORY_FD}",
        machine.memory
    );
    arg("-object", &memory);
    arg("-m", &format!("{}M", machine.memory));
    arg("-display", "none");
    // A guest that resets itself has failed: end, so that the bench can say so.
    arg("-action", "reboot=shutdown,panic=none");
    arg("-chardev", &format!("socket,id=qmp,fd={FIRST_FD}"));
    arg("-qmp", "chardev:qmp");
    arg("-chardev", &format!("socket,id=console,fd={}", FIRST_FD + 1));
    arg("-serial", "chardev:console");
    arg("-device", "virtio-serial-pci");
    arg("-chardev", &format!("socket,id=agent,fd={}", FIRST_FD + 2));
    arg("-device", &format!("virtserialport,chardev=agent,name={}", guest_protocol::PORT_NAME));
    for port in 0..PORTS {
        let slot = port + 1;
        arg("-device", &format!("pcie-root-port,id=rp{port},chassis={slot},slot={slot}"));
    }
    match start {
        Start::PowerOn { cards } => {
            for card in 0..cards {
                arg("-device", &session_card(card).to_string());
            }
        }
        Start::Incoming => arg("-incoming", "defer"),
    }
    // A guest that is restored has booted: to read 40 MB for it once more takes time.
    if start != Start::Incoming {
        args.push("-kernel".into());
        args.push(machine.kernel.into());
        args.push("-initrd".into());
        args.push(machine.initrd.into());
        args.push("-append".into());
        let tsc = machine.tsc_khz.map(|khz| format!(" tsc_early_khz={khz}"));
        args.push(format!("{}{}", machine.append, tsc.unwrap_or_default()).into());
    }
    args.extend(["-nodefaults", "-no-user-config"].map(Into::into));
    if machine.sandbox {
        args.extend(guest_kit::SANDBOX.map(Into::into));
    }
    if machine.shell {
        for word in [
            "-chardev".to_owned(),
            format!("socket,id=shell,fd={SHELL_FD}"),
            "-device".to_owned(),
            format!("virtserialport,chardev=shell,name={}", guest_protocol::SHELL_PORT_NAME),
        ] {
            args.push(word.into());
        }
    }
    if let Some(gdb) = machine.gdb {
        args.extend(["-S", "-gdb", gdb].map(OsString::from));
    }
    args.extend(machine.more.iter().map(OsString::from));
    args
}

/// The translator plays `rep movsb` byte by byte, and walks page tables in software: without ERMS
/// and FSRM the kernel copies by words, without LA57 it has a level less to walk.
fn cpu(accel: Accel) -> &'static str {
    match accel {
        Accel::Kvm => "host",
        Accel::Tcg => "max,-erms,-fsrm,-la57",
    }
}

/// Starts a guest. `cards` are the sockets of its cards; a `snapshot` QEMU finds at
/// [`snapshot_path`]. QEMU's own messages go to `stderr`.
///
/// # Errors
/// No socket pair could be made, or QEMU could not be started.
pub fn start(
    qemu: &Qemu,
    machine: &Machine<'_>,
    start: Start,
    cards: Vec<OwnedFd>,
    memory: OwnedFd,
    snapshot: Option<OwnedFd>,
    stderr: std::fs::File,
) -> anyhow::Result<Guest> {
    let mut command = qemu.command();
    command.args(arguments(machine, start));
    let command_line = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();

    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for child_fd in FIRST_FD..FIRST_FD + 3 {
        let (host, guest) = UnixStream::pair().context("cannot make a socket pair")?;
        ours.push(host);
        theirs.push(FdMapping { parent_fd: OwnedFd::from(guest), child_fd });
    }
    for (parent_fd, child_fd) in cards.into_iter().zip(FIRST_CARD_FD..) {
        theirs.push(FdMapping { parent_fd, child_fd });
    }
    theirs.push(FdMapping { parent_fd: memory, child_fd: MEMORY_FD });
    theirs.extend(snapshot.map(|parent_fd| FdMapping { parent_fd, child_fd: SNAPSHOT_FD }));
    let mut shell = None;
    if machine.shell {
        let (host, guest) = UnixStream::pair().context("cannot make a socket pair")?;
        shell = Some(host);
        theirs.push(FdMapping { parent_fd: guest.into(), child_fd: SHELL_FD });
    }
    command.fd_mappings(theirs).context("cannot pass sockets to QEMU")?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // A Ctrl-C is for the bench, which ends QEMU in its own way.
    command.process_group(0);
    confine(&mut command);
    let mut child = command.spawn().with_context(|| {
        format!("cannot start QEMU ({})", command.get_program().to_string_lossy())
    })?;
    let said = child.stderr.take().expect("piped");
    let scribe = std::thread::spawn(move || keep(said, stderr));
    let mut ours = ours.into_iter();
    let mut next = || ours.next().expect("one per descriptor");
    let (process, qmp, console, agent) =
        (Process { child, scribe: Some(scribe) }, next(), next(), next());
    Ok(Guest { process, qmp, console, agent, shell, command_line })
}

/// Writes down what QEMU says, up to a bound: a guest can have it complain again and again.
fn keep(mut said: impl Read, mut to: impl Write) {
    // A full disk is no reason to hold QEMU up.
    let _ = io::copy(&mut said.by_ref().take(MOST_SAID), &mut to);
    let more = io::copy(&mut said, &mut io::sink()).unwrap_or_default();
    if more > 0 {
        let _ = write!(to, "\n{more} bytes more were not kept\n");
    }
}

/// QEMU must not outlive a bench that was killed, nor fill a disk when it dies.
fn confine(command: &mut std::process::Command) {
    #[expect(unsafe_code, reason = "pre_exec is the only way to set a death signal and limits")]
    // SAFETY: the closure runs between fork and exec and only makes two system calls.
    unsafe {
        command.pre_exec(|| {
            use rustix::process::{Resource, Rlimit, Signal};
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // A QEMU that a guest has brought down leaves no image of its memory behind.
            let none = Rlimit { current: Some(0), maximum: Some(0) };
            rustix::process::setrlimit(Resource::Core, none)?;
            Ok(())
        });
    }
}

/// A message from QEMU's monitor.
#[derive(Debug, Clone, PartialEq)]
pub enum Qmp {
    /// An event: its name and data.
    Event(String, serde_json::Value),
    /// Anything else: greeting, returns, errors.
    Other(serde_json::Value),
}

/// Reads a line of QEMU's monitor.
pub fn qmp_message(line: &[u8]) -> Option<Qmp> {
    let message: serde_json::Value = serde_json::from_slice(line).ok()?;
    Some(match message.get("event").and_then(|e| e.as_str()) {
        Some(event) => Qmp::Event(event.to_owned(), message["data"].clone()),
        None => Qmp::Other(message),
    })
}

/// Sends a QMP command; its return comes with the same `id`.
///
/// # Errors
/// As the writer's.
pub fn qmp_send(
    to: &mut impl Write,
    id: u64,
    command: &str,
    arguments: &serde_json::Value,
) -> io::Result<()> {
    let mut line =
        serde_json::json!({ "execute": command, "arguments": arguments, "id": id }).to_string();
    line.push('\n');
    to.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemus_last_words_are_its_reason() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("qemu.stderr");
        let last = |said: &str| {
            std::fs::write(&file, said).expect("written");
            last_words(&file)
        };
        assert_eq!(last(" \n"), None);
        let said = "/x/qemu-system-x86_64: warning: y\n/x/qemu-system-x86_64: -nonsense: invalid option\n\n";
        assert_eq!(last(said).as_deref(), Some("-nonsense: invalid option"));
        assert!(last(&"long \x1b".repeat(9999)).expect("some").len() < 16384);
    }

    #[test]
    fn what_qemu_says_is_bounded() {
        let mut kept = Vec::new();
        keep(io::repeat(b'x').take(MOST_SAID + 7), &mut kept);
        let (said, word) = kept.split_at(usize::try_from(MOST_SAID).expect("small"));
        assert!(said.iter().all(|byte| *byte == b'x'));
        assert_eq!(word, b"\n7 bytes more were not kept\n");

        let mut all = Vec::new();
        keep(&b"qemu-system-x86_64: no"[..], &mut all);
        assert_eq!(all, b"qemu-system-x86_64: no");
    }
}
