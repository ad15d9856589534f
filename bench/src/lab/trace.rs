//! Events of the guest's kernel that the user wants recorded.

use std::path::Path;

use guest_protocol::{Hello, glob, traces};

use super::Lab;
use crate::facts::failure::BadUsage;
use crate::facts::near::nearest;
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::session::{Session, Stop};

/// How the names of the driver's own systems begin.
const OF_THE_DRIVER: &str = "iwlwifi";
/// How many names are shown of those that there are.
const SHOWN: usize = 8;

impl Lab<'_> {
    /// Has a guest that is up record what is wanted, if anything is; the inner error is the user's, who
    /// wants what there is not.
    pub(super) fn begin_trace(
        &self,
        session: &mut Session,
        hello: Result<Hello, Verdict>,
        initramfs: &Path,
    ) -> anyhow::Result<Result<Result<Hello, Verdict>, BadUsage>> {
        if self.trace.is_empty() || hello.is_err() {
            return Ok(Ok(hello));
        }
        // Some may be loaded already; to say so again does no harm.
        let modules = guest_kit::trace_events(initramfs)?;
        let wanted = |name: &str| self.trace.iter().any(|wanted| traces(wanted, name));
        let coming = modules.iter().filter(|(name, _)| wanted(name)).cloned().collect();
        let (unmatched, known) = match session.trace(self.trace.clone(), coming) {
            Ok(answer) => answer,
            Err(Stop::Verdict(verdict)) => return Ok(Ok(Err(verdict))),
            Err(Stop::TimedOut) => {
                let line = "the guest came up and does not answer; see console.log";
                return Ok(Ok(Err(Verdict::new(Outcome::GuestHung, line))));
            }
        };
        let known: Vec<&str> =
            known.iter().chain(modules.iter().map(|(name, _)| name)).map(String::as_str).collect();
        let nothing = |wanted: &&String| !known.iter().any(|name| traces(wanted, name));
        Ok(match unmatched.iter().find(nothing) {
            Some(wanted) => Err(BadUsage(no_such(wanted, &known, self.kernel()))),
            None => Ok(hello),
        })
    }
}

/// That nothing is as it is wanted, and what is near that.
fn no_such(wanted: &str, known: &[&str], kernel: &str) -> String {
    let (system, event) = wanted.split_once(':').unwrap_or((wanted, ""));
    let parts = || known.iter().filter_map(|name| name.split_once(':'));
    let mut events: Vec<&str> =
        parts().filter(|(s, _)| glob(system, s)).map(|(_, event)| event).collect();
    let mut line =
        format!("--trace {wanted}: kernel {kernel} and the guest's modules have no such event");
    if events.is_empty() {
        let near = nearest(system, parts().map(|(system, _)| system));
        match near {
            Some(near) => line.push_str(&format!("; did you mean `{near}:{event}`?")),
            None if system.starts_with(OF_THE_DRIVER) => {
                line.push_str(": it was built without CONFIG_IWLWIFI_DEVICE_TRACING");
            }
            None => line.push_str(&format!(": there is no system `{system}`")),
        }
        return line;
    }
    events.sort_unstable();
    events.dedup();
    match nearest(event, events.iter().copied()) {
        Some(near) => line.push_str(&format!("; did you mean `{system}:{near}`?")),
        None => line.push(';'),
    }
    let more = events.len().saturating_sub(SHOWN);
    events.truncate(SHOWN);
    line.push_str(&format!(" {system} has: {}", events.join(", ")));
    if more > 0 {
        line.push_str(&format!(" and {more} more"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_not_is_told_with_what_is_near() {
        let known =
            ["iwlwifi_io:iwlwifi_dev_ioread32", "iwlwifi_io:iwlwifi_dev_irq", "sched:sched_switch"];
        let said = |wanted| no_such(wanted, &known, "7.3.4");
        let without = no_such("iwlwifi_io:*", &known[2..], "6.1");
        assert!(without.ends_with("built without CONFIG_IWLWIFI_DEVICE_TRACING"), "{without}");
        for (wanted, ends) in [
            ("iwlwifi-io:*", "did you mean `iwlwifi_io:*`?"),
            (
                "iwlwifi_io:iwlwifi_dev_ioread",
                "did you mean `iwlwifi_io:iwlwifi_dev_ioread32`? iwlwifi_io has: iwlwifi_dev_ioread32, \
                 iwlwifi_dev_irq",
            ),
            ("sched:x*", "have no such event; sched has: sched_switch"),
            ("net:*", "have no such event: there is no system `net`"),
        ] {
            let said = said(wanted);
            assert!(said.ends_with(ends), "{said}");
        }
    }
}
