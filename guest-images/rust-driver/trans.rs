// SPDX-License-Identifier: GPL-2.0

//! The transport: registers, interrupt, rings, and microcode on its way into the card; of parts before
//! 9000, and of 22000, whose own is in [`context`](crate::context).
//!
//! Everything here that touches the card is called between `start_hw()` and the end of `stop()`, in
//! process context, by one at a time: `op` is held. The interrupt's thread takes `mask`, and `rings` for as
//! long as it empties the receive ring.

use kernel::{
    device::{Bound, Device},
    io::{
        poll::read_poll_timeout,
        register::Array,
        Io, //
    },
    irq::{IrqReturn, ThreadedIrqReturn},
    new_mutex,
    num::Bounded,
    pci,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        barrier::{dma_mb, Read},
        new_spinlock_irq,
        Mutex,
        SpinLockIrq, //
    },
    time::{delay::fsleep, msecs_to_jiffies, Delta, Jiffies},
};

use crate::{
    abi::{is_valid_ether_addr, Family},
    abstractions::completion::Completion,
    context::{self, Context},
    dma::Dma,
    regs::{family22000::*, int, prph, srvc, *},
    ucode::{Image, Section, Ucode, CPU1_CPU2_SEPARATOR_SECTION, PAGING_SEPARATOR_SECTION},
};

/// Descriptors in a receive ring, as a power of two.
const RX_LOG: u32 = 8;
const RX_SIZE: usize = 1 << RX_LOG;
/// Buffers, which the descriptors name by turns; as many may be offered at once, less a round.
const RX_BUFFERS: usize = 32;
const RX_BUFFER: usize = 0x1000;
/// Offered at once; the card wants multiples of 8.
const RX_OFFERED: usize = 24;

/// Descriptors in the command queue, each of them 128 bytes.
const TFDS: usize = 256;
const TFD: usize = 128;
/// A command's buffer: less than a descriptor can name.
const COMMAND: usize = 0x800;
/// Tables of the scheduler: byte counts of 32 queues.
const BYTE_COUNTS: usize = 32 * 0x280;

/// Ends the packets of a receive buffer.
const FRAME_INVALID: u32 = 0x5555_0000;
/// What the firmware sends unasked.
const SEQ_RX_FRAME: u16 = 0x8000;
/// The packet that says that the microcode runs.
const ALIVE: u8 = 0x01;

/// As long as the C driver waits.
const LOAD_TIMEOUT_MS: u32 = 5000;
const ALIVE_TIMEOUT_MS: u32 = 2000;
const COMMAND_TIMEOUT_MS: u32 = 2000;

type Bar<'a> = pci::Bar<'a, BAR_SIZE>;

/// What parts before 22000 have beside that one.
struct Channel {
    tfds: Dma,
    byte_counts: Dma,
    keep_warm: Dma,
    /// A part of a section on its way.
    section: Dma,
}

/// How microcode comes into the card.
enum Way {
    /// Through a channel, part by part.
    Channel(Channel),
    /// The card fetches it.
    Context(Context),
}

/// The rings, and what has come through them.
struct Rings {
    rx_ring: Dma,
    rx_status: Dma,
    rx_buffers: Dma,
    command: Dma,
    way: Way,
    /// Room for the packet that is read, so that none needs memory that is not there.
    packet: KVec<u8>,
    /// The next receive buffer.
    rx_read: usize,
    /// The next descriptor.
    write: u8,
    /// What the last ALIVE says.
    alive: Packet,
    /// The command that is waited for, and its response.
    awaited: Option<u16>,
    response: Packet,
    /// The notification that is waited for.
    noticed: Option<u8>,
}

/// What came in a packet.
struct Packet {
    payload: KVec<u8>,
}

impl Packet {
    const fn none() -> Self {
        Self { payload: KVec::new() }
    }

    /// Keeps a payload; memory was reserved when there was time for it.
    fn keep(&mut self, payload: &[u8]) {
        self.payload.clear();
        let fits = payload.get(..self.payload.capacity().min(payload.len())).unwrap_or_default();
        // It fits, so nothing is allocated.
        let _ = self.payload.extend_from_slice(fits, GFP_NOWAIT);
    }
}

/// A card.
#[pin_data]
pub(crate) struct Trans {
    bar: pci::DevresBar<BAR_SIZE>,
    pub(crate) family: Family,
    /// Held by whoever works with the card.
    #[pin]
    op: Mutex<Running>,
    #[pin]
    rings: Mutex<Option<Rings>>,
    /// What may interrupt, as the card was told. Held while it is told, and while causes are dealt with: the
    /// interrupt's thread tells it too, and would take back what somebody else has unmasked meanwhile.
    #[pin]
    mask: Mutex<u32>,
    /// What has interrupted, for the interrupt's thread; held while the interrupt reads it.
    #[pin]
    causes: SpinLockIrq<u32>,
    /// The microcode or the hardware has failed, by these causes.
    failed: Atomic<u32>,
    #[pin]
    loaded: Completion,
    #[pin]
    alive: Completion,
    #[pin]
    responded: Completion,
    #[pin]
    noticed: Completion,
}

/// How far a card is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    Off,
    Powered,
    /// Its commands go through this queue.
    Alive(u8),
}

fn words(words: &[u32; 2]) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&words[0].to_le_bytes());
    bytes[4..].copy_from_slice(&words[1].to_le_bytes());
    bytes
}

fn ms(ms: u32) -> Jiffies {
    msecs_to_jiffies(ms)
}

