// SPDX-License-Identifier: GPL-2.0

//! A PCI driver in Rust, to begin with: it probes an emulated card, reads a register, has the card
//! interrupt it, and loads a file of firmware.

use kernel::{
    device::Core,
    firmware::Firmware,
    io::{register, Io},
    irq::{self, Handler, IrqReturn, Registration},
    pci,
    prelude::*,
    sync::Completion,
};

register! {
    /// Interrupt causes; ones are cleared.
    CSR_INT(u32) @ 0x008 {
        31:0 causes;
    }

    /// Which causes interrupt.
    CSR_INT_MASK(u32) @ 0x00c {
        31:0 causes;
    }

    /// The card's state.
    CSR_GP_CNTRL(u32) @ 0x024 {
        27:27 hw_rf_kill_sw => bool;
    }

    /// Hardware type and step.
    CSR_HW_REV(u32) @ 0x028 {
        15:4 part;
        3:0 step;
    }
}

/// The RF-kill switch was moved: `do = { rf-kill = true }` in a scenario.
const RF_KILL: u32 = 1 << 7;

/// As large as the oldest card's.
type Bar = pci::DevresBar<0x2000>;

/// What the interrupt and the rest share.
#[pin_data]
struct Card {
    bar: Bar,
    #[pin]
    interrupted: Completion,
}

impl Card {
    /// These causes may interrupt, and no others.
    fn unmask(&self, causes: u32) {
        let mask = CSR_INT_MASK::zeroed().with_causes(causes);
        // Of a card that is not there any more none will.
        let _ = self.bar.try_access_with(|bar| bar.write_reg(mask));
    }
}

impl Handler for Card {
    fn handle(&self) -> IrqReturn {
        let read = self.bar.try_access_with(|bar| {
            let causes = bar.read(CSR_INT).causes().get();
            bar.write_reg(CSR_INT::zeroed().with_causes(causes));
            (causes, bar.read(CSR_GP_CNTRL).hw_rf_kill_sw())
        });
        match read {
            // None of ours, or all ones: the card has gone.
            None | Some((0 | u32::MAX, _)) => IrqReturn::None,
            Some((causes, radio)) => {
                let radio = if radio { "on" } else { "off" };
                pr_info!("interrupt, causes {:#x}, radio {}\n", causes, radio);
                self.interrupted.complete_all();
                IrqReturn::Handled
            }
        }
    }
}

/// What is kept of a bound device; fields are dropped in this order.
#[pin_data]
struct Bound<'bound> {
    #[pin]
    irq: Registration<'bound, Card>,
    vectors: KBox<pci::IrqVectorRegistration<'bound>>,
}

struct Driver;

kernel::pci_device_table!(
    IDS,
    (),
    [
        (pci::DeviceId::from_id(pci::Vendor::INTEL, 0x08b1), ()), // 7260
        (pci::DeviceId::from_id(pci::Vendor::INTEL, 0x0082), ()), // 6205
    ]
);

impl pci::Driver for Driver {
    type IdInfo = ();
    type Data<'bound> = Bound<'bound>;
    const ID_TABLE: pci::IdTable<()> = &IDS;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Bound<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            // The crate takes neither back: abstractions/pci.rs of the driver that iwlbench comes with
            // (guest-images/rust-driver) does.
            pdev.enable_device_mem()?;
            pdev.set_master();
            let bar = pdev.iomap_region_sized::<0x2000>(0, c"NAME")?;

            let revision = bar.read(CSR_HW_REV);
            dev_info!(pdev, "part {:#x}, step {}\n", revision.part().get(), revision.step().get());

            // A file that scenarios can hold, refuse or break. This waits for it; to ask for it and
            // go on, see abstractions/firmware.rs there.
            let file = Firmware::request(c"NAME.bin", pdev.as_ref())?;
            dev_info!(pdev, "firmware of {} bytes\n", file.size());

            let types = pci::IrqTypes::default().with(pci::IrqType::Msi);
            let vectors = KBox::new(pdev.alloc_irq_vectors(1, 1, types)?, GFP_KERNEL)?;
            // SAFETY: The vectors stay where they are, in their box, and `Bound` has that before the
            // interrupt, and drops it after.
            let borrowed: &'bound pci::IrqVectorRegistration<'bound> =
                unsafe { &*core::ptr::from_ref(&*vectors) };
            let card = try_pin_init!(Card {
                bar: bar.into_devres()?,
                interrupted <- Completion::new(),
            }? Error);
            let request = borrowed.index(0)?.into();
            // SAFETY: It is a field of the device's data, which the driver core drops.
            let irq = unsafe { Registration::new(request, irq::Flags::SHARED, c"NAME", card) };
            // What may fail goes before the interrupt, or below it: what was made is then dropped,
            // backwards.
            Ok(try_pin_init!(Bound {
                vectors,
                irq <- irq,
                _: { irq.handler().unmask(RF_KILL) },
            }? Error))
        })
    }

    fn unbind<'bound>(_pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Bound<'bound>>) {
        this.irq.handler().unmask(0);
    }
}

kernel::module_pci_driver! {
    type: Driver,
    name: "NAME",
    authors: ["You"],
    description: "NAME, a first driver",
    license: "GPL",
}
