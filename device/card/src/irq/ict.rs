//! `CSR_INT`, and the interrupt cause table in host memory (ICT).

use iwl_hw::csr::{FhInt, Int, UNKNOWN_CAUSE, dram_int_tbl};
use strum::IntoEnumIterator;

use crate::cause::{Cause, Told, named};
use crate::world::{DmaError, Memory};

/// The interrupt cause table in host memory.
#[derive(Debug, Clone, Copy)]
struct Ict {
    address: u64,
    next: u32,
}

/// `CSR_INT`, its mask, `CSR_FH_INT_STATUS`, and the interrupt cause table.
#[derive(Debug)]
pub(crate) struct CsrInt {
    pending: Int,
    /// Of the pending causes: those not yet told through the table.
    untold: Int,
    /// Of the pending causes: those that a read of `CSR_INT` has shown.
    shown: Int,
    mask: Int,
    fh: FhInt,
    ict: Option<Ict>,
    /// What the line showed last: the host is told of edges.
    asserted: bool,
}

/// The bit of `CSR_INT` that tells of a cause.
fn bit(cause: Cause) -> Int {
    match cause {
        Cause::FhRx(_) => Int::FH_RX,
        Cause::FhTx => Int::FH_TX,
        Cause::FhErr | Cause::HwErr => Int::HW_ERR,
        Cause::Alive => Int::ALIVE,
        Cause::Wakeup => Int::WAKEUP,
        // There it is polled for, in the register of MSI-X.
        Cause::Iml => Int::empty(),
        Cause::ResetDone => Int::RESET_DONE,
        Cause::SwErr => Int::SW_ERR,
        Cause::RfKill => Int::RF_KILL,
        Cause::Unknown => Int::from_bits_retain(UNKNOWN_CAUSE),
    }
}

/// The bit of `CSR_FH_INT_STATUS` that says more of it.
fn fh_bit(cause: Cause) -> FhInt {
    match cause {
        Cause::FhRx(_) => FhInt::RX_CHNL0,
        Cause::FhTx => FhInt::TX_CHNL0,
        Cause::FhErr => FhInt::ERR,
        _ => FhInt::empty(),
    }
}

/// What bits of `CSR_INT` tell of, from the highest down.
fn told(bits: Int) -> Told {
    let each = (0..u32::BITS).rev().map(|n| bits & Int::from_bits_retain(1 << n));
    let names = named(each.filter(|one| !one.is_empty()), &Cause::iter(), bit);
    Told { causes: bits.bits(), fh_causes: None, names }
}

impl CsrInt {
    pub(super) fn new() -> Self {
        Self {
            pending: Int::empty(),
            untold: Int::empty(),
            shown: Int::empty(),
            mask: Int::empty(),
            fh: FhInt::empty(),
            ict: None,
            asserted: false,
        }
    }

    /// The driver reads `CSR_INT`.
    pub(crate) fn read(&mut self) -> u32 {
        self.shown = self.pending;
        self.pending.bits()
    }

    /// `CSR_INT_MASK`.
    pub(crate) fn mask(&self) -> u32 {
        self.mask.bits()
    }

    /// `CSR_FH_INT_STATUS`.
    pub(crate) fn fh_status(&self) -> u32 {
        self.fh.bits()
    }

    /// The driver acknowledged bits of `CSR_FH_INT_STATUS`.
    pub(crate) fn acknowledge_fh(&mut self, causes: u32) {
        self.fh.remove(FhInt::from_bits_retain(causes));
    }

    /// The driver acknowledged causes: those that it can know of. Its writes are posted: one that
    /// answers an earlier cause may come here after a doorbell has led to the same cause again, for
    /// a packet that the driver has not looked for. To acknowledge all is to know of all: so the
    /// driver clears the slate. Only a hardware error is a state and no event: it stays until the
    /// driver has seen it, or resets the card.
    pub(crate) fn acknowledge(&mut self, causes: u32) {
        let mut known = Int::from_bits_retain(causes);
        let unknown = self.untold - self.shown;
        known.remove(if causes == u32::MAX { unknown & Int::HW_ERR } else { unknown });
        self.pending.remove(known);
        self.untold.remove(known);
    }

    /// The driver wrote the mask.
    pub(crate) fn set_mask(&mut self, mask: u32) {
        self.mask = Int::from_bits_retain(mask);
    }

    /// The driver wrote `CSR_DRAM_INT_TBL_REG`.
    pub(crate) fn set_table(&mut self, value: u32) {
        let enabled = value & dram_int_tbl::ENABLE != 0;
        self.ict = enabled.then(|| Ict { address: dram_int_tbl::address(value), next: 0 });
    }

    /// The level an INTx pin shows.
    pub(super) fn active(&self) -> bool {
        self.pending.intersects(self.mask)
    }

    /// Something happened.
    pub(super) fn latch(&mut self, cause: Cause) {
        let cause_bit = bit(cause);
        self.fh |= fh_bit(cause);
        self.pending |= cause_bit;
        self.untold |= cause_bit;
        self.shown.remove(cause_bit);
    }

    /// What the host is to be told of now, if anything.
    ///
    /// # Errors
    /// The table's address, if it cannot be written: the table is given up.
    pub(super) fn settle(&mut self, memory: &mut dyn Memory) -> Result<Option<Told>, u64> {
        if self.ict.is_some() {
            let tell = self.untold & self.mask;
            if tell.is_empty() {
                return Ok(None);
            }
            self.write_entry(tell, memory)?;
            return Ok(Some(told(tell)));
        }
        let rose = self.active() && !self.asserted;
        self.asserted = self.active();
        Ok(rose.then(|| told(self.pending & self.mask)))
    }

    /// A cause without a reason, past the mask.
    ///
    /// # Errors
    /// As [`CsrInt::settle`].
    pub(super) fn provoke(
        &mut self,
        cause: Option<Cause>,
        memory: &mut dyn Memory,
    ) -> Result<Told, u64> {
        let causes = cause.map_or(Int::empty(), bit);
        self.pending |= causes;
        if !causes.is_empty() {
            self.write_entry(causes, memory)?;
        }
        Ok(told(causes))
    }

    /// Tells causes through the table, if there is one.
    fn write_entry(&mut self, causes: Int, memory: &mut dyn Memory) -> Result<(), u64> {
        let Some(ict) = &mut self.ict else { return Ok(()) };
        let at = ict.address + u64::from(4 * ict.next);
        let entry = causes.ict_entry().to_le_bytes();
        if let Err(DmaError::Fault { .. } | DmaError::Pending) = memory.dma_write(at, &entry) {
            self.ict = None;
            return Err(at);
        }
        ict.next = (ict.next + 1) % dram_int_tbl::ENTRIES;
        self.untold.remove(causes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cause that latches a bit is told by a name, and all are in the order of their bits.
    #[test]
    fn each_bit_has_a_name() {
        let all = Cause::iter().fold(Int::empty(), |all, cause| all | bit(cause));
        let names = told(all).names;
        assert_eq!(names.len() as u32, all.bits().count_ones());
        assert_eq!(names.iter().fold(Int::empty(), |all, cause| all | bit(*cause)), all);
        assert!(names.is_sorted_by_key(|cause| std::cmp::Reverse(bit(*cause).bits())), "{names:?}");
        assert_eq!(told(Int::HW_ERR | Int::FH_RX).names, [Cause::FhRx(0), Cause::HwErr]);
    }
}
