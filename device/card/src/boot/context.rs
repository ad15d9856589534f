//! Context information: the card is told where in host memory its image and its rings are, and
//! fetches them itself; from AX210 on with an image loader (IML) that comes with the image.
//!
//! An entry of the image has an address and no length; the hardware knows how much to fetch by what
//! the sections themselves say. Of each the card reads the start, by which the image is known, and all
//! of one that is of a file it knows.
//! Pages that are fetched when they are needed are left alone.

use iwl_hw::ctxt::info::{self, ContextInfo};
use iwl_hw::ctxt::info_v2::{self, ContextInfoV2, PNVM_CFG, PrphScratch, Region};
use iwl_hw::{rfh, tfh};
use iwl_ucode::marker;
use zerocopy::little_endian::U64;
use zerocopy::{FromZeros, IntoBytes};

use super::section::{self, Compared, Judge, KnownSections, Section, Uploaded};
use crate::event::Image;
use crate::reach::Reach;
use crate::rings::Rings;
use crate::world::DmaError;

/// Bytes read of each section, if no file is known.
const START: usize = marker::RUNTIME.len();

/// Most bytes of an image loader: more than any has.
const LONGEST_LOADER: u32 = 1 << 16;

/// Where the CPU is told to look.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// At the context information.
    Info(u64),
    /// At that of the second version, and at the image loader and its length.
    Loader { info: u64, loader: u64, len: u32 },
}

/// Where the rings are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) receive: Rings,
    /// Descriptors in each of the receive rings.
    pub(crate) receive_size: u32,
    /// Bytes in a receive buffer.
    pub(crate) buffer_size: u32,
    /// The ring of the command queue.
    pub(crate) commands: u64,
    /// Descriptors in it.
    pub(crate) commands_size: u32,
    /// Where the host tells of the platform's NVM, if it can.
    pub(crate) scratch: Option<u64>,
    /// Where the card tells of its state.
    pub(crate) info: Option<u64>,
}

/// What came of a step of it.
pub(crate) enum Fetched {
    /// There was nothing to do.
    Idle,
    /// The image loader is there, of so many bytes.
    Loader(u32),
    /// A section is there.
    Section(Section),
    /// All is there.
    All(Uploaded, Setup),
    /// What the host says makes no sense.
    Malformed(&'static str),
    /// It could not be read.
    Fault { addr: u64, len: usize },
}

/// An image that is being fetched.
#[derive(Debug)]
struct Fetching {
    setup: Setup,
    /// Where the sections are that are left.
    left: std::vec::IntoIter<u64>,
    uploaded: Uploaded,
    judge: Judge,
}

/// What is under way.
#[derive(Debug, Default)]
pub(crate) struct Context {
    started: Option<Start>,
    fetching: Option<Fetching>,
}

impl Context {
    /// The CPU is told to run.
    pub(crate) fn start(&mut self, start: Start) {
        *self = Self { started: Some(start), fetching: None };
    }

    /// Reads the context information, or the next section. A command queue has at most so many
    /// `indices`.
    pub(crate) fn step(
        &mut self,
        indices: u32,
        known: &KnownSections,
        host: &mut Reach<'_>,
    ) -> Result<Fetched, DmaError> {
        let stepped = match (self.started, &mut self.fetching) {
            (Some(Start::Info(address)), _) => self.read(address, indices, known, host),
            (Some(Start::Loader { info, loader, len }), _) => {
                self.load(info, (loader, len), indices, host)
            }
            (None, Some(fetching)) => fetching.step(known, host),
            (None, None) => return Ok(Fetched::Idle),
        };
        match stepped {
            Ok(fetched) => {
                if matches!(fetched, Fetched::All(..) | Fetched::Malformed(_)) {
                    *self = Self::default();
                }
                Ok(fetched)
            }
            Err(DmaError::Fault { addr, len }) => {
                *self = Self::default();
                Ok(Fetched::Fault { addr, len })
            }
            Err(DmaError::Pending) => Err(DmaError::Pending),
        }
    }

    fn read(
        &mut self,
        address: u64,
        indices: u32,
        known: &KnownSections,
        host: &mut Reach<'_>,
    ) -> Result<Fetched, DmaError> {
        let mut info = ContextInfo::new_zeroed();
        host.read(address, info.as_mut_bytes())?;
        let Some(commands_size) = tfh::tfd_queue_size(info.cmd_queue_size.into(), indices) else {
            return Ok(Fetched::Malformed(LARGE_QUEUE));
        };
        let left = sections(&info.lmac_img, &info.umac_img);
        if left.is_empty() {
            return Ok(Fetched::Malformed(NO_IMAGE));
        }
        let flags = info.control_flags.get();
        let setup = Setup {
            receive: Rings {
                free: info.free_rbd_addr.get(),
                used: info.used_rbd_addr.get(),
                status: info.status_wr_ptr.get(),
            },
            receive_size: info::rb_cb_size(flags),
            buffer_size: info::rb_size(flags),
            commands: info.cmd_queue_addr.get(),
            commands_size,
            scratch: None,
            info: None,
        };
        let mut fetching = Fetching::new(setup, left);
        let first = fetching.step(known, host)?;
        *self = Self { started: None, fetching: Some(fetching) };
        Ok(first)
    }

