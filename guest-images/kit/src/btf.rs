//! How a structure of a kernel's, or of one of its modules, is laid out: read off the type information
//! that they carry.
//!
//! Source: the kernel's `Documentation/bpf/btf.rst`. A module's types go on where the kernel's end,
//! and so do its strings.

use goblin::elf::Elf;

use crate::elf::section;

const MAGIC: u16 = 0xeb9f;

/// Kinds of types that are looked at.
mod kind {
    pub(super) const INT: u8 = 1;
    pub(super) const PTR: u8 = 2;
    pub(super) const ARRAY: u8 = 3;
    pub(super) const STRUCT: u8 = 4;
    pub(super) const UNION: u8 = 5;
    pub(super) const ENUM: u8 = 6;
    pub(super) const TYPEDEF: u8 = 8;
    pub(super) const VOLATILE: u8 = 9;
    pub(super) const CONST: u8 = 10;
    pub(super) const RESTRICT: u8 = 11;
    pub(super) const FUNC_PROTO: u8 = 13;
    pub(super) const VAR: u8 = 14;
    pub(super) const DATASEC: u8 = 15;
    pub(super) const DECL_TAG: u8 = 17;
    pub(super) const TYPE_TAG: u8 = 18;
    pub(super) const ENUM64: u8 = 19;
}

/// A number or an address in a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// From the structure's begin.
    pub(crate) bit: usize,
    pub(crate) bits: usize,
}

impl Member {
    /// Its value in a structure.
    pub(crate) fn value(&self, structure: &[u8]) -> Option<u64> {
        let (first, last) = (self.bit / 8, (self.bit + self.bits).div_ceil(8));
        let mut wide = [0; 16];
        let bytes = structure.get(first..last)?;
        wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let value = u128::from_le_bytes(wide) >> (self.bit % 8);
        u64::try_from(value & ((1_u128 << self.bits) - 1)).ok()
    }
}

/// A structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bytes.
    pub(crate) size: usize,
    /// Those of its members that are no structures or arrays.
    pub(crate) members: Vec<Member>,
}

impl Layout {
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

#[derive(Debug, Clone, Copy)]
struct Type {
    name: usize,
    kind: u8,
    /// Of a structure: its members say how many bits they have.
    bit_fields: bool,
    /// Bytes, or another type.
    size_or_type: usize,
    /// Members, and where they are.
    members: usize,
    at: usize,
    /// Of the module, not the kernel.
    split: bool,
}

/// The types of a kernel and of a module of it.
#[derive(Debug)]
pub(crate) struct Types<'a> {
    types: Vec<Type>,
    /// The kernel's, then the module's.
    data: [&'a [u8]; 2],
    strings: [&'a [u8]; 2],
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

/// Types and strings of a `.BTF` section.
fn parts(btf: &[u8]) -> Option<(&[u8], &[u8])> {
    let magic = u16::from_le_bytes(btf.get(..2)?.try_into().ok()?);
    let header = word(btf, 4)?;
    let part = |at: usize| {
        let start = header.checked_add(word(btf, at)?)?;
        btf.get(start..start.checked_add(word(btf, at + 4)?)?)
    };
    (magic == MAGIC).then_some(())?;
    Some((part(8)?, part(16)?))
}

impl<'a> Types<'a> {
    /// Those of a kernel, as an ELF file, and of a module of it; `None` if one of them has none, or
    /// of kinds that are not known here.
    pub(crate) fn new(kernel: &'a [u8], module: &'a [u8]) -> Option<Self> {
        let btf = |file: &'a [u8]| {
            let elf = Elf::parse(file).ok()?;
            parts(section(&elf, file, ".BTF")?)
        };
        let (base, split) = (btf(kernel)?, btf(module)?);
        let mut types = Self {
            // The first is void.
            types: vec![Type {
                name: 0,
                kind: 0,
                bit_fields: false,
                size_or_type: 0,
                members: 0,
                at: 0,
                split: false,
            }],
            data: [base.0, split.0],
            strings: [base.1, split.1],
        };
        types.read(false)?;
        types.read(true)?;
        Some(types)
    }

    fn read(&mut self, split: bool) -> Option<()> {
        let data = self.data[usize::from(split)];
        let mut at = 0;
        while at < data.len() {
            let info = word(data, at + 4)?;
            let kind = u8::try_from(info >> 24 & 0x1f).ok()?;
            let members = info & 0xffff;
            let each = match kind {
                kind::INT | kind::VAR | kind::DECL_TAG => 4,
                kind::ARRAY => 12,
                kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * members,
                kind::ENUM | kind::FUNC_PROTO => 8 * members,
                0..=kind::ENUM64 => 0,
                _ => return None,
            };
            self.types.push(Type {
                name: word(data, at)?,
                kind,
                bit_fields: info >> 31 != 0,
                size_or_type: word(data, at + 8)?,
                members,
                at: at + 12,
                split,
            });
            at += 12 + each;
        }
        Some(())
    }

    fn string(&self, at: usize) -> Option<&'a str> {
        let bytes = match at.checked_sub(self.strings[0].len()) {
            None => self.strings[0].get(at..)?,
            Some(at) => self.strings[1].get(at..)?,
        };
        std::str::from_utf8(bytes.split(|byte| *byte == 0).next()?).ok()
    }

    /// Bytes of a number or an address.
    fn size(&self, mut id: usize) -> Option<usize> {
        // A chain of names for names ends.
        for _ in 0..32 {
            let of = self.types.get(id)?;
            match of.kind {
                kind::INT | kind::ENUM | kind::ENUM64 => return Some(of.size_or_type),
                kind::PTR => return Some(8),
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = of.size_or_type;
                }
                _ => return None,
            }
        }
        None
    }

