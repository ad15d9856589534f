//! MSI-X, as a driver of 9000 and later parts sets it up and handles it.

use crate::support::{Driver, INIT, last_outcome};
use iwl_card::{
    Card, CardEvent, CardOptions, CardSpec, Cause, Fault, FaultPlan, Interrupts, Irq, Outcome, card,
};
use iwl_hw::msix::{
    self, CSR_MSIX_AUTOMASK_ST_AD, CSR_MSIX_FH_INT_CAUSES_AD, CSR_MSIX_FH_INT_MASK_AD,
    CSR_MSIX_HW_INT_CAUSES_AD, CSR_MSIX_HW_INT_MASK_AD, CSR_MSIX_IVAR_AD_REG, FhCauses, HwCauses,
    MSIX_NON_AUTO_CLEAR_CAUSE,
};
use iwl_hw::{csr, pci, prph};

const VECTOR: u8 = 3;

fn spec() -> &'static CardSpec {
    card("9260").expect("a card of that name")
}

/// All but the receive queues on one vector, cleared by the driver.
fn with_vectors(faults: FaultPlan) -> Driver {
    let options =
        CardOptions { interrupts: Some(Interrupts::MsiAndMsix), faults, ..CardOptions::default() };
    let mut driver = Driver::of(Card::new(spec(), options));
    driver.config_write(pci::PCI_MSIX_CONTROL, &pci::PCI_MSIX_FLAGS_ENABLE.to_le_bytes());
    driver.init();
    for at in 0..msix::IVARS as u64 - 0x10 {
        let byte = [VECTOR | MSIX_NON_AUTO_CLEAR_CAUSE];
        let ivar = u64::from(CSR_MSIX_IVAR_AD_REG) + at;
        driver.card.bar_write(&mut driver.world, ivar, &byte);
    }
    driver.write(CSR_MSIX_FH_INT_MASK_AD, !FhCauses::all().bits());
    driver.write(CSR_MSIX_HW_INT_MASK_AD, !HwCauses::all().bits());
    driver.world.events.clear();
    driver.world.raised.clear();
    driver
}

/// As `iwl_pcie_irq_msix_handler`: the causes, acknowledged, and the vector let go.
fn handle(driver: &mut Driver) -> (u32, u32) {
    let fh = driver.read(CSR_MSIX_FH_INT_CAUSES_AD);
    let hw = driver.read(CSR_MSIX_HW_INT_CAUSES_AD);
    driver.write(CSR_MSIX_FH_INT_CAUSES_AD, fh);
    driver.write(CSR_MSIX_HW_INT_CAUSES_AD, hw);
    driver.write(CSR_MSIX_AUTOMASK_ST_AD, 1 << VECTOR);
    (fh, hw)
}

const RAISED: Irq = Irq::Msix { vector: VECTOR as u16 };

#[test]
fn the_function_offers_its_vectors() {
    let mut driver = with_vectors(FaultPlan::none());
    assert_eq!(driver.card.msix_vectors(), msix::VECTORS);
    assert_eq!(driver.card.bar_size(), 0x4000);
    let header = driver.config_read(pci::PCI_MSIX_FLAGS);
    assert_eq!(header & 0xff, u32::from(pci::cap_id::MSIX));
    assert_eq!(header >> 16 & 0x7ff, u32::from(msix::VECTORS) - 1);
    assert_eq!(driver.config_read(pci::PCI_MSIX_TABLE), pci::MSIX_TABLE_OFFSET);
    // Without being asked to, it offers none.
    let card = Card::new(spec(), CardOptions::default());
    assert_eq!(card.msix_vectors(), 0);
}

#[test]
fn a_section_is_told_by_its_vector() {
    let mut driver = with_vectors(FaultPlan::none());
    driver.upload(0x80_0000, INIT);
    assert_eq!(driver.world.raised, [RAISED]);
    let told = driver.world.events.iter().find_map(|event| match event {
        CardEvent::Interrupt { causes, fh_causes, names, .. } => {
            Some((*causes, *fh_causes, names.clone()))
        }
        _ => None,
    });
    let bit = FhCauses::D2S_CH0_NUM.bits();
    assert_eq!(told, Some((0, Some(bit), vec![Cause::FhTx])));
    assert_eq!(driver.read(csr::CSR_INT), 0, "not there too");
    assert_eq!(handle(&mut driver), (bit, 0));
    assert_eq!(handle(&mut driver), (0, 0), "acknowledged");
    driver.upload(0, INIT);
    assert_eq!(driver.world.raised, [RAISED; 2]);
}

