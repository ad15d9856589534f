//! Context information: the card is told where in host memory its image and its rings are, and
//! fetches them itself.
//!
//! An entry of the image has an address and no length; the hardware knows how much to fetch by what
//! the sections themselves say. Of each the card reads the start, by which the image is known.
//! Pages that are fetched when they are needed are left alone.

use iwl_hw::ctxt::info::{self, ContextInfo};
use iwl_hw::tfh;
use iwl_ucode::marker;
use zerocopy::{FromZeros, IntoBytes};

use super::section::{Section, Uploaded, image_of};
use crate::event::Image;
use crate::reach::Reach;
use crate::rings::Rings;
use crate::world::DmaError;

/// Bytes read of each section.
const START: usize = marker::RUNTIME.len();

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
    pub(crate) commands_size: u16,
}

/// What came of a step of it.
pub(crate) enum Fetched {
    /// There was nothing to do.
    Idle,
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
}

/// What is under way.
#[derive(Debug, Default)]
pub(crate) struct Context {
    started: Option<u64>,
    fetching: Option<Fetching>,
}

impl Context {
    /// The CPU is told to run: by the context information at an address.
    pub(crate) fn start(&mut self, address: u64) {
        *self = Self { started: Some(address), fetching: None };
    }

    /// Reads the context information, or the next section.
    pub(crate) fn step(&mut self, host: &mut Reach<'_>) -> Result<Fetched, DmaError> {
        let stepped = match (self.started, &mut self.fetching) {
            (Some(address), _) => self.read(address, host),
            (None, Some(fetching)) => fetching.step(host),
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

    fn read(&mut self, address: u64, host: &mut Reach<'_>) -> Result<Fetched, DmaError> {
        let mut info = ContextInfo::new_zeroed();
        host.read(address, info.as_mut_bytes())?;
        let Some(commands_size) = tfh::tfd_queue_size(info.cmd_queue_size.into()) else {
            return Ok(Fetched::Malformed("context information with too large a command queue"));
        };
        // The lower MAC first, as the sections lie in the file. An empty entry ends a list.
        let left: Vec<u64> = [&info.lmac_img, &info.umac_img]
            .into_iter()
            .flat_map(|list| list.iter().map(|entry| entry.get()).take_while(|at| *at != 0))
            .collect();
        if left.is_empty() {
            return Ok(Fetched::Malformed("context information without an image"));
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
        };
        let uploaded = Uploaded { image: Image::Unknown, api: None, sections: 0, bytes: 0 };
        let mut fetching = Fetching { setup, left: left.into_iter(), uploaded };
        let first = fetching.step(host)?;
        *self = Self { started: None, fetching: Some(fetching) };
        Ok(first)
    }
}

impl Fetching {
    fn step(&mut self, host: &mut Reach<'_>) -> Result<Fetched, DmaError> {
        let Some(&address) = self.left.as_slice().first() else {
            return Ok(Fetched::All(self.uploaded, self.setup));
        };
        let mut start = [0; START];
        host.read(address, &mut start)?;
        self.left.next();
        let Uploaded { image, api, sections, bytes } = &mut self.uploaded;
        *image = image_of(&start).unwrap_or(*image);
        *api = marker::api_of(&start).or(*api);
        let index = *sections;
        *sections += 1;
        *bytes += START as u32;
        Ok(Fetched::Section(Section { image: *image, index, dst: None, len: START as u32 }))
    }
}