    /// The structure of this name, the module's own if there are two.
    pub(crate) fn layout(&self, name: &str) -> Option<Layout> {
        let is = |of: &&Type| of.kind == kind::STRUCT && self.string(of.name) == Some(name);
        let of = self.types.iter().rev().find(is)?;
        let data = self.data[usize::from(of.split)];
        let mut members = Vec::new();
        for n in 0..of.members {
            let at = of.at + 12 * n;
            let (id, place) = (word(data, at + 4)?, word(data, at + 8)?);
            let (bit, bits) = match of.bit_fields {
                true => (place & 0xff_ffff, place >> 24),
                false => (place, 0),
            };
            let bits = match bits {
                0 => self.size(id).map(|bytes| 8 * bytes),
                bits => Some(bits),
            };
            let name = self.string(word(data, at)?)?.to_owned();
            members.extend(bits.map(|bits| Member { name, bit, bits }));
        }
        Some(Layout { size: of.size_or_type, members })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testelf;

    fn section(types: &[u32], strings: &str) -> Vec<u8> {
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        let lengths = [24, 0, 4 * types.len(), 4 * types.len(), strings.len()];
        bytes.extend(lengths.iter().flat_map(|n| u32::try_from(*n).unwrap().to_le_bytes()));
        bytes.extend(types.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(strings.as_bytes());
        bytes
    }

    const STRUCT: u32 = 4 << 24;
    const BIT_FIELDS: u32 = 1 << 31;

    #[test]
    fn a_module_s_structure_is_read() {
        // 1: u16, 2: its other name
        let base = section(&[1, 1 << 24, 2, 16, 5, 8 << 24, 1], "\0u16\0u16_t\0device\0");
        let base_len = u32::try_from("\0u16\0u16_t\0device\0".len()).unwrap();
        // 3: a pointer, 4: the structure
        let split = section(
            &[
                0,
                2 << 24,
                0,
                base_len + 1,
                STRUCT | BIT_FIELDS | 4,
                16,
                11,
                2,
                0,
                base_len + 6,
                3,
                64,
                base_len + 10,
                1,
                9 << 24 | 17,
                base_len + 10,
                4,
                32,
            ],
            "\0info\0cfg\0rf\0",
        );
        let kernel = testelf::with_section(".BTF", &base);
        let module = testelf::with_section(".BTF", &split);
        let types = Types::new(&kernel, &module).expect("read");
        let layout = types.layout("info").expect("there");
        let member = |name: &str| layout.member(name).map(|member| (member.bit, member.bits));
        assert_eq!((layout.size, member("device")), (16, Some((0, 16))));
        assert_eq!((member("cfg"), member("rf")), (Some((64, 64)), Some((17, 9))));
        assert_eq!(layout.members.len(), 3, "what is a structure is left out");
        let bytes = [0x26, 0x25, 0x0a, 0x02, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        let value = |name: &str| layout.member(name).unwrap().value(&bytes);
        assert_eq!((value("device"), value("cfg")), (Some(0x2526), Some(7)));
        assert_eq!(value("rf"), Some(0x105));
        assert_eq!(layout.member("cfg").unwrap().value(&bytes[..15]), None);
        assert_eq!(types.layout("other"), None);
    }

    #[test]
    fn what_is_no_btf_is_none() {
        let whole = section(&[0, 31 << 24, 0], "\0");
        for btf in [&whole[..], &whole[..10], b"", b"\xeb\x9f"] {
            let file = testelf::with_section(".BTF", btf);
            assert!(Types::new(&file, &file).is_none());
        }
        assert!(Types::new(b"no ELF file", b"").is_none());
    }
}
