//! The driver's first look at its card, where that is its last.

use guest_protocol::GuestEvent;

use super::facts::{Facts, Found};
use crate::facts::errno::Errno;
use crate::facts::milestone::Milestone;
use crate::facts::timeline::What;

/// With which error the probe of a device failed, if this line of the kernel's log says so: no event does
/// (`call_driver_probe`; in other words up to 6.9). One that is put off, or finds nothing, is not told.
pub fn failed_probe(text: &str, slot: &str) -> Option<Errno> {
    const FAILED: &str = " failed with error -";
    let (what, number) = text.rsplit_once(FAILED)?;
    let probes = what.ends_with(&format!("probe of {slot}"))
        || what.contains(&format!(" {slot}: probe with driver "));
    probes.then(|| number.trim().parse().ok().map(Errno)).flatten()
}

/// The driver that such a line is of, where it says that.
fn prober(text: &str) -> Option<&str> {
    text.split_once("probe with driver ")?.1.split(' ').next()
}

/// The driver does not take its card. Where the scenario `breaks` the card itself, that is a cause as long as
/// it has not.
pub(super) fn probe_failed(facts: &Facts<'_>, breaks: bool) -> Option<Found> {
    let (seq, text, errno) = facts.events.iter().rev().find_map(|event| {
        let text = event.kernel_log()?;
        Some((event.seq, text, failed_probe(text, facts.slot)?))
    })?;
    let broken = || {
        let lost = |m: &Milestone| m.is_touch() || matches!(m, Milestone::Unbound { .. });
        let mut before = facts.milestones.iter().take_while(|reached| reached.seq < seq);
        before.any(|reached| lost(&reached.milestone)) || facts.faults().any(|(at, _)| at < seq)
    };
    if breaks && broken() {
        return None;
    }
    let since = |at: u64, what: &dyn Fn(&Milestone) -> bool| {
        facts.milestones.iter().any(|reached| reached.seq > at && what(&reached.milestone))
    };
    if since(seq, &|m| matches!(m, Milestone::Bound { slot, .. } if slot == facts.slot)) {
        return None;
    }
    let touched = facts.milestones.iter().rev().find(|reached| {
        reached.seq < seq
            && matches!(&reached.milestone, Milestone::Probe { slot, .. } if slot == facts.slot)
    });
    let events = touched.map(|reached| reached.seq).into_iter().chain([seq]).collect();
    let (driver, slot) = (prober(text).unwrap_or(facts.driver), facts.slot);
    let mut sentence =
        format!("{driver} does not take the card: its probe of {slot} failed, {errno}");
    let refused = facts.milestones.iter().rev().find_map(|reached| match &reached.milestone {
        Milestone::FirmwareRefused { name, errno } if reached.seq < seq => Some((name, *errno)),
        _ => None,
    });
    if let Some((name, _)) = refused.filter(|(_, refused)| *refused == errno) {
        sentence += &format!(", after {name} was refused with it");
    }
    Some(Found::new("probe-failed", sentence, events))
}

/// The driver did not even look at its card.
pub(super) fn no_probe(facts: &Facts<'_>) -> Option<Found> {
    let touched = facts.reached(|m| matches!(m, Milestone::Probe { .. }).then_some(()));
    if !touched.is_empty() || facts.at_work {
        return None;
    }
    let loaded = facts.events.iter().any(|event| {
        matches!(&event.what, What::Guest(GuestEvent::ModuleLoad { module }) if module == facts.driver)
    });
    let driver = facts.driver;
    // One's own has its place.
    let own = || {
        facts.events.iter().rev().find_map(|event| match &event.what {
            What::Guest(GuestEvent::ModuleLoad { module }) => Some(module),
            _ => None,
        })
    };
    let left_out = !facts.modules.is_empty() && !facts.modules.iter().any(|m| m == driver);
    if let (true, Some(own)) = (left_out, own()) {
        let id = iwl_card::card(facts.card).map_or_else(String::new, |card| {
            format!(": is its id, 8086:{:04x}, among those that it is for?", card.pci.device)
        });
        let sentence = format!("{own} is loaded and does not touch the card{id}");
        return Some(Found::new("no-probe", sentence, Vec::new()));
    }
    let sentence = match loaded {
        true => format!("{driver} is loaded and does not touch the card"),
        false => format!("{driver} was not loaded: nothing has touched the card"),
    };
    Some(Found::new("no-probe", sentence, Vec::new()))
}
