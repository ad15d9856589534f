//! Compressed files, whole in memory: modules, and the kernel within a bzImage.

use std::io::Read;

use flate2::read::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// Far above the largest module of a stock kernel (amdgpu: 25 MiB) and a kernel without its symbols
/// (6.1: 126 MiB); what is larger is cut.
const LARGEST: u64 = 512 << 20;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Xz,
    Zstd,
}

impl Compression {
    /// By a file's ending.
    pub(crate) fn of_ending(ending: &str) -> Option<Self> {
        match ending {
            "gz" => Some(Self::Gzip),
            "xz" => Some(Self::Xz),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// By a file's first bytes.
    pub(crate) fn of_content(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What was compressed. Only the first frame of several: a kernel's length follows it.
    pub(crate) fn unpack(self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        let done = match self {
            Self::Gzip => GzDecoder::new(bytes).take(LARGEST).read_to_end(&mut content),
            Self::Xz => XzReader::new(bytes, false).take(LARGEST).read_to_end(&mut content),
            Self::Zstd => StreamingDecoder::new(bytes)
                .map_err(|error| format!("no zstd file: {error}"))?
                .take(LARGEST)
                .read_to_end(&mut content),
        };
        match done {
            Ok(_) => Ok(content),
            Err(error) => Err(format!("no {} file: {error}", self.word())),
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}
