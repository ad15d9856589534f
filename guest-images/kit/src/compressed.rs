//! Compressed files, whole in memory: modules, and the kernel within a bzImage.

use std::error::Error;
use std::io::{self, Read};

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

/// Why it cannot be unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// What it is, with its article.
    #[error("it is {0}, cut short")]
    CutShort(&'static str),
    /// As a sentence.
    #[error("{0}")]
    Other(String),
}

/// Whether a reader came to the end before it was done, whatever it makes of that.
fn is_end(error: &io::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        // An error of `io` gives the source of what it holds, and that is passed over.
        let held = io.and_then(io::Error::get_ref).map(|held| held as &(dyn Error + 'static));
        next = held.or_else(|| error.source());
    }
    false
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
    pub(crate) fn unpack(self, bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
        if Self::of_content(bytes) != Some(self) {
            return Err(Unreadable::Other(format!("it is no {} file", self.word())));
        }
        let mut content = Vec::new();
        let mut read = |reader: &mut dyn Read| reader.take(LARGEST).read_to_end(&mut content);
        let done = match self {
            Self::Gzip => read(&mut GzDecoder::new(bytes)),
            Self::Xz => read(&mut XzReader::new(bytes, false)),
            Self::Zstd => StreamingDecoder::new(bytes)
                .map_err(io::Error::other)
                .and_then(|mut r| read(&mut r)),
        };
        match done {
            Ok(_) => Ok(content),
            Err(error) if is_end(&error) => Err(Unreadable::CutShort(match self {
                Self::Gzip => "a gzip file",
                Self::Xz => "an xz file",
                Self::Zstd => "a zstd file",
            })),
            Err(error) => {
                Err(Unreadable::Other(format!("it is no whole {}: {error}", self.word())))
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_cut_short_is_told_from_what_is_none() {
        let content: Vec<u8> =
            (0..200_000_u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        let mut xz =
            lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
        xz.write_all(&content).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&content).unwrap();
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        for (compression, packed) in [
            (Compression::Xz, xz.finish().unwrap()),
            (Compression::Gzip, gzip.finish().unwrap()),
            (Compression::Zstd, ruzstd::encoding::compress_to_vec(&content[..], level)),
        ] {
            assert!(compression.unpack(&packed).unwrap() == content);
            for length in [7, 20, packed.len() / 2, packed.len() - 9] {
                let error = compression.unpack(&packed[..length]).unwrap_err();
                assert!(
                    matches!(error, Unreadable::CutShort(_)),
                    "{compression:?} {length}: {error}"
                );
            }
            let none = compression.unpack(b"no such file").unwrap_err().to_string();
            assert_eq!(none, format!("it is no {} file", compression.word()));
        }
    }
}
