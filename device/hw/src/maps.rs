//! Which silicon has which registers, and how much of an address it decodes.
//!
//! A new generation is a variant, its tables, and its mask: rows that it shares with others are
//! written once.

use std::sync::LazyLock;

use crate::register::{RegisterMap, Row};
use crate::{csr, csr_bz, ctxt, fh, msix, pci, prph, rfh, tfh};

/// What BAR 0 shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// Up to the 8000 family: CSR, HBUS, flow handler.
    Legacy,
    /// 9000: multi-queue receive and MSI-X beside these.
    Family9000,
    /// 22000: context information, and another transmit side.
    Family22000,
    /// AX210: an image loader.
    FamilyAx210,
    /// Bz: another CSR.
    FamilyBz,
}

/// What lies behind `HBUS_TARG_PRPH_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prph {
    /// Up to the 8000 family.
    Legacy,
    /// 9000: multi-queue receive beside it.
    Family9000,
    /// 22000: no scheduler.
    Family22000,
    /// AX210 and Bz: more of an address is decoded, and the upper MAC lies where the driver says.
    FamilyAx210,
}

/// Periphery address bits that parts before AX210 decode.
const PRPH_MASK: u32 = 0x000f_ffff;
/// The same of AX210 and later parts.
const PRPH_MASK_AX210: u32 = 0x00ff_ffff;
/// What drivers of 22000 and later parts add to an address of the upper MAC's (`umac_prph_offset`).
pub const UMAC_PRPH_OFFSET: u32 = 0x30_0000;

impl Bar {
    /// Every variant.
    pub const ALL: [Self; 5] =
        [Self::Legacy, Self::Family9000, Self::Family22000, Self::FamilyAx210, Self::FamilyBz];

    /// Bytes.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self {
            Self::Legacy => 0x2000,
            Self::Family9000 | Self::Family22000 | Self::FamilyAx210 | Self::FamilyBz => 0x4000,
        }
    }

    const fn rows(self) -> &'static [&'static [Row]] {
        match self {
            Self::Legacy => &[csr::ROWS, csr::ROWS_BEFORE_BZ, fh::ROWS],
            Self::Family9000 => &[
                csr::ROWS,
                csr::ROWS_BEFORE_BZ,
                ctxt::mac_addr::ROWS,
                fh::ROWS,
                rfh::ROWS,
                msix::ROWS,
            ],
            Self::FamilyAx210 => &[
                csr::ROWS,
                csr::ROWS_BEFORE_BZ,
                ctxt::info_v2::ROWS,
                ctxt::mac_addr::ROWS,
                rfh::ROWS,
                tfh::ROWS,
                msix::ROWS,
            ],
            Self::FamilyBz => &[
                csr::ROWS,
                csr_bz::ROWS,
                ctxt::info_v2::ROWS,
                csr_bz::mac_addr::ROWS,
                tfh::ROWS,
                msix::ROWS,
            ],
            Self::Family22000 => &[
                csr::ROWS,
                csr::ROWS_BEFORE_BZ,
                ctxt::info::ROWS,
                ctxt::mac_addr::ROWS,
                rfh::ROWS,
                tfh::ROWS,
                msix::ROWS,
            ],
        }
    }

    /// Where the MAC address from OTP is, if it shows that: both registers.
    #[must_use]
    pub const fn mac_address(self) -> Option<[u32; 2]> {
        use csr_bz::mac_addr as bz;
        use ctxt::mac_addr;
        match self {
            Self::Legacy => None,
            Self::Family9000 | Self::Family22000 | Self::FamilyAx210 => {
                Some([mac_addr::CSR_MAC_ADDR0_OTP, mac_addr::CSR_MAC_ADDR1_OTP])
            }
            Self::FamilyBz => Some([bz::CSR_MAC_ADDR0_OTP_BZ, bz::CSR_MAC_ADDR1_OTP_BZ]),
        }
    }

    /// Its registers.
    #[must_use]
    pub fn map(self) -> &'static RegisterMap {
        static MAPS: [LazyLock<RegisterMap>; 5] = [
            LazyLock::new(|| RegisterMap::new(Bar::Legacy.rows(), u32::MAX)),
            LazyLock::new(|| RegisterMap::new(Bar::Family9000.rows(), u32::MAX)),
            LazyLock::new(|| RegisterMap::new(Bar::Family22000.rows(), u32::MAX)),
            LazyLock::new(|| RegisterMap::new(Bar::FamilyAx210.rows(), u32::MAX)),
            LazyLock::new(|| RegisterMap::new(Bar::FamilyBz.rows(), u32::MAX)),
        ];
        &MAPS[self as usize]
    }
}

impl Prph {
    /// Every variant.
    pub const ALL: [Self; 4] =
        [Self::Legacy, Self::Family9000, Self::Family22000, Self::FamilyAx210];

