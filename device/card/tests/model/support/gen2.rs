//! The driver's half of context information, and of the queues of 22000 and later parts.

use iwl_hw::csr::Int;
use iwl_hw::csr::{self, GpCntrlBz};
use iwl_hw::ctxt::info::{self, ContextInfo};
use iwl_hw::ctxt::info_v2::{self, ContextInfoV2, PrphScratch};
use iwl_hw::prph;
use iwl_hw::tfh::{TfhTb, TfhTfd};
use zerocopy::{FromZeros, IntoBytes};

use super::legacy::{Driver, Received, TX_RINGS, UPLOAD};
use super::rfh::RfhRings;

const CONTEXT: u64 = 0x8000;
/// Of the second version: what the card keeps looking at, and the image loader.
pub(crate) const SCRATCH: u64 = 0x9000;
/// And where it tells of its state.
pub(crate) const INFO: u64 = 0x9800;
pub(crate) const LOADER: u64 = 0xa000;
pub(crate) const LOADER_LEN: u32 = 64;
/// Code of the command queue's size: 32.
const COMMANDS: u8 = 2;

/// Where a queue's ring is.
pub(crate) fn tfh_ring(queue: u8) -> u64 {
    TX_RINGS + u64::from(queue) * 256 * size_of::<TfhTfd>() as u64
}

/// Context information of two sections, as `iwl_pcie_ctxt_info_init` fills it in.
pub(crate) fn context() -> ContextInfo {
    let mut context = ContextInfo::new_zeroed();
    context.control_flags = info::control_flags(RfhRings::SIZE.trailing_zeros()).into();
    context.free_rbd_addr = RfhRings::free().into();
    context.used_rbd_addr = RfhRings::used(0).into();
    context.status_wr_ptr = RfhRings::status(0).into();
    context.cmd_queue_addr = tfh_ring(0).into();
    context.cmd_queue_size = COMMANDS;
    for (slot, section) in context.lmac_img[..2].iter_mut().zip([UPLOAD, UPLOAD + 0x1000]) {
        *slot = section.into();
    }
    context
}

impl Driver {
    /// These sections in their order, each for a place in the device's memory, and the word to run them.
    pub(crate) fn send_image(&mut self, sections: &[(u32, Vec<u8>)]) {
        self.init();
        self.send_sections(sections);
    }

    fn send_sections(&mut self, sections: &[(u32, Vec<u8>)]) {
        if !self.gen2 {
            for (dst, content) in sections {
                self.upload(*dst, content);
            }
            return self.release();
        }
        let mut list = [0; 4];
        let mut free = UPLOAD;
        for (at, (_, content)) in list.iter_mut().zip(sections) {
            *at = free;
            self.world.memory[free as usize..][..content.len()].copy_from_slice(content);
            free += (content.len() as u64).next_multiple_of(0x1000);
        }
        if self.loader {
            let (info, mut scratch) = self.context_v2();
            scratch.lmac_img[..4].copy_from_slice(&list.map(Into::into));
            self.run_loader(&info, &scratch, LOADER_LEN);
        } else {
            let mut context = context();
            context.lmac_img[..4].copy_from_slice(&list.map(Into::into));
            self.run_context(&context);
        }
    }

    /// From reset to ALIVE with these sections.
    pub(crate) fn boot_sections(&mut self, sections: &[(u32, Vec<u8>)]) -> Received {
        self.init();
        match self.gen2 {
            true => self.fill_rfh(),
            false => self.init_rx(),
        }
        self.init_tx();
        self.mask(Int::ALIVE | Int::FH_RX);
        self.send_sections(sections);
        self.mask(Int::all());
        self.alive(0)
    }

    /// From reset to a CPU that runs, by [`context`].
    pub(super) fn start_context(&mut self, start: &[u8]) {
        for at in [UPLOAD, UPLOAD + 0x1000] {
            self.world.memory[at as usize..][..256].fill(0xa5);
            self.world.memory[at as usize..][..start.len()].copy_from_slice(start);
        }
        self.init();
        self.fill_rfh();
        self.init_tx();
        self.mask(Int::ALIVE | Int::FH_RX);
        self.run_context(&context());
        self.mask(Int::all());
    }

