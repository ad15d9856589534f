//! What a driver's own tables say of its devices: which ids it takes, and by which of their traits it
//! tells parts apart. Read off the module, whose relocations say what its pointers point to.
//!
//! Sources: `include/linux/mod_devicetable.h`; of iwlwifi, `iwl-config.h` (`struct iwl_dev_info`, by the
//! names of its fields, which differ between versions) and `pcie/drv.c`.

use std::collections::HashMap;
use std::path::Path;

use goblin::elf::Elf;
use goblin::elf::sym::STT_SECTION;

use crate::btf::{Layout, Member, Types};
use crate::elf::{modinfo, parse};
use crate::error::KitError;

/// Far above what any driver has.
const MOST: usize = 1 << 14;

/// An id that a driver takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceId {
    /// PCI device id; the vendor is Intel.
    pub device: u16,
    /// PCI subsystem id; `None`: any.
    pub subsystem: Option<u16>,
    /// The driver's structure for it, by its symbol: `iwl_so_mac_cfg`; empty if that is not known.
    pub config: String,
    /// Whether that says that it is a part of the platform.
    pub integrated: Option<bool>,
}

/// A row of the driver's table of parts: what a part has to be for it; `None` is anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceRow {
    /// PCI device id.
    pub device: Option<u16>,
    /// PCI subsystem id, as far as this mask goes.
    pub subsystem: Option<(u16, u16)>,
    /// Type of the MAC, of `CSR_HW_REV`.
    pub mac_type: Option<u16>,
    /// Its step.
    pub mac_step: Option<u8>,
    /// Type of the radio, of `CSR_HW_RF_ID`.
    pub rf_type: Option<u16>,
    /// The radio's id in the subsystem id.
    pub rf_id: Option<u8>,
    /// The bandwidth is limited, by the subsystem id.
    pub bw_limited: Option<bool>,
    /// The radio has two.
    pub cdb: Option<bool>,
    /// It is a part of its own.
    pub discrete: Option<bool>,
    /// What the driver calls it.
    pub name: Option<String>,
    /// The driver's structure for its radio, by its symbol: `iwl_rf_gf`; empty if that is not known.
    pub config: String,
}

/// A driver's tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceTables {
    /// In their order.
    pub ids: Vec<DeviceId>,
    /// In their order; the driver takes the last that fits. Empty if they cannot be read: the kernel
    /// carries no type information.
    pub rows: Vec<DeviceRow>,
    /// The firmware that it declares, as `modinfo -F firmware` lists it.
    pub firmware: Vec<String>,
}

/// What a driver tells parts apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciPart {
    /// PCI device id.
    pub device: u16,
    /// PCI subsystem id.
    pub subsystem: u16,
    /// `CSR_HW_REV`.
    pub hw_rev: u32,
    /// `CSR_HW_RF_ID`.
    pub rf_id: u32,
}

impl DeviceTables {
    /// Why the driver has nothing for a part, if that is certain.
    pub fn refuse(&self, part: PciPart) -> Option<&'static str> {
        let PciPart { device, subsystem, hw_rev, rf_id } = part;
        let mine =
            |id: &&DeviceId| id.device == device && id.subsystem.is_none_or(|own| own == subsystem);
        let Some(id) = self.ids.iter().find(mine) else {
            return Some("its PCI id is none of those that the driver's module declares");
        };
        // Others have all that there is to know of them with their id.
        let by_rows = ["_mac_cfg", "_trans_cfg"].iter().any(|kind| id.config.ends_with(kind));
        if !by_rows || self.rows.is_empty() {
            return None;
        }
        // What of it no reader of these tables can be sure of counts as fitting.
        let (mac_type, rf_type) = (hw_rev >> 4 & 0xfff, rf_id >> 12 & 0xfff);
        let fits = |row: &DeviceRow| {
            row.device.is_none_or(|own| own == device)
                && row.subsystem.is_none_or(|(own, mask)| own & mask == subsystem & mask)
                && row.mac_type.is_none_or(|own| u32::from(own) == mac_type)
                && row.mac_step.is_none_or(|own| u32::from(own) == hw_rev & 0xf)
                && row.rf_type.is_none_or(|own| u32::from(own) == rf_type)
                && row.cdb.is_none_or(|own| own == (rf_id >> 28 & 1 == 1))
        };
        (!self.rows.iter().any(fits))
            .then_some("the driver knows its PCI id, and has no configuration for it")
    }
}

