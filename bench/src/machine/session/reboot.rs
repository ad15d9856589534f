//! A reset that a step wants: the guest boots anew, its cards stay in their slots.

use std::time::Duration;

use guest_protocol::Command;
use serde_json::json;

use super::said::Said;
use super::{Session, Stop};
use crate::facts::verdict::{Outcome, Verdict};

/// Resets of one reboot at most: the firmware that finds its memory used makes one of its own. A kernel
/// that panics as it boots would go on for ever.
const MOST_RESETS: usize = 3;

impl Session {
    /// Has the guest reset its machine by this command, and waits until its agent is there again.
    ///
    /// # Errors
    /// [`Stop`]; running out of time means that the machine does not reset, or the kernel not boot.
    pub fn reboot(&mut self, command: Command, within: Duration) -> Result<(), Stop> {
        // Any other reset is the guest's end: see qemu.rs.
        self.on_reset("reset")?;
        let (resets, boots) = (self.resets, self.boots);
        self.start_command(command);
        self.wait(within, |s| (s.boots > boots || s.resets - resets > MOST_RESETS).then_some(()))?;
        self.on_reset("shutdown")?;
        match self.boots > boots {
            true => self.check_clock(),
            false => {
                let line =
                    "the guest resets again and again, and does not come up; see console.log";
                Err(Verdict::new(Outcome::GuestReset, line).into())
            }
        }
    }

    fn on_reset(&mut self, action: &str) -> Result<(), Stop> {
        self.monitor("set-action", &json!({ "reboot": action }))
    }

    /// The machine was reset: nobody is there any more who was asked or has asked.
    pub(super) fn was_reset(&mut self) {
        self.resets += 1;
        self.asked.clear();
        self.sleepers.clear();
        self.replies.clear();
        self.loaders.clear();
        self.gates.forget();
        self.said = Said::default();
        self.timeline.forget_clock();
    }

    /// The agent is there, perhaps not for the first time.
    pub(super) fn has_booted(&mut self) {
        if self.resets > self.boots {
            self.boots = self.resets;
            // What lay in the port was for the agent before.
            self.say_first();
            self.clock_lost = true;
        }
    }
}
