// SPDX-License-Identifier: GPL-2.0

//! The hand-over: from a card that was probed, by its firmware, to the opmode that drives it.
//!
//! Who holds what:
//! - `TABLE` is held while an opmode starts or stops on a card, and whenever a card's stage changes. It is
//!   never held while modprobe is waited for: the opmode's init takes it.
//! - A card lives as long as anybody has it: the device's data, the firmware loader, work that is on the
//!   queue. None of them waits for the others to be through but where it is said here: unbinding waits
//!   for the firmware's callback, as that uses the bound device.
//! - A device is let go of by work of its own, which holds nothing: the driver core takes the device's lock
//!   for it, and whoever unbinds has that and waits for the verifier.
//! - All work is on a queue of the module's own, and of work whose time has not come unbinding takes the
//!   rest back; so when the module goes nothing of it is left to run. `QUEUE` is held for no longer than it
//!   takes to enqueue, so that the interrupt's thread can.
//! - A card's `link` is held while its interface goes up or down, or its microcode is started anew: no
//!   opmode goes before its interfaces are down.
//!
//! How the opmode is asked for is the `request` parameter's to say; [`Strategy`] has them. The false alarm
//! of one that looks after a second, and the unbinding that waits of one that looks when modprobe has
//! ended, come of where they do that: [`Strategy::Held`] waits for modprobe on the queue, where nobody
//! waits for it, and needs no clock.

use kernel::{
    device,
    error::to_result,
    fmt,
    irq::{IrqReturn, ThreadedHandler, ThreadedIrqReturn},
    new_mutex, pci,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        global_lock,
        Arc,
        Completion,
        GlobalGuard,
        GlobalLockedBy,
        Mutex, //
    },
    time::msecs_to_jiffies,
    workqueue::{
        impl_has_delayed_work, impl_has_work, new_delayed_work, new_work, DelayedWork, HasWork,
        Work, WorkItem,
    },
    ThisModule,
};

use crate::{
    abi::{Kind, Ops},
    abstractions::{
        device::release_driver,
        firmware::{request_nowait, Firmware, Requester},
        kmod::{request_module, request_module_nowait, Ended, ModuleRef},
        pci::Enabled,
        pm,
        workqueue::{cancel_delayed_work_sync, OwnedQueue},
    },
    cards::Card,
    interface::Interface,
    regs::int,
    trans::Trans,
    ucode::{self, Ucode},
};

/// How long a verifier with a clock waits.
const PATIENCE_MS: u32 = 1000;

/// How the opmode is asked for, and whether it is looked for then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// `request_module_nowait()`, and no look.
    Nowait,
    /// The same, and a look a second later.
    NowaitVerify,
    /// `request_module()`, its error printed, after unbinding was let go on.
    Sync,
    /// `request_module()`, and a look when it returns; unbinding waits for both.
    SyncVerify,
    /// The same by work that nobody waits for.
    Held,
}

impl Strategy {
    /// The one that the module's parameter names; the last, if none.
    pub(crate) fn of(parameter: u32) -> Self {
        match parameter {
            0 => Strategy::Nowait,
            1 => Strategy::NowaitVerify,
            2 => Strategy::Sync,
            3 => Strategy::SyncVerify,
            _ => Strategy::Held,
        }
    }
}

/// Where a card is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its firmware has not come.
    Probed,
    /// It needs this opmode, which has not come yet.
    Waiting(Kind),
    /// It had it, and it was unloaded; it may come again, and nobody looks for it.
    Left(Kind),
    /// It has it.
    Started(Kind),
    /// It is to be let go of.
    Failed,
    /// It is unbound.
    Gone,
}

