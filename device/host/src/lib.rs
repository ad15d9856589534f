//! Serves a card on a vfio-user socket, from a thread of its own.
//!
//! This is where the model ([`iwl_card`]) meets the transport ([`vfio_server`]): register
//! accesses go one way, DMA, interrupts and the clock the other, and each thing the card tells
//! gets its time. Whatever parses what a guest or its VMM sends runs on that thread, which is
//! confined ([`confine()`]).

mod confine;
mod notices;
mod record;
pub mod soak;

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use confine::{Confinement, confine};
use iwl_card::{
    Card, CardEvent, CardSpec, Clock, Events, Irq, Memory, Nanos, Raise, Summary, World,
};
pub use notices::{NoticeReceiver, NoticeSender, Told, notices};
use record::{Operation, Recorded, Recorder};
use vfio_server::{
    Bus, Device, DeviceInfo, Disconnect, Errno, Exit, IrqIndex, Region, Server, StopHandle,
    WakeHandle, irq_index, region,
};

/// What a served card tells.
#[derive(Debug)]
pub enum Notice {
    /// The card did something.
    Card(CardEvent),
    /// A client came.
    Attached,
    /// It went.
    Detached {
        /// Why, for people.
        why: String,
        /// Because of this bus address: there was memory, and is none any more.
        lost: Option<u64>,
    },
    /// The server has ended; the last notice.
    Ended(Ended),
}

/// How serving ended.
#[derive(Debug)]
pub struct Ended {
    /// Without an error: what ended it.
    pub result: Result<Exit, String>,
    /// The card's totals; `None` if the model panicked.
    pub summary: Option<Summary>,
}

/// What is done to a card by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// The RF-kill switch is moved; on means that the radio must not be used.
    RfKill(bool),
    /// ALIVE is let go; see [`Card::release_alive`].
    ReleaseAlive,
    /// The card is off the bus, and nobody is told; see [`Card::vanish`].
    Vanish,
    /// It becomes another card; see [`Card::turn_into`].
    TurnInto(CardSpec),
    /// A fault begins or ends; see [`Card::set_fault`].
    Fault {
        /// Which.
        fault: iwl_card::Fault,
        /// It begins.
        on: bool,
    },
}

impl Touch {
    fn act(self, card: &mut Card, world: &mut dyn World) {
        match self {
            Touch::RfKill(on) => card.set_rf_kill(world, on),
            Touch::ReleaseAlive => card.release_alive(world),
            Touch::Vanish => card.vanish(world),
            Touch::TurnInto(spec) => card.turn_into(world, &spec),
            Touch::Fault { fault, on } => card.set_fault(world, fault, on),
        }
    }
}

/// Looks at what the card does, while it does it; what it gives is done to the card before the access
/// that set it off is answered.
pub type Watch = Box<dyn FnMut(&CardEvent) -> Vec<Touch> + Send>;

/// What stands beside a card.
#[derive(Default)]
pub struct Beside {
    /// What passes between the driver and the card goes here, line by line, for the model's tests to
    /// play again.
    pub record: Option<Box<dyn Write + Send>>,
    /// Does something to the card when it has come so far.
    pub watch: Option<Watch>,
}

/// A card being served. Stops when dropped.
#[derive(Debug)]
pub struct Served {
    stop: StopHandle,
    touch: SyncSender<Touch>,
    wake: WakeHandle,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Starts to serve `card` on `server`. `sink` is called on the card's thread, for each notice
    /// in order, with the time it happened; it must not block, and is confined with it, but for
    /// the last notice.
    ///
    /// # Errors
    /// The thread or its stop handle could not be made.
    pub fn start(
        card: Card,
        server: Server,
        sink: impl FnMut(Instant, Notice) + Send + 'static,
    ) -> io::Result<Served> {
        Self::start_with(card, server, Beside::default(), sink)
    }

