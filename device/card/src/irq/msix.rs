//! MSI-X: cause registers, their masks, and the routing of each cause to a vector (IVAR).
//!
//! A vector that was raised is masked by the hardware until the driver has handled it
//! (`CSR_MSIX_AUTOMASK_ST_AD`); a cause clears itself when it is told, unless its IVAR byte says
//! that the driver does so.

use iwl_hw::msix::{
    self, FhCauses, HwCauses, IVAR_VECTOR_MSK, IVARS, MSIX_NON_AUTO_CLEAR_CAUSE, UNKNOWN_CAUSE,
    VECTORS,
};
use strum::IntoEnumIterator;

use crate::cause::{Cause, Told, named};

/// A cause register and its mask: what is set there tells nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bank {
    pub(crate) causes: u32,
    pub(crate) mask: u32,
    /// Where in the IVAR table the byte of a bit is.
    ivar: fn(u32) -> usize,
}

/// The block.
#[derive(Debug)]
pub(crate) struct Msix {
    /// `CSR_MSIX_FH_INT_CAUSES_AD`.
    pub(crate) fh: Bank,
    /// `CSR_MSIX_HW_INT_CAUSES_AD`.
    pub(crate) hw: Bank,
    /// `CSR_MSIX_AUTOMASK_ST_AD`.
    automask: u32,
    ivars: [u8; IVARS],
    /// The vector that was the last to ring without a cause.
    needless: u16,
    /// Which bit tells of a microcode error.
    pub(super) sw_err: HwCauses,
}

/// Where a cause is told: a bit of either register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bit {
    Fh(u32),
    Hw(u32),
}

fn bit(cause: Cause, sw_err: HwCauses) -> Bit {
    match cause {
        Cause::FhRx(queue) => Bit::Fh(1 << (queue % msix::RX_QUEUES)),
        Cause::FhTx => Bit::Fh(FhCauses::D2S_CH0_NUM.bits()),
        Cause::FhErr => Bit::Fh(FhCauses::FH_ERR.bits()),
        Cause::Alive => Bit::Hw(HwCauses::ALIVE.bits()),
        Cause::Wakeup | Cause::Iml => Bit::Hw(HwCauses::WAKEUP.bits()),
        Cause::ResetDone => Bit::Hw(HwCauses::RESET_DONE.bits()),
        Cause::SwErr => Bit::Hw(sw_err.bits()),
        Cause::HwErr => Bit::Hw(HwCauses::HW_ERR.bits()),
        Cause::RfKill => Bit::Hw(HwCauses::RF_KILL.bits()),
        Cause::Unknown => Bit::Hw(UNKNOWN_CAUSE),
    }
}

/// Every cause, those of each queue among them.
fn causes() -> impl Iterator<Item = Cause> + Clone {
    let others = Cause::iter().filter(|cause| !matches!(cause, Cause::FhRx(_)));
    (0..msix::RX_QUEUES).map(Cause::FhRx).chain(others)
}

/// What bits of both registers tell of, from the lowest up.
fn told(fh: u32, hw: u32, sw_err: HwCauses) -> Told {
    let each = |bits: u32| (0..u32::BITS).map(move |n| bits & 1 << n).filter(|one| *one != 0);
    let bits = each(fh).map(Bit::Fh).chain(each(hw).map(Bit::Hw));
    let names = named(bits, &causes(), |cause| bit(cause, sw_err));
    Told { causes: hw, fh_causes: Some(fh), names }
}

impl Bank {
    fn new(ivar: fn(u32) -> usize) -> Self {
        Self { causes: 0, mask: u32::MAX, ivar }
    }

    /// The causes that are routed to `vector`, and of these those that clear themselves.
    fn routed(&self, vector: u16, ivars: &[u8; IVARS]) -> (u32, u32) {
        let mut routed = 0;
        let mut clear = 0;
        let mut rest = self.causes & !self.mask;
        while rest != 0 {
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            let ivar = ivars[(self.ivar)(bit)];
            if u16::from(ivar & IVAR_VECTOR_MSK) == vector {
                routed |= 1 << bit;
                if ivar & MSIX_NON_AUTO_CLEAR_CAUSE == 0 {
                    clear |= 1 << bit;
                }
            }
        }
        (routed, clear)
    }
}

impl Msix {
    pub(super) fn new(sw_err: HwCauses) -> Self {
        Self {
            sw_err,
            fh: Bank::new(msix::fh_ivar),
            hw: Bank::new(msix::hw_ivar),
            automask: 0,
            ivars: [0; IVARS],
            needless: 0,
        }
    }

    /// `CSR_MSIX_AUTOMASK_ST_AD`.
    pub(crate) fn automask(&self) -> u32 {
        self.automask
    }

    /// The driver has handled these vectors.
    pub(crate) fn unmask(&mut self, vectors: u32) {
        self.automask &= !vectors;
    }

