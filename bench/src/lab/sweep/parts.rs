//! Which parts a driver's tables know: identities to try.
//!
//! Of each id one part with each MAC that the id's silicon has; of each kind of silicon, with its first
//! id, each step and radio that there is firmware for, by the names that the driver declares and those
//! of the distribution's package; and one for each row of the driver's table of parts that such a part
//! can fit.

use std::collections::BTreeSet;

use guest_kit::{DeviceId, DeviceRow, DeviceTables};
use iwl_card::{CardSpec, Generation, Identity, card, cards};

/// A kind of MAC.
struct Mac {
    /// Of `CSR_HW_REV`.
    kind: u16,
    /// As firmware is called for it.
    stem: &'static str,
    /// Where no firmware tells: its step, and its usual radio.
    usual: Combination,
}

/// A step of a MAC with a radio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Combination {
    mac_step: u32,
    radio: u32,
    cdb: bool,
    radio_step: u32,
}

const fn usual(mac_step: u32, radio: u32, radio_step: u32) -> Combination {
    Combination { mac_step, radio, cdb: false, radio_step }
}

const fn mac(kind: u16, stem: &'static str, usual: Combination) -> Mac {
    Mac { kind, stem, usual }
}

/// `IWL_CFG_RF_TYPE_*`: the radios, as firmware is called for them.
const RADIOS: &[(&str, u32)] = &[
    ("jf", JF2),
    ("jf", 0x108),
    ("hr", HR2),
    ("hr", 0x10c),
    ("gf", GF),
    ("mr", 0x110),
    ("fm", FM),
    ("wh", WH),
    ("pe", PE),
];
const JF2: u32 = 0x105;
const HR2: u32 = 0x10a;
const GF: u32 = 0x10d;
const FM: u32 = 0x112;
const WH: u32 = 0x113;
const PE: u32 = 0x114;

/// `IWL_CFG_MAC_TYPE_*`, and how `iwl_drv_get_fwname_pre` calls them; those of older kernels too.
const MACS: &[Mac] = &[
    mac(0x31, "9000-pu", usual(1, JF2, 1)),
    mac(0x32, "9260-th", usual(1, JF2, 1)),
    mac(0x33, "Qu", usual(2, HR2, 1)),
    mac(0x34, "cc", usual(0, HR2, 1)),
    mac(0x35, "QuZ", usual(0, HR2, 1)),
    mac(0x36, "QuQnj", usual(1, HR2, 1)),
    mac(0x37, "so", usual(0, GF, 0)),
    mac(0x42, "ty", usual(0, GF, 0)),
    mac(0x43, "so", usual(0, GF, 0)),
    mac(0x44, "ma", usual(1, GF, 0)),
    mac(0x46, "bz", usual(1, FM, 2)),
    mac(0x47, "gl", usual(2, FM, 2)),
    mac(0x48, "sc", usual(0, WH, 1)),
    mac(0x49, "sc2", usual(0, WH, 1)),
    mac(0x4a, "sc2f", usual(0, WH, 1)),
    mac(0x4b, "bz", usual(1, FM, 2)),
    mac(0x4c, "br", usual(0, PE, 1)),
    mac(0x4d, "dr", usual(0, PE, 1)),
];

/// The MACs of an id: by the driver's structure for it, or by the id itself, where older drivers have
/// one structure for several.
fn macs(id: &DeviceId) -> Vec<&'static Mac> {
    let kinds: &[u16] = match (id.device, id.config.as_str()) {
        (0x2725, _) => &[0x42],
        (0x272b, _) => &[0x47],
        (_, config) if config.starts_with("iwl9560") => &[0x31],
        (_, config) if config.starts_with("iwl9000") || config.starts_with("iwl9260") => &[0x32],
        (_, config) if config.starts_with("iwl_ax200") => &[0x34],
        (_, config) if config.starts_with("iwl_qnj") => &[0x36],
        (_, config) if config.starts_with("iwl_qu") => &[0x33, 0x35],
        (_, config) if config.starts_with("iwl_snj") => &[0x42],
        (_, config) if config.starts_with("iwl_so") => &[0x37, 0x43],
        (_, config) if config.starts_with("iwl_ma") => &[0x44],
        (_, config) if config.starts_with("iwl_bz") => &[0x46, 0x4b],
        (_, config) if config.starts_with("iwl_gl") => &[0x47],
        (_, config) if config.starts_with("iwl_sc") => &[0x48, 0x49, 0x4a],
        (_, config) if config.starts_with("iwl_br") => &[0x4c],
        (_, config) if config.starts_with("iwl_dr") => &[0x4d],
        (device, _) => {
            // The driver's structure is not known: as a row of that id has it.
            let row = cards().iter().find(|row| row.pci.device == device);
            let kind = row.map_or(0, |row| row.hw_rev >> 4);
            return MACS.iter().filter(|mac| u32::from(mac.kind) == kind).collect();
        }
    };
    MACS.iter().filter(|mac| kinds.contains(&mac.kind)).collect()
}