    /// Tells the CPU to run.
    pub(crate) fn run_context(&mut self, context: &ContextInfo) {
        let bytes = context.as_bytes();
        self.world.memory[CONTEXT as usize..][..bytes.len()].copy_from_slice(bytes);
        self.write(info::CSR_CTXT_INFO_BA, CONTEXT as u32);
        self.write(info::CSR_CTXT_INFO_BA + 4, 0);
        self.write_prph(prph::UREG_CPU_INIT_RUN, 1);
    }

    /// Context information of the second version, as `iwl_pcie_ctxt_info_v2_alloc` fills it in.
    pub(crate) fn context_v2(&self) -> (ContextInfoV2, PrphScratch) {
        let (mut info, mut scratch) = (ContextInfoV2::new_zeroed(), PrphScratch::new_zeroed());
        info.cr_head_idx_arr_base_addr = RfhRings::status(0).into();
        info.mtr_base_addr = tfh_ring(0).into();
        info.mcr_base_addr = self.used_ring(0).into();
        info.mtr_size = u16::from(COMMANDS).into();
        info.mcr_size = (RfhRings::SIZE.trailing_zeros() as u16).into();
        info.prph_info_base_addr = INFO.into();
        info.prph_scratch_base_addr = SCRATCH.into();
        scratch.control_flags = info_v2::control_flags().into();
        scratch.free_rbd_addr = RfhRings::free().into();
        for (slot, section) in scratch.lmac_img[..2].iter_mut().zip([UPLOAD, UPLOAD + 0x1000]) {
            *slot = section.into();
        }
        (info, scratch)
    }

    /// From reset to a CPU that runs, by [`Driver::context_v2`].
    pub(super) fn start_loader(&mut self, start: &[u8]) {
        for at in [UPLOAD, UPLOAD + 0x1000] {
            self.world.memory[at as usize..][..256].fill(0xa5);
            self.world.memory[at as usize..][..start.len()].copy_from_slice(start);
        }
        self.init();
        self.fill_rfh();
        self.init_tx();
        self.mask(Int::ALIVE | Int::FH_RX);
        let (info, scratch) = self.context_v2();
        self.run_loader(&info, &scratch, LOADER_LEN);
        self.mask(Int::all());
    }

    /// Tells the CPU to run: in its own way on each.
    pub(crate) fn run_loader(&mut self, info: &ContextInfoV2, scratch: &PrphScratch, len: u32) {
        for (at, bytes) in [(CONTEXT, info.as_bytes()), (SCRATCH, scratch.as_bytes())] {
            self.world.memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        self.write(info_v2::CSR_CTXT_INFO_ADDR, CONTEXT as u32);
        self.write(info_v2::CSR_IML_DATA_ADDR, LOADER as u32);
        self.write(info_v2::CSR_IML_SIZE_ADDR, len);
        match self.bz {
            true => self.set(csr::CSR_GP_CNTRL, GpCntrlBz::ROM_START.bits()),
            false => self.write_prph(prph::UREG_CPU_INIT_RUN, 1),
        }
    }

    pub(super) fn put_tfh_descriptor(&mut self, queue: u8, index: u8, buffers: &[(u64, u16)]) {
        let buffers: Vec<_> = buffers
            .iter()
            .map(|(at, len)| TfhTb { tb_len: (*len).into(), addr: (*at).into() })
            .collect();
        self.put_tfh(queue, index, &TfhTfd::new(&buffers));
    }

    /// A descriptor in its place: the command queue has fewer of them than indices.
    pub(crate) fn put_tfh(&mut self, queue: u8, index: u8, tfd: &TfhTfd) {
        let place = if queue == 0 { index % (8 << COMMANDS) } else { index };
        let at = tfh_ring(queue) as usize + usize::from(place) * size_of::<TfhTfd>();
        self.world.memory[at..at + size_of::<TfhTfd>()].copy_from_slice(tfd.as_bytes());
    }
}
