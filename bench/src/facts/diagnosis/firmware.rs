//! The firmware files' part in a failure.

use guest_protocol::{GuestEvent, Question};

use super::facts::{Facts, Found};
use super::opmode::wanted_opmode;
use super::scenario::ended_early;
use crate::facts::driver;
use crate::facts::errno::Errno;
use crate::facts::milestone::Milestone;
use crate::facts::timeline::{What, seconds};

/// What `kernel_read_file` says of an empty file.
const EINVAL: i32 = 22;
/// A shorter wait for user space is nobody's trouble.
const FALLBACK_FELT: u64 = 1_000_000_000;

/// The loader found no file and waits for user space to bring it, which nobody does: a boot that seems
/// to hang, for a minute with each name. While it waits there is a device of the file's name.
pub(crate) fn sysfs_fallback(facts: &Facts<'_>) -> Option<Found> {
    if wanted_opmode(facts) {
        return None;
    }
    let end = facts.events.last()?.t_ns;
    let asked = facts.reached(|m| match m {
        Milestone::FirmwareAsked { name } => Some(name.as_str()),
        _ => None,
    });
    let mut waits: Vec<(u64, &str, u64, u64)> = Vec::new();
    for event in facts.events {
        let What::Guest(GuestEvent::Uevent { action, devpath, subsystem, .. }) = &event.what else {
            continue;
        };
        let name = devpath.rsplit('/').next().unwrap_or_default();
        let mine = asked.iter().any(|(_, asked)| driver::as_asked(name) == *asked);
        if subsystem.as_deref() != Some("firmware") || !mine {
            continue;
        }
        match action.as_str() {
            "add" => waits.push((event.seq, name, event.t_ns, end)),
            "remove" => waits
                .iter_mut()
                .filter(|wait| wait.1 == name && wait.3 == end)
                .for_each(|wait| wait.3 = event.t_ns),
            _ => {}
        }
    }
    let waited: u64 = waits.iter().map(|(.., from, to)| to.saturating_sub(*from)).sum();
    let ((_, first, ..), (_, last, ..)) = (waits.first()?, waits.last()?);
    if waited < FALLBACK_FELT {
        return None;
    }
    let (names, it) = match first == last {
        true => ((*first).to_owned(), "it"),
        false => (format!("{first} to {last}"), "them"),
    };
    let sentence = format!(
        "no {names}: the kernel's loader waited {:.0} s for user space to bring {it} (sysfs fallback), \
         and nobody did",
        seconds(waited)
    );
    let remedy = "the kernel has CONFIG_FW_LOADER_USER_HELPER_FALLBACK, or force_sysfs_fallback is set; \
                  /sys/class/firmware/timeout is how long it waits for each name";
    let events = waits.iter().map(|(seq, ..)| *seq).collect();
    Some(Found::new("firmware-fallback", sentence, events).remedy(remedy))
}

/// The driver got no firmware that it takes: nothing was requested after it.
pub(crate) fn no_firmware(facts: &Facts<'_>) -> Option<Found> {
    if wanted_opmode(facts) {
        return None;
    }
    let asked = facts.reached(|m| match m {
        Milestone::FirmwareAsked { name } => Some(name.as_str()),
        _ => None,
    });
    let (_, first) = *asked.first()?;
    let given = facts.reached(|m| match m {
        Milestone::FirmwareGiven { name, .. } => Some(name.as_str()),
        _ => None,
    });
    if let Some((seq, name)) = given.last() {
        let plain = driver::as_asked(name);
        if facts.at_work {
            return Some(ended_early(&format!("the driver was at {name}"), vec![*seq]));
        }
        let known = facts.files.iter().find(|(known, _)| known == name || known == plain);
        let says = format!("{plain} is refused: ");
        let said = || {
            let mut log = facts.events.iter().rev().filter_map(|event| event.kernel_log());
            log.find_map(|text| Some(text.split_once(&says)?.1))
        };
        let why = known.and_then(|(_, why)| why.as_deref()).or_else(said);
        let sentence = match why {
            Some(why) => format!("the driver rejected {name}: {why}"),
            None => format!("the driver took {name} and asked for no opmode"),
        };
        let found = Found::new("firmware-rejected", sentence, vec![*seq]);
        return Some(found.remedy("`iwlbench ucode inspect` says more of a file"));
    }
    // Of a file without a byte no read is told.
    let empty = facts.events.iter().find_map(|event| match &event.what {
        What::Answer {
            question: Question::FirmwareLookup { path },
            answer: "file",
            value: Some(0),
            ..
        } if asked.iter().any(|(_, asked)| *asked == driver::as_asked(path)) => {
            Some((event.seq, path))
        }
        _ => None,
    });
    if let Some((seq, name)) = empty {
        let sentence = format!(
            "{name} has 0 bytes: the kernel's loader takes no empty file ({}), and the driver gets none",
            Errno(EINVAL)
        );
        return Some(Found::new("firmware-empty", sentence, vec![seq]));
    }
    let refused = facts.reached(|m| match m {
        Milestone::FirmwareRefused { name, errno } => Some((name.as_str(), *errno)),
        _ => None,
    });
    let Some((_, (last, errno))) = refused.last() else {
        if facts.at_work {
            let what = format!("the loader was looking for {first}");
            return Some(ended_early(&what, vec![asked[0].0]));
        }
        // Its answer is the scenario's to let go.
        if facts.held.iter().any(|held| !held.is_module && driver::as_asked(&held.name) == first) {
            return None;
        }
        let sentence = format!("the request for {first} has no answer");
        return Some(Found::new("firmware-unanswered", sentence, vec![asked[0].0]));
    };
    let names = if first == *last { first.to_owned() } else { format!("{first} to {last}") };
    let sentence = format!("no firmware file for the driver: {names} refused with {errno}");
    Some(Found::new("no-firmware", sentence, refused.iter().map(|(seq, _)| *seq).collect()))
}
