//! The names of the files in a run's directory, a matrix' and an exploration's.

/// Versions, hashes, expectations, milestones, verdict; written at the end of a run.
pub const RUN: &str = "run.json";
/// All events; as they come, and at the end in their order.
pub const EVENTS: &str = "events.jsonl";
/// The run as text, with every event.
pub const TIMELINE: &str = "timeline.txt";
/// The guest's serial console.
pub const CONSOLE: &str = "console.log";
/// The guest's kernel log, as `dmesg` prints it.
pub const DMESG: &str = "dmesg.txt";
/// The command that plays it again; written before QEMU starts.
pub const AGAIN: &str = "again.sh";
/// QEMU's command line, written before it starts.
pub const QEMU_ARGS: &str = "qemu.args";
/// What QEMU says.
pub const QEMU_STDERR: &str = "qemu.stderr";
/// What a matrix came to: makes a directory a matrix'.
pub const MATRIX: &str = "matrix.json";
/// What an exploration came to.
pub const EXPLORATION: &str = "explore.json";
/// What a sweep came to.
pub const SWEEP: &str = "sweep.json";
/// A run or matrix as a page.
pub const PAGE: &str = "report.html";
/// A matrix for a CI server.
pub const JUNIT: &str = "junit.xml";
/// A matrix for the kernel's CI.
pub const KTAP: &str = "results.ktap";
/// A run as a trace.
pub const TRACE: &str = "trace.json";
/// Events of a guest's kernel, for trace-cmd.
pub const TRACE_DAT: &str = "trace.dat";