/// A module's data, and what its pointers point to.
struct Data<'a> {
    elf: Elf<'a>,
    bytes: &'a [u8],
    /// By the section and the place of a pointer: the section and the place that it points to.
    pointers: HashMap<(usize, u64), (usize, u64)>,
    /// By section and place.
    symbols: HashMap<(usize, u64), String>,
}

/// Where something is.
type Place = (usize, u64);

impl<'a> Data<'a> {
    fn new(path: &Path, bytes: &'a [u8]) -> Result<Self, KitError> {
        let elf = parse(path, bytes)?;
        let mut symbols = HashMap::new();
        for symbol in elf.syms.iter().filter(|symbol| symbol.st_type() != STT_SECTION) {
            let name = elf.strtab.get_at(symbol.st_name).unwrap_or_default();
            if !name.is_empty() && symbol.st_size > 0 {
                symbols.insert((symbol.st_shndx, symbol.st_value), name.to_owned());
            }
        }
        let mut pointers = HashMap::new();
        for (index, relocations) in &elf.shdr_relocs {
            let Some(header) = elf.section_headers.get(*index) else { continue };
            let in_section = header.sh_info as usize;
            for relocation in relocations {
                let Some(symbol) = elf.syms.get(relocation.r_sym) else { continue };
                let to = symbol.st_value.wrapping_add_signed(relocation.r_addend.unwrap_or(0));
                pointers.insert((in_section, relocation.r_offset), (symbol.st_shndx, to));
            }
        }
        Ok(Self { elf, bytes, pointers, symbols })
    }

    /// Where a symbol's object is, and how long.
    fn object(&self, name: &str) -> Option<(Place, usize)> {
        let named = |symbol: &goblin::elf::Sym| {
            symbol.st_size > 0 && self.elf.strtab.get_at(symbol.st_name) == Some(name)
        };
        let symbol = self.elf.syms.iter().find(named)?;
        Some(((symbol.st_shndx, symbol.st_value), usize::try_from(symbol.st_size).ok()?))
    }

    /// What is there.
    fn at(&self, (index, offset): Place, len: usize) -> Option<&'a [u8]> {
        let from = self.from((index, offset))?;
        from.get(..len)
    }

    fn from(&self, (index, offset): Place) -> Option<&'a [u8]> {
        let range = self.elf.section_headers.get(index)?.file_range()?;
        self.bytes.get(range)?.get(usize::try_from(offset).ok()?..)
    }

    fn pointer(&self, (index, offset): Place, member: &Member) -> Option<Place> {
        self.pointers.get(&(index, offset + member.bit as u64 / 8)).copied()
    }

    fn string(&self, place: Place) -> Option<String> {
        let text = self.from(place)?.split(|byte| *byte == 0).next()?;
        String::from_utf8(text.to_vec()).ok()
    }

    /// The elements of a table that is an object of its own.
    fn table(&self, name: &str, each: usize) -> impl Iterator<Item = (Place, &'a [u8])> {
        let (start, len) = self.object(name).unwrap_or(((0, 0), 0));
        let count = (len / each.max(1)).min(MOST);
        (0..count).filter_map(move |n| {
            let place = (start.0, start.1 + (n * each) as u64);
            Some((place, self.at(place, each)?))
        })
    }
}

/// A row as the driver reads it: a field counts if the one beside it says so, or unless it is all ones.
struct Fields<'r> {
    layout: &'r Layout,
    row: &'r [u8],
}

impl Fields<'_> {
    fn plain(&self, name: &str) -> Option<(u64, usize)> {
        let member = self.layout.member(name)?;
        Some((member.value(self.row)?, member.bits))
    }

    fn field(&self, name: &str) -> Option<u64> {
        let (value, bits) = self.plain(name)?;
        let counts = match self.plain(&format!("match_{name}")) {
            Some((matters, _)) => matters != 0,
            None => value != u64::MAX >> (64 - bits),
        };
        counts.then_some(value)
    }

    fn number<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        T::try_from(self.field(name)?).ok()
    }

    fn truth(&self, name: &str) -> Option<bool> {
        Some(self.field(name)? != 0)
    }

    fn subsystem_mask(&self) -> u16 {
        match (self.plain("subdevice_m_l"), self.plain("subdevice_m_h")) {
            (Some((low, _)), Some((high, _))) if low <= high && high < 16 => {
                u16::MAX >> (15 - high) & u16::MAX << low
            }
            _ => u16::MAX,
        }
    }
}

