//! Kernel trouble, told from the guest's kernel log.
//!
//! The log is the only place where a kernel says this; the words are those of the kernel's own
//! `lib/bug.c`, `kernel/panic.c`, `lib/dump_stack.c`, lockdep, RCU, KASAN, debug objects, kmemleak and
//! the hung-task detector.

use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

/// What kind of complaint.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    IntoStaticStr,
    VariantNames,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Trouble {
    /// `Kernel panic - not syncing`.
    Panic,
    /// An oops: a bad access, a BUG, a general protection fault, a divide error.
    Oops,
    /// `WARNING: …`.
    Warning,
    /// A KASAN, KFENCE, KMSAN or UBSAN report, or one of the allocator or of debug objects.
    Sanitizer,
    /// Lockdep, a sleep in atomic context, a bad unlock balance.
    Locking,
    /// An RCU stall or a suspicious RCU use.
    Rcu,
    /// A task blocked for long, or a locked-up CPU.
    Hang,
    /// Memory that nobody can find any more: kmemleak's.
    Leak,
}

/// A `panic!()` in Rust: the place, then what it says (`rust/kernel/lib.rs`).
pub const RUST_PANIC: &str = "rust_kernel: panicked at ";
/// What follows it.
const RUST_BUG: &str = "kernel BUG at rust/helpers/bug.c";

/// First words, most telling first.
const WORDS: &[(&str, Trouble)] = &[
    ("Kernel panic - not syncing", Trouble::Panic),
    ("BUG: KASAN", Trouble::Sanitizer),
    ("BUG: KFENCE", Trouble::Sanitizer),
    ("BUG: KMSAN", Trouble::Sanitizer),
    ("BUG: KCSAN", Trouble::Sanitizer),
    ("UBSAN:", Trouble::Sanitizer),
    ("ODEBUG: ", Trouble::Sanitizer),
    ("BUG: sleeping function called from invalid context", Trouble::Locking),
    ("BUG: scheduling while atomic", Trouble::Locking),
    ("BUG: workqueue leaked lock or atomic", Trouble::Locking),
    ("WARNING: possible circular locking dependency", Trouble::Locking),
    ("WARNING: possible recursive locking", Trouble::Locking),
    ("WARNING: possible irq lock inversion", Trouble::Locking),
    ("WARNING: inconsistent lock state", Trouble::Locking),
    ("WARNING: bad unlock balance", Trouble::Locking),
    ("WARNING: lock held when returning to user space", Trouble::Locking),
    ("WARNING: held lock freed", Trouble::Locking),
    ("WARNING: Nested lock was not taken", Trouble::Locking),
    ("WARNING: HARDIRQ-", Trouble::Locking),
    ("WARNING: SOFTIRQ-", Trouble::Locking),
    ("WARNING: bad contention", Trouble::Locking),
    ("[ BUG: Invalid wait context ]", Trouble::Locking),
    ("INFO: trying to register non-static key", Trouble::Locking),
    ("BUG: spinlock ", Trouble::Locking),
    ("BUG: using ", Trouble::Locking),
    ("WARNING: suspicious RCU usage", Trouble::Rcu),
    ("rcu: INFO:", Trouble::Rcu),
    ("INFO: rcu_", Trouble::Rcu),
    ("INFO: task ", Trouble::Hang),
    ("watchdog: BUG: soft lockup", Trouble::Hang),
    ("BUG: soft lockup", Trouble::Hang),
    ("BUG: workqueue lockup", Trouble::Hang),
    ("watchdog: Watchdog detected hard LOCKUP", Trouble::Hang),
    ("NMI watchdog: Watchdog detected hard LOCKUP", Trouble::Hang),
    ("watchdog: CPU", Trouble::Hang),
    (RUST_PANIC, Trouble::Oops),
    ("Oops", Trouble::Oops),
    ("BUG: ", Trouble::Oops),
    // The allocator's, of a cache by its name.
    ("BUG ", Trouble::Sanitizer),
    ("kernel BUG at", Trouble::Oops),
    ("general protection fault", Trouble::Oops),
    ("divide error:", Trouble::Oops),
    ("invalid opcode:", Trouble::Oops),
    ("WARNING: ", Trouble::Warning),
    ("kmemleak: unreferenced object", Trouble::Leak),
];

