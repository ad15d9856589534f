//! Which messages cards and their drivers do not send, though both have a name for them.

use super::Possible;
use crate::script::scenario::{Action, EventPattern};
use crate::script::supplied::Mac;

/// How a driver has the upper MAC scan, and how the lower; and what that says of it.
const SCANS: [(&str, &str); 4] = [
    ("SCAN_REQ_UMAC", "SCAN_OFFLOAD_REQUEST_CMD"),
    ("SCAN_ABORT_UMAC", "SCAN_OFFLOAD_ABORT_CMD"),
    ("SCAN_COMPLETE_UMAC", "SCAN_OFFLOAD_COMPLETE"),
    ("SCAN_ITERATION_COMPLETE_UMAC", "SCAN_ITERATION_COMPLETE"),
];
/// The same of the cards of iwldvm.
const SCANS_OF_DVM: [&str; 4] = [
    "REPLY_SCAN_CMD",
    "SCAN_START_NOTIFICATION",
    "SCAN_RESULTS_NOTIFICATION",
    "SCAN_COMPLETE_NOTIFICATION",
];

impl Possible<'_> {
    /// Why no message of this name is sent, if none is.
    pub(in crate::script) fn unsent(&self, event: &EventPattern) -> Option<String> {
        let name = event.value.as_deref()?;
        if event.of.kind == "host-command" && is_notification(name) {
            return Some(format!("`{name}` is the card's to send: packet:name={name}"));
        }
        let pair = SCANS.iter().find(|(upper, lower)| [*upper, *lower].contains(&name));
        if let (Some((upper, lower)), Some(supplied)) = (pair, self.supplied()) {
            let (mac, instead) = match name == *upper {
                true => (Mac::Upper, lower),
                false => (Mac::Lower, upper),
            };
            if !supplied.scans(mac) {
                return Some(format!(
                    "with these cards' stubs a scan is no `{name}`; did you mean `{instead}`?\n\
                     another file, as Intel's own, may have it: a [[firmware]] rule, or `--firmware`"
                ));
            }
        }
        let may_scan =
            |action: &Action| matches!(action, Action::Scan | Action::Exec(_) | Action::Write(_));
        let of_a_scan = pair.is_some() || SCANS_OF_DVM.contains(&name);
        (of_a_scan && self.whole && !self.actions().any(may_scan))
            .then(|| format!("no step is a `scan`, of which alone `{name}` comes"))
    }
}

/// Whether its name says that the firmware sends it.
fn is_notification(name: &str) -> bool {
    !name.ends_with("_CMD") && ["_NOTIF", "_NTFY", "_NTF"].iter().any(|word| name.contains(word))
}