/// The frame of an address that the hardware takes without its low bits.
fn frame(address: u64, shift: u32) -> u32 {
    // Below 2^36, which is all that it can reach: `dma_set_mask()`.
    (address >> shift) as u32
}

impl Rings {
    fn new(dev: &Device<Bound>, family: Family) -> Result<Self> {
        let way = match family {
            Family::Family22000 => Way::Context(Context::new(dev, RX_LOG)?),
            _ => Way::Channel(Channel {
                tfds: Dma::new(dev, TFDS * TFD)?,
                byte_counts: Dma::new(dev, BYTE_COUNTS)?,
                keep_warm: Dma::new(dev, 0x1000)?,
                section: Dma::new(dev, srvc::FH_MEM_TB_MAX_LENGTH)?,
            }),
        };
        let reserve = || -> Result<Packet> {
            Ok(Packet { payload: KVec::with_capacity(RX_BUFFER, GFP_KERNEL)? })
        };
        Ok(Self {
            rx_ring: Dma::new(dev, 8 * RX_SIZE)?,
            rx_status: Dma::new(dev, 0x1000)?,
            rx_buffers: Dma::new(dev, RX_BUFFERS * RX_BUFFER)?,
            command: Dma::new(dev, COMMAND)?,
            way,
            packet: KVec::from_elem(0, RX_BUFFER, GFP_KERNEL)?,
            rx_read: 0,
            write: 0,
            alive: reserve()?,
            awaited: None,
            response: reserve()?,
            noticed: None,
        })
    }

    /// As before the first buffer and the first command.
    fn reset(&mut self) -> Result {
        (self.rx_read, self.write) = (0, 0);
        (self.awaited, self.noticed) = (None, None);
        self.rx_status.write(0, &[0; 4])?;
        match &mut self.way {
            Way::Channel(_) => {
                for n in 0..RX_SIZE {
                    let buffer = self.buffer(n % RX_BUFFERS);
                    self.rx_ring.write(4 * n, &frame(buffer, 8).to_le_bytes())?;
                }
            }
            Way::Context(context) => {
                context.reset();
                for n in 0..RX_BUFFERS {
                    self.give_back(n)?;
                }
            }
        }
        Ok(())
    }

    fn buffer(&self, n: usize) -> u64 {
        self.rx_buffers.address() + (n * RX_BUFFER) as u64
    }

    /// A receive buffer may be filled again.
    fn give_back(&mut self, n: usize) -> Result {
        let address = self.buffer(n);
        match &mut self.way {
            // It is in the ring.
            Way::Channel(_) => Ok(()),
            Way::Context(context) => context.offer(&self.rx_ring, RX_SIZE, n, address),
        }
    }

    /// The buffer that the card has filled next.
    fn filled(&self) -> Result<usize> {
        match &self.way {
            Way::Channel(_) => Ok(self.rx_read % RX_BUFFERS),
            Way::Context(context) => {
                context.used(self.rx_read).and_then(|n| (n < RX_BUFFERS).then_some(n).ok_or(EIO))
            }
        }
    }

    fn channel(&self) -> Result<&Channel> {
        match &self.way {
            Way::Channel(channel) => Ok(channel),
            Way::Context(_) => Err(EINVAL),
        }
    }

    fn context(&mut self) -> Option<&mut Context> {
        match &mut self.way {
            Way::Channel(_) => None,
            Way::Context(context) => Some(context),
        }
    }
}

