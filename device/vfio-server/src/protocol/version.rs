//! The JSON data of VERSION.

use serde::{Deserialize, Serialize};

use super::wire::{MAX_DATA_XFER, MAX_DMA_MAPS, MAX_MSG_FDS, PAGE_SIZES};

/// Capabilities of one side; what it leaves out has the default of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Most descriptors it takes with one message; default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_msg_fds: Option<u64>,
    /// Most bytes it takes in one transfer; default 1 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_data_xfer_size: Option<u64>,
    /// Most DMA ranges at a time; default 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_dma_maps: Option<u64>,
    /// Page sizes of DMA ranges, or'ed; default 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pgsizes: Option<u64>,
}

/// Why the data of VERSION cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// It does not end in its only NUL.
    #[error("the version data is not NUL-terminated")]
    Nul,
    /// It is no JSON, or not of the form specified.
    #[error("the version data: {0}")]
    Json(#[from] serde_json::Error),
    /// A transfer size with which nothing can be transferred.
    #[error("max_data_xfer_size is 0")]
    NoTransfer,
}

#[derive(Serialize, Deserialize)]
struct VersionData {
    #[serde(default)]
    capabilities: Capabilities,
}

impl Capabilities {
    /// Reads what the client proposes.
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn parse(data: &[u8]) -> Result<Self, VersionError> {
        if data.is_empty() {
            return Ok(Self::default());
        }
        let Some((0, json)) = data.split_last() else {
            return Err(VersionError::Nul);
        };
        if json.contains(&0) {
            return Err(VersionError::Nul);
        }
        let VersionData { capabilities } = serde_json::from_slice(json)?;
        if capabilities.max_data_xfer_size == Some(0) {
            return Err(VersionError::NoTransfer);
        }
        Ok(capabilities)
    }

    /// What the server answers: its own values for what the client proposed, as data for
    /// the reply. Nothing if that is longer than `room`: the defaults, which hold then,
    /// are all within what the server can do.
    pub fn answer(&self, room: usize) -> Vec<u8> {
        let capabilities = Self {
            max_msg_fds: self.max_msg_fds.map(|_| MAX_MSG_FDS as u64),
            max_data_xfer_size: self.max_data_xfer_size.map(|_| MAX_DATA_XFER as u64),
            max_dma_maps: self.max_dma_maps.map(|_| MAX_DMA_MAPS as u64),
            pgsizes: self.pgsizes.map(|_| PAGE_SIZES),
        };
        let mut data = serde_json::to_vec(&VersionData { capabilities }).unwrap_or_default();
        data.push(0);
        if data.len() > room { Vec::new() } else { data }
    }

    /// Most bytes the client takes in one transfer, as far as the server goes.
    pub fn transfer_size(&self) -> usize {
        self.max_data_xfer_size
            .and_then(|size| usize::try_from(size).ok())
            .map_or(MAX_DATA_XFER, |size| size.min(MAX_DATA_XFER))
    }
}