/// The ids of an alias: `pci:v00008086d00002725sv*sd00000020bc*sc*i*`.
fn of_alias(alias: &str) -> Option<DeviceId> {
    let rest = alias.strip_prefix("pci:v00008086d")?;
    let device = u16::from_str_radix(rest.get(4..8)?, 16).ok()?;
    let (_, rest) = rest.split_once("sd")?;
    let subsystem = match rest.starts_with('*') {
        true => None,
        false => Some(u16::from_str_radix(rest.get(4..8)?, 16).ok()?),
    };
    Some(DeviceId { device, subsystem, ..DeviceId::default() })
}

/// The tables of iwlwifi: `module`, as it was read from `path`, of a kernel that is an ELF file.
pub(crate) fn tables(
    path: &Path,
    module: &[u8],
    kernel: Option<&[u8]>,
) -> Result<DeviceTables, KitError> {
    let info = modinfo(path, module)?;
    let mut tables = DeviceTables {
        ids: info.aliases.iter().filter_map(|alias| of_alias(alias)).collect(),
        rows: Vec::new(),
        firmware: info.firmware,
    };
    let Some(types) = kernel.and_then(|kernel| Types::new(kernel, module)) else {
        return Ok(tables);
    };
    let data = Data::new(path, module)?;
    if let Some(layout) = types.layout("iwl_dev_info") {
        tables.rows = data
            .table("iwl_dev_info_table", layout.size)
            .map(|(place, row)| row_of(&data, &layout, place, row))
            .collect();
    }
    if let Some(layout) = types.layout("pci_device_id") {
        // Newer ones have a name of their own for it.
        let config = ["iwl_mac_cfg", "iwl_cfg_trans_params"].iter().find_map(|n| types.layout(n));
        let ids: Vec<_> = data
            .table("iwl_hw_card_ids", layout.size)
            .filter_map(|(place, id)| id_of(&data, &layout, config.as_ref(), place, id))
            .collect();
        if !ids.is_empty() {
            tables.ids = ids;
        }
    }
    Ok(tables)
}

fn row_of(data: &Data<'_>, layout: &Layout, place: Place, row: &[u8]) -> DeviceRow {
    let fields = Fields { layout, row };
    let pointer = |name| layout.member(name).and_then(|member| data.pointer(place, member));
    let (name, config) = (pointer("name"), pointer("cfg"));
    DeviceRow {
        device: fields.number("device"),
        subsystem: fields.number("subdevice").map(|id| (id, fields.subsystem_mask())),
        mac_type: fields.number("mac_type"),
        mac_step: fields.number("mac_step"),
        rf_type: fields.number("rf_type"),
        rf_id: fields.number("rf_id"),
        bw_limited: fields.truth("bw_limit").or_else(|| fields.truth("no_160")),
        cdb: fields.truth("cdb"),
        discrete: fields.truth("discrete"),
        name: name.and_then(|name| data.string(name)),
        config: config.and_then(|at| data.symbols.get(&at)).cloned().unwrap_or_default(),
    }
}