#[test]
fn a_vector_that_is_being_handled_is_not_raised_again() {
    let mut driver = with_vectors(FaultPlan::none());
    driver.upload(0x80_0000, INIT);
    driver.card.set_rf_kill(&mut driver.world, true);
    driver.settle();
    assert_eq!(driver.world.raised, [RAISED]);
    let rf_kill = HwCauses::RF_KILL.bits();
    assert_eq!(handle(&mut driver), (FhCauses::D2S_CH0_NUM.bits(), rf_kill));
    driver.card.set_rf_kill(&mut driver.world, false);
    driver.settle();
    assert_eq!(driver.world.raised, [RAISED; 2]);
}

#[test]
fn a_mask_opens_on_what_waits() {
    let mut driver = with_vectors(FaultPlan::none());
    driver.write(CSR_MSIX_HW_INT_MASK_AD, u32::MAX);
    driver.card.set_rf_kill(&mut driver.world, true);
    driver.settle();
    assert_eq!(driver.world.raised, []);
    driver.write(CSR_MSIX_HW_INT_MASK_AD, !HwCauses::RF_KILL.bits());
    assert_eq!(driver.world.raised, [RAISED]);
}

#[test]
fn without_bus_mastering_a_message_goes_nowhere() {
    let mut driver = with_vectors(FaultPlan::none());
    driver.config_write(pci::PCI_COMMAND, &pci::Command::MEMORY.bits().to_le_bytes());
    driver.card.set_rf_kill(&mut driver.world, true);
    driver.settle();
    assert_eq!(driver.world.raised, []);
}

#[test]
fn a_transfer_that_fails_is_a_cause_of_its_own() {
    let mut driver = with_vectors(FaultPlan::none());
    driver.start_transfer(u64::from(u32::MAX), 0, 64);
    assert_eq!(handle(&mut driver), (FhCauses::FH_ERR.bits(), 0));
}

#[test]
fn what_no_driver_knows_comes_by_the_vector_too() {
    let mut driver = with_vectors(FaultPlan::none().with(Fault::UnknownCause { every: 4 }));
    while driver.world.raised.is_empty() {
        driver.read(csr::CSR_GP_CNTRL);
    }
    assert_eq!(driver.world.raised[0], RAISED);
    assert_eq!(handle(&mut driver).1, msix::UNKNOWN_CAUSE);
}

/// MSI on silicon that could do more: the causes are where they always were.
#[test]
fn with_msi_causes_are_in_their_old_place() {
    let mut driver = Driver::of(Card::new(spec(), CardOptions::default()));
    driver.config_write(pci::PCI_MSI_CONTROL, &pci::PCI_MSI_FLAGS_ENABLE.to_le_bytes());
    driver.init();
    driver.mask(csr::Int::FH_TX);
    driver.upload(0x80_0000, INIT);
    assert_eq!(driver.world.raised, [Irq::Msi]);
    assert_eq!(driver.take_causes(), csr::Int::FH_TX);
    assert_eq!(driver.read(CSR_MSIX_FH_INT_CAUSES_AD), 0);
}

#[test]
fn a_reset_closes_the_masks() {
    let mut driver = with_vectors(FaultPlan::none());
    assert_eq!(driver.read(CSR_MSIX_HW_INT_MASK_AD), !HwCauses::all().bits());
    assert_eq!(last_outcome(&driver), Some(Outcome::Implemented));
    driver.write(csr::CSR_RESET, csr::Reset::SW_RESET.bits());
    assert_eq!(driver.read(CSR_MSIX_HW_INT_MASK_AD), u32::MAX);
    assert_eq!(driver.read(CSR_MSIX_IVAR_AD_REG), 0);
}

/// Registers of other silicon are there by name, and those of this one only here.
#[test]
fn rows_are_the_silicons() {
    let mut driver = with_vectors(FaultPlan::none());
    driver.write_prph(prph::UREG_CHICK, prph::UREG_CHICK_MSIX_ENABLE);
    assert_eq!(last_outcome(&driver), Some(Outcome::Stub));
    let mut driver = Driver::new("8265");
    driver.write_prph(prph::UREG_CHICK, prph::UREG_CHICK_MSIX_ENABLE);
    assert_eq!(last_outcome(&driver), Some(Outcome::Unknown));
}
