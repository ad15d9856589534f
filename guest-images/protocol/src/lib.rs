//! The messages between the bench and the guest agent.
//!
//! One JSON value per line, in both directions, over the virtio-serial port
//! [`PORT_NAME`]. The agent opens with [`FromGuest::Hello`]; after that either
//! side speaks when it has something to say. A gate's question
//! ([`Question`]) carries an id and blocks the asking kernel code path until
//! the bench sends the [`ToGuest::Answer`] with the same id; a command carries
//! an id and ends in exactly one [`FromGuest::Done`] with that id.
//!
//! When the kernel suspends, it closes the port and drops what lies in it. The agent opens it
//! again and says [`FromGuest::Resumed`]; from then on it heeds nothing until the bench says
//! [`ToGuest::Resync`], and then again all that the agent has not received. Lines of the bench are
//! counted for that, empty ones and [`ToGuest::Resync`] not.
//!
//! Times are the guest's own `CLOCK_MONOTONIC` in nanoseconds.

use serde::{Deserialize, Serialize};

/// Name of the virtio-serial port, below `/dev/virtio-ports/` in a guest with udev.
pub const PORT_NAME: &str = "org.iwlbench.agent";

/// Name of the port that has what is typed to [`Command::Shell`] and what it shows, in machines that
/// have one.
pub const SHELL_PORT_NAME: &str = "org.iwlbench.shell";

/// Version of this protocol; the agent says it in its hello.
pub const PROTOCOL_VERSION: u32 = 6;

/// Longest line the agent accepts, in bytes: a firmware file of 12 MiB, base64-encoded.
pub const MAX_LINE: usize = 16 << 20;

/// Longest line that the bench accepts from the agent, which has nothing long to say.
pub const MAX_LINE_FROM_GUEST: usize = 256 << 10;

/// What the bench sends over the guest's serial line to wake it: a terminal swallows it (`XON`).
pub const WAKES: u8 = 0x11;

/// Where a kernel is told to suspend.
pub const POWER_STATE: &str = "/sys/power/state";

/// Most bytes that the agent reads of a file ([`Command::Read`]) and keeps of each of a program's
/// streams ([`Command::Exec`]).
pub const MAX_TEXT: usize = 8 << 10;

/// Most bytes of a [`TracePart`], before they are encoded.
pub const MAX_TRACE_PART: usize = 64 << 10;

/// Most module requests that [`Command::RequestModules`] starts: each is a thread.
pub const MAX_REQUESTS: u32 = 200;

/// What the agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FromGuest {
    /// First line: the agent runs and every observer listens.
    Hello(Hello),
    /// Something happened in the guest.
    Event {
        /// Guest `CLOCK_MONOTONIC`, nanoseconds: the kernel's own stamp where
        /// there is one, else the moment the agent saw it.
        mono_ns: u64,
        /// What happened.
        event: GuestEvent,
    },
    /// A gate asks; the kernel waits for the answer.
    Ask {
        /// Unique in this boot.
        id: u64,
        /// Guest `CLOCK_MONOTONIC`, nanoseconds.
        mono_ns: u64,
        /// What the kernel wants.
        question: Question,
    },
    /// The kernel had suspended; the line is open again, and the guest's clock may have stood
    /// still.
    Resumed {
        /// Guest `CLOCK_MONOTONIC`, nanoseconds, when the line was open again.
        mono_ns: u64,
        /// How many of the bench's lines have come.
        received: u64,
    },
    /// A part of the trace that [`Command::Trace`] wants.
    Trace(TracePart),
    /// A command has ended.
    Done {
        /// The command's id.
        id: u64,
        /// Guest `CLOCK_MONOTONIC`, nanoseconds.
        mono_ns: u64,
        /// Its result, or what went wrong.
        result: Result<Reply, CommandError>,
    },
}

/// A part of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "kebab-case")]
pub enum TracePart {
    /// The next bytes of a file.
    File {
        /// Its path below tracefs: `events/SYSTEM/EVENT/format` or a file that describes all events;
        /// `saved_cmdlines`; `per_cpu/cpuN/stats` of the trace's own buffer.
        path: String,
        /// They are the file's first ones: what came before is of an older reading.
        first: bool,
        /// Base64 (standard alphabet, padded).
        data: String,
    },
    /// A page of a CPU's ring buffer, as `trace_pipe_raw` gives it, the zeros at its end left out.
    Page {
        /// The CPU.
        cpu: u32,
        /// Base64 (standard alphabet, padded).
        data: String,
    },
}