    /// Its tables, and how far each is from where its rows say.
    const fn rows(self) -> &'static [(&'static [Row], u32)] {
        match self {
            Self::Legacy => &[(prph::common::ROWS, 0), (prph::legacy::ROWS, 0)],
            Self::Family9000 => {
                &[(prph::common::ROWS, 0), (prph::legacy::ROWS, 0), (prph::umac::ROWS, 0)]
            }
            Self::Family22000 => &[(prph::common::ROWS, 0), (prph::umac::ROWS, 0)],
            Self::FamilyAx210 => &[
                (prph::common::ROWS, 0),
                (prph::common::ROWS, UMAC_PRPH_OFFSET),
                (prph::umac::ROWS, UMAC_PRPH_OFFSET),
                (prph::umac_ax210::ROWS, UMAC_PRPH_OFFSET),
                (prph::cnv::ROWS, 0),
            ],
        }
    }

    /// Its registers, by address cut to its mask.
    #[must_use]
    pub fn map(self) -> &'static RegisterMap {
        static MAPS: [LazyLock<RegisterMap>; 4] = [
            LazyLock::new(|| RegisterMap::shifted(Prph::Legacy.rows(), PRPH_MASK)),
            LazyLock::new(|| RegisterMap::shifted(Prph::Family9000.rows(), PRPH_MASK)),
            LazyLock::new(|| RegisterMap::shifted(Prph::Family22000.rows(), PRPH_MASK)),
            LazyLock::new(|| RegisterMap::shifted(Prph::FamilyAx210.rows(), PRPH_MASK_AX210)),
        ];
        &MAPS[self as usize]
    }
}

/// PCI configuration space: all lay it out alike.
#[must_use]
pub fn config() -> &'static RegisterMap {
    static MAP: LazyLock<RegisterMap> = LazyLock::new(|| RegisterMap::new(&[pci::ROWS], u32::MAX));
    &MAP
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn maps() -> impl Iterator<Item = (&'static RegisterMap, u64)> {
        let bars = Bar::ALL.map(|bar| (bar.map(), bar.size()));
        let prphs = Prph::ALL.map(|prph| (prph.map(), u64::from(u32::MAX)));
        let config = [(config(), pci::PCI_CFG_SPACE_EXP_SIZE as u64)];
        bars.into_iter().chain(prphs).chain(config)
    }

    /// Two rows at one place would hide each other.
    #[test]
    fn no_two_rows_share_an_offset() {
        for (map, _) in maps() {
            let mut seen = HashMap::new();
            for register in map.iter() {
                let before = seen.insert(register.offset & map.mask(), register.name);
                assert_eq!(before, None, "{} hides another row", register.name);
            }
        }
    }

    #[test]
    fn each_register_is_found_where_it_is() {
        for (map, size) in maps() {
            for register in map.iter() {
                assert!(u64::from(register.offset) < size, "{} is out of reach", register.name);
                assert_eq!(map.get(register.offset), Some(register));
                assert_eq!(map.get(register.offset + 1), None);
            }
            assert_eq!(map.get(u32::MAX - 3).filter(|_| map.mask() == u32::MAX), None);
        }
    }

    /// A map finds its own: not that of another silicon.
    #[test]
    fn silicon_differs() {
        let name = |bar: Bar, offset| bar.map().get(offset).map(|register| register.name);
        assert_eq!(name(Bar::Legacy, msix::CSR_MSIX_AUTOMASK_ST_AD), None);
        let automask = name(Bar::Family9000, msix::CSR_MSIX_AUTOMASK_ST_AD);
        assert_eq!(automask, Some("CSR_MSIX_AUTOMASK_ST_AD"));
        assert!(name(Bar::Family9000, fh::FH_TSSR_TX_STATUS_REG).is_some());
        assert_eq!(name(Bar::Family22000, fh::FH_TSSR_TX_STATUS_REG), None);
        // As drivers of 22000 write it.
        let run = Prph::Family22000.map().get(prph::UREG_CPU_INIT_RUN + 0x30_0000);
        assert_eq!(run.map(|register| register.name), Some("UREG_CPU_INIT_RUN"));
    }

    /// AX210 decodes more: there the upper MAC lies where drivers write.
    #[test]
    fn the_upper_mac_moves() {
        let name = |at| Prph::FamilyAx210.map().get(at).map(|register| register.name);
        assert_eq!(name(prph::UREG_CPU_INIT_RUN + 0x30_0000), Some("UREG_CPU_INIT_RUN"));
        assert_eq!(name(prph::UREG_CPU_INIT_RUN), None);
        assert_eq!(name(prph::SD_REG_VER), Some("SD_REG_VER"));
        // The same place in CSR is another register.
        let bar = |bar: Bar| bar.map().get(0x2c).map(|register| register.name);
        assert_eq!(bar(Bar::FamilyAx210), Some("CSR_EEPROM_REG"));
        assert_eq!(bar(Bar::FamilyBz), Some("CSR_FUNC_SCRATCH"));
    }

    #[test]
    fn arrays_are_named_by_index() {
        let register = Bar::Legacy.map().get(fh::cbbc_queue(17)).expect("a queue's register");
        assert_eq!(register.name, "FH_MEM_CBBC_QUEUE(17)");
        assert_eq!(register.index, 17);
        assert_eq!(register.id, fh::FH_MEM_CBBC_16_19_LOWER_BOUND);
    }
}
