//! Firmware files as a scenario wants them: broken, compressed.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use iwl_ucode::corrupt::{CorruptError, Corruption};
use lzma_rust2::{CheckType, XzOptions, XzWriter};

use crate::script::scenario::Compression;

/// The largest file that is given to a guest. Intel's have up to 2 MiB; in base64, within one line
/// of [`guest_protocol::MAX_LINE`] bytes, there is room for 12.
const LARGEST: u64 = 8 << 20;

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
    /// It is a directory, a device or a pipe.
    #[error("{} is no regular file: a firmware file is", path.display())]
    NoFile {
        /// What was named.
        path: PathBuf,
    },
    /// It is larger than the guest's agent can be told in one line.
    #[error("the firmware file {what} has {bytes} bytes; the guest takes {LARGEST}")]
    TooLarge {
        /// Which.
        what: String,
        /// Its size.
        bytes: u64,
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
/// [`FirmwareError::Read`], [`FirmwareError::NoFile`] and [`FirmwareError::TooLarge`].
pub fn read(path: &Path) -> Result<Vec<u8>, FirmwareError> {
    let read = |source| FirmwareError::Read { path: path.to_owned(), source };
    // Before it is opened: a pipe would wait for who writes it.
    let metadata = std::fs::metadata(path).map_err(read)?;
    if !metadata.is_file() {
        return Err(FirmwareError::NoFile { path: path.to_owned() });
    }
    let length = metadata.len();
    let file = std::fs::File::open(path).map_err(read)?;
    let mut bytes = Vec::new();
    // What says nothing of its length, below /proc, ends here too.
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(read)?;
    fits(path.display().to_string(), length.max(bytes.len() as u64))?;
    Ok(bytes)
}

fn fits(what: String, bytes: u64) -> Result<(), FirmwareError> {
    if bytes > LARGEST {
        return Err(FirmwareError::TooLarge { what, bytes });
    }
    Ok(())
}

/// The file with faults put into it, in order, and then compressed.
///
/// # Errors
/// [`FirmwareError::Corrupt`], [`FirmwareError::Compress`] and [`FirmwareError::TooLarge`].
pub fn change(
    file: Vec<u8>,
    corruptions: &[Corruption],
    compression: Option<Compression>,
) -> Result<Vec<u8>, FirmwareError> {
    let mut bytes = file;
    for corruption in corruptions {
        bytes = corruption.apply(&bytes)?;
        fits("with its faults".into(), bytes.len() as u64)?;
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

    #[test]
    fn what_the_guest_cannot_be_given_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("huge.ucode");
        let file = std::fs::File::create(&path).expect("made");
        file.set_len(1 << 40).expect("sparse");
        let error = read(&path).expect_err("too large").to_string();
        assert!(error.contains("huge.ucode has 1099511627776 bytes"), "{error}");
        for path in [Path::new("/dev/zero"), dir.path()] {
            let error = read(path).expect_err("no file");
            assert!(matches!(error, FirmwareError::NoFile { .. }), "{error}");
        }
        let longer = "trailing-bytes=9000000".parse().expect("a fault");
        let error = change(vec![0; 64], &[longer], None).expect_err("too large").to_string();
        assert!(error.contains("with its faults has 9000064 bytes"), "{error}");
    }
}
