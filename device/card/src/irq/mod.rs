//! The interrupt controller: from causes to the host.
//!
//! A cause is latched where the line in use tells of it: in `CSR_INT` (`ict`), or in the cause
//! registers of MSI-X (`msix`). Whether the host is told of it is found out by
//! [`Interrupts::settle`], so that a register access never touches host memory.

mod ict;
mod msix;

use ict::CsrInt;
use msix::Msix;

use crate::cause::{Cause, Irq, Told};
use crate::event::CardEvent;
use crate::faults::FaultPlan;
use crate::pci::{Line, Route};
use crate::spec::Irqs;
use crate::world::World;

/// Both ways of telling, and what has been told.
#[derive(Debug)]
pub(crate) struct Interrupts {
    /// `CSR_INT` and what belongs to it: for INTx and MSI.
    pub(crate) csr: CsrInt,
    /// The block of MSI-X, if the silicon has one.
    pub(crate) msix: Option<Msix>,
    route: Route,
    /// Interrupts so far, those that were lost counted; no reset changes that.
    raised: u64,
}

impl Interrupts {
    pub(crate) fn new(irqs: Irqs) -> Self {
        let msix = match irqs {
            Irqs::Msi => None,
            Irqs::Msix { sw_err, .. } => Some(Msix::new(sw_err)),
        };
        let route = Route { line: Line::Intx, open: true };
        Self { csr: CsrInt::new(), msix, route, raised: 0 }
    }

    /// Back to the state after power-on.
    pub(crate) fn reset(&mut self) {
        // The route is configuration space's.
        let Self { csr, msix, route: _, raised: _ } = self;
        *csr = CsrInt::new();
        if let Some(msix) = msix {
            *msix = Msix::new(msix.sw_err);
        }
    }

    /// The way that configuration space has selected.
    pub(crate) fn set_route(&mut self, route: Route) {
        self.route = route;
    }

    /// Something happened.
    pub(crate) fn latch(&mut self, cause: Cause) {
        let polled = if cause == Cause::Iml { self.msix.as_mut() } else { None };
        match polled {
            Some(msix) => msix.latch(cause),
            None => match self.vectors() {
                Some(msix) => msix.latch(cause),
                None => self.csr.latch(cause),
            },
        }
    }

    /// The level an INTx pin shows.
    pub(crate) fn active(&self) -> bool {
        self.csr.active()
    }

    /// Tells the host what is pending and enabled.
    ///
    /// # Errors
    /// The cause table's address, if it cannot be written: the table is given up.
    pub(crate) fn settle(&mut self, plan: &FaultPlan, world: &mut dyn World) -> Result<(), u64> {
        if self.vectors().is_none() {
            if let Some(told) = self.csr.settle(world)? {
                self.raise(0, told, plan, world);
            }
            return Ok(());
        }
        while let Some((vector, told)) = self.vectors().and_then(Msix::settle) {
            self.raise(vector, told, plan, world);
        }
        Ok(())
    }

    /// Raises an interrupt that nothing calls for, whatever the mask says; says whether the host
    /// takes any.
    ///
    /// # Errors
    /// As [`Interrupts::settle`].
    pub(crate) fn provoke(
        &mut self,
        cause: Option<Cause>,
        plan: &FaultPlan,
        world: &mut dyn World,
    ) -> Result<bool, u64> {
        if !self.route.open {
            return Ok(false);
        }
        let (vector, told) = match self.vectors() {
            Some(msix) => msix.provoke(cause),
            None => (0, self.csr.provoke(cause, world)?),
        };
        self.raise(vector, told, plan, world);
        Ok(true)
    }

    /// Raises a vector of MSI-X without a cause; says whether the host takes any.
    pub(crate) fn ring(&mut self, vector: u16, plan: &FaultPlan, world: &mut dyn World) -> bool {
        let open = self.route.open;
        let Some(told) = self.vectors().filter(|_| open).map(|msix| msix.nothing()) else {
            return false;
        };
        self.raise(vector, told, plan, world);
        true
    }

    /// The block of MSI-X, if that is in use.
    fn vectors(&mut self) -> Option<&mut Msix> {
        self.msix.as_mut().filter(|_| self.route.line == Line::Msix)
    }

    /// How many interrupts there were, those that were lost counted.
    pub(crate) fn raised(&self) -> u64 {
        self.raised
    }

    fn raise(&mut self, vector: u16, told: Told, plan: &FaultPlan, world: &mut dyn World) {
        if !self.route.open {
            return;
        }
        let irq = match self.route.line {
            Line::Intx => Irq::Intx,
            Line::Msi => Irq::Msi,
            Line::Msix => Irq::Msix { vector },
        };
        let number = self.raised;
        self.raised += 1;
        if let Some(fault) = plan.loses(number, irq) {
            world.emit(CardEvent::injected(fault));
            return;
        }
        world.raise(irq);
        let Told { causes, fh_causes, names } = told;
        world.emit(CardEvent::Interrupt { irq, causes, fh_causes, names });
    }
}