/// The opmodes that are there, and the cards.
pub(crate) struct Table {
    opmodes: [Option<&'static Ops>; 2],
    drvs: KVec<Arc<Drv>>,
}

global_lock! {
    // SAFETY: Initialized in the module's init before anything else.
    pub(crate) unsafe(uninit) static TABLE: Mutex<Table> =
        Table { opmodes: [None; 2], drvs: KVec::new() };
}

global_lock! {
    // SAFETY: As `TABLE`.
    pub(crate) unsafe(uninit) static QUEUE: Mutex<Option<OwnedQueue>> = None;
}

/// Puts work on the module's queue; none that is on it already.
fn enqueue<const ID: u64>(drv: &Arc<Drv>)
where
    Drv: WorkItem<ID, Pointer = Arc<Drv>> + HasWork<Drv, ID>,
{
    if let Some(queue) = &*QUEUE.lock() {
        let _ = queue.enqueue::<_, ID>(drv.clone());
    }
}

/// The module's queue, while it is there.
pub(crate) struct Queue(());

impl Queue {
    /// Makes it.
    pub(crate) fn new() -> Result<Self> {
        let queue = OwnedQueue::new_freezable(c"iwlrs")?;
        *QUEUE.lock() = Some(queue);
        Ok(Self(()))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // No card is left; what had room for them is nobody's to free, as a static is not dropped.
        TABLE.lock().drvs = KVec::new();
        let queue = QUEUE.lock().take();
        // What is still on it runs now, and takes the locks.
        drop(queue);
    }
}

impl Kind {
    fn of(file: ucode::Kind) -> Self {
        match file {
            ucode::Kind::Dvm => Kind::Dvm,
            ucode::Kind::Mvm => Kind::Mvm,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        [Kind::Dvm, Kind::Mvm].into_iter().find(|kind| *kind as u32 == number)
    }

    fn module(self) -> &'static CStr {
        match self {
            Kind::Dvm => c"iwlrs_dvm",
            Kind::Mvm => c"iwlrs_mvm",
        }
    }
}

/// A card that the driver is bound to, or was.
#[pin_data]
pub(crate) struct Drv {
    pub(crate) dev: ARef<device::Device>,
    module: &'static ThisModule,
    pub(crate) card: Card,
    strategy: Strategy,
    #[pin]
    pub(crate) trans: Trans,
    /// The request for firmware is through.
    #[pin]
    asked: Completion,
    /// The API number that was asked for last.
    api: Atomic<u32>,
    /// The opmode that its firmware leads to, once there is work that asks for it.
    wanted: Atomic<u32>,
    #[pin]
    pub(crate) firmware: Mutex<Option<Firmware>>,
    #[pin]
    pub(crate) interface: Mutex<Option<Interface>>,
    #[pin]
    link: Mutex<Link>,
    /// Whom the interface tells that it goes up.
    #[pin]
    pub(crate) ops: Mutex<Option<&'static Ops>>,
    stage: GlobalLockedBy<Stage, TABLE>,
    #[pin]
    verifier: DelayedWork<Drv, 0>,
    #[pin]
    modprobe: Work<Drv, 1>,
    #[pin]
    releaser: Work<Drv, 2>,
    #[pin]
    restarter: Work<Drv, 3>,
}

/// An interface, and what its microcode does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    /// It is up.
    up: bool,
    /// The machine sleeps, or is about to: nothing runs, and what is up will when it wakes.
    asleep: bool,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Drv, 0> for Drv { self.verifier }
}
impl_has_work! {
    impl HasWork<Drv, 1> for Drv { self.modprobe }
    impl HasWork<Drv, 2> for Drv { self.releaser }
    impl HasWork<Drv, 3> for Drv { self.restarter }
}

