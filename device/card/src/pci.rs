//! Configuration space.

use iwl_hw::pci::{
    self, Command, PCI_CFG_SPACE_EXP_SIZE, PCI_D3HOT, PCI_EXP_DEVCTL_BCR_FLR, PCI_MSI_FLAGS_ENABLE,
    PCI_MSIX_FLAGS_ENABLE, PCI_PM_CTRL_STATE_MASK,
};

use crate::spec::CardSpec;

/// What interrupts are told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// The pin.
    Intx,
    /// The message.
    Msi,
    /// Messages, a vector each.
    Msix,
}

/// The line in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) line: Line,
    /// What is raised reaches the host.
    pub(crate) open: bool,
}

/// What a write to configuration space asks of the rest of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// Bus mastering changed.
    BusMaster(bool),
    /// A function-level reset.
    FunctionReset,
}

/// The configuration space of one function: each byte's value, and which of its bits a write
/// changes or clears.
pub(crate) struct Config {
    bytes: Box<[u8; PCI_CFG_SPACE_EXP_SIZE]>,
    writable: Box<[u8; PCI_CFG_SPACE_EXP_SIZE]>,
    cleared: Box<[u8; PCI_CFG_SPACE_EXP_SIZE]>,
    reset: Box<[u8; PCI_CFG_SPACE_EXP_SIZE]>,
}

impl Config {
    /// The space of a card with a memory BAR of `bar_size` bytes, a power of two below 4 GiB.
    pub(crate) fn new(spec: &CardSpec, bar_size: u64, msix_vectors: u16, serial: u64) -> Self {
        let mut build = Build::new();
        build.identity(spec, bar_size);
        build.capabilities(msix_vectors);
        build.extended_capabilities(serial);
        let Build { bytes, writable, cleared } = build;
        Self { reset: bytes.clone(), bytes, writable, cleared }
    }

    /// Back to the state after power-on.
    pub(crate) fn reset(&mut self) {
        self.bytes.copy_from_slice(&self.reset[..]);
    }

    /// Fills `data` from `offset`; beyond the end there are zeroes.
    pub(crate) fn read(&self, offset: usize, data: &mut [u8]) {
        data.fill(0);
        if let Some(from) = self.bytes.get(offset..) {
            let len = data.len().min(from.len());
            data[..len].copy_from_slice(&from[..len]);
        }
    }

    /// Writes what of `data` may be written.
    pub(crate) fn write(&mut self, offset: usize, data: &[u8]) -> Change {
        let master = self.command().contains(Command::MASTER);
        for (at, byte) in (offset..PCI_CFG_SPACE_EXP_SIZE).zip(data) {
            let writable = self.writable[at];
            self.bytes[at] = (self.bytes[at] & !writable) | (byte & writable);
            self.bytes[at] &= !(byte & self.cleared[at]);
        }
        let devctl = self.word(pci::PCI_EXP_DEVCTL);
        if devctl & PCI_EXP_DEVCTL_BCR_FLR != 0 {
            return Change::FunctionReset;
        }
        let now = self.command().contains(Command::MASTER);
        if now == master { Change::None } else { Change::BusMaster(now) }
    }

    /// Which line an interrupt would take now.
    pub(crate) fn route(&self) -> Route {
        let command = self.command();
        // A message is a memory write: without bus mastering it goes nowhere.
        let master = command.contains(Command::MASTER);
        if self.word(pci::PCI_MSI_CONTROL) & PCI_MSI_FLAGS_ENABLE != 0 {
            return Route { line: Line::Msi, open: master };
        }
        if self.word(pci::PCI_MSIX_CONTROL) & PCI_MSIX_FLAGS_ENABLE != 0 {
            return Route { line: Line::Msix, open: master };
        }
        Route { line: Line::Intx, open: !command.contains(Command::INTX_DISABLE) }
    }

