//! Registers: what a read gives, what a write does, and what came of it.
//!
//! A handler changes state and no more. A write says with [`Then`] what is to be told, or done,
//! once the write itself has been told.

mod csr;
mod csr_bz;
mod fh;
mod mem;
mod msix;
mod prph;
mod reached;
mod rfh;

pub(crate) use reached::{Reached, Then, offset_name};

use iwl_hw::{Access, Block, Register, csr as hbus};

use crate::chip::Chip;
use crate::event::{Outcome, Space};
use crate::world::Events;

/// Reads a register of BAR 0.
pub(crate) fn read(chip: &mut Chip, register: &Register, events: &mut dyn Events) -> Reached {
    match register.id {
        hbus::HBUS_TARG_PRPH_RDAT => return prph::read(chip),
        hbus::HBUS_TARG_MEM_RDAT => return mem::read(chip),
        _ => {}
    }
    let (value, outcome) = match register.block {
        Block::Csr => csr::read(chip, register, events),
        Block::CsrBz => csr_bz::read(chip, register, events),
        Block::Fh => fh::read(chip, register),
        Block::Msix => msix::read(chip, register),
        Block::Ctxt => (ctxt(chip, register, events), Outcome::Implemented),
        Block::Rfh | Block::Tfh => (chip.stored(register.offset), Outcome::Stub),
        // None of BAR 0.
        Block::Prph | Block::Scd | Block::Umac | Block::Config => (0, Outcome::Stub),
    };
    let value = if register.access == Access::WriteOnly { 0 } else { value };
    named(register, value, outcome)
}

/// Of context information, and the address from OTP.
fn ctxt(chip: &mut Chip, register: &Register, events: &mut dyn Events) -> u32 {
    let value = chip.stored(register.offset);
    // Six bytes in two registers, which are elsewhere in later parts.
    let places = chip.silicon.bar.mac_address().into_iter().flatten();
    let mut present = places.zip([u32::MAX, 0xffff]).filter(|(at, _)| *at == register.offset);
    let Some((_, present)) = present.next() else { return value };
    let Some((fault, bits)) = chip.faults.mac() else { return value };
    chip.repeated_fault(fault, events);
    present & u32::from_ne_bytes([bits.byte(); 4])
}

/// Writes a register of BAR 0: `value` as the driver wrote it, `merged` with what is there if that
/// was only a part.
pub(crate) fn write(
    chip: &mut Chip,
    register: &Register,
    value: u32,
    merged: u32,
) -> (Reached, Then) {
    match register.id {
        hbus::HBUS_TARG_PRPH_WDAT => return (prph::write(chip, value), Then::Nothing),
        hbus::HBUS_TARG_MEM_WDAT => return mem::write(chip, value),
        _ => {}
    }
    let (outcome, then) = match (register.access, register.block) {
        (Access::ReadOnly, _) => (Outcome::ReadOnly, Then::Nothing),
        (_, Block::Csr) => csr::write(chip, register, merged),
        (_, Block::CsrBz) => csr_bz::write(chip, register, merged),
        (_, Block::Fh) => fh::write(chip, register, merged),
        (_, Block::Msix) => msix::write(chip, register, merged),
        (_, Block::Rfh) => rfh::write(chip, register, merged),
        // Looked at when the CPU is told to run.
        (_, Block::Ctxt) => {
            chip.store(register.offset, merged);
            (Outcome::Implemented, Then::Nothing)
        }
        (_, Block::Tfh) => reached::keep(chip, register, merged),
        // None of BAR 0.
        (_, Block::Prph | Block::Scd | Block::Umac | Block::Config) => {
            (Outcome::Stub, Then::Nothing)
        }
    };
    (named(register, value, outcome), then)
}

fn named(register: &Register, value: u32, outcome: Outcome) -> Reached {
    let reg = register.name.into();
    Reached { space: Space::Csr, address: register.offset, reg, value, outcome }
}