    /// As [`Served::start`], with something beside the card.
    ///
    /// # Errors
    /// As [`Served::start`].
    pub fn start_with(
        card: Card,
        mut server: Server,
        beside: Beside,
        mut sink: impl FnMut(Instant, Notice) + Send + 'static,
    ) -> io::Result<Served> {
        let Beside { record, watch } = beside;
        let recorder = record.map(Recorder::new);
        let stop = StopHandle::new()?;
        let stopped = stop.clone();
        let wake = server.waker()?;
        let (touch, touches) = sync_channel(MANY_TOUCHES);
        let name = format!("card {}", card.spec().name);
        // One thread that is free, to clean up; in it one that is not.
        let free = std::thread::Builder::new().name(format!("{name}'s keeper"));
        let thread = free.spawn(move || {
            server.set_busy_poll(BUSY_POLL);
            let told = Vec::new();
            let epoch = Instant::now();
            let (sink, due) = (&mut sink as Sink<'_>, Vec::new());
            let mut adapter = Adapter { card, epoch, touches, told, sink, recorder, watch, due };
            let served = std::thread::scope(|scope| {
                let serve = || {
                    confine();
                    server.serve(&mut adapter, &stopped).map_err(|error| error.to_string())
                };
                match std::thread::Builder::new().name(name).spawn_scoped(scope, serve) {
                    Ok(confined) => confined.join(),
                    Err(error) => Ok(Err(format!("no thread for the card: {error}"))),
                }
            });
            let ended = match served {
                Ok(result) => Ended { result, summary: Some(adapter.card.summary()) },
                Err(panic) => Ended {
                    result: Err(format!("the card's model panicked: {}", panic_text(&*panic))),
                    summary: None,
                },
            };
            adapter.tell();
            if let Some(Err(error)) = adapter.recorder.take().map(Recorder::finish) {
                tracing::error!("the card's record is not whole: {error}");
            }
            drop(server);
            sink(Instant::now(), Notice::Ended(ended));
        })?;
        Ok(Served { stop, touch, wake, thread: Some(thread) })
    }

    /// Does something to the card, soon; what comes of it is told by its notices. Says whether it
    /// will be felt: nothing is by a card that is not served any more, or that has so much of it
    /// before it that its thread must be stuck.
    #[must_use]
    pub fn touch(&self, touch: Touch) -> bool {
        let taken = self.touch.try_send(touch).is_ok();
        self.wake.wake();
        taken
    }

    /// Asks the server to stop, without waiting.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Waits until the server has ended.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic in the model was caught; one in the sink is the sink's.
            let _ = thread.join();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.stop();
            let _ = thread.join();
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Longer than a driver that waits for the card to change waits between two reads. With QEMU 11.1.3
/// on two cores it saves 3 % of a restored run, and costs what it saves of the CPU's time.
const BUSY_POLL: Duration = Duration::from_micros(100);

/// What is done to a card by hand and not felt yet, at most.
const MANY_TOUCHES: usize = 64;

/// Notices kept until they may be told without holding up an answer; no more.
const MANY_TOLD: usize = 4096;

type Sink<'a> = &'a mut (dyn FnMut(Instant, Notice) + Send);

struct Adapter<'a> {
    card: Card,
    epoch: Instant,
    touches: Receiver<Touch>,
    /// What came of an access, until it is answered: the guest waits for the answer, nobody for
    /// this.
    told: Vec<(Instant, Notice)>,
    sink: Sink<'a>,
    recorder: Option<Recorder>,
    watch: Option<Watch>,
    /// What the watch wants done.
    due: Vec<Touch>,
}

impl Adapter<'_> {
    /// Lets the card act on the world, then do the work this left, and what the watch wants of it.
    fn with(
        &mut self,
        bus: &mut Bus<'_>,
        operation: Operation<'_>,
        act: impl FnOnce(&mut Card, &mut dyn World),
    ) {
        self.once(bus, operation, act);
        while !self.due.is_empty() {
            for touch in std::mem::take(&mut self.due) {
                self.once(bus, Operation::Touch(touch), |card, world| touch.act(card, world));
            }
        }
    }

    fn once(
        &mut self,
        bus: &mut Bus<'_>,
        operation: Operation<'_>,
        act: impl FnOnce(&mut Card, &mut dyn World),
    ) {
        let (told, watch, due) = (&mut self.told, self.watch.as_mut(), &mut self.due);
        let mut world = Seam { bus, epoch: self.epoch, told, watch, due };
        if let Some(recorder) = &mut self.recorder {
            let now = world.now();
            recorder.operation(now, operation);
            let mut world = Recorded { world: &mut world, now, recorder };
            act(&mut self.card, &mut world);
            self.card.run(&mut world);
        } else {
            act(&mut self.card, &mut world);
            self.card.run(&mut world);
        }
        // Who sends thousands of accesses at once does not wait for an answer to each.
        if self.told.len() >= MANY_TOLD {
            self.tell();
        }
    }

    fn tell(&mut self) {
        for (at, notice) in self.told.drain(..) {
            (self.sink)(at, notice);
        }
    }
}