    /// The function sleeps: its BAR does not answer.
    pub(crate) fn in_d3(&self) -> bool {
        self.word(pci::PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK == PCI_D3HOT
    }

    fn command(&self) -> Command {
        Command::from_bits_retain(self.word(pci::PCI_COMMAND))
    }

    fn word(&self, offset: u32) -> u16 {
        let at = offset as usize;
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("route", &self.route()).finish_non_exhaustive()
    }
}

struct Build {
    bytes: Box<[u8; PCI_CFG_SPACE_EXP_SIZE]>,
    writable: Box<[u8; PCI_CFG_SPACE_EXP_SIZE]>,
    cleared: Box<[u8; PCI_CFG_SPACE_EXP_SIZE]>,
}

fn put16(to: &mut [u8; PCI_CFG_SPACE_EXP_SIZE], offset: u32, value: u16) {
    to[offset as usize..][..2].copy_from_slice(&value.to_le_bytes());
}

fn put32(to: &mut [u8; PCI_CFG_SPACE_EXP_SIZE], offset: u32, value: u32) {
    to[offset as usize..][..4].copy_from_slice(&value.to_le_bytes());
}

impl Build {
    fn new() -> Self {
        let zeroes = || Box::new([0; PCI_CFG_SPACE_EXP_SIZE]);
        Self { bytes: zeroes(), writable: zeroes(), cleared: zeroes() }
    }

    fn identity(&mut self, spec: &CardSpec, bar_size: u64) {
        let Self { bytes, writable, .. } = self;
        put16(bytes, pci::PCI_VENDOR_ID, pci::PCI_VENDOR_ID_INTEL);
        put16(bytes, pci::PCI_DEVICE_ID, spec.pci.device);
        put16(bytes, pci::PCI_SUBSYSTEM_VENDOR_ID, pci::PCI_VENDOR_ID_INTEL);
        put16(bytes, pci::PCI_SUBSYSTEM_ID, spec.pci.subsystem);
        let class = u32::from(pci::PCI_CLASS_NETWORK_OTHER) << 16;
        put32(bytes, pci::PCI_CLASS_REVISION, class | u32::from(spec.pci_revision));
        put16(bytes, pci::PCI_STATUS, pci::PCI_STATUS_CAP_LIST);
        put16(writable, pci::PCI_COMMAND, Command::all().bits());
        // Legacy: software may write the cache line size, nothing looks at it.
        writable[pci::PCI_CACHE_LINE_SIZE as usize] = 0xff;
        put32(bytes, pci::PCI_BASE_ADDRESS_0, pci::PCI_BASE_ADDRESS_MEM_TYPE_64);
        // The address bits below the size read as zero: that is how it is found.
        let address = !(bar_size - 1);
        put32(writable, pci::PCI_BASE_ADDRESS_0, (address & 0xffff_ffff) as u32);
        put32(writable, pci::PCI_BASE_ADDRESS_1, (address >> 32) as u32);
        writable[pci::PCI_INTERRUPT_LINE as usize] = 0xff;
        bytes[pci::PCI_INTERRUPT_PIN as usize] = 1;
    }

