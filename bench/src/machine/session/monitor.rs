//! What QEMU's monitor does for a session: cards in and out, snapshots read and written.

use std::fs::File;
use std::time::Duration;

use guest_protocol::Hello;
use serde_json::json;

use super::port::Port;
use super::{Session, Stop};
use crate::facts::timeline::{BenchEvent, Source, Tag, What};
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::qemu;
use crate::machine::snapshot::Snapshot;

/// How long QEMU has to answer its monitor, to write a snapshot and to read it.
const MONITOR_WITHIN: Duration = Duration::from_secs(60);
/// How long the guest has to see a card that was plugged in.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

impl Session {
    /// Has QEMU's monitor do something; the inner error is QEMU's own text.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn qmp(
        &mut self,
        command: &str,
        arguments: &serde_json::Value,
    ) -> Result<Result<serde_json::Value, String>, Stop> {
        let id = self.next_id;
        self.next_id += 1;
        // A broken monitor shows as its end.
        let _ = qemu::qmp_send(&mut self.to_monitor, id, command, arguments);
        self.wait(MONITOR_WITHIN, |s| s.returns.remove(&id))
    }

    /// Wakes a guest that sleeps.
    pub(super) fn wake_guest(&mut self) {
        // Nobody looks at its answer. A broken monitor shows as its end.
        let _ = qemu::qmp_send(&mut self.to_monitor, 0, "system_wakeup", &json!({}));
    }

    /// As [`Session::qmp`], for what QEMU does not refuse unless something is wrong with it.
    pub(super) fn monitor(
        &mut self,
        command: &str,
        arguments: &serde_json::Value,
    ) -> Result<(), Stop> {
        match self.qmp(command, arguments)? {
            Ok(_) => Ok(()),
            Err(error) => Err(environment(format!("QEMU refuses {command}: {error}"))),
        }
    }

    /// Plugs a card into its port and waits until the guest has seen it.
    ///
    /// # Errors
    /// [`Stop`]; running out of time means that the guest did not look.
    pub fn plug(&mut self, card: usize) -> Result<(), Stop> {
        self.plug_all(&[card])
    }

    /// Plugs several cards in, one right after the other, and waits until the guest has seen all.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn plug_all(&mut self, cards: &[usize]) -> Result<(), Stop> {
        let wanted = self.functions_added + cards.len();
        for &card in cards {
            self.insert(card)?;
        }
        self.wait_while_busy(SEEN_WITHIN, |s| (s.functions_added >= wanted).then_some(()))
    }

    /// Puts a card into its port, without waiting for the guest to see it.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn insert(&mut self, card: usize) -> Result<(), Stop> {
        self.ports[card] = Port::default();
        let name = self.card_names[card].clone();
        self.note(BenchEvent::CardPlugged { card: name });
        self.monitor("device_add", &qemu::session_card(card))
    }

    /// How many PCI functions the guest has told of so far.
    pub fn functions_added(&self) -> usize {
        self.functions_added
    }

    /// Asks for a card to be unplugged: the guest is told, its driver removed from the device,
    /// then the card taken out. [`Session::unplugged`] tells when.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn eject(&mut self, card: usize) -> Result<(), Stop> {
        self.ports[card].leaving = true;
        let name = self.card_names[card].clone();
        self.note(BenchEvent::CardEjected { card: name });
        self.monitor("device_del", &json!({ "id": qemu::card_id(card) }))
    }

    /// Whether a card that was asked to leave is out and can be plugged in again.
    pub fn unplugged(&self, card: usize) -> bool {
        let port = self.ports[card];
        port.leaving && port.deleted && !port.attached
    }

    /// Unplugs a card and waits until it is out.
    ///
    /// # Errors
    /// [`Stop`]; running out of time means that the guest's driver does not let go.
    pub fn unplug(&mut self, card: usize, within: Duration) -> Result<(), Stop> {
        self.eject(card)?;
        self.wait(within, |s| s.unplugged(card).then_some(()))
    }

    /// Brings a guest back from a snapshot, with all its cards plugged in, and measures its clock.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<Hello, Stop> {
        // The deriver must know what the agent found before the guest goes on.
        let hello = snapshot.hello().clone();
        let now = self.timeline.now();
        let what = What::Hello { kind: Tag::default(), hello: hello.clone() };
        self.record(now, Source::Agent, None, what);
        self.hello = Some(hello.clone());

        // QEMU looks at the memory as it reads the devices' state.
        if let Some(filling) = self.filling.take() {
            let filled = filling.join().unwrap_or_else(|_| Err(std::io::Error::other("panicked")));
            filled.map_err(|error| environment(format!("its memory cannot be read: {error}")))?;
        }
        self.migration_mode()?;
        let channel = self.migration_channel();
        self.monitor("migrate-incoming", &channel)?;
        self.migrated()?;
        self.note(BenchEvent::GuestRestored);
        // The guest must be there to see them come: its ports tell by an interrupt.
        self.monitor("cont", &json!({}))?;
        self.say_first();
        self.measure_clock()?;
        let all: Vec<usize> = (0..self.cards.len()).collect();
        match self.plug_all(&all) {
            Err(Stop::TimedOut) => {
                let line = "the guest came up, and does not see the card that is put into its slot";
                Err(Verdict::new(Outcome::NotBooted, line).into())
            }
            other => other.map(|()| hello),
        }
    }

    /// Stops the guest and writes it into `file`, the one that it was started with.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn save(&mut self, file: &File) -> Result<(), Stop> {
        self.monitor("stop", &json!({}))?;
        self.migration_mode()?;
        // QEMU cuts the file off where it begins to write.
        let channel = self.migration_channel();
        self.monitor("migrate", &channel)?;
        self.migrated()?;
        let saved = self.memory.save(file);
        saved.map_err(|error| environment(format!("the guest's memory cannot be kept: {error}")))
    }

    /// Both sides of a snapshot must have it the same: the memory is no part of QEMU's stream.
    fn migration_mode(&mut self) -> Result<(), Stop> {
        let on = |name: &str| json!({ "capability": name, "state": true });
        let capabilities = json!({ "capabilities": [on("x-ignore-shared"), on("events")] });
        self.monitor("migrate-set-capabilities", &capabilities)?;
        // Nobody else needs the disk's bandwidth.
        self.monitor("migrate-set-parameters", &json!({ "max-bandwidth": 0 }))
    }

    /// The snapshot's file, as QMP names it: QEMU's part comes after the memory.
    fn migration_channel(&self) -> serde_json::Value {
        let (path, offset) = (qemu::snapshot_path(), self.memory.bytes());
        json!({ "uri": format!("file:{path},offset={offset}") })
    }

    fn migrated(&mut self) -> Result<(), Stop> {
        let status = self.wait(MONITOR_WITHIN, |s| {
            s.migration.take_if(|status| matches!(status.as_str(), "completed" | "failed"))
        })?;
        if status == "completed" {
            return Ok(());
        }
        let why = match self.qmp("query-migrate", &json!({}))? {
            Ok(info) => info["error-desc"].as_str().unwrap_or("QEMU does not say why").to_owned(),
            Err(error) => error,
        };
        Err(environment(why))
    }
}

fn environment(line: String) -> Stop {
    Verdict::new(Outcome::Environment, line).into()
}
