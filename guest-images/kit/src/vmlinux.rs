//! What a kernel gives to its modules, read off the kernel itself: no `System.map`, no
//! `Module.symvers` has to lie beside it.
//!
//! Sources: the kernel's `Documentation/arch/x86/boot.rst` (the header, `payload_offset`),
//! `include/linux/export-internal.h`.
//!
//! Left out: kernels compressed with lzma, bzip2, lzo or lz4.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::compressed::Compression;
use crate::elf::exported_by_kernel;
use crate::error::{At, KitError};

/// Where the header is, and its fields.
const MAGIC_AT: usize = 0x202;
const SETUP_SECTORS: usize = 0x1f1;
/// In paragraphs of 16 bytes.
const SYS_SIZE: usize = 0x1f4;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const SECTOR: usize = 512;
/// What a zero in [`SETUP_SECTORS`] means.
const USUAL_SECTORS: usize = 4;

/// The symbols that a kernel exports; `None` if it is packed in a way that is not known here.
pub(crate) fn exports(bzimage: &Path) -> Result<Option<BTreeSet<String>>, KitError> {
    let symbols = unpacked(bzimage)?.and_then(|kernel| exported_by_kernel(&kernel));
    // One that exports nothing takes no modules: it was not understood.
    Ok(symbols.filter(|symbols| !symbols.is_empty()))
}

/// The kernel in a bzImage; `None` if it is packed in a way that is not known here.
pub(crate) fn unpacked(bzimage: &Path) -> Result<Option<Vec<u8>>, KitError> {
    let image = fs::read(bzimage).at(bzimage)?;
    let Some(payload) = payload(&image) else { return Ok(None) };
    let Some(compression) = Compression::of_content(payload) else { return Ok(None) };
    Ok(compression.unpack(payload).ok())
}

/// How long a bzImage of this header is at least (Documentation/arch/x86/boot.rst); what signs it stands
/// behind that.
pub(crate) fn length(header: &[u8]) -> Option<u64> {
    let paragraphs = header.get(SYS_SIZE..SYS_SIZE + 4)?.try_into().ok()?;
    let setup = (sectors(header)? + 1) * SECTOR;
    Some(setup as u64 + u64::from(u32::from_le_bytes(paragraphs)) * 16)
}

/// Of its setup code, without the boot sector.
fn sectors(image: &[u8]) -> Option<usize> {
    match usize::from(*image.get(SETUP_SECTORS)?) {
        0 => Some(USUAL_SECTORS),
        sectors => Some(sectors),
    }
}

/// The compressed kernel in a bzImage.
fn payload(image: &[u8]) -> Option<&[u8]> {
    if image.get(MAGIC_AT..MAGIC_AT + 4)? != b"HdrS" {
        return None;
    }
    let word = |at: usize| {
        let bytes = image.get(at..at + 4)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let start = (sectors(image)? + 1) * SECTOR + word(PAYLOAD_OFFSET)?;
    image.get(start..start.checked_add(word(PAYLOAD_LENGTH)?)?)
}

/// A bzImage, as the kernel's build puts it together.
#[cfg(test)]
pub(crate) fn bzimage(payload: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 2 * SECTOR];
    image[SETUP_SECTORS] = 1;
    image[MAGIC_AT..MAGIC_AT + 4].copy_from_slice(b"HdrS");
    image[PAYLOAD_OFFSET] = 16;
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length);
    image.extend([0; 16]);
    image.extend(payload);
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testelf;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    #[test]
    fn a_kernel_s_symbols_are_in_its_image() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bzImage");
        let kernel = testelf::kernel(&["register_netdev", "_printk"], &[4, 1, 20]);
        let mut payload = compress_to_vec(kernel.as_slice(), CompressionLevel::Fastest);
        // The length of what was compressed.
        payload.extend(u32::try_from(kernel.len()).unwrap().to_le_bytes());
        let found = |image: &[u8]| {
            fs::write(&path, image).unwrap();
            exports(&path).unwrap()
        };
        // As the linker merges them: two end alike.
        let expected = ["ster_netdev", "egister_netdev", "ntk"].map(str::to_owned);
        assert_eq!(found(&bzimage(&payload)), Some(expected.into()));
        for not_known in [&b"\x02\x21\x4c\x18 lz4"[..], b"", &payload[..9]] {
            assert_eq!(found(&bzimage(not_known)), None);
        }
        let mut beyond = bzimage(&payload);
        beyond[PAYLOAD_LENGTH + 3] = 0x7f;
        assert_eq!(found(&beyond), None);
        assert_eq!(found(b"no kernel"), None);
    }
}
