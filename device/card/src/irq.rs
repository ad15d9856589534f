//! Interrupt causes, and how they reach the host.

use iwl_hw::csr::{Int, dram_int_tbl};

use crate::event::{CardEvent, Irq};
use crate::faults::FaultPlan;
use crate::world::{DmaError, World};

/// The line that configuration space has selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Interrupts go nowhere.
    None,
    /// The pin.
    Intx,
    /// The message.
    Msi,
}

/// The interrupt cause table in host memory.
#[derive(Debug, Clone, Copy)]
struct Ict {
    address: u64,
    next: u32,
}

/// `CSR_INT`, its mask, and the interrupt cause table.
///
/// Causes are latched when they arise and evaluated by [`Interrupts::settle`], so that a register
/// access never touches host memory.
#[derive(Debug)]
pub(crate) struct Interrupts {
    pending: Int,
    /// Of the pending causes: those not yet told through the table.
    untold: Int,
    /// Of the pending causes: those that a read of `CSR_INT` has shown.
    shown: Int,
    mask: Int,
    ict: Option<Ict>,
    /// What the line showed last: the host is told of edges.
    asserted: bool,
    /// Interrupts so far, those that were lost counted; no reset changes that.
    raised: u64,
}

impl Interrupts {
    pub(crate) fn new() -> Self {
        Self {
            pending: Int::empty(),
            untold: Int::empty(),
            shown: Int::empty(),
            mask: Int::empty(),
            ict: None,
            asserted: false,
            raised: 0,
        }
    }

    /// Back to the state after power-on.
    pub(crate) fn reset(&mut self) {
        *self = Self { raised: self.raised, ..Self::new() };
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

    /// Something happened.
    pub(crate) fn latch(&mut self, causes: Int) {
        self.pending |= causes;
        self.untold |= causes;
        self.shown.remove(causes);
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
    pub(crate) fn active(&self) -> bool {
        self.pending.intersects(self.mask)
    }

    /// Tells the host what is pending and enabled.
    ///
    /// # Errors
    /// The table's address, if it cannot be written: the table is given up.
    pub(crate) fn settle(
        &mut self,
        line: Line,
        plan: &FaultPlan,
        world: &mut dyn World,
    ) -> Result<(), u64> {
        let tell = if self.ict.is_some() {
            let tell = self.untold & self.mask;
            if tell.is_empty() {
                return Ok(());
            }
            self.write_entry(tell, world)?;
            tell
        } else {
            let rose = self.active() && !self.asserted;
            self.asserted = self.active();
            if !rose {
                return Ok(());
            }
            self.pending & self.mask
        };
        self.raise(tell, line, plan, world);
        Ok(())
    }

    /// Raises an interrupt that nothing calls for, whatever the mask says; says whether the host
    /// takes any.
    ///
    /// # Errors
    /// As [`Interrupts::settle`].
    pub(crate) fn provoke(
        &mut self,
        causes: Int,
        line: Line,
        plan: &FaultPlan,
        world: &mut dyn World,
    ) -> Result<bool, u64> {
        if line == Line::None {
            return Ok(false);
        }
        self.pending |= causes;
        if !causes.is_empty() {
            self.write_entry(causes, world)?;
        }
        self.raise(causes, line, plan, world);
        Ok(true)
    }

    /// Tells causes through the table, if there is one.
    fn write_entry(&mut self, causes: Int, world: &mut dyn World) -> Result<(), u64> {
        let Some(ict) = &mut self.ict else { return Ok(()) };
        let at = ict.address + u64::from(4 * ict.next);
        let entry = causes.ict_entry().to_le_bytes();
        if let Err(DmaError::Fault { .. } | DmaError::Pending) = world.dma_write(at, &entry) {
            self.ict = None;
            return Err(at);
        }
        ict.next = (ict.next + 1) % dram_int_tbl::ENTRIES;
        self.untold.remove(causes);
        Ok(())
    }

    fn raise(&mut self, causes: Int, line: Line, plan: &FaultPlan, world: &mut dyn World) {
        let irq = match line {
            Line::None => return,
            Line::Intx => Irq::Intx,
            Line::Msi => Irq::Msi,
        };
        let number = self.raised;
        self.raised += 1;
        if let Some(fault) = plan.loses(number) {
            world.emit(CardEvent::injected(fault));
            return;
        }
        world.raise(irq);
        world.emit(CardEvent::Interrupt { irq, causes: causes.bits() });
    }
}
