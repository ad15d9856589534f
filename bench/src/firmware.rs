//! Firmware files as a scenario wants them: broken, compressed.

use std::io::Write;
use std::path::{Path, PathBuf};

use iwl_ucode::corrupt::{CorruptError, Corruption};
use lzma_rust2::{CheckType, XzOptions, XzWriter};

use crate::scenario::Compression;

/// Why a firmware file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// It cannot be read.
    #[error("cannot read firmware file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A fault does not go into it.
    #[error("cannot corrupt the firmware file: {0}")]
    Corrupt(#[from] CorruptError),
    /// It cannot be compressed.
    #[error("cannot compress the firmware file: {0}")]
    Compress(std::io::Error),
}

impl FirmwareError {
    /// A file that should have been read before.
    pub fn not_read(path: &Path) -> FirmwareError {
        FirmwareError::Read { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() }
    }
}

/// Reads a firmware file.
///
/// # Errors
/// [`FirmwareError::Read`].
pub fn read(path: &Path) -> Result<Vec<u8>, FirmwareError> {
    std::fs::read(path).map_err(|source| FirmwareError::Read { path: path.to_owned(), source })
}

/// The file with faults put into it, in order, and then compressed.
///
/// # Errors
/// [`FirmwareError::Corrupt`] and [`FirmwareError::Compress`].
pub fn change(
    file: Vec<u8>,
    corruptions: &[Corruption],
    compression: Option<Compression>,
) -> Result<Vec<u8>, FirmwareError> {
    let mut bytes = file;
    for corruption in corruptions {
        bytes = corruption.apply(&bytes)?;
    }
    match compression {
        None => Ok(bytes),
        Some(Compression::Xz) => xz(&bytes, CheckType::Crc32),
        Some(Compression::XzCrc64) => xz(&bytes, CheckType::Crc64),
        Some(Compression::Zst) => Ok(zst(&bytes, true)),
        Some(Compression::ZstUnsized) => Ok(zst(&bytes, false)),
    }
}

fn xz(bytes: &[u8], check: CheckType) -> Result<Vec<u8>, FirmwareError> {
    let mut options = XzOptions::with_preset(6);
    options.set_check_sum_type(check);
    let mut writer = XzWriter::new(Vec::new(), options).map_err(FirmwareError::Compress)?;
    writer.write_all(bytes).map_err(FirmwareError::Compress)?;
    writer.finish().map_err(FirmwareError::Compress)
}

/// A zstd frame (RFC 8878) of raw blocks: what the decoder does with it is the same, and nothing
/// is gained by making a stub smaller.
fn zst(bytes: &[u8], sized: bool) -> Vec<u8> {
    const MAGIC: u32 = 0xfd2f_b528;
    const SINGLE_SEGMENT_SIZE_IN_4: u8 = 0xa0;
    /// 1 MiB, more than a block.
    const WINDOW: u8 = 0x50;
    const MAX_BLOCK: usize = 128 << 10;
    let mut frame = MAGIC.to_le_bytes().to_vec();
    match u32::try_from(bytes.len()) {
        Ok(size) if sized => {
            frame.push(SINGLE_SEGMENT_SIZE_IN_4);
            frame.extend(size.to_le_bytes());
        }
        _ => frame.extend([0, WINDOW]),
    }
    let blocks = bytes.chunks(MAX_BLOCK);
    let last = blocks.len().saturating_sub(1);
    for (index, block) in blocks.enumerate() {
        // The size above a two-bit type, 0 for raw, above the flag of the last block.
        let header = (block.len() as u32) << 3 | u32::from(index == last);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    if bytes.is_empty() {
        frame.extend([1, 0, 0]);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn compressed_files_decompress() {
        for len in [0, 1, 300_000] {
            let file: Vec<u8> = (0..len).map(|i: u32| i as u8).collect();
            for compression in [Compression::Zst, Compression::ZstUnsized] {
                let packed = change(file.clone(), &[], Some(compression)).expect("packed");
                let mut decoder =
                    ruzstd::decoding::StreamingDecoder::new(&packed[..]).expect("a frame");
                let mut out = Vec::new();
                decoder.read_to_end(&mut out).expect("whole");
                assert!(out == file, "{compression:?}, {len} bytes");
            }
            for compression in [Compression::Xz, Compression::XzCrc64] {
                let packed = change(file.clone(), &[], Some(compression)).expect("packed");
                let mut out = Vec::new();
                lzma_rust2::XzReader::new(&packed[..], false).read_to_end(&mut out).expect("whole");
                assert!(out == file, "{compression:?}, {len} bytes");
            }
        }
    }
}