/// What firmware there is for a MAC, by the files' names.
fn combinations(mac: &Mac, names: &[String]) -> Vec<Combination> {
    let step = |word: &str| match word.as_bytes() {
        [step @ b'a'..=b'f', b'0'] => Some(u32::from(step - b'a')),
        _ => None,
    };
    let mut found = BTreeSet::new();
    for name in names {
        let Some(rest) = name.strip_prefix("iwlwifi-") else { continue };
        let Some(rest) = rest.strip_prefix(mac.stem).and_then(|r| r.strip_prefix('-')) else {
            continue;
        };
        let mut words = rest.split(['-', '.']);
        let Some(mac_step) = words.next().and_then(step) else { continue };
        let (radio, radio_step) = (words.next().unwrap_or_default(), words.next().and_then(step));
        let Some(radio_step) = radio_step else {
            // Of a part of its own, whose radio is no choice.
            found.insert(Combination { mac_step, ..mac.usual });
            continue;
        };
        let (word, cdb) = match radio.strip_suffix('4') {
            Some(word) => (word, true),
            None => (radio, false),
        };
        let kinds = RADIOS.iter().filter(|(of, _)| *of == word).map(|(_, kind)| *kind);
        found.extend(kinds.map(|radio| Combination { mac_step, radio, cdb, radio_step }));
    }
    if found.is_empty() {
        found.insert(mac.usual);
    }
    found.into_iter().collect()
}

/// The radio's place in a subsystem id, and where a limit of the bandwidth is.
const SUBSYSTEM_RADIO: u16 = 0xf0;
const SUBSYSTEM_LIMIT: u16 = 0x200;

/// The subsystem id of a part whose id leaves it open: what tells radios apart is in it.
fn subsystem_of(radio: u32) -> u16 {
    match radio {
        JF2 | 0x108 => 0x0034,
        HR2 | 0x10c => 0x0074,
        GF | 0x110 => 0x0094,
        _ => 0x00f0,
    }
}

/// The parts of a driver whose package holds files of these names, and how each is emulated.
pub fn parts(tables: &DeviceTables, held: &[String]) -> Vec<CardSpec> {
    let names = [&tables.firmware[..], held].concat();
    let mut found = Parts::default();
    let mut configs = BTreeSet::new();
    for id in &tables.ids {
        let macs = macs(id);
        if macs.is_empty() {
            found.old(id);
        }
        for mac in macs {
            let all = combinations(mac, &names);
            let usual = all.iter().rfind(|c| c.radio == mac.usual.radio && !c.cdb);
            let usual = *usual.unwrap_or(&all[0]);
            found.modern(id, mac, usual, None);
            if configs.insert((id.config.clone(), mac.kind)) {
                all.iter().for_each(|combination| found.modern(id, mac, *combination, None));
            }
        }
    }
    for row in &tables.rows {
        found.row(row, tables, &names);
    }
    found.parts
}

#[derive(Default)]
struct Parts {
    parts: Vec<CardSpec>,
    known: BTreeSet<(u16, u16, u32, u32)>,
}

impl Parts {
    fn add(&mut self, identity: Identity) {
        let hw_rev = identity.hw_rev.unwrap_or_default();
        let base = match Generation::of_mac(hw_rev) {
            Some(of) => cards().iter().find(|row| row.generation == of),
            // Up to the request for its firmware these are all alike.
            None => card("7260"),
        };
        let part = base.and_then(|base| identity.of(base).ok());
        self.parts.extend(part.filter(|part| {
            let key = (part.pci.device, part.pci.subsystem, part.hw_rev, part.rf_id);
            self.known.insert(key)
        }));
    }

    /// A part of before 9000: its ids tell it, and of 7265 the revision.
    fn old(&mut self, id: &DeviceId) {
        let row = cards().iter().find(|row| row.pci.device == id.device);
        let usual = row.map_or(0x144, |row| row.hw_rev);
        let revisions = match id.device {
            0x095a | 0x095b => vec![0x184, 0x210],
            _ => vec![usual],
        };
        for hw_rev in revisions {
            self.add(Identity {
                device: Some(id.device),
                subsystem: id.subsystem.or(row.map(|row| row.pci.subsystem)),
                hw_rev: Some(hw_rev),
                ..Identity::default()
            });
        }
    }

    fn modern(&mut self, id: &DeviceId, mac: &Mac, of: Combination, subsystem: Option<u16>) {
        let Combination { mac_step, radio, cdb, radio_step } = of;
        self.add(Identity {
            device: Some(id.device),
            subsystem: id.subsystem.or(subsystem).or(Some(subsystem_of(radio))),
            hw_rev: Some(u32::from(mac.kind) << 4 | mac_step),
            rf_id: Some(radio << 12 | radio_step << 8 | u32::from(cdb) << 28),
            mac: None,
        });
    }