impl Device for Adapter<'_> {
    fn info(&self) -> DeviceInfo {
        let mut info = DeviceInfo::default();
        info.regions[region::BAR0 as usize] = Region::read_write(self.card.bar_size());
        info.regions[region::CONFIG as usize] = Region::read_write(Card::config_size());
        info.irqs[irq_index::INTX as usize] = IrqIndex::INTX;
        info.irqs[irq_index::MSI as usize] = IrqIndex::messages(1);
        // Never fired; without it QEMU warns that it cannot recover from errors.
        info.irqs[irq_index::ERR as usize] = IrqIndex::messages(1);
        info.irqs[irq_index::MSIX as usize] =
            IrqIndex::messages(u32::from(self.card.msix_vectors()));
        info
    }

    fn read(
        &mut self,
        bus: &mut Bus<'_>,
        index: u32,
        offset: u64,
        data: &mut [u8],
    ) -> Result<(), Errno> {
        match index {
            region::BAR0 => {
                self.with(bus, Operation::BarRead(offset, data.len()), |card, world| {
                    card.bar_read(world, offset, data);
                });
            }
            region::CONFIG => {
                self.with(bus, Operation::ConfigRead(offset, data.len()), |card, world| {
                    card.config_read(world, offset, data);
                });
            }
            _ => return Err(Errno::INVAL),
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.gave(data);
        }
        Ok(())
    }

    fn write(
        &mut self,
        bus: &mut Bus<'_>,
        index: u32,
        offset: u64,
        data: &[u8],
    ) -> Result<(), Errno> {
        match index {
            region::BAR0 => self.with(bus, Operation::BarWrite(offset, data), |card, world| {
                card.bar_write(world, offset, data);
            }),
            region::CONFIG => {
                self.with(bus, Operation::ConfigWrite(offset, data), |card, world| {
                    card.config_write(world, offset, data);
                });
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    fn reset(&mut self, bus: &mut Bus<'_>) {
        self.with(bus, Operation::Reset, Card::reset);
    }

    fn attached(&mut self, _bus: &mut Bus<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.operation(nanos(self.epoch), Operation::Insert);
        }
        self.card.inserted();
        self.told.push((Instant::now(), Notice::Attached));
    }

    fn detached(&mut self, why: &Disconnect) {
        let lost = match why {
            Disconnect::Memory { addr } => Some(*addr),
            _ => None,
        };
        self.told.push((Instant::now(), Notice::Detached { why: why.to_string(), lost }));
        self.tell();
    }

    fn answered(&mut self) {
        self.tell();
    }

    fn pin_unmasked(&mut self, bus: &mut Bus<'_>) {
        if self.card.intx_asserted() {
            bus.trigger(irq_index::INTX, 0);
        }
    }

    fn wake(&mut self, bus: &mut Bus<'_>) {
        while let Ok(touch) = self.touches.try_recv() {
            self.with(bus, Operation::Touch(touch), |card, world| touch.act(card, world));
        }
        self.with(bus, Operation::Wake, |_, _| {});
    }

    fn deadline(&self) -> Option<Instant> {
        self.card.deadline().map(|nanos| self.epoch + Duration::from_nanos(nanos))
    }
}

/// The world as the card sees it while one access or wake-up lasts.
struct Seam<'a, 'b> {
    bus: &'a mut Bus<'b>,
    epoch: Instant,
    told: &'a mut Vec<(Instant, Notice)>,
    watch: Option<&'a mut Watch>,
    due: &'a mut Vec<Touch>,
}

impl Clock for Seam<'_, '_> {
    fn now(&self) -> Nanos {
        nanos(self.epoch)
    }
}

impl Memory for Seam<'_, '_> {
    fn dma_read(&mut self, addr: u64, data: &mut [u8]) -> Result<(), iwl_card::DmaError> {
        self.bus.dma_read(addr, data).map_err(dma_error)
    }

    fn dma_write(&mut self, addr: u64, data: &[u8]) -> Result<(), iwl_card::DmaError> {
        self.bus.dma_write(addr, data).map_err(dma_error)
    }

    fn flushed(&mut self) -> bool {
        self.bus.flushed()
    }

    fn end_of_work(&mut self) {
        self.bus.end_of_work();
    }
}

impl Raise for Seam<'_, '_> {
    fn raise(&mut self, irq: Irq) {
        let (index, vector) = match irq {
            Irq::Intx => (irq_index::INTX, 0),
            Irq::Msi => (irq_index::MSI, 0),
            Irq::Msix { vector } => (irq_index::MSIX, u32::from(vector)),
        };
        self.bus.trigger(index, vector);
    }
}

impl Events for Seam<'_, '_> {
    fn emit(&mut self, event: CardEvent) {
        if let Some(watch) = &mut self.watch {
            self.due.extend(watch(&event));
        }
        self.told.push((Instant::now(), Notice::Card(event)));
    }
}

impl World for Seam<'_, '_> {
    fn set_bus_master(&mut self, on: bool) {
        self.bus.set_bus_master(on);
    }
}

fn nanos(epoch: Instant) -> Nanos {
    u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn dma_error(error: vfio_server::DmaError) -> iwl_card::DmaError {
    match error {
        vfio_server::DmaError::Pending => iwl_card::DmaError::Pending,
        vfio_server::DmaError::Fault { addr, len } => iwl_card::DmaError::Fault { addr, len },
    }
}