impl Drv {
    /// A card that was probed.
    pub(crate) fn new<'a>(
        dev: ARef<device::Device>,
        module: &'static ThisModule,
        card: Card,
        strategy: Strategy,
        trans: impl PinInit<Trans> + 'a,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                dev,
                module,
                card,
                strategy,
                trans <- trans,
                asked <- Completion::new(),
                api: Atomic::new(card.api.0),
                wanted: Atomic::new(Kind::Dvm as u32),
                firmware <- new_mutex!(None, "iwlrs firmware"),
                interface <- new_mutex!(None, "iwlrs interface"),
                link <- new_mutex!(Link { up: false, asleep: false }, "iwlrs link"),
                ops <- new_mutex!(None, "iwlrs ops"),
                stage: GlobalLockedBy::new(Stage::Probed),
                verifier <- new_delayed_work!("iwlrs verifier"),
                modprobe <- new_work!("iwlrs modprobe"),
                releaser <- new_work!("iwlrs releaser"),
                restarter <- new_work!("iwlrs restarter"),
            }),
            GFP_KERNEL,
        )
    }

    /// Asks for the first firmware file. From here on all goes by itself, until `unbind()`.
    pub(crate) fn begin(self: &Arc<Self>) -> Result {
        TABLE.lock().drvs.push(self.clone(), GFP_KERNEL)?;
        let asked = self.ask();
        if asked.is_err() {
            self.forget(&mut TABLE.lock());
        }
        asked
    }

    fn forget(self: &Arc<Self>, table: &mut GlobalGuard<TABLE>) {
        table.drvs.retain(|drv| !Arc::ptr_eq(drv, self));
    }

    fn file_name(&self, api: u32) -> Result<CString> {
        CString::try_from_fmt(fmt!("{}{}.ucode", self.card.firmware, api))
    }

    fn ask(self: &Arc<Self>) -> Result {
        let name = self.file_name(self.api.load(Relaxed))?;
        request_nowait(self.module, &name, &self.dev, self.clone())
    }

    /// The device is unbound. It waits until the firmware's callback is through, and stops what there is.
    pub(crate) fn unbind(self: &Arc<Self>) {
        self.asked.wait_for_completion();
        cancel_delayed_work_sync::<Drv, 0>(self);
        let mut table = TABLE.lock();
        self.stop_opmode(&mut table);
        *self.stage.as_mut(&mut table) = Stage::Gone;
        self.forget(&mut table);
        drop(table);
        self.trans.release();
        drop(self.firmware.lock().take());
    }

    fn stop_opmode(self: &Arc<Self>, table: &mut GlobalGuard<TABLE>) {
        let Stage::Started(kind) = *self.stage.as_ref(table) else { return };
        if let Some(ops) = table.opmodes[kind as usize] {
            (ops.stop)(self.handle());
        }
        *self.ops.lock() = None;
        *self.stage.as_mut(table) = Stage::Left(kind);
    }

    /// Starts the opmode. Where it fails, the device is let go of.
    fn start_opmode(
        self: &Arc<Self>,
        kind: Kind,
        ops: &'static Ops,
        table: &mut GlobalGuard<TABLE>,
    ) {
        *self.ops.lock() = Some(ops);
        // The card is bound, as unbinding takes the lock that is held.
        match to_result((ops.start)(self.handle())) {
            Ok(()) => *self.stage.as_mut(table) = Stage::Started(kind),
            Err(error) => {
                *self.ops.lock() = None;
                dev_err!(
                    self.dev,
                    "{} could not start: {:?}; letting go of the device\n",
                    kind.module(),
                    error,
                );
                self.let_go(table);
            }
        }
    }

    /// Has the device released by work of its own.
    fn let_go(self: &Arc<Self>, table: &mut GlobalGuard<TABLE>) {
        *self.stage.as_mut(table) = Stage::Failed;
        enqueue::<2>(self);
    }

    /// Looks whether the opmode has come, and lets go of the device if not.
    fn verify(self: &Arc<Self>, how: fmt::Arguments<'_>) {
        let mut table = TABLE.lock();
        if let Stage::Waiting(kind) = *self.stage.as_ref(&table) {
            dev_err!(
                self.dev,
                "{} did not come ({}); letting go of the device\n",
                kind.module(),
                how,
            );
            self.let_go(&mut table);
        }
    }

    /// What is wrong with a file, if it is not one for this card; else whose it is.
    fn judge(&self, data: &[u8]) -> Result<Kind, ucode::Error> {
        let file = Ucode::parse(data)?;
        let (max, min) = self.card.api;
        if !(min..=max).contains(&file.api()) {
            return Err(ucode::Error::Api { found: file.api(), min, max });
        }
        file.check(self.card.dvm.0, self.card.dvm.1)?;
        Ok(Kind::of(file.kind()))
    }

    /// The file was refused or is not there: asks for the next one, or gives up.
    fn next(self: &Arc<Self>) {
        let api = self.api.load(Relaxed);
        let (max, min) = self.card.api;
        if api > min {
            self.api.store(api - 1, Relaxed);
            match self.ask() {
                Ok(()) => return,
                Err(error) => dev_err!(self.dev, "no firmware can be asked for: {:?}\n", error),
            }
        } else {
            dev_err!(
                self.dev,
                "no suitable firmware found! {}{} to {} are supported\n",
                self.card.firmware,
                max,
                min,
            );
        }
        self.let_go(&mut TABLE.lock());
        self.asked.complete_all();
    }

    /// The file is good: its opmode starts, if it is there, or is asked for.
    fn hand_over(self: &Arc<Self>, kind: Kind) {
        let mut table = TABLE.lock();
        if let Some(ops) = table.opmodes[kind as usize] {
            self.start_opmode(kind, ops, &mut table);
            drop(table);
            self.asked.complete_all();
            return;
        }
        *self.stage.as_mut(&mut table) = Stage::Waiting(kind);
        self.wanted.store(kind as u32, Relaxed);
        if self.strategy == Strategy::Held {
            enqueue::<1>(self);
        }
        drop(table);
        match self.strategy {
            Strategy::Held => {}
            Strategy::Nowait => self.not_started(request_module_nowait(kind.module())),
            Strategy::NowaitVerify => {
                self.not_started(request_module_nowait(kind.module()));
                if let Some(queue) = &*QUEUE.lock() {
                    let delay = msecs_to_jiffies(PATIENCE_MS);
                    let _ = queue.enqueue_delayed::<_, 0>(self.clone(), delay);
                }
            }
            Strategy::Sync => {
                // Unbinding need not wait: what is used from here on is the card's own.
                self.asked.complete_all();
                match request_module(kind.module()) {
                    Ended::Well => {}
                    ended => dev_err!(
                        self.dev,
                        "failed to load module {} ({}), is dynamic loading enabled?\n",
                        kind.module(),
                        ended,
                    ),
                }
            }
            Strategy::SyncVerify => {
                let ended = request_module(kind.module());
                self.verify(fmt!("{}", ended));
            }
        }
        self.asked.complete_all();
    }

    /// Its interface comes.
    pub(crate) fn add_interface(&self, address: &[u8; 6]) -> Result {
        let interface = Interface::new(self, address, !self.trans.is_radio_on()?)?;
        *self.interface.lock() = Some(interface);
        // The switch may have been moved meanwhile.
        self.look_at_switch();
        Ok(())
    }

    /// Tells the interface of the switch.
    fn look_at_switch(&self) {
        if let (Some(interface), Ok(on)) = (&*self.interface.lock(), self.trans.is_radio_on()) {
            interface.set_blocked(!on);
        }
    }

    /// The interface goes up.
    pub(crate) fn open(&self) -> Result {
        let mut link = self.link.lock();
        if !link.asleep {
            self.run()?;
        }
        link.up = true;
        Ok(())
    }

    /// It goes down.
    pub(crate) fn close(&self) {
        let mut link = self.link.lock();
        link.up = false;
        self.rest();
        // While it was stopped nothing was heard of the switch.
        self.look_at_switch();
    }

    /// Its microcode runs.
    fn run(&self) -> Result {
        let ops = (*self.ops.lock()).ok_or(ENODEV)?;
        let up = to_result((ops.up)(self.handle()));
        // While it was loaded nothing was heard of the switch.
        self.look_at_switch();
        up
    }

    /// It runs no more.
    fn rest(&self) {
        let ops = *self.ops.lock();
        if let Some(ops) = ops {
            (ops.down)(self.handle());
        }
    }

    /// It runs again, of an interface that is up: that goes down if not.
    fn run_again(&self) {
        if let Err(error) = self.run() {
            dev_err!(self.dev, "it does not start again: {:?}; its interface goes down\n", error);
            if let Some(interface) = &*self.interface.lock() {
                interface.close();
            }
        }
    }

    /// The machine is about to sleep.
    fn suspend(&self) {
        let mut link = self.link.lock();
        link.asleep = true;
        if link.up {
            self.rest();
        }
    }

    /// It has woken.
    fn resume(&self) {
        let mut link = self.link.lock();
        if !core::mem::take(&mut link.asleep) {
            return;
        }
        if link.up {
            self.run_again();
        } else if self.interface.lock().is_some() {
            // Of a card that is gone nothing is heard.
            let _ = self.trans.listen();
            self.look_at_switch();
        }
    }

    fn not_started(&self, requested: Result) {
        if let Err(error) = requested {
            dev_err!(self.dev, "modprobe could not be started: {:?}\n", error);
        }
    }
}