    /// The image loader, which finds the sections.
    fn load(
        &mut self,
        address: u64,
        (loader, len): (u64, u32),
        indices: u32,
        host: &mut Reach<'_>,
    ) -> Result<Fetched, DmaError> {
        if len == 0 || len > LONGEST_LOADER {
            return Ok(Fetched::Malformed("an image loader of no length, or too long"));
        }
        let mut info = ContextInfoV2::new_zeroed();
        host.read(address, info.as_mut_bytes())?;
        let scratch_at = info.prph_scratch_base_addr.get();
        let mut scratch = PrphScratch::new_zeroed();
        host.read(scratch_at, scratch.as_mut_bytes())?;
        host.read(loader, &mut vec![0; len as usize])?;
        let Some(commands_size) = tfh::tfd_queue_size(info.mtr_size.get().into(), indices) else {
            return Ok(Fetched::Malformed(LARGE_QUEUE));
        };
        let left = sections(&scratch.lmac_img, &scratch.umac_img);
        if left.is_empty() {
            return Ok(Fetched::Malformed(NO_IMAGE));
        }
        let setup = Setup {
            receive: Rings {
                free: scratch.free_rbd_addr.get(),
                used: info.mcr_base_addr.get(),
                status: info.cr_head_idx_arr_base_addr.get(),
            },
            receive_size: rfh::ring_size(info.mcr_size.get().into()),
            buffer_size: info_v2::rb_size(scratch.control_flags.get()),
            commands: info.mtr_base_addr.get(),
            commands_size,
            scratch: Some(scratch_at),
            info: Some(info.prph_info_base_addr.get()),
        };
        *self = Self { started: None, fetching: Some(Fetching::new(setup, left)) };
        Ok(Fetched::Loader(len))
    }
}

const LARGE_QUEUE: &str = "context information with too large a command queue";
const NO_IMAGE: &str = "context information without an image";

/// Where the sections are: those of the lower MAC first, as they lie in the file. An empty entry ends
/// a list.
fn sections(lmac: &[U64], umac: &[U64]) -> Vec<u64> {
    [lmac, umac]
        .into_iter()
        .flat_map(|list| list.iter().map(|entry| entry.get()).take_while(|at| *at != 0))
        .collect()
}

/// The platform's NVM, as the host tells of it at `scratch`: how many bytes there are of it.
pub(crate) fn pnvm(scratch: u64, host: &mut Reach<'_>) -> Result<u32, DmaError> {
    let mut region = Region::new_zeroed();
    host.read(scratch.wrapping_add(PNVM_CFG), region.as_mut_bytes())?;
    if region.size.get() > 0 {
        // Where it is, or where a list of its pieces is.
        host.read(region.base_addr.get(), &mut [0; START])?;
    }
    Ok(region.size.get())
}

impl Fetching {
    fn new(setup: Setup, left: Vec<u64>) -> Self {
        // There is one for all purposes.
        let uploaded = Uploaded {
            image: Image::Runtime,
            api: None,
            sections: 0,
            bytes: 0,
            compared: Compared::default(),
        };
        Self { setup, left: left.into_iter(), uploaded, judge: Judge::default() }
    }

    fn step(&mut self, known: &KnownSections, host: &mut Reach<'_>) -> Result<Fetched, DmaError> {
        let Some(&address) = self.left.as_slice().first() else {
            let uploaded = Uploaded { compared: self.judge.end(known), ..self.uploaded.clone() };
            return Ok(Fetched::All(uploaded, self.setup));
        };
        let mut content = vec![0; if known.is_empty() { START } else { section::START }];
        host.read(address, &mut content)?;
        if let Some(len) = self.judge.length(known, &content) {
            content.resize(len as usize, 0);
            host.read(address, &mut content)?;
        }
        self.left.next();
        let wrong = self.judge.arrive(known, None, &content);
        let len = content.len() as u32;
        let Uploaded { image, api, sections, bytes, .. } = &mut self.uploaded;
        *api = marker::api_of(&content).or(*api);
        let index = *sections;
        *sections += 1;
        *bytes += len;
        Ok(Fetched::Section(Section { image: *image, index, dst: None, len, wrong }))
    }
}