/// What the agent found when it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`].
    pub protocol: u32,
    /// Guest `CLOCK_MONOTONIC`, nanoseconds.
    pub mono_ns: u64,
    /// `uname -r`.
    pub kernel_release: String,
    /// `uname -v`.
    pub kernel_version: String,
    /// First line of `modprobe --version`; `None` if the image has no modprobe.
    pub modprobe: Option<String>,
    /// The module gate stands (`/proc/sys/kernel/modprobe` names the agent).
    pub module_gate: bool,
    /// The firmware gate stands (FUSE is mounted on `/lib/firmware`).
    pub firmware_gate: bool,
    /// Kernel tracing (tracefs) is available and on.
    pub tracing: bool,
    /// The kernel can look for memory that has leaked (kmemleak).
    #[serde(default)]
    pub leaks: bool,
    /// What of the above could not be set up, one line each, for people.
    pub warnings: Vec<String>,
}

/// Observed in the guest; nothing waits for the bench.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum GuestEvent {
    /// A kobject uevent (netlink): a driver bound or unbound, a device came or went.
    Uevent {
        /// `add`, `remove`, `bind`, `unbind`, `change`, …
        action: String,
        /// Path below `/sys`.
        devpath: String,
        /// `pci`, `net`, `module`, …
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subsystem: Option<String>,
        /// `DRIVER=`; the kernel does not say it on `unbind`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        driver: Option<String>,
        /// `INTERFACE=` (net devices).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interface: Option<String>,
        /// `PCI_SLOT_NAME=`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pci_slot: Option<String>,
    },
    /// Tracepoint `module:module_load`: the module's code is in, its init has not run.
    ModuleLoad {
        /// Module name, as in `/proc/modules`.
        module: String,
    },
    /// Tracepoint `module:module_free`.
    ModuleFree {
        /// Module name.
        module: String,
    },
    /// Tracepoint `module:module_request`: `request_module` was called.
    ModuleRequest {
        /// The name asked for, as the caller wrote it.
        module: String,
        /// `false` for `request_module_nowait`.
        wait: bool,
        /// Symbol that called.
        call_site: String,
    },
    /// The module loader (modprobe) that the kernel started has ended.
    ModuleLoaderExit {
        /// The id of the [`Question::Module`].
        id: u64,
        /// Its arguments, program name first.
        argv: Vec<String>,
        /// How it ended.
        outcome: LoaderOutcome,
        /// What it wrote to its standard error, cut to 4 KiB.
        stderr: String,
    },
    /// A record of the kernel log (`/dev/kmsg`).
    KernelLog {
        /// Sequence number of the record; the agent's own, which serve to compare
        /// clocks, are left out. In JSON it is `record`: an event in `events.jsonl` has
        /// a `seq` of its own beside it.
        #[serde(rename = "record")]
        seq: u64,
        /// syslog level, 0 (emergency) to 7 (debug); none where the console alone has told it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<u8>,
        /// The text, unescaped.
        text: String,
    },
    /// Records of the kernel log were lost to the agent.
    KernelLogLost,
    /// So many events were not told, because they came faster than they may: the rest of a flood.
    Dropped {
        /// What they were of: `kernel-log`, `uevents`, `trace`, `notes`.
        what: String,
        /// How many since the last that was told.
        count: u64,
    },
    /// A program of the bench's has ended ([`Command::Exec`]).
    ProgramEnded {
        /// What was run.
        argv: Vec<String>,
        /// Exit status; 128 + signal if it was killed.
        status: i32,
        /// It took too long, and was killed for that.
        timed_out: bool,
        /// Its standard output, cut to [`MAX_TEXT`].
        stdout: String,
        /// Its standard error, cut likewise.
        stderr: String,
    },
    /// The bench had a file read ([`Command::Read`]).
    FileRead {
        /// The file.
        path: String,
        /// What it holds, cut to [`MAX_TEXT`].
        text: String,
        /// It holds more.
        cut: bool,
    },
    /// The firmware loader read a file to its last byte. Said before the loader gets
    /// that byte, so it precedes all that the driver does with the file.
    FirmwareRead {
        /// Path below `/lib/firmware`.
        path: String,
        /// Bytes delivered.
        bytes: u64,
    },
    /// The agent met something it did not expect; for people.
    AgentNote {
        /// One line.
        text: String,
    },
}

