//! Tasks that wait in the kernel, as its log shows them: `kernel/hung_task.c` and SysRq's `w` write a
//! line `task:NAME state:D …` and the task's stack, the innermost call first.

use std::fmt;

use crate::facts::symbol::readable;
use crate::facts::timeline::Event;

/// A task and where it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocked {
    task: String,
    /// It is a mutex that it waits for.
    mutex: bool,
    /// The innermost call that is not the scheduler's.
    waits_in: String,
    /// What of a module led there: the innermost call of one or, if that is where it waits, the
    /// outermost.
    from: Option<String>,
}

/// Whom a task waits for outside of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// A program that the kernel has started, as modprobe.
    Helper,
    /// Whoever serves a file system, as that of the firmware.
    Files,
}

impl Blocked {
    /// Whom it waits for, if not for another task in the kernel.
    pub(super) fn outside(&self) -> Option<Outside> {
        match self.waits_in.as_str() {
            "call_usermodehelper_exec" => Some(Outside::Helper),
            "request_wait_answer" => Some(Outside::Files),
            _ => None,
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mutex = if self.mutex { "for a mutex " } else { "" };
        write!(f, "{} waits {mutex}in {}", self.task, readable(&self.waits_in))?;
        match &self.from {
            Some(from) => write!(f, ", called from {}", readable(from)),
            None => Ok(()),
        }
    }
}

/// What a task that sleeps is always in.
const SCHEDULER: [&str; 13] = [
    "__schedule",
    "schedule",
    "schedule_timeout",
    "schedule_preempt_disabled",
    "schedule_hrtimeout_range",
    "preempt_schedule",
    "__mutex_lock",
    "__mutex_lock_slowpath",
    "mutex_lock",
    "__wait_for_common",
    "wait_for_common",
    "wait_for_completion",
    "wait_for_completion_state",
];

/// `iwl_drv_stop` and its module, of a line `iwl_drv_stop+0x3c/0x1a0 [iwlwifi]`; a guess of the
/// unwinder's begins with a question mark and is none.
fn call(line: &str) -> Option<(&str, bool)> {
    let (function, rest) = line.trim_start().split_once("+0x")?;
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if function.is_empty() || !function.chars().all(name) {
        return None;
    }
    // `.constprop.0` is the compiler's.
    Some((function.split('.').next()?, rest.contains(" [")))
}

/// The name of a line that begins a task's stack.
fn task(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("task:")?.split_once(" state:")?;
    // `D` waits for something that no signal ends, or for a kernel helper.
    rest.starts_with('D').then(|| name.trim_end())
}

/// A task's stack as it is read.
struct Stack {
    seq: u64,
    task: String,
    /// Each with whether it is in a module.
    calls: Vec<(String, bool)>,
}

/// The tasks that the log shows, each once, with the event that says so.
pub(super) fn tasks(events: &[Event]) -> Vec<(u64, Blocked)> {
    let lines = events.iter().filter_map(|event| Some((event.seq, event.kernel_log()?)));
    let mut found: Vec<(u64, Blocked)> = Vec::new();
    let mut now: Option<Stack> = None;
    for (seq, line) in lines {
        if let Some(name) = task(line) {
            found.extend(now.take().and_then(blocked));
            now = Some(Stack { seq, task: name.to_owned(), calls: Vec::new() });
        } else if line.starts_with("task:") || line.trim_start().starts_with("</TASK>") {
            found.extend(now.take().and_then(blocked));
        } else if let (Some(stack), Some((name, module))) = (&mut now, call(line)) {
            stack.calls.push((name.to_owned(), module));
        }
    }
    found.extend(now.and_then(blocked));
    let mut tasks: Vec<(u64, Blocked)> = Vec::new();
    for (seq, blocked) in found {
        if !tasks.iter().any(|(_, known)| *known == blocked) {
            tasks.push((seq, blocked));
        }
    }
    tasks
}

fn blocked(Stack { seq, task, calls }: Stack) -> Option<(u64, Blocked)> {
    let waits = calls.iter().position(|(name, _)| !SCHEDULER.contains(&name.as_str()))?;
    let mutex = calls[..waits].iter().any(|(name, _)| name.contains("mutex_lock"));
    let (waits_in, in_module) = calls[waits].clone();
    let mut modules = calls[waits..].iter().filter(|(_, module)| *module).map(|(name, _)| name);
    let from = if in_module { modules.next_back() } else { modules.next() };
    let from = from.filter(|from| **from != waits_in).cloned();
    Some((seq, Blocked { task, mutex, waits_in, from }))
}

#[cfg(test)]
mod tests {
    use guest_protocol::GuestEvent;

    use super::*;
    use crate::facts::timeline::{Source, What};

    const LOG: &str = "\
INFO: task modprobe:231 blocked for more than 10 seconds.
task:modprobe        state:D stack:0     pid:231   tgid:231   ppid:60 task_flags:0x400100
Call Trace:
 <TASK>
 __schedule+0x4f5/0xbb0
 schedule+0x27/0xd0
 schedule_preempt_disabled+0x15/0x30
 __mutex_lock.constprop.0+0x51e/0x9a0
 ? srso_alias_return_thunk+0x5/0xfbef5
 iwl_opmode_register+0x2a/0xd0 [iwlwifi]
 iwl_mvm_init+0x2b/0xff0 [iwlmvm]
 do_one_initcall+0x5b/0x320
 </TASK>
 late+0x1/0x2
task:khungtaskd      state:R  running task stack:0
 sched_show_task+0x1/0x2
task:kworker/0:2     state:D stack:0     pid:43
Call Trace:
 __schedule+0x4f5/0xbb0
 schedule+0x27/0xd0
 schedule_timeout+0x104/0x120
 __wait_for_common+0x98/0x190
 call_usermodehelper_exec+0x1a4/0x1f0
 __request_module+0x1b8/0x300
 iwl_req_fw_callback+0x2530/0x2c30 [iwlwifi]
task:modprobe        state:D stack:0     pid:231
 __mutex_lock.constprop.0+0x51e/0x9a0
 iwl_opmode_register+0x2a/0xd0 [iwlwifi]
 iwl_mvm_init+0x2b/0xff0 [iwlmvm]
";

    #[test]
    fn each_task_is_named_once_with_where_it_waits() {
        let event = |(seq, text): (usize, &str)| {
            let text = text.to_owned();
            let what = What::Guest(GuestEvent::KernelLog { seq: 0, level: Some(3), text });
            Event::sample(seq as u64, Source::KernelLog, what)
        };
        let events: Vec<_> = LOG.lines().enumerate().map(event).collect();
        let told: Vec<_> =
            tasks(&events).iter().map(|(seq, task)| format!("{seq} {task}")).collect();
        assert_eq!(
            told,
            [
                "1 modprobe waits for a mutex in iwl_opmode_register, called from iwl_mvm_init",
                "16 kworker/0:2 waits in call_usermodehelper_exec, called from iwl_req_fw_callback",
            ]
        );
        assert_eq!(tasks(&[]), []);
    }
}
