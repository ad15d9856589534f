//! Configuration space, as a bus driver sees it.

use crate::support::{Driver, INIT, TestWorld, last_outcome};
use iwl_card::{Card, CardOptions, Identity, Irq, Outcome, card};
use iwl_hw::csr::{self, GpCntrlBz, Int};
use iwl_hw::pci::{self, Command, cap_id};
use iwl_hw::prph::{CNVI_AUX_MISC_CHIP, cnvi_aux_misc_chip};

#[test]
fn the_identity_is_the_cards() {
    let mut driver = Driver::new("6205");
    let spec = *driver.card.spec();
    let id = driver.config_read(pci::PCI_VENDOR_ID);
    assert_eq!(id, u32::from(spec.pci.device) << 16 | u32::from(pci::PCI_VENDOR_ID_INTEL));
    let subsystem = driver.config_read(pci::PCI_SUBSYSTEM_VENDOR_ID);
    assert_eq!(subsystem >> 16, u32::from(spec.pci.subsystem));
    driver.config_write(pci::PCI_VENDOR_ID, &[0xff; 4]);
    assert_eq!(last_outcome(&driver), Some(Outcome::ReadOnly));
    assert_eq!(driver.config_read(pci::PCI_VENDOR_ID), id, "read-only");
}

#[test]
fn the_bar_tells_its_size() {
    let mut driver = Driver::new("7260");
    for bar in [pci::PCI_BASE_ADDRESS_0, pci::PCI_BASE_ADDRESS_1, pci::PCI_ROM_ADDRESS] {
        driver.config_write(bar, &[0xff; 4]);
    }
    let low = driver.config_read(pci::PCI_BASE_ADDRESS_0);
    let high = driver.config_read(pci::PCI_BASE_ADDRESS_1);
    assert_eq!(low & 0xf, pci::PCI_BASE_ADDRESS_MEM_TYPE_64);
    let address = u64::from(high) << 32 | u64::from(low & !0xf);
    assert_eq!(address.wrapping_neg(), driver.card.bar_size());
    assert_eq!(driver.config_read(pci::PCI_ROM_ADDRESS), 0, "there is no ROM");
}

#[test]
fn the_capabilities_are_a_list() {
    let mut driver = Driver::new("8265");
    let mut found = Vec::new();
    let mut at = driver.config_read(pci::PCI_CAPABILITY_LIST) & 0xff;
    while at != 0 {
        let header = driver.config_read(at);
        found.push((header & 0xff) as u8);
        at = header >> 8 & 0xff;
    }
    assert_eq!(found, [cap_id::PM, cap_id::MSI, cap_id::EXP]);
    let extended = driver.config_read(pci::PCI_ERR_CAP_HEADER);
    assert_eq!(extended & 0xffff, u32::from(cap_id::EXT_ERR));
    let next = driver.config_read(extended >> 20);
    assert_eq!(next & 0xffff, u32::from(cap_id::EXT_DSN));
    assert_eq!(next >> 20, 0);
}

#[test]
fn bus_mastering_is_passed_on() {
    let mut driver = Driver::new("6205");
    assert!(driver.world.bus_master);
    driver.config_write(pci::PCI_COMMAND, &Command::MEMORY.bits().to_le_bytes());
    assert!(!driver.world.bus_master);
}

#[test]
fn a_function_level_reset_is_a_reset() {
    let mut driver = Driver::new("6205");
    driver.config_write(pci::PCI_EXP_DEVCTL, &pci::PCI_EXP_DEVCTL_BCR_FLR.to_le_bytes());
    assert_eq!(driver.story(), "reset: function\n");
    assert!(!driver.world.bus_master);
    assert_eq!(driver.config_read(pci::PCI_COMMAND) & 0xffff, 0);
    let control = driver.config_read(pci::PCI_EXP_DEVCTL) & 0xffff;
    assert_eq!(control, u32::from(pci::EXP_DEVCTL_RESET));
}

#[test]
fn interrupts_take_the_selected_line() {
    let raise = |msi: bool, command: Command| {
        let mut driver = Driver::new("7260");
        driver.config_write(pci::PCI_COMMAND, &command.bits().to_le_bytes());
        driver.config_write(pci::PCI_MSI_CONTROL, &u16::from(msi).to_le_bytes());
        driver.init();
        driver.mask(Int::FH_TX);
        driver.upload(0, INIT);
        assert!(driver.card.intx_asserted());
        driver.world.raised
    };
    let on = Command::MEMORY | Command::MASTER;
    assert_eq!(raise(true, on), [Irq::Msi]);
    assert_eq!(raise(true, on | Command::INTX_DISABLE), [Irq::Msi]);
    assert_eq!(raise(false, on), [Irq::Intx]);
    assert_eq!(raise(false, on | Command::INTX_DISABLE), []);
    assert_eq!(raise(true, Command::MEMORY), [], "a message is a memory write");
}

#[test]
fn a_sleeping_function_does_not_answer() {
    let mut driver = Driver::new("6205");
    driver.config_write(pci::PCI_PM_CTRL, &pci::PCI_D3HOT.to_le_bytes());
    assert_eq!(driver.read(csr::CSR_HW_REV), u32::MAX);
    driver.config_write(pci::PCI_PM_CTRL, &0u16.to_le_bytes());
    assert_eq!(driver.read(csr::CSR_HW_REV), driver.card.spec().hw_rev);
}

/// Cards in one guest must have serial numbers and addresses of their own.
#[test]
fn slots_tell_cards_apart() {
    let serial = |slot| {
        let spec = card("7260").expect("a card");
        let mut card = Card::new(spec, CardOptions { slot, ..CardOptions::default() });
        let mut data = [0; 8];
        card.config_read(&mut TestWorld::new(0), pci::PCI_DSN_LOW.into(), &mut data);
        data
    };
    assert_ne!(serial(0), serial(1));
}

/// A host that looks for the card anew finds another one, of other silicon.
#[test]
fn a_card_becomes_another() {
    let mut driver = Driver::new("7260");
    driver.config_write(pci::PCI_COMMAND, &Command::MASTER.bits().to_le_bytes());
    let identity: Identity = "device=0xa840,subsystem=0x0114,hw-rev=0x461".parse().expect("one");
    let spec = identity.of(card("be200").expect("a card")).expect("a Bz");
    driver.card.turn_into(&mut driver.world, &spec);
    assert_eq!(driver.config_read(pci::PCI_VENDOR_ID), 0xa840_8086);
    assert_eq!(driver.config_read(pci::PCI_SUBSYSTEM_VENDOR_ID) >> 16, 0x0114);
    assert_eq!(driver.read(csr::CSR_HW_REV), 0x461);
    // Wi-Fi 7 has its clock's bit elsewhere, and the step of a Bz MAC beside the radio's ids.
    driver.write(csr::CSR_GP_CNTRL, GpCntrlBz::MAC_INIT.bits());
    assert_ne!(driver.read(csr::CSR_GP_CNTRL) & GpCntrlBz::MAC_STATUS.bits(), 0);
    driver.write(csr::HBUS_TARG_PRPH_RADDR, CNVI_AUX_MISC_CHIP);
    assert_eq!(driver.read(csr::HBUS_TARG_PRPH_RDAT), cnvi_aux_misc_chip(1));
    assert_eq!(driver.card.bar_size(), 0x2000, "QEMU has mapped no more");
    assert_eq!(driver.card.msix_vectors(), 0);
}