fn id_of(
    data: &Data<'_>,
    layout: &Layout,
    config: Option<&Layout>,
    place: Place,
    id: &[u8],
) -> Option<DeviceId> {
    let value = |name: &str| layout.member(name)?.value(id);
    // The last one is empty.
    let device =
        u16::try_from(value("device")?).ok().filter(|_| value("vendor") == Some(0x8086))?;
    let subsystem = value("subdevice")?;
    let pointed = layout.member("driver_data").and_then(|member| data.pointer(place, member));
    // The lowest bit may tell what kind of structure it is.
    let (section, at) = pointed.unwrap_or_default();
    let found = [(section, at), (section, at & !1)];
    let of = found.iter().find_map(|place| Some((*place, data.symbols.get(place)?.clone())));
    let integrated = of.as_ref().and_then(|(place, name)| {
        // Older ones point to what holds it, first of all.
        let config = config.filter(|_| name.ends_with("_mac_cfg") || name.contains("trans_cfg"))?;
        let bytes = data.at(*place, config.size)?;
        Some(config.member("integrated")?.value(bytes)? != 0)
    });
    Some(DeviceId {
        device,
        subsystem: u16::try_from(subsystem).ok().filter(|_| subsystem != u64::from(u32::MAX)),
        config: of.map(|(_, name)| name).unwrap_or_default(),
        integrated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testelf;

    #[test]
    fn aliases_are_ids() {
        let id = |alias: &str| of_alias(alias).map(|id| (id.device, id.subsystem));
        assert_eq!(id("pci:v00008086d00002725sv*sd*bc*sc*i*"), Some((0x2725, None)));
        let exact = "pci:v00008086d000008B1sv*sd00004070bc*sc*i*";
        assert_eq!(id(exact), Some((0x8b1, Some(0x4070))));
        assert_eq!(id("pci:v000010ECd00008179sv*sd*bc*sc*i*"), None);
        assert_eq!(id("pci:v00008086d"), None);
    }

    #[test]
    fn a_part_that_the_driver_has_nothing_for() {
        let id = |device, config: &str| DeviceId {
            device,
            config: config.to_owned(),
            ..DeviceId::default()
        };
        let row = |mac_type, rf_type| DeviceRow { mac_type, rf_type, ..DeviceRow::default() };
        let mut tables = DeviceTables {
            ids: vec![id(0x272b, "iwl_gl_trans_cfg"), id(0x08b1, "iwl7260_2ac_cfg")],
            rows: vec![
                row(Some(0x46), None),
                row(Some(0x47), Some(0x10d)),
                // As 6.1 has it: the first step alone.
                DeviceRow { mac_step: Some(0), ..row(Some(0x47), Some(0x112)) },
            ],
            ..DeviceTables::default()
        };
        let be200 = PciPart { device: 0x272b, subsystem: 0xf0, hw_rev: 0x472, rf_id: 0x11_2200 };
        let old = PciPart { device: 0x08b1, subsystem: 0x4070, hw_rev: 0x144, rf_id: 0 };
        let why = |tables: &DeviceTables, part| tables.refuse(part).unwrap_or_default().to_owned();
        assert!(why(&tables, be200).ends_with("no configuration for it"));
        assert_eq!(why(&tables, old), "", "its id is all of it");
        assert!(why(&tables, PciPart { device: 0x08b2, ..old }).starts_with("its PCI id is none"));
        tables.rows.push(row(None, Some(0x112)));
        assert_eq!(why(&tables, be200), "");
        tables.rows.clear();
        assert_eq!(why(&tables, be200), "", "nothing is known of it");
    }

    fn member(name: &str, bit: usize, bits: usize) -> Member {
        Member { name: name.to_owned(), bit, bits }
    }

    /// As 6.12 has it, and as 7.3.
    #[test]
    fn a_field_counts_if_the_row_says_so() {
        let old = Layout { size: 4, members: vec![member("device", 0, 16), member("cdb", 16, 8)] };
        let fields = |row| Fields { layout: &old, row };
        assert_eq!(fields(&[0x25, 0x27, 0xff, 0]).number::<u16>("device"), Some(0x2725));
        assert_eq!(fields(&[0xff, 0xff, 0xff, 0]).number::<u16>("device"), None);
        assert_eq!(fields(&[0xff, 0xff, 0xff, 0]).truth("cdb"), None);
        assert_eq!(fields(&[0xff, 0xff, 0, 0]).truth("cdb"), Some(false));
        assert_eq!(fields(&[0xff, 0xff, 0, 0]).subsystem_mask(), u16::MAX);

        let bits = [("subdevice_m_l", 4), ("subdevice_m_h", 4), ("match_cdb", 1), ("cdb", 1)];
        let mut at = 0;
        let mut members = Vec::new();
        for (name, bits) in bits {
            members.push(member(name, at, bits));
            at += bits;
        }
        let new = Layout { size: 2, members };
        let fields = |row| Fields { layout: &new, row };
        assert_eq!(fields(&[0xf0, 0]).subsystem_mask(), 0xffff);
        assert_eq!(fields(&[0x74, 0]).subsystem_mask(), 0x00f0);
        assert_eq!(fields(&[0, 0b10]).truth("cdb"), None, "it does not matter");
        assert_eq!(fields(&[0, 0b11]).truth("cdb"), Some(true));
    }

    #[test]
    fn without_types_the_aliases_remain() {
        let module = testelf::module(&[
            "alias=pci:v00008086d00002725sv*sd*bc*sc*i*",
            "firmware=iwlwifi-ty-a0-gf-a0-89.ucode",
        ]);
        let tables = tables(Path::new("iwlwifi.ko"), &module, None).expect("a module");
        assert_eq!((tables.ids.len(), tables.rows.len()), (1, 0));
        assert_eq!(tables.firmware, ["iwlwifi-ty-a0-gf-a0-89.ucode"]);
    }
}
