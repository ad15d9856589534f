//! What a register is, and how one is found by its offset.

use std::collections::HashMap;
use std::sync::LazyLock;

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

/// One register. Elements of an array are registers of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// Where it is: bytes from the start of its window.
    pub offset: u32,
    /// Its constant in this crate: the offset, or the offset of an array's first element.
    pub id: u32,
    /// Index within an array, as the vendor counts; 0 for a single register.
    pub index: u32,
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
    fn registers(&'static self) -> Vec<Register> {
        let one = |offset, index, name| Register {
            offset,
            id: self.offset,
            index,
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

/// The registers of one window, found by offset in constant time.
#[derive(Debug)]
pub struct RegisterMap {
    registers: HashMap<u32, Register>,
}

impl RegisterMap {
    /// A map of rows, with addresses cut to `mask` as the hardware's decoder does.
    fn new(rows: &[&'static [Row]], mask: u32) -> Self {
        let registers = rows
            .iter()
            .flat_map(|table| table.iter())
            .flat_map(Row::registers)
            .map(|register| (register.offset & mask, register))
            .collect();
        Self { registers }
    }

    /// The register at exactly this (masked) offset.
    #[must_use]
    pub fn get(&self, offset: u32) -> Option<&Register> {
        self.registers.get(&offset)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Register> {
        self.registers.values()
    }
}

/// Periphery address bits that parts before AX210 decode.
pub const PRPH_MASK: u32 = 0x000f_ffff;

/// BAR 0: CSR, HBUS and FH.
pub static BAR: LazyLock<RegisterMap> =
    LazyLock::new(|| RegisterMap::new(&[crate::csr::ROWS, crate::fh::ROWS], u32::MAX));

/// The periphery behind `HBUS_TARG_PRPH_*`, by address cut to [`PRPH_MASK`].
pub static PRPH: LazyLock<RegisterMap> =
    LazyLock::new(|| RegisterMap::new(&[crate::prph::ROWS], PRPH_MASK));

/// PCI configuration space.
pub static CONFIG: LazyLock<RegisterMap> =
    LazyLock::new(|| RegisterMap::new(&[crate::pci::ROWS], u32::MAX));

/// Declares registers: a constant each, and the table `ROWS`.
macro_rules! registers {
    ($(
        $name:ident $([$count:literal; $stride:literal; $first:literal; $label:literal])? =
        $offset:literal : $access:ident $($width:ident)? $(($reset:literal))?, $meaning:literal;
    )*) => {
        $(#[doc = $meaning] pub const $name: u32 = $offset;)*

        pub(crate) const ROWS: &[$crate::register::Row] = &[$(
            $crate::register::Row {
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Two rows at one place would hide each other.
    #[test]
    fn no_two_rows_share_an_offset() {
        let windows: [(&[&[Row]], u32); 3] = [
            (&[crate::csr::ROWS, crate::fh::ROWS], u32::MAX),
            (&[crate::prph::ROWS], PRPH_MASK),
            (&[crate::pci::ROWS], u32::MAX),
        ];
        for (rows, mask) in windows {
            let mut seen = HashMap::new();
            for register in rows.iter().flat_map(|table| table.iter()).flat_map(Row::registers) {
                let before = seen.insert(register.offset & mask, register.name);
                assert_eq!(before, None, "{} hides another row", register.name);
            }
        }
    }

    #[test]
    fn arrays_are_named_by_index() {
        let register = BAR.get(crate::fh::cbbc_queue(17)).expect("a queue's register");
        assert_eq!(register.name, "FH_MEM_CBBC_QUEUE(17)");
        assert_eq!(register.index, 17);
        assert_eq!(register.id, crate::fh::FH_MEM_CBBC_16_19_LOWER_BOUND);
    }
}