/// The trouble that a line of the kernel log begins, if it does.
pub fn classify(line: &str) -> Option<Trouble> {
    let first = WORDS.iter().find(|(words, _)| line.starts_with(words));
    // By itself kmemleak tells no more than how many.
    let counted = || line.starts_with("kmemleak: ") && line.contains(" new suspected memory leaks");
    first.map(|(_, trouble)| *trouble).or_else(|| counted().then_some(Trouble::Leak))
}

/// What the kernel calls an oops by, after the line that says what was the matter, if there was one
/// (`die_addr`, `__die_header`).
const NAMES_AN_OOPS: [&str; 4] =
    ["Oops", "general protection fault", "divide error:", "invalid opcode:"];

/// The complaints of a kernel's log, as its lines come.
#[derive(Debug, Default)]
pub struct Complaints {
    /// Lines since the one that an oops began with, if it has not been named or ended.
    unnamed: Option<usize>,
}

impl Complaints {
    /// The trouble that the next line begins, if it does; an oops begins once.
    pub fn begun_by(&mut self, line: &str) -> Option<Trouble> {
        self.unnamed = self.unnamed.map(|lines| lines + 1).filter(|lines| *lines < COMPLAINT);
        let trouble = classify(line);
        if self.unnamed.is_some() && line.starts_with(RUST_BUG) {
            return None;
        }
        let names = NAMES_AN_OOPS.iter().any(|words| line.starts_with(words));
        if trouble == Some(Trouble::Oops) {
            let named = self.unnamed.take().is_some() && names;
            self.unnamed = (!names).then_some(0);
            return (!named).then_some(Trouble::Oops);
        }
        if ENDS.iter().any(|words| line.starts_with(words)) {
            self.unnamed = None;
        }
        trouble
    }
}

/// How long after an access of the card's registers its driver counts as at work with it.
const AT_WORK: Duration = Duration::from_secs(5);

/// Whether a complaint is only of how slow an emulated card's registers are: a task waits for one
/// that was at work with the card until so long ago. Who does that for ever ends by the patience.
pub fn is_of_slowness(line: &str, since_access: Option<Duration>) -> bool {
    line.starts_with("INFO: task ") && since_access.is_some_and(|since| since < AT_WORK)
}

/// Lines of a complaint at most; one whose end is not marked has so many.
const COMPLAINT: usize = 70;
/// What the kernel ends a trace with, if it does: lockdep, RCU and hung tasks do not.
const ENDS: [&str; 2] = ["---[ end trace", "---[ end Kernel panic"];

/// The lines of a kernel log that are the complaint which begins with the line `first`: as far as
/// its trace goes. Empty if there is no such line.
pub fn complaint<'a>(log: impl IntoIterator<Item = &'a str>, first: &str) -> Range<usize> {
    let mut lines = log.into_iter().enumerate().skip_while(|(_, line)| *line != first);
    let Some((begin, _)) = lines.next() else { return 0..0 };
    let mut end = begin + 1;
    for (index, line) in lines.take(COMPLAINT - 1) {
        end = index + 1;
        if ENDS.iter().any(|words| line.starts_with(words)) {
            break;
        }
    }
    begin..end
}

impl Trouble {
    /// The lower, the more it says about what went wrong.
    pub fn rank(self) -> u8 {
        match self {
            Trouble::Panic | Trouble::Oops | Trouble::Sanitizer => 0,
            Trouble::Locking | Trouble::Hang | Trouble::Rcu => 1,
            Trouble::Warning | Trouble::Leak => 2,
        }
    }

