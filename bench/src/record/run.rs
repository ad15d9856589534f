//! Everything about a run, as it is kept: `run.json`.

use std::path::PathBuf;

use guest_kit::{IncludedModule, Kernel};
use iwl_card::Identity;
use serde::Serialize;

use crate::facts::accel::Accel;
use crate::facts::milestone::Reached;
use crate::facts::phases::Phase;
use crate::facts::seen::Seen;
use crate::facts::timeline::Event;
use crate::facts::verdict::Verdict;
use crate::record::cite::Cited;
use crate::record::digest::sha256_hex;
use crate::script::expect::Judged;
use crate::script::scenario::Vars;

/// How a run's guest began; the word in `run.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Began {
    /// Power-on, the card in its port.
    Cold,
    /// A snapshot, the card plugged in after it.
    Restored,
}

/// A file that the guest is given.
#[derive(Debug, Clone, Serialize)]
pub struct Given {
    name: String,
    bytes: usize,
    sha256: String,
    from: String,
}

impl Given {
    /// A file of this name, which came from there.
    pub fn new(name: &str, bytes: &[u8], from: &str) -> Given {
        let (name, from) = (name.to_owned(), from.to_owned());
        Given { name, bytes: bytes.len(), sha256: sha256_hex(bytes), from }
    }
}

/// Everything about a run; `run.json`.
#[derive(Debug, Serialize)]
pub struct Record {
    /// Of this document.
    pub format: u32,
    /// Scenario.
    pub scenario: String,
    /// The driver under test, as `--driver` calls it.
    pub driver: &'static str,
    /// What the user sees of it.
    pub seen: Seen,
    /// What it can be cited by.
    #[serde(flatten)]
    pub cited: Cited,
    /// What of the first card is not as its row says.
    #[serde(skip_serializing_if = "Identity::is_empty")]
    pub identity: Identity,
    /// What the scenario's variables stood for.
    pub vars: Vars,
    /// The faults of the card, as `--fault` takes them; of a further card, with its name before.
    pub faults: Vec<String>,
    /// How it ended.
    pub verdict: Verdict,
    /// The expectations, one by one.
    pub expectations: Vec<Judged>,
    /// The steps of the hand-over.
    pub milestones: Vec<Reached>,
    /// The gates' rules that no request met, for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<String>,
    /// Kernel release and package.
    pub kernel: Kernel,
    /// SHA-256 of the kernel image.
    pub kernel_sha256: String,
    /// QEMU's version.
    pub qemu: String,
    /// KVM or TCG.
    pub accel: Accel,
    /// Why.
    pub accel_why: String,
    /// Power-on or a snapshot.
    pub began: Began,
    /// The snapshot's key.
    pub snapshot: Option<String>,
    /// SHA-256 of the initramfs.
    pub image_sha256: String,
    /// Its modules; none if the user gave the image.
    pub modules: Vec<IncludedModule>,
    /// Firmware files on offer.
    pub firmware: Vec<Given>,
    /// What the agent found.
    pub guest: Option<guest_protocol::Hello>,
    /// Totals of the card, unmodelled registers by name.
    pub card: Option<iwl_card::Summary>,
    /// From power-on, or the snapshot's start, to the verdict.
    pub seconds: f64,
    /// Where they went.
    pub phases: Vec<Phase>,
    /// Where everything about it is.
    pub directory: PathBuf,
    /// The events, for the printed timeline.
    #[serde(skip)]
    pub events: Vec<Event>,
}
