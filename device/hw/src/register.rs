//! What a register is, and how one is found by its offset.

/// What software may do to a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads and writes.
    ReadWrite,
    /// Reads; writes are ignored.
    ReadOnly,
    /// Writes; reads give zero.
    WriteOnly,
    /// Reads; a one written to a bit clears it.
    WriteOneToClear,
}

/// Which access widths a register takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Aligned accesses of 32 bits.
    Dword,
    /// Any access within it.
    Bytes,
}

/// Which part of the hardware a register belongs to: a table of rows each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Control and status, and the HBUS windows.
    Csr,
    /// What only the Bz family has there.
    CsrBz,
    /// Context information, MAC addresses.
    Ctxt,
    /// The flow handler before 22000.
    Fh,
    /// Multi-queue receive.
    Rfh,
    /// Transmit of 22000.
    Tfh,
    /// MSI-X causes and vectors.
    Msix,
    /// The periphery that all have.
    Prph,
    /// The periphery of parts before 22000: power, scheduler.
    Scd,
    /// The periphery of 9000 and later: upper MAC, receive.
    Umac,
    /// PCI configuration space.
    Config,
}

/// One register. Elements of an array are registers of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// Where it is: bytes from the start of its window.
    pub offset: u32,
    /// Its constant in this crate: the offset, or the offset of an array's first element.
    pub id: u32,
    /// Index within an array, as the vendor counts; 0 for a single register.
    pub index: u32,
    /// Which table its row is in.
    pub block: Block,
    /// Vendor name, with the index if it has one: `FH_TCSR_CHNL_TX_CONFIG_REG(9)`.
    pub name: &'static str,
    /// What software may do to it.
    pub access: Access,
    /// Which widths it takes.
    pub width: Width,
    /// Value after reset.
    pub reset: u32,
    /// What it is for.
    pub meaning: &'static str,
}

/// A row of a table: a register, or an array of them.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) block: Block,
    pub(crate) offset: u32,
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    pub(crate) width: Width,
    pub(crate) reset: u32,
    pub(crate) meaning: &'static str,
    pub(crate) array: Option<Array>,
}

/// How a row repeats.
#[derive(Debug)]
pub(crate) struct Array {
    /// Elements.
    pub(crate) count: u32,
    /// Bytes from one to the next.
    pub(crate) stride: u32,
    /// Index of the first.
    pub(crate) first: u32,
    /// The vendor's macro for one.
    pub(crate) label: &'static str,
}

impl Row {
    /// Its registers, `shift` bytes further on than it says.
    fn registers(&'static self, shift: u32) -> Vec<Register> {
        let one = |offset: u32, index, name| Register {
            offset: offset + shift,
            id: self.offset,
            index,
            block: self.block,
            name,
            access: self.access,
            width: self.width,
            reset: self.reset,
            meaning: self.meaning,
        };
        match &self.array {
            None => vec![one(self.offset, 0, self.name)],
            Some(array) => (0..array.count)
                .map(|element| {
                    let index = array.first + element;
                    // Once per process and element: the tables are static.
                    let name = Box::leak(format!("{}({index})", array.label).into_boxed_str());
                    one(self.offset + element * array.stride, index, name)
                })
                .collect(),
        }
    }
}

/// Registers, or pages of them, that a page has room for.
const PAGE: usize = 1024;

/// The registers of one window, found by offset: two look-ups in arrays.
#[derive(Debug)]
pub struct RegisterMap {
    mask: u32,
    /// By offset in units of 4 KiB: a page of `slots`, counted from 1, or 0.
    pages: Vec<u16>,
    /// By offset within it, in units of 4 bytes: a register, counted from 1, or 0.
    slots: Vec<[u16; PAGE]>,
    registers: Vec<Register>,
}

impl RegisterMap {
    /// A map of rows, with addresses cut to `mask` as the hardware's decoder does. Of two rows at
    /// one place the later counts; a test sees to it that there are none.
    pub(crate) fn new(rows: &[&'static [Row]], mask: u32) -> Self {
        let rows: Vec<_> = rows.iter().map(|table| (*table, 0)).collect();
        Self::shifted(&rows, mask)
    }

    /// The same, each table of rows so many bytes further on than they say.
    pub(crate) fn shifted(tables: &[(&'static [Row], u32)], mask: u32) -> Self {
        let mut map = Self { mask, pages: Vec::new(), slots: Vec::new(), registers: Vec::new() };
        let registers = tables
            .iter()
            .flat_map(|(table, shift)| table.iter().flat_map(|row| row.registers(*shift)));
        for register in registers {
            let (page, slot) = Self::place(register.offset & mask);
            if map.pages.len() <= page {
                map.pages.resize(page + 1, 0);
            }
            if map.pages[page] == 0 {
                map.slots.push([0; PAGE]);
                map.pages[page] = map.slots.len() as u16;
            }
            map.registers.push(register);
            map.slots[usize::from(map.pages[page]) - 1][slot] = map.registers.len() as u16;
        }
        map
    }

    fn place(offset: u32) -> (usize, usize) {
        let dword = offset as usize / 4;
        (dword / PAGE, dword % PAGE)
    }

    /// The register at exactly this offset; what the decoder does not look at does not count.
    #[must_use]
    pub fn get(&self, offset: u32) -> Option<&Register> {
        if !offset.is_multiple_of(4) {
            return None;
        }
        let (page, slot) = Self::place(offset & self.mask);
        let page = usize::from(*self.pages.get(page)?).checked_sub(1)?;
        self.registers.get(usize::from(self.slots[page][slot]).checked_sub(1)?)
    }

    /// Address bits that the hardware decodes.
    #[must_use]
    pub fn mask(&self) -> u32 {
        self.mask
    }

    /// All of them, in the order of their rows.
    pub fn iter(&self) -> impl Iterator<Item = &Register> {
        self.registers.iter()
    }
}

/// Declares registers: a constant each, and the table `ROWS`.
macro_rules! registers {
    ($block:ident; $(
        $name:ident $([$count:literal; $stride:literal; $first:literal; $label:literal])? =
        $offset:literal : $access:ident $($width:ident)? $(($reset:literal))?, $meaning:literal;
    )*) => {
        $(#[doc = $meaning] pub const $name: u32 = $offset;)*

        pub(crate) const ROWS: &[$crate::register::Row] = &[$(
            $crate::register::Row {
                block: $crate::register::Block::$block,
                offset: $name,
                name: stringify!($name),
                access: $crate::register::Access::$access,
                width: $crate::register::registers!(@or Dword $($width)?),
                reset: $crate::register::registers!(@reset $($reset)?),
                meaning: $meaning,
                array: $crate::register::registers!(@array $($count, $stride, $first, $label)?),
            },
        )*];
    };
    (@or $default:ident) => { $crate::register::Width::$default };
    (@or $default:ident $width:ident) => { $crate::register::Width::$width };
    (@reset) => { 0 };
    (@reset $reset:literal) => { $reset };
    (@array) => { None };
    (@array $count:literal, $stride:literal, $first:literal, $label:literal) => {
        Some($crate::register::Array {
            count: $count,
            stride: $stride,
            first: $first,
            label: $label,
        })
    };
}
pub(crate) use registers;