impl Trans {
    /// A card whose BAR this is. Nothing of it is touched.
    pub(crate) fn new<'a>(
        dev: &'a Device<Bound>,
        bar: pci::DevresBar<BAR_SIZE>,
        family: Family,
    ) -> Result<impl PinInit<Self> + 'a> {
        let rings = Rings::new(dev, family)?;
        Ok(pin_init!(Self {
            bar,
            family,
            op <- new_mutex!(Running::Off, "iwlrs op"),
            rings <- new_mutex!(Some(rings), "iwlrs rings"),
            mask <- new_mutex!(0, "iwlrs mask"),
            causes <- new_spinlock_irq!(0, "iwlrs causes"),
            failed: Atomic::new(0),
            loaded <- Completion::new(),
            alive <- Completion::new(),
            responded <- Completion::new(),
            noticed <- Completion::new(),
        }))
    }

    /// Whether the card fetches its image itself.
    fn fetches(&self) -> bool {
        self.family == Family::Family22000
    }

    /// Accesses registers, if the device is still bound.
    fn io<R>(&self, access: impl for<'a> FnOnce(&Bar<'a>) -> R) -> Result<R> {
        self.bar.try_access_with(access).ok_or(ENODEV)
    }

    /// Waits until a register says so.
    fn poll(&self, done: impl for<'a> Fn(&Bar<'a>) -> bool, timeout: Delta) -> Result {
        let look = || self.io(|bar| done(bar));
        read_poll_timeout(look, |done| *done, Delta::from_micros(10), timeout).map(|_| ())
    }

    /// Takes the card, quiet, and reads its radio's type and step; one whose clock does not come is none to
    /// bind. It rests then.
    pub(crate) fn probe(&self) -> Result<u32> {
        self.mask_all()?;
        self.wake()?;
        self.io(|bar| {
            let rf_id = bar.read(CSR_HW_RF_ID).value().get();
            bar.update(CSR_GP_CNTRL, |r| r.with_mac_access_req(false).with_init_done(false));
            rf_id
        })
    }

    /// Whether the switch lets the radio be used.
    pub(crate) fn is_radio_on(&self) -> Result<bool> {
        self.io(|bar| bar.read(CSR_GP_CNTRL).hw_rf_kill_sw())
    }

    fn unmask(&self, causes: u32) -> Result {
        let mut mask = self.mask.lock();
        *mask = causes;
        self.io(|bar| bar.write_reg(CSR_INT_MASK::zeroed().with_causes(causes)))
    }

    /// Masks all interrupts, and forgets what came of them.
    fn mask_all(&self) -> Result {
        self.unmask(0)?;
        self.io(|bar| {
            bar.write_reg(CSR_INT::zeroed().with_causes(u32::MAX));
            bar.write_reg(CSR_FH_INT_STATUS::zeroed().with_causes(u32::MAX));
        })
    }

    /// Of what was before its reset nothing is dealt with any more: who is at it has ended when this has the
    /// locks.
    fn forget(&self) {
        let _mask = self.mask.lock();
        *self.causes.lock() = 0;
        self.failed.store(0, Relaxed);
    }

    fn set_hw_ready(&self) -> Result {
        self.io(|bar| bar.update(CSR_HW_IF_CONFIG_REG, |r| r.with_pci_own_set(true)))?;
        self.poll(|bar| bar.read(CSR_HW_IF_CONFIG_REG).pci_own_set(), Delta::from_micros(50))?;
        self.io(|bar| bar.update(CSR_MBOX_SET_REG, |r| r.with_os_alive(true)))
    }

    /// Takes the card from the management engine.
    fn prepare(&self) -> Result {
        if self.set_hw_ready().is_ok() {
            return Ok(());
        }
        for _ in 0..10 {
            self.io(|bar| bar.update(CSR_HW_IF_CONFIG_REG, |r| r.with_wake_me(true)))?;
            for _ in 0..150 {
                if self.set_hw_ready().is_ok() {
                    return Ok(());
                }
                fsleep(Delta::from_millis(1));
            }
            fsleep(Delta::from_millis(25));
        }
        Err(EIO)
    }

    fn sw_reset(&self) -> Result {
        self.io(|bar| bar.update(CSR_RESET, |r| r.with_sw_reset(true)))?;
        fsleep(Delta::from_millis(5));
        Ok(())
    }

    /// Powers the card, so that its inner registers can be reached.
    fn apm_init(&self) -> Result {
        let old = !matches!(self.family, Family::Family8000 | Family::Family22000);
        self.io(|bar| {
            bar.update(CSR_GIO_CHICKEN_BITS, |r| {
                let r = r.with_l1a_no_l0s_rx(true);
                if old {
                    r.with_dis_l0s_exit_timer(true)
                } else {
                    r
                }
            });
            bar.write_reg(CSR_DBG_HPET_MEM_REG::zeroed().with_value(0xffff_0000u32));
            bar.update(CSR_HW_IF_CONFIG_REG, |r| r.with_hap_wake(true));
            bar.update(CSR_GP_CNTRL, |r| r.with_init_done(true));
        })?;
        self.poll(|bar| bar.read(CSR_GP_CNTRL).mac_clock_ready(), Delta::from_millis(25))?;
        self.io(|bar| bar.update(CSR_GP_CNTRL, |r| r.with_mac_access_req(true)))?;
        self.poll(
            |bar| {
                let state = bar.read(CSR_GP_CNTRL);
                state.mac_clock_ready() && !state.going_to_sleep()
            },
            Delta::from_millis(15),
        )?;
        if old {
            self.write_prph(prph::APMG_CLK_EN_REG, prph::DMA_CLK_RQT)?;
            fsleep(Delta::from_micros(20));
            let state = self.read_prph(prph::APMG_PCIDEV_STT_REG)?;
            self.write_prph(prph::APMG_PCIDEV_STT_REG, state | prph::L1_ACT_DIS)?;
            self.write_prph(prph::APMG_RTC_INT_STT_REG, prph::RFKILL)?;
        }
        if self.fetches() {
            self.write_prph(prph::UREG_CHICK, prph::UREG_CHICK_MSI_ENABLE)?;
        }
        Ok(())
    }

    fn read_prph(&self, address: u32) -> Result<u32> {
        self.io(|bar| {
            let address = address & 0x000f_ffff | 3 << 24;
            bar.write_reg(HBUS_TARG_PRPH_RADDR::zeroed().with_value(address));
            bar.read(HBUS_TARG_PRPH_RDAT).value().get()
        })
    }

    fn write_prph(&self, address: u32, value: u32) -> Result {
        self.io(|bar| {
            let address = address & 0x000f_ffff | 3 << 24;
            bar.write_reg(HBUS_TARG_PRPH_WADDR::zeroed().with_value(address));
            bar.write_reg(HBUS_TARG_PRPH_WDAT::zeroed().with_value(value));
        })
    }

    fn wake(&self) -> Result {
        self.prepare()?;
        self.sw_reset()?;
        self.prepare()?;
        self.apm_init()
    }

    /// Resets and powers the card.
    pub(crate) fn start_hw(&self) -> Result {
        let mut running = self.op.lock();
        // However far it comes, `stop()` takes it back.
        *running = Running::Powered;
        self.wake()?;
        self.mask_all()?;
        self.unmask(int::RF_KILL)
    }

    /// A word of the EEPROM or OTP of a DVM card, by its byte address.
    pub(crate) fn eeprom(&self, dev: &Device, address: u16) -> Result<u16> {
        let _running = self.op.lock();
        self.eeprom_word(dev, address)
    }

    fn eeprom_word(&self, dev: &Device, address: u16) -> Result<u16> {
        // The register holds the address of a word, twice.
        let address = Bounded::<u32, 14>::try_new(u32::from(address) / 2).ok_or(EINVAL)?;
        self.io(|bar| bar.write_reg(CSR_EEPROM_REG::zeroed().with_address(address)))?;
        self.poll(|bar| bar.read(CSR_EEPROM_REG).read_valid(), Delta::from_millis(5))?;
        let word = self.io(|bar| bar.read(CSR_EEPROM_REG).data().get())?;
        self.check_otp(dev)?;
        Ok(word as u16)
    }

    /// What the check bits of the last word say, which is acknowledged. An EEPROM has none.
    fn check_otp(&self, dev: &Device) -> Result {
        let state = self.io(|bar| bar.read(CSR_OTP_GP_REG))?;
        if state.ecc_uncorr_status() {
            self.io(|bar| bar.write_reg(state))?;
            dev_err!(dev, "Uncorrectable OTP ECC error, abort OTP read\n");
            return Err(EINVAL);
        }
        if state.ecc_corr_status() {
            self.io(|bar| bar.write_reg(state))?;
            dev_err!(dev, "Correctable OTP ECC error, continue read\n");
        }
        Ok(())
    }

    /// Where the image of the OTP begins whose blocks are a list (families 1000 and 5000 have no shadow
    /// of it): in the last block but one, as the last is still empty.
    pub(crate) fn otp_block(&self, dev: &Device) -> Result<u16> {
        let _running = self.op.lock();
        self.io(|bar| bar.update(CSR_OTP_GP_REG, |r| r.with_access_mode(false)))?;
        let (mut valid, mut next) = (0u16, 0u16);
        for _ in 0..4 {
            let link = self.eeprom_word(dev, next)?;
            if link == 0 {
                // Its image comes after the link.
                return Ok(valid + 2);
            }
            valid = next;
            next = link.checked_mul(2).ok_or(EIO)?;
        }
        Err(ENODATA)
    }

    /// The address that a card of 22000 shows, that of a strap before the one that is fused.
    pub(crate) fn mac_address(&self) -> Result<[u8; 6]> {
        let _running = self.op.lock();
        let address = |high: u32, low: u32| {
            let ([a, b, c, d], [e, f]) = (high.to_be_bytes(), (low as u16).to_be_bytes());
            [a, b, c, d, e, f]
        };
        self.io(|bar| {
            let high = bar.read(CSR_MAC_ADDR0_STRAP).value().get();
            let strap = address(high, bar.read(CSR_MAC_ADDR1_STRAP).value().get());
            if is_valid_ether_addr(&strap) {
                return strap;
            }
            let high = bar.read(CSR_MAC_ADDR0_OTP).value().get();
            address(high, bar.read(CSR_MAC_ADDR1_OTP).value().get())
        })
    }

    /// Whether the card has OTP, not an EEPROM.
    pub(crate) fn is_otp(&self) -> Result<bool> {
        self.io(|bar| bar.read(CSR_OTP_GP_REG).device_select())
    }

    /// The rings as at the beginning, and the card told of them.
    fn rx_init(&self, queue: u8) -> Result {
        let mut rings = self.rings.lock();
        let rings = (*rings).as_mut().ok_or(ENODEV)?;
        rings.reset()?;
        let (ring, status) = (rings.rx_ring.address(), rings.rx_status.address());
        let channel = rings.channel()?;
        let (tfds, warm) = (channel.tfds.address(), channel.keep_warm.address());
        self.io(|bar| {
            bar.write_reg(FH_MEM_RCSR_CHNL0_CONFIG_REG::zeroed());
            bar.write_reg(FH_MEM_RCSR_CHNL0_RBDCB_WPTR::zeroed());
            bar.write_reg(FH_MEM_RCSR_CHNL0_FLUSH_RB_REQ::zeroed());
            bar.write_reg(FH_RSCSR_CHNL0_RDPTR::zeroed());
            bar.write_reg(FH_RSCSR_CHNL0_RBDCB_WPTR_REG::zeroed());
            bar.write_reg(FH_RSCSR_CHNL0_RBDCB_BASE_REG::zeroed().with_value(frame(ring, 8)));
            bar.write_reg(FH_RSCSR_CHNL0_STTS_WPTR_REG::zeroed().with_value(frame(status, 4)));
            bar.write_reg(
                FH_MEM_RCSR_CHNL0_CONFIG_REG::zeroed()
                    .with_dma_chnl_enable(true)
                    .with_const_rbdcb_size::<RX_LOG>()
                    .with_irq_dest_int_host(true)
                    .with_const_rb_timeout::<0x11>()
                    .with_ignore_rxf_empty(true),
            );
            let offered = FH_RSCSR_CHNL0_RBDCB_WPTR_REG::zeroed();
            bar.write_reg(offered.with_value(RX_OFFERED as u32));
            bar.write_reg(FH_KW_MEM_ADDR_REG::zeroed().with_value(frame(warm, 4)));
            let base = FH_MEM_CBBC_0_15_LOWER_BOUND::zeroed().with_value(frame(tfds, 8));
            if let Some(at) = FH_MEM_CBBC_0_15_LOWER_BOUND::try_at(queue.into()) {
                bar.write(at, base);
            }
        })
    }

    /// Has the card fetch a part of a section, and waits until it has.
    fn load_chunk(&self, offset: u32, data: &[u8]) -> Result {
        let source = {
            let rings = self.rings.lock();
            let section = &rings.as_ref().ok_or(ENODEV)?.channel()?.section;
            section.write(0, data)?;
            section.address()
        };
        let length = Bounded::<u32, 28>::try_new(data.len() as u32).ok_or(EINVAL)?;
        let high = Bounded::<u32, 4>::try_new((source >> 32) as u32).ok_or(EINVAL)?;
        self.rearm(&self.loaded)?;
        self.io(|bar| {
            let channel = || FH_TCSR_CHNL_TX_CONFIG_REG::at(srvc::FH_SRVC_CHNL);
            bar.write(channel(), FH_TCSR_CHNL_TX_CONFIG_REG::zeroed());
            bar.write_reg(srvc::FH_SRVC_CHNL_SRAM_ADDR_REG::zeroed().with_value(offset));
            bar.write_reg(srvc::FH_TFDIB_CTRL0_REG::zeroed().with_value(source as u32));
            let ctrl1 = srvc::FH_TFDIB_CTRL1_REG::zeroed();
            bar.write_reg(ctrl1.with_source(high).with_length(length));
            bar.write(
                FH_TCSR_CHNL_TX_BUF_STS_REG::at(srvc::FH_SRVC_CHNL),
                FH_TCSR_CHNL_TX_BUF_STS_REG::zeroed().with_value(srvc::TX_BUF_STS),
            );
            bar.write(
                channel(),
                FH_TCSR_CHNL_TX_CONFIG_REG::zeroed()
                    .with_dma_chnl_enable(true)
                    .with_cirq_host_endtfd(true),
            );
        })?;
        self.loaded.wait_timeout(ms(LOAD_TIMEOUT_MS))?;
        self.whole()
    }

    fn load_section(&self, section: &Section<'_>) -> Result {
        for (n, chunk) in section.data.chunks(srvc::FH_MEM_TB_MAX_LENGTH).enumerate() {
            let at = n.checked_mul(srvc::FH_MEM_TB_MAX_LENGTH).ok_or(EINVAL)?;
            let offset = section.offset.checked_add(u32::try_from(at)?).ok_or(EINVAL)?;
            self.load_chunk(offset, chunk)?;
        }
        Ok(())
    }

    /// All sections, and the CPU's start.
    fn upload(&self, (ucode, image): (&Ucode<'_>, Image)) -> Result {
        let secured = self.family == Family::Family8000;
        if secured {
            self.write_prph(prph::APMG_PS_CTRL_REG, prph::RELEASE_CPU_RESET_BIT)?;
        }
        // CPU 1, and what comes after the separator.
        let (mut cpu, mut status) = (0, 1u32);
        for section in ucode.sections(image) {
            match section.offset {
                CPU1_CPU2_SEPARATOR_SECTION => {
                    (cpu, status) = (16, 1);
                    continue;
                }
                PAGING_SEPARATOR_SECTION => break,
                _ => self.load_section(&section)?,
            }
            if secured {
                let come = status << cpu;
                self.io(|bar| {
                    bar.update(FH_UCODE_LOAD_STATUS, |r| {
                        let come = r.value().get() | come;
                        r.with_value(come)
                    })
                })?;
                status = status << 1 | 1;
            }
        }
        self.rearm(&self.alive)?;
        self.unmask(int::RUNNING)?;
        match secured {
            true => {
                let status = FH_UCODE_LOAD_STATUS::zeroed();
                self.io(|bar| bar.write_reg(status.with_value(0xffffu32)))?;
                self.io(|bar| bar.write_reg(status.with_value(u32::MAX)))
            }
            false => self.io(|bar| bar.write_reg(CSR_RESET::zeroed())),
        }
    }

    /// The scheduler, once the microcode runs: commands go through `queue`.
    fn tx_start(&self, queue: u8) -> Result {
        let byte_counts = {
            let rings = self.rings.lock();
            rings.as_ref().ok_or(ENODEV)?.channel()?.byte_counts.address()
        };
        let base = self.read_prph(prph::SCD_SRAM_BASE_ADDR)?;
        let context = |at: u32| base.wrapping_add(at);
        self.io(|bar| {
            let begin = context(prph::SCD_CONTEXT_MEM_LOWER_BOUND);
            bar.write_reg(HBUS_TARG_MEM_WADDR::zeroed().with_value(begin));
            for _ in 0..(prph::SCD_CONTEXT_MEM_END - prph::SCD_CONTEXT_MEM_LOWER_BOUND) / 4 {
                bar.write_reg(HBUS_TARG_MEM_WDAT::zeroed());
            }
        })?;
        self.write_prph(prph::SCD_DRAM_BASE_ADDR, frame(byte_counts, 10))?;
        // Only what MVM firmware drives has its queues enabled so.
        let enables = matches!(self.family, Family::Family7000 | Family::Family8000);
        if enables {
            self.write_prph(prph::SCD_EN_CTRL, 0)?;
        }
        let index = u32::from(queue);
        let status = prph::SCD_QUEUE_STATUS_BITS + 4 * index;
        self.write_prph(status, prph::QUEUE_INACTIVE)?;
        self.ring_doorbell(queue, 0)?;
        self.write_prph(prph::SCD_QUEUE_RDPTR + 4 * index, 0)?;
        self.io(|bar| {
            let at = context(prph::SCD_CONTEXT_MEM_LOWER_BOUND + 8 * index);
            bar.write_reg(HBUS_TARG_MEM_WADDR::zeroed().with_value(at));
            bar.write_reg(HBUS_TARG_MEM_WDAT::zeroed());
            // A window and a limit of 64 frames.
            bar.write_reg(HBUS_TARG_MEM_WDAT::zeroed().with_value(64u32 << 16 | 64));
        })?;
        // FIFO 7 is that of commands.
        self.write_prph(status, prph::QUEUE_ACTIVE | 7)?;
        if enables {
            self.write_prph(prph::SCD_EN_CTRL, 1 << index)?;
        }
        self.write_prph(prph::SCD_TXFACT, 0xff)?;
        self.io(|bar| {
            for channel in 0..8 {
                if let Some(at) = FH_TCSR_CHNL_TX_CONFIG_REG::try_at(channel) {
                    let config = FH_TCSR_CHNL_TX_CONFIG_REG::zeroed();
                    bar.write(at, config.with_dma_chnl_enable(true).with_credit_enable(true));
                }
            }
            bar.update(FH_TX_CHICKEN_BITS_REG, |r| r.with_scd_auto_retry_en(true));
        })
    }

    fn ring_doorbell(&self, queue: u8, index: u8) -> Result {
        self.io(|bar| match self.fetches() {
            true => {
                bar.write_reg(HBUS_TARG_WRPTR_WIDE::zeroed().with_queue(queue).with_index(index))
            }
            false => bar.write_reg(
                HBUS_TARG_WRPTR::zeroed().with_queue(u32_of(queue)).with_index(u32_of(index)),
            ),
        })
    }

    /// Tells the card where its image and its rings are, and to run. Buffers are offered to it when it does.
    fn fetch(&self, dev: &Device<Bound>, file: (&Ucode<'_>, Image)) -> Result {
        let hw_rev = self.io(|bar| bar.read(CSR_HW_REV).value().get())?;
        let info = {
            let mut rings = self.rings.lock();
            let rings = (*rings).as_mut().ok_or(ENODEV)?;
            rings.reset()?;
            let Rings { rx_ring, rx_status, way, .. } = rings;
            let Way::Context(context) = way else { return Err(EINVAL) };
            let rings = context::Rings { free: rx_ring, log: RX_LOG, status: rx_status };
            context.fill(dev, file, hw_rev, rings)?;
            context.address()
        };
        self.rearm(&self.alive)?;
        self.unmask(int::RUNNING)?;
        self.io(|bar| {
            let part = |half: u64| CSR_CTXT_INFO_BA::zeroed().with_value(half as u32);
            bar.write(CSR_CTXT_INFO_BA::at(0), part(info));
            bar.write(CSR_CTXT_INFO_BA::at(1), part(info >> 32));
            bar.write_reg(CSR_LTR_LONG_VAL_AD::zeroed().with_value(LTR_250_US));
        })?;
        self.write_prph(prph::UREG_CPU_INIT_RUN, 1)
    }

    /// Uploads an image of a file and waits for its ALIVE, whose payload is returned. Without `radio` the
    /// radio need not be switched on for it.
    pub(crate) fn load(
        &self,
        dev: &Device<Bound>,
        file: (&Ucode<'_>, Image),
        radio: bool,
        queue: u8,
        alive: &mut [u8],
    ) -> Result<usize> {
        let mut running = self.op.lock();
        if *running == Running::Off {
            return Err(EIO);
        }
        *running = Running::Powered;
        if radio && !self.is_radio_on()? {
            return Err(ERFKILL);
        }
        self.mask_all()?;
        self.sw_reset()?;
        self.prepare()?;
        self.apm_init()?;
        self.forget();
        self.io(|bar| {
            let mailbox = CSR_UCODE_DRV_GP1_CLR::zeroed();
            bar.write_reg(mailbox.with_rfkill(true));
            bar.write_reg(mailbox.with_cmd_blocked(true));
        })?;
        match self.fetches() {
            true => self.fetch(dev, file)?,
            false => {
                self.rx_init(queue)?;
                self.unmask(int::LOADING)?;
                self.upload(file)?;
            }
        }
        self.alive.wait_timeout(ms(ALIVE_TIMEOUT_MS))?;
        self.whole()?;
        if !self.fetches() {
            self.tx_start(queue)?;
        }
        *running = Running::Alive(queue);
        let mut rings = self.rings.lock();
        let rings = (*rings).as_mut().ok_or(ENODEV)?;
        if let Some(context) = rings.context() {
            context.fetched();
        }
        Ok(copy(&rings.alive, alive))
    }

    /// Sends a command and waits for its response. A notification that is to follow can be waited for
    /// from then on: `notification`.
    pub(crate) fn send(
        &self,
        (group, id): (u8, u8),
        data: &[u8],
        notification: Option<u8>,
        response: &mut [u8],
    ) -> Result<usize> {
        let running = self.op.lock();
        let Running::Alive(queue) = *running else { return Err(EIO) };
        self.whole()?;
        let (next, sequence) = {
            let mut rings = self.rings.lock();
            let rings = (*rings).as_mut().ok_or(ENODEV)?;
            let index = rings.write;
            let sequence = u16::from(queue) << 8 | u16::from(index);
            let [low, high] = sequence.to_le_bytes();
            let short = [id, group, low, high];
            // Groups beside the first have a longer header, with the length and a version.
            let [len_low, len_high] = u16::try_from(data.len())?.to_le_bytes();
            let long = [id, group, low, high, len_low, len_high, 0, 0];
            let header = if group == 0 { &short[..] } else { &long[..] };
            let len = header.len() + data.len();
            if len > COMMAND {
                return Err(E2BIG);
            }
            rings.command.write(0, header)?;
            rings.command.write(header.len(), data)?;
            let address = rings.command.address();
            match &rings.way {
                // One buffer: low 32 bits of its address, then 4 more and its length.
                Way::Channel(Channel { tfds, .. }) => {
                    let tail = (address >> 32) as u32 & 0xf | (len as u32) << 4;
                    let at = usize::from(index) * TFD;
                    tfds.write(at, &words(&[1 << 24, address as u32]))?;
                    tfds.write(at + 8, &words(&[tail, 0]))?;
                }
                Way::Context(context) => context.describe(index, address, len as u16)?,
            }
            rings.write = index.wrapping_add(1);
            rings.awaited = Some(sequence);
            rings.noticed = notification;
            (rings.write, sequence)
        };
        self.rearm(&self.responded)?;
        self.rearm(&self.noticed)?;
        self.ring_doorbell(queue, next)?;
        let waited = self.responded.wait_timeout(ms(COMMAND_TIMEOUT_MS));
        let mut rings = self.rings.lock();
        let rings = (*rings).as_mut().ok_or(ENODEV)?;
        if rings.awaited == Some(sequence) {
            rings.awaited = None;
        }
        waited?;
        self.whole()?;
        Ok(copy(&rings.response, response))
    }

    /// Waits for the notification that the last `send()` has named.
    pub(crate) fn wait(&self, timeout: u32) -> Result {
        let _running = self.op.lock();
        self.noticed.wait_timeout(ms(timeout))?;
        self.whole()
    }

    /// Something is to be waited for. A failure that was told of before counts, though its wake-up is lost.
    fn rearm(&self, awaited: &Completion) -> Result {
        awaited.rearm();
        self.whole()
    }

    /// By which causes the microcode or the hardware has failed since it was loaded, if it has.
    pub(crate) fn failures(&self) -> u32 {
        self.failed.load(Relaxed)
    }

    /// An error, if the microcode or the hardware has said that they have failed.
    fn whole(&self) -> Result {
        match self.failures() {
            0 => Ok(()),
            _ => Err(EIO),
        }
    }

    /// What the last ALIVE said.
    pub(crate) fn last_alive(&self, alive: &mut [u8]) -> Result<usize> {
        let rings = self.rings.lock();
        Ok(copy(&rings.as_ref().ok_or(ENODEV)?.alive, alive))
    }

    /// Words of the card's memory, of one that is not stopped.
    pub(crate) fn read_mem(&self, address: u32, words: &mut [u32]) -> Result {
        let running = self.op.lock();
        if *running == Running::Off {
            return Err(EIO);
        }
        self.io(|bar| {
            bar.write_reg(HBUS_TARG_MEM_RADDR::zeroed().with_value(address));
            for word in words.iter_mut() {
                *word = bar.read(HBUS_TARG_MEM_RDAT).value().get();
            }
        })
    }

    /// Stops the card wherever it is. All that it does not answer is passed over: it may be gone.
    pub(crate) fn stop(&self) {
        let mut running = self.op.lock();
        if *running == Running::Off {
            return;
        }
        *running = Running::Off;
        let _ = self.quiesce();
        self.forget();
        if let Some(context) = (*self.rings.lock()).as_mut().and_then(Rings::context) {
            context.clear();
        }
        // Of its switch it tells all the same.
        let _ = self.unmask(int::RF_KILL);
    }

    /// A card that rests tells of its switch again, which it has forgotten if its power was off.
    pub(crate) fn listen(&self) -> Result {
        match *self.op.lock() {
            Running::Off => self.unmask(int::RF_KILL),
            _ => Ok(()),
        }
    }

    fn quiesce(&self) -> Result {
        self.mask_all()?;
        // Each is waited for, and the next done though it did not come.
        let timeout = Delta::from_millis(1);
        if self.fetches() {
            self.write_prph(prph::RFH_RXF_DMA_CFG, 0)?;
            let state = || self.read_prph(prph::RFH_GEN_STATUS);
            let idle = |state: &u32| state & prph::RXF_DMA_IDLE != 0;
            let _ = read_poll_timeout(state, idle, Delta::from_micros(10), timeout);
        } else {
            self.write_prph(prph::SCD_TXFACT, 0)?;
            self.io(|bar| {
                for channel in 0..8 {
                    if let Some(at) = FH_TCSR_CHNL_TX_CONFIG_REG::try_at(channel) {
                        bar.write(at, FH_TCSR_CHNL_TX_CONFIG_REG::zeroed());
                    }
                }
                bar.write_reg(FH_MEM_RCSR_CHNL0_CONFIG_REG::zeroed());
            })?;
            let _ = self.poll(|bar| bar.read(FH_MEM_RSSR_RX_STATUS_REG).idle(), timeout);
        }
        self.io(|bar| {
            bar.update(CSR_GP_CNTRL, |r| r.with_mac_access_req(false));
            bar.update(CSR_RESET, |r| r.with_stop_master(true));
        })?;
        let _ = self.poll(|bar| bar.read(CSR_RESET).master_disabled(), timeout);
        self.sw_reset()?;
        self.io(|bar| bar.update(CSR_GP_CNTRL, |r| r.with_init_done(false)))?;
        self.mask_all()
    }

    /// The memory goes back while the device is still bound; whoever comes later finds none.
    pub(crate) fn release(&self) {
        self.stop();
        // Of a card that was never started, too: whatever else had it may have left interrupts on.
        let _ = self.mask_all();
        drop(self.rings.lock().take());
    }

    /// The interrupt itself: which causes there are, and none of them again until they are dealt with.
    pub(crate) fn interrupt(&self) -> ThreadedIrqReturn {
        // What came before may not have been dealt with yet: causes come past the mask too. None is dealt
        // with twice: the end of one upload would be taken for that of the next.
        let mut before = self.causes.lock();
        let taken = self.io(|bar| {
            let causes = bar.read(CSR_INT).causes().get();
            // All ones are read where there is no card any more.
            if causes == 0 || causes == u32::MAX {
                return 0;
            }
            bar.write_reg(CSR_INT_MASK::zeroed());
            bar.write_reg(CSR_INT::zeroed().with_causes(causes));
            if causes & (int::FH_RX | int::FH_TX) != 0 {
                bar.update(CSR_FH_INT_STATUS, |r| r);
            }
            causes
        });
        match taken {
            Ok(causes) if causes != 0 => {
                *before |= causes;
                ThreadedIrqReturn::WakeThread
            }
            _ => ThreadedIrqReturn::None,
        }
    }

    /// The rest of it, for these causes.
    pub(crate) fn handle(&self) -> (IrqReturn, u32) {
        let mask = self.mask.lock();
        let mut causes = core::mem::take(&mut *self.causes.lock());
        if causes & int::FH_TX != 0 {
            self.loaded.complete();
        }
        if causes & int::FAILURES != 0 {
            self.fail(causes & int::FAILURES);
        }
        if causes & (int::FH_RX | int::SW_RX | int::RX_PERIODIC | int::ALIVE) != 0 {
            // A card that fetches takes buffers from when it runs on.
            let offer = self.fetches() && causes & int::ALIVE != 0;
            // Without rings the device is going; a buffer that was none is no card to go on with.
            if self.receive(offer) == Err(EIO) {
                causes |= int::HW_ERR;
                self.fail(int::HW_ERR);
            }
        }
        // What has come meanwhile interrupts at once.
        let _ = self.io(|bar| bar.write_reg(CSR_INT_MASK::zeroed().with_causes(*mask)));
        (IrqReturn::Handled, causes)
    }

    /// The microcode or the hardware has failed: nobody waits for it any more. With `mask` held.
    fn fail(&self, causes: u32) {
        self.failed.store(self.failures() | causes, Relaxed);
        self.loaded.complete();
        self.alive.complete();
        self.responded.complete();
        self.noticed.complete();
    }

    /// Empties the receive ring; what was read, or all if `offer`, is offered to the card again.
    fn receive(&self, mut offer: bool) -> Result {
        let mut rings = self.rings.lock();
        let rings = (*rings).as_mut().ok_or(ENODEV)?;
        let mut closed = [0; 2];
        rings.rx_status.read(0, &mut closed)?;
        let closed = usize::from(u16::from_le_bytes(closed)) % RX_SIZE;
        // What is in the buffers the card has written before that.
        dma_mb(Read);
        while rings.rx_read != closed {
            let buffer = rings.filled()?;
            self.packets(rings, buffer * RX_BUFFER)?;
            rings.give_back(buffer)?;
            rings.rx_read = (rings.rx_read + 1) % RX_SIZE;
            offer = true;
        }
        if !offer {
            return Ok(());
        }
        let offered = match &rings.way {
            Way::Channel(_) => (rings.rx_read + RX_OFFERED) % RX_SIZE & !7,
            Way::Context(context) => context.offered(),
        } as u32;
        self.io(|bar| match self.fetches() {
            true => bar.write_reg(RFH_Q_FRBDCB_WIDX_TRG::zeroed().with_value(offered)),
            false => bar.write_reg(FH_RSCSR_CHNL0_RBDCB_WPTR_REG::zeroed().with_value(offered)),
        })
    }

    /// The packets in a buffer. What the card writes is not trusted: no length leads out of the buffer.
    fn packets(&self, rings: &mut Rings, buffer: usize) -> Result {
        let mut at = 0;
        while at + 8 <= RX_BUFFER {
            let mut header = [0; 8];
            rings.rx_buffers.read(buffer + at, &mut header)?;
            let [a, b, c, d, id, group, low, high] = header;
            let word = u32::from_le_bytes([a, b, c, d]);
            let len = (word & 0x3fff) as usize;
            // The length counts the header's second half.
            if word == FRAME_INVALID || len < 4 || at + 4 + len > RX_BUFFER {
                break;
            }
            let payload = rings.packet.get_mut(..len - 4).ok_or(EIO)?;
            rings.rx_buffers.read(buffer + at + 8, payload)?;
            self.packet(rings, (group, id), u16::from_le_bytes([low, high]), len - 4);
            at = (at + 4 + len + 63) & !63;
        }
        // Nothing of it is read twice.
        rings.rx_buffers.write(buffer, &FRAME_INVALID.to_le_bytes())
    }

    /// The packet that was read, of so many bytes.
    fn packet(&self, rings: &mut Rings, (group, id): (u8, u8), sequence: u16, len: usize) {
        let payload = rings.packet.get(..len).unwrap_or_default();
        if sequence & SEQ_RX_FRAME == 0 {
            if rings.awaited == Some(sequence) {
                rings.awaited = None;
                rings.response.keep(payload);
                self.responded.complete();
            }
            return;
        }
        // All that is waited for is of the first group.
        if group != 0 {
            return;
        }
        if id == ALIVE {
            rings.alive.keep(payload);
            self.alive.complete();
        }
        if rings.noticed == Some(id) {
            rings.noticed = None;
            self.noticed.complete();
        }
    }
}

/// As many bytes as fit; how many there are.
fn copy(packet: &Packet, to: &mut [u8]) -> usize {
    let len = packet.payload.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..len), packet.payload.get(..len)) {
        to.copy_from_slice(from);
    }
    packet.payload.len()
}

fn u32_of(value: u8) -> Bounded<u32, 8> {
    Bounded::<u32, 8>::from(value)
}