    fn capabilities(&mut self, msix_vectors: u16) {
        let mut list = vec![
            (pci::PCI_PM_CAP, pci::cap_id::PM),
            (pci::PCI_MSI_FLAGS, pci::cap_id::MSI),
            (pci::PCI_EXP_FLAGS, pci::cap_id::EXP),
        ];
        if msix_vectors > 0 {
            list.push((pci::PCI_MSIX_FLAGS, pci::cap_id::MSIX));
        }
        let mut link = pci::PCI_CAPABILITY_LIST as usize;
        for (at, id) in list {
            self.bytes[link] = at.to_le_bytes()[0];
            self.bytes[at as usize] = id;
            link = at as usize + 1;
        }

        let Self { bytes, writable, cleared } = self;
        put16(bytes, pci::PCI_PM_CAP + 2, pci::PM_CAPABILITIES);
        put16(bytes, pci::PCI_PM_CTRL, pci::PCI_PM_CTRL_NO_SOFT_RESET);
        put16(writable, pci::PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK | pci::PCI_PM_CTRL_PME_ENABLE);
        put16(cleared, pci::PCI_PM_CTRL, pci::PCI_PM_CTRL_PME_STATUS);

        put16(bytes, pci::PCI_MSI_CONTROL, pci::PCI_MSI_FLAGS_64BIT);
        put16(writable, pci::PCI_MSI_CONTROL, PCI_MSI_FLAGS_ENABLE);
        put32(writable, pci::PCI_MSI_ADDRESS_LO, !3);
        put32(writable, pci::PCI_MSI_ADDRESS_HI, !0);
        put16(writable, pci::PCI_MSI_DATA_64, !0);

        put16(bytes, pci::PCI_EXP_FLAGS + 2, pci::EXP_FLAGS_ENDPOINT_V2);
        put32(bytes, pci::PCI_EXP_DEVCAP, pci::EXP_DEVCAP);
        put16(bytes, pci::PCI_EXP_DEVCTL, pci::EXP_DEVCTL_RESET);
        put16(writable, pci::PCI_EXP_DEVCTL, !0);
        put16(bytes, pci::PCI_EXP_DEVSTA, pci::EXP_DEVSTA_RESET);
        put16(cleared, pci::PCI_EXP_DEVSTA, pci::EXP_DEVSTA_W1C);
        put32(bytes, pci::PCI_EXP_LNKCAP, pci::EXP_LNKCAP);
        put16(writable, pci::PCI_EXP_LNKCTL, pci::EXP_LNKCTL_WRITABLE);
        put16(bytes, pci::PCI_EXP_LNKSTA, pci::EXP_LNKSTA);
        put32(bytes, pci::PCI_EXP_DEVCAP2, pci::EXP_DEVCAP2);
        put16(bytes, pci::PCI_EXP_DEVCTL2, pci::EXP_DEVCTL2_RESET);
        put16(writable, pci::PCI_EXP_DEVCTL2, pci::EXP_DEVCTL2_WRITABLE);

        if msix_vectors > 0 {
            put16(bytes, pci::PCI_MSIX_CONTROL, msix_vectors - 1);
            put16(
                writable,
                pci::PCI_MSIX_CONTROL,
                PCI_MSIX_FLAGS_ENABLE | pci::PCI_MSIX_FLAGS_MASKALL,
            );
            put32(bytes, pci::PCI_MSIX_TABLE, pci::MSIX_TABLE_OFFSET);
            put32(bytes, pci::PCI_MSIX_PBA, pci::MSIX_PBA_OFFSET);
        }
    }

    fn extended_capabilities(&mut self, serial: u64) {
        let Self { bytes, writable, cleared } = self;
        let next = (pci::PCI_DSN_HEADER & 0xfff) as u16;
        let header = pci::ext_cap_header(pci::cap_id::EXT_ERR, 1, next);
        put32(bytes, pci::PCI_ERR_CAP_HEADER, header);
        put32(cleared, pci::PCI_ERR_UNCOR_STATUS, pci::ERR_UNCOR_BITS);
        put32(writable, pci::PCI_ERR_UNCOR_MASK, pci::ERR_UNCOR_BITS);
        put32(bytes, pci::PCI_ERR_UNCOR_SEVER, pci::ERR_UNCOR_SEVER_RESET);
        put32(writable, pci::PCI_ERR_UNCOR_SEVER, pci::ERR_UNCOR_BITS);
        put32(cleared, pci::PCI_ERR_COR_STATUS, pci::ERR_COR_BITS);
        put32(bytes, pci::PCI_ERR_COR_MASK, pci::ERR_COR_MASK_RESET);
        put32(writable, pci::PCI_ERR_COR_MASK, pci::ERR_COR_BITS);

        put32(bytes, pci::PCI_DSN_HEADER, pci::ext_cap_header(pci::cap_id::EXT_DSN, 1, 0));
        put32(bytes, pci::PCI_DSN_LOW, (serial & 0xffff_ffff) as u32);
        put32(bytes, pci::PCI_DSN_HIGH, (serial >> 32) as u32);
    }
}