impl fmt::Display for ucode::Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl Requester for Drv {
    fn firmware(self: Arc<Self>, file: Option<Firmware>) {
        let Some(file) = file else { return self.next() };
        match self.judge(file.data()) {
            Ok(kind) => {
                let api = self.api.load(Relaxed);
                let version = Ucode::parse(file.data()).map_or([0; 4], |file| file.version());
                let [major, minor, number, serial] = version;
                dev_info!(
                    self.dev,
                    "loaded firmware version {}.{}.{}.{} {}{}.ucode op_mode {}\n",
                    major,
                    minor,
                    number,
                    serial,
                    self.card.firmware,
                    api,
                    kind.module(),
                );
                *self.firmware.lock() = Some(file);
                self.hand_over(kind);
            }
            Err(error) => {
                let api = self.api.load(Relaxed);
                dev_err!(self.dev, "{}{}.ucode is refused: {}\n", self.card.firmware, api, error);
                drop(file);
                self.next();
            }
        }
    }
}

/// The verifier with a clock.
impl WorkItem<0> for Drv {
    type Pointer = Arc<Drv>;

    fn run(this: Arc<Drv>) {
        this.verify(fmt!("within {} ms", PATIENCE_MS));
    }
}

/// That without one.
impl WorkItem<1> for Drv {
    type Pointer = Arc<Drv>;