    /// Four bytes of the IVAR tables, from byte `at` on.
    pub(crate) fn set_ivars(&mut self, at: usize, value: u32) {
        if let Some(bytes) = self.ivars.get_mut(at..at + 4) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Something happened.
    pub(super) fn latch(&mut self, cause: Cause) {
        match bit(cause, self.sw_err) {
            Bit::Fh(bit) => self.fh.causes |= bit,
            Bit::Hw(bit) => self.hw.causes |= bit,
        }
    }

    /// The next vector to raise, and what it tells of.
    pub(super) fn settle(&mut self) -> Option<(u16, Told)> {
        if self.fh.causes & !self.fh.mask == 0 && self.hw.causes & !self.hw.mask == 0 {
            return None;
        }
        for vector in (0..VECTORS).filter(|vector| self.automask >> vector & 1 == 0) {
            let (fh, fh_clear) = self.fh.routed(vector, &self.ivars);
            let (hw, hw_clear) = self.hw.routed(vector, &self.ivars);
            if fh | hw != 0 {
                self.automask |= 1 << vector;
                self.fh.causes &= !fh_clear;
                self.hw.causes &= !hw_clear;
                return Some((vector, told(fh, hw, self.sw_err)));
            }
        }
        None
    }

    /// No cause at all.
    pub(super) fn nothing(&self) -> Told {
        told(0, 0, self.sw_err)
    }

    /// A cause without a reason, past the mask; without one, each vector that any cause goes to, by
    /// turns.
    pub(super) fn provoke(&mut self, cause: Option<Cause>) -> (u16, Told) {
        let Some(cause) = cause else {
            let used = |vector: &u16| {
                self.ivars.iter().any(|ivar| u16::from(ivar & IVAR_VECTOR_MSK) == *vector)
            };
            let turns = (1..=VECTORS).map(|step| (self.needless + step) % VECTORS);
            self.needless = turns.clone().find(used).unwrap_or_default();
            return (self.needless, self.nothing());
        };
        self.latch(cause);
        let (fh, hw, ivar) = match bit(cause, self.sw_err) {
            Bit::Fh(bit) => (bit, 0, (self.fh.ivar)(bit.trailing_zeros())),
            Bit::Hw(bit) => (0, bit, (self.hw.ivar)(bit.trailing_zeros())),
        };
        (u16::from(self.ivars[ivar] & IVAR_VECTOR_MSK), told(fh, hw, self.sw_err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two queues and the rest on a vector each, as `iwl_pcie_conf_msix_hw` sets it up.
    fn routed() -> Msix {
        let mut msix = Msix::new(HwCauses::SW_ERR);
        msix.ivars[1] = 1;
        msix.ivars[0x10..].fill(2 | MSIX_NON_AUTO_CLEAR_CAUSE);
        msix.fh.mask = 0;
        msix.hw.mask = 0;
        msix
    }

    /// A cause that latches a bit is told by a name, and all are in the order of their bits.
    #[test]
    fn each_bit_has_a_name() {
        for sw_err in [HwCauses::SW_ERR, HwCauses::SW_ERR_BZ] {
            let (mut fh, mut hw) = (0, 0);
            for cause in causes() {
                match bit(cause, sw_err) {
                    Bit::Fh(bit) => fh |= bit,
                    Bit::Hw(bit) => hw |= bit,
                }
            }
            let names = told(fh, hw, sw_err).names;
            assert_eq!(names.len() as u32, fh.count_ones() + hw.count_ones());
            assert_eq!(names[..2], [Cause::FhRx(0), Cause::FhRx(1)]);
            assert!(names.contains(&Cause::Wakeup) && !names.contains(&Cause::Iml), "{names:?}");
            assert_eq!(names.last(), Some(&Cause::HwErr));
        }
    }

    #[test]
    fn a_cause_goes_where_its_byte_says() {
        let mut msix = routed();
        for (cause, vector) in [
            (Cause::FhRx(0), 0),
            (Cause::FhRx(1), 1),
            (Cause::FhTx, 2),
            (Cause::FhErr, 2),
            (Cause::Alive, 2),
            (Cause::SwErr, 2),
            (Cause::HwErr, 2),
            (Cause::RfKill, 2),
        ] {
            msix.latch(cause);
            let (raised, told) = msix.settle().expect("a vector");
            assert_eq!((raised, told.names), (vector, vec![cause]));
            assert_eq!(msix.settle(), None);
            msix.hw.causes = 0;
            msix.fh.causes = 0;
            msix.unmask(1 << vector);
        }
    }

    #[test]
    fn a_queue_clears_itself_and_the_rest_does_not() {
        let mut msix = routed();
        msix.latch(Cause::FhRx(1));
        msix.latch(Cause::Alive);
        assert_eq!(msix.settle().map(|(vector, _)| vector), Some(1));
        assert_eq!(msix.fh.causes, 0);
        assert_eq!(msix.settle().map(|(vector, _)| vector), Some(2));
        assert_eq!(msix.hw.causes, HwCauses::ALIVE.bits());
    }

    #[test]
    fn a_vector_waits_until_it_was_handled() {
        let mut msix = routed();
        msix.latch(Cause::FhRx(0));
        assert!(msix.settle().is_some());
        assert_eq!(msix.automask(), 1);
        msix.latch(Cause::FhRx(0));
        assert_eq!(msix.settle(), None, "still being handled");
        msix.unmask(1 << 1);
        assert_eq!(msix.settle(), None, "another was handled");
        msix.unmask(1);
        assert_eq!(msix.settle().map(|(vector, _)| vector), Some(0));
    }

    #[test]
    fn what_has_no_cause_rings_each_vector_by_turns() {
        let mut msix = routed();
        let rung: Vec<_> = (0..4).map(|_| msix.provoke(None).0).collect();
        assert_eq!(rung, [1, 2, 0, 1]);
        assert_eq!(Msix::new(HwCauses::SW_ERR).provoke(None).0, 0, "there is one way only");
    }

    #[test]
    fn a_masked_cause_waits() {
        let mut msix = routed();
        msix.hw.mask = HwCauses::RF_KILL.bits();
        msix.latch(Cause::RfKill);
        assert_eq!(msix.settle(), None);
        msix.hw.mask = 0;
        assert_eq!(msix.settle().map(|(vector, _)| vector), Some(2));
        assert_eq!(Msix::new(HwCauses::SW_ERR).hw.mask, u32::MAX, "all are, after a reset");
    }
}
