//! Why a guest has ended without being asked.

use std::time::Duration;

use strip_ansi_escapes::strip_str;

use super::Session;
use crate::facts::printable::printable;
use crate::facts::steps;
use crate::facts::timeline::BenchEvent;
use crate::facts::trouble::{self, Trouble};
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::qemu;

/// How long QEMU has to end once it has closed its monitor.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

impl Session {
    /// The last lines of the serial console.
    pub fn console_tail(&self, lines: usize) -> String {
        let text = self.console_text();
        let all: Vec<_> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// The same, to be shown: an init may colour what it says.
    fn console_text(&self) -> String {
        let text = strip_str(String::from_utf8_lossy(&self.console));
        printable(&text).into_owned()
    }

    /// Whether the console has the end of a kernel.
    pub(super) fn has_panicked(&self) -> bool {
        panic_in(&self.console_text()).is_some()
    }

    /// Why QEMU has ended without being asked.
    pub(super) fn qemu_verdict(&mut self) -> Verdict {
        while let Ok(input) = self.inputs.recv_timeout(Duration::from_millis(100)) {
            // What it still had to say; a second end changes nothing.
            self.take(input);
        }
        let status = self.process.end_within(ENDS_WITHIN);
        self.note(BenchEvent::QemuExited { status: status.clone() });
        let text = self.console_text();
        let panic = panic_in(&text);
        if let Some(text) = panic.clone()
            && self.heard.is_none()
        {
            // The agent cannot tell of it any more.
            self.note(BenchEvent::KernelTrouble { trouble: Trouble::Panic, text });
        }
        // The agent says so on the console before it switches the guest off.
        let fatal = text.lines().rev().find_map(|line| line.split_once("iwlbench-agent: fatal: "));
        let step = steps::at_hand(self.timeline.events());
        let verdict = match (panic, self.shutdown.as_deref()) {
            (Some(panic), _) => Verdict::new(
                Outcome::GuestPanicked,
                format!("{}{step}; see console.log for its trace", panic.trim()),
            ),
            (None, Some("guest-shutdown")) if fatal.is_some() => Verdict::new(
                Outcome::Environment,
                format!(
                    "the line to the guest's agent is dead{}{step}: {}; see console.log",
                    self.last_heard(),
                    fatal.map_or("", |(_, why)| why.trim())
                ),
            ),
            (None, Some("guest-reset")) => Verdict::new(
                Outcome::GuestReset,
                format!(
                    "the guest reset itself without a word{step}; see the end of console.log{}",
                    if step.is_empty() { "" } else { "; one that is meant is { sysrq = \"b\" }" }
                ),
            ),
            (None, Some("guest-shutdown")) => Verdict::new(
                Outcome::GuestPoweredOff,
                match self.console_tail(1).trim() {
                    "" => format!("the guest switched itself off without a word{step}"),
                    said => format!("the guest switched itself off{step}: {said}"),
                },
            ),
            _ => Verdict::new(
                Outcome::QemuDied,
                match qemu::last_words(&self.qemu_said) {
                    Some(said) => format!("QEMU ended by itself ({status}): {said}"),
                    None => format!("QEMU ended by itself ({status}), without a word"),
                },
            ),
        };
        // A kernel that never got as far as the agent says nothing about the driver.
        match (&self.hello, verdict.outcome) {
            (None, Outcome::GuestPanicked | Outcome::GuestReset | Outcome::GuestPoweredOff)
                if !self.heard.as_ref().is_some_and(|heard| heard.init) =>
            {
                Verdict::new(
                    Outcome::NotBooted,
                    format!("the guest did not come up: {}", verdict.line),
                )
            }
            _ => verdict,
        }
    }
}

/// The last line on a console with which a kernel ends.
fn panic_in(text: &str) -> Option<String> {
    let panic = text.lines().rev().find_map(|line| {
        let at = line.find("Kernel panic - not syncing")?;
        (trouble::classify(&line[at..]) == Some(Trouble::Panic)).then(|| line[at..].to_owned())
    })?;
    Some(match rust_panic_in(text) {
        Some(rust) => format!("{rust}; {panic}"),
        None => panic,
    })
}

/// Where Rust has panicked, and with which words: they are in the line after it.
fn rust_panic_in(text: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| !line.contains(trouble::RUST_PANIC));
    let line = lines.next()?;
    let place = line[line.find(trouble::RUST_PANIC)?..].trim_end();
    let said = lines.next().unwrap_or_default();
    let said =
        said.split_once("] ").filter(|_| said.starts_with('[')).map_or(said, |(_, said)| said);
    Some(format!("{place} {}", said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_rust_says_where() {
        let fatal = "Kernel panic - not syncing: Fatal exception in interrupt";
        for before in ["", "[    1.521337] "] {
            let console = format!(
                "[    1.5] rust_kernel: panicked at my_card.rs:75:34:\n{before}in the interrupt\n\
                 [    1.6] kernel BUG at rust/helpers/bug.c:7!\n[    1.7] {fatal}\n"
            );
            let says = panic_in(&console).expect("a panic");
            let rust = "rust_kernel: panicked at my_card.rs:75:34: in the interrupt";
            assert_eq!(says, format!("{rust}; {fatal}"));
        }
        assert_eq!(panic_in(&format!("[    1.7] {fatal}\n")).as_deref(), Some(fatal));
    }
}