    fn run(this: Arc<Drv>) {
        // As long as modprobe is waited for, the module is in use: unloading it is refused, and does not
        // wait. One that is already going has no use for an opmode.
        let Some(_module) = ModuleRef::get(this.module) else { return };
        // A device that is gone by now has asked all the same, as with the other strategies.
        let Some(kind) = Kind::from_number(this.wanted.load(Relaxed)) else { return };
        let ended = request_module(kind.module());
        this.verify(fmt!("{}", ended));
    }
}

/// Lets go of the device.
impl WorkItem<2> for Drv {
    type Pointer = Arc<Drv>;

    fn run(this: Arc<Drv>) {
        // Whoever unbinds it and binds it again between this look and the release, to whichever driver, sees
        // it let go of once more: as between the look and the release of the `unbind` file in sysfs.
        let failed = *this.stage.as_ref(&TABLE.lock()) == Stage::Failed;
        if failed {
            release_driver(&this.dev);
        }
    }
}

/// Starts a microcode anew that has failed.
impl WorkItem<3> for Drv {
    type Pointer = Arc<Drv>;

    fn run(this: Arc<Drv>) {
        let link = this.link.lock();
        if !link.up || link.asleep || this.trans.failures() == 0 {
            return;
        }
        // Its interface is up: so its opmode is there, and the device is bound.
        this.rest();
        this.run_again();
    }
}

/// All cards' microcode is stopped before the machine sleeps, as they may lose their power; what is up is
/// started again when it has woken.
pub(crate) struct Sleeper;

impl pm::Sleeper for Sleeper {
    fn prepare() {
        TABLE.lock().drvs.iter().for_each(|drv| drv.suspend());
    }

    fn woken() {
        TABLE.lock().drvs.iter().for_each(|drv| drv.resume());
    }
}

/// An opmode has come.
pub(crate) fn register(kind: Kind, ops: &'static Ops) -> Result {
    let mut table = TABLE.lock();
    let place = &mut table.opmodes[kind as usize];
    if place.is_some() {
        return Err(EBUSY);
    }
    *place = Some(ops);
    let mut index = 0;
    while let Some(drv) = table.drvs.get(index).cloned() {
        let stage = *drv.stage.as_ref(&table);
        if stage == Stage::Waiting(kind) || stage == Stage::Left(kind) {
            drv.start_opmode(kind, ops, &mut table);
        }
        index += 1;
    }
    Ok(())
}

/// It goes: no card has it any more.
pub(crate) fn deregister(kind: Kind) {
    let mut table = TABLE.lock();
    let mut index = 0;
    while let Some(drv) = table.drvs.get(index).cloned() {
        if *drv.stage.as_ref(&table) == Stage::Started(kind) {
            drv.stop_opmode(&mut table);
        }
        index += 1;
    }
    table.opmodes[kind as usize] = None;
}

/// The interrupt.
pub(crate) struct Handler(pub(crate) Arc<Drv>);

impl ThreadedHandler for Handler {
    fn handle(&self) -> ThreadedIrqReturn {
        self.0.trans.interrupt()
    }

    fn handle_threaded(&self) -> IrqReturn {
        let (handled, causes) = self.0.trans.handle();
        if causes & int::SW_ERR != 0 {
            let cause = causes & int::SW_ERR;
            dev_err!(self.0.dev, "Microcode SW error detected. Restarting 0x{:X}.\n", cause);
        }
        if causes & int::HW_ERR != 0 {
            dev_err!(self.0.dev, "Hardware error detected. Restarting.\n");
        }
        if self.0.trans.failures() != 0 {
            enqueue::<3>(&self.0);
        }
        if causes & int::RF_KILL != 0 {
            // Of a device that is gone nothing is said.
            if let Ok(on) = self.0.trans.is_radio_on() {
                let word = if on { "enable" } else { "disable" };
                dev_warn!(self.0.dev, "RF_KILL bit toggled to {} radio.\n", word);
            }
            self.0.look_at_switch();
        }
        handled
    }
}

/// What the driver core keeps for a bound device.
#[pin_data]
pub(crate) struct Bound<'bound> {
    /// First, as it is gone before what it uses.
    #[pin]
    pub(crate) irq: kernel::irq::ThreadedRegistration<'bound, Handler>,
    pub(crate) vectors: KBox<pci::IrqVectorRegistration<'bound>>,
    pub(crate) enabled: Enabled,
    pub(crate) drv: Arc<Drv>,
}