    /// A part for each kind of silicon that a row can be about; one in all for what its subsystem id
    /// alone tells.
    fn row(&mut self, row: &DeviceRow, tables: &DeviceTables, names: &[String]) {
        let mut configs = BTreeSet::new();
        let radio = row.config.strip_prefix("iwl_rf_").and_then(|rest| rest.split('_').next());
        for id in &tables.ids {
            let subsystem = match (id.subsystem, row.subsystem) {
                (Some(own), Some((value, mask))) if own & mask != value => continue,
                (own, row) => own.or(row.map(|(value, _)| value)),
            };
            let other = row.device.is_some_and(|device| device != id.device)
                || row.discrete.zip(id.integrated).is_some_and(|(own, part)| own == part);
            if other {
                continue;
            }
            for mac in macs(id) {
                if row.mac_type.is_some_and(|kind| kind != mac.kind)
                    || !configs.insert((id.config.clone(), mac.kind))
                {
                    continue;
                }
                let fits = |of: &Combination| {
                    let named = |word: &str| RADIOS.contains(&(word, of.radio));
                    row.rf_type.is_none_or(|radio| u32::from(radio) == of.radio)
                        && radio.is_none_or(named)
                        && row.cdb.is_none_or(|cdb| cdb == of.cdb)
                        && row.mac_step.is_none_or(|step| u32::from(step) == of.mac_step)
                };
                let Some(of) = combinations(mac, names).into_iter().rfind(fits) else { continue };
                let mut subsystem = subsystem.unwrap_or_else(|| subsystem_of(of.radio));
                if id.subsystem.is_none() && row.subsystem.is_none() {
                    if let Some(radio) = row.rf_id {
                        subsystem = subsystem & !SUBSYSTEM_RADIO | u16::from(radio) << 4;
                    }
                    if row.bw_limited == Some(true) {
                        subsystem |= SUBSYSTEM_LIMIT;
                    }
                }
                self.modern(id, mac, of, Some(subsystem));
                if row.device.is_none() && row.subsystem.is_some() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(device: u16, subsystem: Option<u16>, config: &str) -> DeviceId {
        DeviceId { device, subsystem, config: config.to_owned(), integrated: Some(false) }
    }

    fn said(parts: &[CardSpec]) -> Vec<String> {
        parts.iter().map(|part| format!("{} {}", part.generation.word(), part.identity)).collect()
    }

    #[test]
    fn ids_steps_radios_and_rows_are_parts() {
        let firmware = [
            "iwlwifi-so-a0-gf-a0-89.ucode",
            "iwlwifi-so-a0-gf4-a0-89.ucode",
            "iwlwifi-cc-a0-77.ucode",
            "iwlwifi-Qu-b0-jf-b0-77.ucode",
        ];
        let tables = DeviceTables {
            ids: vec![
                id(0x95a, Some(0x5010), "iwl7000_mac_cfg"),
                id(0x2723, None, "iwl_ax200_mac_cfg"),
                id(0x7af0, None, "iwl_so_mac_cfg"),
                id(0x7f70, None, "iwl_so_mac_cfg"),
            ],
            rows: vec![DeviceRow {
                device: Some(0x2723),
                subsystem: Some((0x1653, 0xffff)),
                ..DeviceRow::default()
            }],
            firmware: firmware.map(str::to_owned).to_vec(),
        };
        assert_eq!(
            said(&parts(&tables, &[])),
            [
                "7000 device=0x095a,subsystem=0x5010,hw-rev=0x184",
                "7000 device=0x095a,subsystem=0x5010,hw-rev=0x210",
                "22000 device=0x2723,subsystem=0x0074,hw-rev=0x340,rf-id=0x10a100",
                "ax210 device=0x7af0,subsystem=0x0094,hw-rev=0x370,rf-id=0x10d000",
                "ax210 device=0x7af0,subsystem=0x0094,hw-rev=0x370,rf-id=0x1010d000",
                "ax210 device=0x7af0,subsystem=0x0094,hw-rev=0x430,rf-id=0x10d000",
                "ax210 device=0x7af0,subsystem=0x0094,hw-rev=0x430,rf-id=0x1010d000",
                "ax210 device=0x7f70,subsystem=0x0094,hw-rev=0x370,rf-id=0x10d000",
                "ax210 device=0x7f70,subsystem=0x0094,hw-rev=0x430,rf-id=0x10d000",
                "22000 device=0x2723,subsystem=0x1653,hw-rev=0x340,rf-id=0x10a100",
            ]
        );
    }

    /// A MAC for which nobody has firmware is tried with what it usually is.
    #[test]
    fn what_has_no_firmware_is_tried_too() {
        let tables = DeviceTables {
            ids: vec![id(0x272f, None, "iwl_dr_mac_cfg")],
            ..DeviceTables::default()
        };
        assert_eq!(
            said(&parts(&tables, &[])),
            ["bz device=0x272f,subsystem=0x00f0,hw-rev=0x4d0,rf-id=0x114100"]
        );
        let held = "iwlwifi-dr-b0-pe-a0-c107.ucode".to_owned();
        assert_eq!(
            said(&parts(&tables, &[held])),
            ["bz device=0x272f,subsystem=0x00f0,hw-rev=0x4d1,rf-id=0x114000"]
        );
    }
}
