//! The service channel: microcode sections, from host memory to device memory.

use iwl_hw::fh::{FH_MEM_TB_MAX_LENGTH, srvc};
use iwl_ucode::marker;

use super::section::{Judge, KnownSections, Section, Uploaded};
use crate::event::Image;
use crate::memory::SparseMemory;
use crate::reach::Reach;
use crate::world::DmaError;

/// A transfer that the driver has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Transfer {
    source: u64,
    dst: u32,
    len: u32,
}

/// What has been uploaded since the last reset, and what is under way.
#[derive(Debug)]
pub(crate) struct Upload {
    pending: Option<Transfer>,
    last: Option<Transfer>,
    sections: u32,
    bytes: u32,
    image: Image,
    api: Option<u16>,
    judge: Judge,
}

/// What came of a transfer.
pub(crate) enum Done {
    /// There was none.
    Idle,
    /// The data is in device memory; but for what did not fit there.
    Arrived { section: Section, fits: bool },
    /// It could not be read.
    Fault { addr: u64, len: usize },
}

impl Upload {
    pub(crate) fn new() -> Self {
        Self {
            pending: None,
            last: None,
            sections: 0,
            bytes: 0,
            image: Image::Unknown,
            api: None,
            judge: Judge::default(),
        }
    }

    /// The driver enabled the channel. Gives what is wrong with the transfer, if anything.
    pub(crate) fn start(&mut self, ctrl0: u32, ctrl1: u32, dst: u32) -> Result<(), String> {
        let (source, len) = srvc::transfer(ctrl0, ctrl1);
        if len == 0 || len > FH_MEM_TB_MAX_LENGTH {
            return Err(format!("a service channel transfer of {len:#x} bytes"));
        }
        if self.pending.is_some() {
            return Err("a service channel transfer while one is under way".to_owned());
        }
        self.pending = Some(Transfer { source, dst, len });
        Ok(())
    }

    /// Does the transfer that is under way.
    pub(crate) fn step(
        &mut self,
        sram: &mut SparseMemory,
        known: &KnownSections,
        host: &mut Reach<'_>,
    ) -> Result<Done, DmaError> {
        let Some(transfer) = self.pending else { return Ok(Done::Idle) };
        let mut data = vec![0; transfer.len as usize];
        match host.read(transfer.source, &mut data) {
            Ok(()) => {}
            Err(DmaError::Pending) => return Err(DmaError::Pending),
            Err(DmaError::Fault { addr, len }) => {
                self.pending = None;
                return Ok(Done::Fault { addr, len });
            }
        }
        self.pending = None;
        let fits = sram.write(transfer.dst, &data).is_ok();
        let Transfer { dst, len, .. } = transfer;
        let wrong = self.judge.arrive(known, Some(dst), &data);
        self.account(transfer, &data, known);
        let index = self.sections.saturating_sub(1);
        let section = Section { image: self.image, index, dst: Some(dst), len, wrong };
        Ok(Done::Arrived { section, fits })
    }

    /// The CPU starts: what was uploaded is its image. `None` if nothing was.
    pub(crate) fn take(&mut self, known: &KnownSections) -> Option<Uploaded> {
        let Self { image, api, sections, bytes, .. } = *self;
        let compared = self.judge.end(known);
        *self = Self::new();
        (sections > 0).then_some(Uploaded { image, api, sections, bytes, compared })
    }

    fn account(&mut self, transfer: Transfer, data: &[u8], known: &KnownSections) {
        // A section larger than a transfer comes in full chunks that follow one another.
        let continues = self.last.is_some_and(|last| {
            last.len == FH_MEM_TB_MAX_LENGTH && last.dst.wrapping_add(last.len) == transfer.dst
        });
        if !continues {
            self.sections = self.sections.saturating_add(1);
        }
        self.bytes = self.bytes.saturating_add(transfer.len);
        self.last = Some(transfer);
        self.image = known.image_of(&self.judge, data, Some(transfer.dst)).unwrap_or(self.image);
        self.api = marker::api_of(data).or(self.api);
    }
}
