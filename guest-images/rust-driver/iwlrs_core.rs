// SPDX-License-Identifier: GPL-2.0

//! A driver for Intel's wireless cards of the DVM, 7000 and 8000 families and AX200, up to the hand-over: firmware
//! asked for, its opmode asked for and started, microcode uploaded and alive, the card's identity read, an
//! interface. No frame passes.
//!
//! To read it: [`drv`], the hand-over; [`trans`], the card; [`abi`], what the opmodes see. What was
//! missing in the `kernel` crate is in [`abstractions`]; the README counts what is unsafe, and argues it.

#![allow(missing_docs)]

mod abi;
mod abstractions;
mod cards;
mod context;
mod dma;
mod drv;
mod exports;
mod interface;
mod regs;
mod trans;
mod ucode;

use kernel::{
    device::Core,
    dma::{Device as _, DmaMask},
    driver,
    io::Io,
    irq, pci,
    prelude::*,
    InPlaceModule, ModuleMetadata,
};

use crate::{
    abstractions::{pci::Enabled, pm::Notifier},
    cards::Card,
    drv::{Bound, Drv, Handler, Queue, Sleeper, Strategy, QUEUE, TABLE},
    regs::{BAR_SIZE, CSR_HW_REV},
    trans::Trans,
};

struct Driver;

impl pci::Driver for Driver {
    type IdInfo = Card;
    type Data<'bound> = Bound<'bound>;
    const ID_TABLE: pci::IdTable<Card> = cards::TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        info: Option<&'bound Card>,
    ) -> impl PinInit<Bound<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let card = info.ok_or(ENODEV)?;
            let enabled = Enabled::new(pdev)?;
            // SAFETY: Nothing is allocated or mapped for the device yet.
            unsafe { pdev.dma_set_mask_and_coherent(DmaMask::new::<36>())? };
            let bar = pdev.iomap_region_sized::<BAR_SIZE>(0, c"iwlrs")?;
            let hw_rev = bar.read(CSR_HW_REV).value().get();
            if hw_rev == u32::MAX {
                dev_err!(pdev, "HW_REV=0xFFFFFFFF, PCI issues?\n");
                return Err(EIO);
            }
            let card = card.by_revision(hw_rev);
            let trans = Trans::new(pdev.as_ref(), bar.into_devres()?, card.family)?;
            let module = kernel::module::this_module::<LocalModule>();
            let strategy = Strategy::of(module_parameters::request.value());
            let dev: &kernel::device::Device = pdev.as_ref();
            let drv = Drv::new(dev.into(), module, card, strategy, trans)?;
            let rf_id = drv.trans.probe()?;
            dev_info!(
                dev,
                "PCI dev {:04x}/{:04x}, rev={:#x}, rfid={:#x}\n",
                pdev.device_id(),
                pdev.subsystem_device_id(),
                hw_rev,
                rf_id,
            );
            let alloc = |kind| pdev.alloc_irq_vectors(1, 1, pci::IrqTypes::default().with(kind));
            let vectors = alloc(pci::IrqType::Msi).or_else(|error| {
                dev_err!(pdev, "pci_enable_msi failed - {:?}\n", error);
                alloc(pci::IrqType::Intx)
            })?;
            let vectors = KBox::new(vectors, GFP_KERNEL)?;
            // SAFETY: The vectors are in a box, whose content stays where it is, and `Bound` has that before
            // the interrupt that borrows from it, and drops it after.
            let borrowed: &'bound pci::IrqVectorRegistration<'bound> =
                unsafe { &*core::ptr::from_ref(&*vectors) };
            let request = borrowed.index(0)?.into();
            let handler = Handler(drv.clone());
            // SAFETY: The registration is a field of the device's data, which the driver core drops.
            let irq = unsafe {
                irq::ThreadedRegistration::new(request, irq::Flags::SHARED, c"iwlrs", Ok(handler))
            };
            // What fails undoes what is before it, backwards: as `Bound` does in the end.
            Ok(try_pin_init!(Bound {
                drv,
                enabled,
                vectors,
                irq <- irq,
                _: { drv.begin()? },
            }? Error))
        })
    }

    fn unbind<'bound>(_pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Bound<'bound>>) {
        this.drv.unbind();
    }
}

#[pin_data]
struct Iwlrs {
    /// First, so that no device is bound when the queue goes.
    #[pin]
    _driver: driver::Registration<pci::Adapter<Driver>>,
    #[pin]
    _sleep: Notifier<Sleeper>,
    _queue: Queue,
}

impl InPlaceModule for Iwlrs {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: The module's init runs once, and this first.
        unsafe {
            TABLE.init();
            QUEUE.init();
        }
        try_pin_init!(Self {
            _queue: Queue::new()?,
            _sleep <- Notifier::new(),
            _driver <- driver::Registration::new(<Self as ModuleMetadata>::NAME, module),
        })
    }
}

module! {
    type: Iwlrs,
    name: "iwlrs",
    authors: ["iwlbench contributors"],
    description: "Intel wireless in Rust: core",
    license: "GPL",
    firmware: [
        "iwlwifi-1000-5.ucode",
        "iwlwifi-100-5.ucode",
        "iwlwifi-105-6.ucode",
        "iwlwifi-135-6.ucode",
        "iwlwifi-2000-6.ucode",
        "iwlwifi-2030-6.ucode",
        "iwlwifi-5000-5.ucode",
        "iwlwifi-5150-2.ucode",
        "iwlwifi-6000-4.ucode",
        "iwlwifi-6050-5.ucode",
        "iwlwifi-6000g2a-6.ucode",
        "iwlwifi-6000g2b-6.ucode",
        "iwlwifi-7260-17.ucode",
        "iwlwifi-3160-17.ucode",
        "iwlwifi-7265-17.ucode",
        "iwlwifi-7265D-29.ucode",
        "iwlwifi-3168-29.ucode",
        "iwlwifi-8000C-36.ucode",
        "iwlwifi-8265-36.ucode",
        "iwlwifi-cc-a0-77.ucode",
    ],
    params: {
        request: u32 {
            default: 4,
            description: "How the opmode is asked for: 0 nowait, 1 nowait-verify, 2 sync, 3 sync-verify, 4 held",
        },
    },
}