/// How a module loader ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum LoaderOutcome {
    /// The real modprobe ran and exited.
    Exited {
        /// Exit status.
        status: i32,
    },
    /// The real modprobe died of a signal.
    Killed {
        /// Signal number.
        signal: i32,
    },
    /// There is no modprobe in this image.
    NoModprobe,
    /// The bench answered instead of modprobe; its death by [`Answer::Kill`] is
    /// [`LoaderOutcome::Killed`].
    Answered {
        /// Exit status it asked for.
        status: i32,
    },
}

/// A gate's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "kebab-case")]
pub enum Question {
    /// The kernel started its module loader.
    Module {
        /// Arguments as the kernel passed them, program name first
        /// (`/run/iwlbench/modprobe -q -- iwlmvm`).
        argv: Vec<String>,
        /// The module asked for: the last argument.
        module: String,
    },
    /// The firmware loader looks a path up below `/lib/firmware`.
    FirmwareLookup {
        /// Path below `/lib/firmware`, e.g. `iwlwifi-7260-17.ucode`. The loader's
        /// search directories come first: `updates` twice and the kernel release,
        /// each asked for by itself. While one question is open, another request for
        /// the same path waits in the kernel unasked: hold a file, not `updates`.
        path: String,
    },
}

/// The bench's word on a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Module: run the real modprobe with the kernel's arguments.
    Proceed,
    /// Module: do not run modprobe, exit with this status.
    Exit {
        /// Exit status.
        status: i32,
    },
    /// Module: do not run modprobe, die of this signal.
    Kill {
        /// Signal number.
        signal: i32,
    },
    /// Firmware: the file exists and holds these bytes.
    File {
        /// Base64 (standard alphabet, padded).
        data: String,
    },
    /// Firmware: the path is a directory; what is looked up in it is asked for
    /// in turn, as `DIRECTORY/NAME`.
    Directory,
    /// Firmware: the lookup fails.
    Errno {
        /// A positive errno, e.g. 2 (ENOENT); at most 511, what FUSE can carry.
        errno: i32,
    },
}

/// What the bench says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToGuest {
    /// Do something; ends in [`FromGuest::Done`]. Commands run side by side, each in a
    /// thread of its own: one that hangs in the kernel holds up no other.
    Do {
        /// Chosen by the bench, unique in this boot.
        id: u64,
        /// What to do.
        command: Command,
    },
    /// The next line is this one and one more: what the bench says first to a guest that is
    /// restored, and in reply to [`FromGuest::Resumed`].
    Resync {
        /// Lines that the agent has received.
        received: u64,
    },
    /// The answer to a [`FromGuest::Ask`].
    Answer {
        /// The question's id.
        id: u64,
        /// The word.
        answer: Answer,
    },
}

/// The user's terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// Lines of it.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
    /// Somebody types at it: what he types is shown. Else it is a pipe.
    pub echo: bool,
}