    /// In a sentence: "the guest's kernel reported …".
    pub fn words(self) -> &'static str {
        match self {
            Trouble::Panic => "a panic",
            Trouble::Oops => "an oops",
            Trouble::Warning => "a WARNING",
            Trouble::Sanitizer => "a sanitizer report",
            Trouble::Locking => "a locking error",
            Trouble::Rcu => "an RCU complaint",
            Trouble::Hang => "a hang",
            Trouble::Leak => "a memory leak",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_waits_for_one_at_work_with_the_card_is_no_hang() {
        let line = "INFO: task kworker/0:2:58 blocked for more than 21 seconds.";
        let since = |seconds| Some(Duration::from_secs(seconds));
        assert!(is_of_slowness(line, since(1)));
        assert!(!is_of_slowness(line, since(20)), "nobody touches the card");
        assert!(!is_of_slowness(line, None));
        assert!(!is_of_slowness("BUG: soft lockup - CPU#0 stuck for 22s!", since(1)));
    }

    #[test]
    fn a_complaint_ends_with_its_trace() {
        let log = ["x", "BUG: y", "Call Trace:", " z+0x1/0x2", "---[ end trace 0 ]---", "w"];
        assert_eq!(complaint(log, "BUG: y"), 1..5);
        assert_eq!(complaint(log[..4].iter().copied(), "BUG: y"), 1..4, "the guest died in it");
        assert_eq!(complaint(log, "BUG: q"), 0..0);
        let long = std::iter::once("BUG: y").chain(std::iter::repeat_n("x", 1000));
        assert_eq!(complaint(long, "BUG: y"), 0..COMPLAINT);
    }

    #[test]
    fn an_oops_is_told_once() {
        let begun = |log: &[&str]| {
            let mut complaints = Complaints::default();
            log.iter().filter_map(|line| complaints.begun_by(line)).collect::<Vec<_>>()
        };
        let null = "BUG: kernel NULL pointer dereference, address: 0000000000000020";
        let (page, end) = ("#PF: supervisor read access in kernel mode", "---[ end trace 0 ]---");
        let oops = "Oops: Oops: 0000 [#1] SMP NOPTI";
        assert_eq!(begun(&[null, page, oops, "RIP: 0010:x", end]), [Trouble::Oops]);
        assert_eq!(begun(&["kernel BUG at x.c:1!", "invalid opcode: 0000 [#1]"]), [Trouble::Oops]);
        assert_eq!(begun(&[oops]), [Trouble::Oops], "not all say more before it");
        let panic = "rust_kernel: panicked at my_card.rs:141:53:\nthe switch is 3";
        let (cut, bug) =
            ("------------[ cut here ]------------", "kernel BUG at rust/helpers/bug.c:7!");
        assert_eq!(begun(&[panic, cut, bug, oops, end]), [Trouble::Oops]);
        assert_eq!(begun(&[bug, oops]), [Trouble::Oops], "its words were lost");
        assert_eq!(begun(&[null, oops, null, oops]).len(), 2);
        assert_eq!(begun(&[null, end, oops]).len(), 2, "of another one");
        let warning = "WARNING: CPU: 0 PID: 9 at x.c:1 y+0x1/0x2";
        assert_eq!(begun(&[null, oops, warning]), [Trouble::Oops, Trouble::Warning]);
    }

    #[test]
    fn first_words_tell() {
        let cases = [
            (
                "BUG: kernel NULL pointer dereference, address: 0000000000000020",
                Some(Trouble::Oops),
            ),
            ("Oops: Oops: 0000 [#1] SMP NOPTI", Some(Trouble::Oops)),
            ("rust_kernel: panicked at my_card.rs:141:53:", Some(Trouble::Oops)),
            ("BUG: KASAN: slab-use-after-free in iwl_req_fw_callback", Some(Trouble::Sanitizer)),
            ("WARNING: CPU: 0 PID: 9 at drivers/net/x.c:1 y+0x1/0x2", Some(Trouble::Warning)),
            ("WARNING: possible circular locking dependency detected", Some(Trouble::Locking)),
            ("[ BUG: Invalid wait context ]", Some(Trouble::Locking)),
            ("INFO: trying to register non-static key.", Some(Trouble::Locking)),
            ("BUG: using smp_processor_id() in preemptible [00000000]", Some(Trouble::Locking)),
            ("BUG: KCSAN: data-race in iwl_a / iwl_b", Some(Trouble::Sanitizer)),
            ("watchdog: Watchdog detected hard LOCKUP on cpu 0", Some(Trouble::Hang)),
            ("INFO: task kworker/0:1:9 blocked for more than 120 seconds.", Some(Trouble::Hang)),
            ("Kernel panic - not syncing: Attempted to kill init!", Some(Trouble::Panic)),
            (
                "ODEBUG: free active (active state 0) object: 0 object type: timer_list hint: iwl_x",
                Some(Trouble::Sanitizer),
            ),
            (
                "BUG iwl_dev_cmd:0000:01:00.0 (Not tainted): Objects remaining on shutdown",
                Some(Trouble::Sanitizer),
            ),
            ("kmemleak: unreferenced object 0xffff888003a4 (size 192):", Some(Trouble::Leak)),
            (
                "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
                Some(Trouble::Leak),
            ),
            ("kmemleak: Automatic memory scanning thread started", None),
            ("iwlwifi 0000:01:00.0: Oops is only a word here", None),
            ("Module iwldvm is blacklisted", None),
        ];
        for (line, want) in cases {
            assert_eq!(classify(line), want, "{line}");
        }
    }
}