/// A step in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Answer at once; for clock offset and liveness.
    Ping,
    /// What udev does for each device at boot: `modprobe` every PCI modalias that is
    /// not yet bound.
    Coldplug,
    /// Run the real modprobe.
    Modprobe {
        /// Arguments after the program name.
        args: Vec<String>,
    },
    /// Write a PCI slot name to `/sys/bus/pci/drivers/DRIVER/bind`.
    Bind {
        /// Driver name.
        driver: String,
        /// PCI slot, `0000:01:00.0`.
        slot: String,
    },
    /// Write a PCI slot name to `/sys/bus/pci/drivers/DRIVER/unbind`.
    Unbind {
        /// Driver name.
        driver: String,
        /// PCI slot.
        slot: String,
    },
    /// Remove a module: `delete_module(2)` with `O_NONBLOCK`, as `rmmod` does.
    Rmmod {
        /// Module name.
        module: String,
    },
    /// Set what the kernel starts to load a module (`kernel.modprobe`).
    Autoload {
        /// The program.
        what: Autoload,
    },
    /// Take the firmware gate away: `/lib/firmware` is a plain directory from now on.
    UngateFirmware,
    /// Write a file, made if it is not there, in one `write(2)`: sysfs and procfs take
    /// each as a whole.
    Write {
        /// Absolute path.
        path: String,
        /// Base64 (standard alphabet, padded).
        data: String,
    },
    /// Read a file: [`GuestEvent::FileRead`], then [`Reply::Text`].
    Read {
        /// Absolute path.
        path: String,
    },
    /// Run a program: [`GuestEvent::ProgramEnded`], then [`Reply::Ran`]. It has nothing on its
    /// standard input.
    Exec {
        /// The program, looked for in `PATH`, and its arguments.
        argv: Vec<String>,
        /// It is killed, with all that it has started, after so many milliseconds.
        within_ms: u64,
    },
    /// Run a program on a terminal whose other end is the port [`SHELL_PORT_NAME`]; ends with it, in
    /// [`Reply::Ran`], whose `stderr` says why it was not run, if so.
    Shell {
        /// The program and its arguments; none is a shell.
        argv: Vec<String>,
        /// What the terminal is like.
        terminal: Terminal,
    },
    /// The terminal of [`Command::Shell`] has another size.
    Resize {
        /// What it is like now.
        terminal: Terminal,
    },
    /// Record events of the kernel's tracing until [`Command::TraceEnd`] or the guest's end, in
    /// [`FromGuest::Trace`]: at first what describes them, then the ring buffers' pages as they fill.
    /// Ends in [`Reply::Traced`] when all that can be is switched on; events of modules that come later
    /// are when they come.
    Trace {
        /// `SYSTEM:EVENT`, `*` in each for any characters.
        events: Vec<String>,
        /// Events of modules that are not loaded yet, `SYSTEM:EVENT`, with their module: kernels from
        /// 6.14 on switch them on before the module's init runs.
        coming: Vec<(String, String)>,
        /// So many bytes of pages are sent at most, what is left out of them counted.
        most: u64,
    },
    /// Record no more: what is in the ring buffers is sent, then who the processes are and what was lost.
    TraceEnd,
    /// Suspend to RAM (`/sys/power/state`); ends when the kernel has resumed.
    Suspend {
        /// How far it goes before it turns round (`/sys/power/pm_test`).
        test: SuspendTest,
    },
    /// Suspend to idle; ends when the kernel has resumed. It is [`WAKES`] on the serial line that wakes
    /// it, here and where another command has it suspend so.
    SuspendToIdle,
    /// Wait until another command has ended, or sleeps in the kernel and goes on sleeping.
    AwaitBlocked {
        /// The other command's id.
        id: u64,
    },
    /// Wait until nothing moves: no task runs, and whoever sleeps in the middle of something
    /// waits for the bench's answer, or has slept for long. Work that the kernel has put off
    /// with a timer counts as at rest.
    AwaitRest,
    /// Who is in the middle of something at this moment and does not wait for the bench; ends in
    /// [`Reply::AtWork`].
    AtWork,
    /// Wait until a PCI function is gone, or the kernel's hot-plug worker sleeps while it takes
    /// the function away, and goes on sleeping.
    AwaitRemoval {
        /// PCI slot.
        slot: String,
    },
    /// Have the kernel request this many modules at once, none of which exists, as mounts of
    /// unknown filesystems do: `fs-iwlbench-0`, `fs-iwlbench-1`, … Done when each request has
    /// ended or sleeps in the kernel.
    RequestModules {
        /// How many; at most [`MAX_REQUESTS`].
        count: u32,
    },
    /// Wait until every observer has told what the kernel had said when this command came.
    Settle,
    /// Have the kernel look for memory that has leaked: it complains of each piece in its log.
    /// Memory is old enough for that after five seconds, which this waits.
    FindLeaks,
    /// Overwrite free memory with zeros, which take no space in a snapshot.
    Scrub,
    /// `ip link set IFNAME up`.
    LinkUp {
        /// Interface name.
        interface: String,
    },
    /// `ip link set IFNAME down`.
    LinkDown {
        /// Interface name.
        interface: String,
    },
    /// Scan with this interface over nl80211: passively, all channels, until the driver has said that it
    /// is done.
    Scan {
        /// Interface name.
        interface: String,
        /// The longest that it may take.
        within_ms: u64,
    },
    /// Read the present state of devices, modules, interfaces and the taint flags.
    State,
    /// Power off. `Done` comes before the power goes; then open questions are refused,
    /// so that nothing held keeps the kernel up. If its shutdown hangs all the same
    /// (a step stuck in a driver), the guest resets after 5 s: run QEMU with `-no-reboot`.
    PowerOff,
}

/// How far a suspend goes; each goes as far as the one before it, and further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuspendTest {
    /// Processes are frozen.
    Freezer,
    /// And devices suspended.
    Devices,
    /// And the platform prepared.
    Platform,
    /// And all CPUs but one switched off.
    Processors,
    /// And the core's own devices suspended; the clock stands still.
    Core,
    /// No test: the machine sleeps until something wakes it.
    None,
}

impl SuspendTest {
    /// As the kernel writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Freezer => "freezer",
            Self::Devices => "devices",
            Self::Platform => "platform",
            Self::Processors => "processors",
            Self::Core => "core",
            Self::None => "none",
        }
    }
}

/// What `kernel.modprobe` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Autoload {
    /// Nothing: the kernel loads no module by itself.
    Off,
    /// A program that does not exist.
    Absent,
    /// The agent: the module gate.
    Gate,
    /// The real modprobe.
    Modprobe,
}

/// A command's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Done; nothing to say.
    Ok,
    /// A program ran.
    Ran {
        /// Exit status; 128 + signal if it was killed.
        status: i32,
        /// Its standard error, cut to 4 KiB.
        stderr: String,
    },
    /// [`Command::Read`].
    Text {
        /// What the file holds, cut to [`MAX_TEXT`].
        text: String,
        /// It holds more.
        cut: bool,
    },
    /// [`Command::State`].
    State(State),
    /// [`Command::Trace`].
    Traced {
        /// Those that no event of the kernel's fits.
        unmatched: Vec<String>,
        /// All events that there are, if there are such; as far as they fit into a line.
        known: Vec<String>,
    },
    /// [`Command::TraceEnd`].
    TraceEnded {
        /// Events that were recorded and not sent, for want of room.
        lost: u64,
    },
    /// [`Command::AtWork`].
    AtWork {
        /// Programs, steps and kernel workers, by name.
        tasks: Vec<String>,
    },
}

/// The guest as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Every Intel network controller (class 0x0280) on the PCI bus.
    pub devices: Vec<PciDevice>,
    /// Names in `/proc/modules`.
    pub modules: Vec<String>,
    /// Names in `/sys/class/net`.
    pub interfaces: Vec<String>,
    /// `/proc/sys/kernel/tainted`.
    pub tainted: u64,
}

/// A PCI function in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciDevice {
    /// `0000:01:00.0`.
    pub slot: String,
    /// `8086:08b1`.
    pub id: String,
    /// The bound driver, if any.
    pub driver: Option<String>,
    /// Its network interfaces.
    pub interfaces: Vec<String>,
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandError {
    /// errno, where a syscall failed.
    pub errno: Option<i32>,
    /// What was tried and why it failed, one line.
    pub message: String,
}

/// Whether a name is what a glob asks for; `*` stands for any characters.
#[must_use]
pub fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether an event of tracing, `SYSTEM:EVENT`, is what [`Command::Trace`] wants.
#[must_use]
pub fn traces(wanted: &str, event: &str) -> bool {
    match (wanted.split_once(':'), event.split_once(':')) {
        (Some((system, name)), Some((its_system, its_name))) => {
            glob(system, its_system) && glob(name, its_name)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_wanted_by_both_its_names() {
        for (wanted, want) in [
            ("iwlwifi_io:*", true),
            ("iwlwifi*:*read*", true),
            ("iwlwifi:*", false),
            ("iwlwifi_io:*write*", false),
            ("iwlwifi_io", false),
        ] {
            assert_eq!(traces(wanted, "iwlwifi_io:iwlwifi_dev_ioread32"), want, "{wanted}");
        }
    }

    #[test]
    fn globs() {
        for (pattern, name, want) in [
            ("iwl*", "iwlwifi-7260-17.ucode", true),
            ("iwl*.xz", "iwlwifi-7260-17.ucode", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b", "ab", true),
            ("a*ab", "ab", false),
            ("iwlmvm", "iwlmvm2", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, name), want, "{pattern} {name}");
        }
    }
}
