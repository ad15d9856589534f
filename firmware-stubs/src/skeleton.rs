//! A file without what the driver only hands on to the card: with it the driver decides as with the
//! whole file, and no card would start.

use crate::format::{Format, TlvHeader, padded};
use crate::names::*;
use crate::reader::Ucode;

/// What is left of a section: what its place says, and a word.
const LEFT: usize = 16;

/// Sections, and what else of a file is large and of no interest to the driver.
const LARGE: [TlvType; 11] = [
    IWL_UCODE_TLV_INST,
    IWL_UCODE_TLV_DATA,
    IWL_UCODE_TLV_INIT,
    IWL_UCODE_TLV_INIT_DATA,
    IWL_UCODE_TLV_SEC_RT,
    IWL_UCODE_TLV_SEC_INIT,
    IWL_UCODE_TLV_SEC_WOWLAN,
    IWL_UCODE_TLV_SECURE_SEC_RT,
    IWL_UCODE_TLV_SECURE_SEC_INIT,
    IWL_UCODE_TLV_SECURE_SEC_WOWLAN,
    IWL_UCODE_TLV_IML,
];

/// The file with its sections cut short; as it is if it has no TLVs, or is one that the driver refuses.
#[must_use]
pub fn skeleton(file: &[u8]) -> Vec<u8> {
    let Ok(ucode) = Ucode::parse(file) else { return file.to_vec() };
    let header = file.get(..size_of::<TlvHeader>()).filter(|_| ucode.format == Format::Tlv);
    let Some(header) = header else {
        return file.to_vec();
    };
    let mut bytes = header.to_vec();
    for tlv in &ucode.tlvs {
        let large = LARGE.contains(&tlv.at.kind);
        let value = &tlv.value[..tlv.value.len().min(if large { LEFT } else { usize::MAX })];
        let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        bytes.extend(tlv.at.kind.0.to_le_bytes());
        bytes.extend(len.to_le_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len() + padded(value.len()) - value.len(), 0);
    }
    // A file of which nothing is to be cut may come out otherwise.
    if Ucode::parse(&bytes).is_ok() { bytes } else { file.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stub::{self, Kernel};

    #[test]
    fn the_driver_decides_as_with_the_whole_file() {
        for stub in stub::STUBS {
            let file = stub.build(stub.newest(Kernel::V7_3));
            let bones = skeleton(&file);
            let [whole, cut] = [&file, &bones].map(|file| Ucode::parse(file).expect("a stub"));
            assert!(bones.len() < file.len() / 2, "{}", stub.card);
            assert_eq!(cut.opmode(), whole.opmode(), "{}", stub.card);
            assert_eq!((cut.version, cut.facts.capa), (whole.version, whole.facts.capa));
            let sections =
                |ucode: &Ucode<'_>| ucode.facts.images.each_ref().map(|image| image.sections.len());
            assert_eq!(sections(&cut), sections(&whole), "{}", stub.card);
        }
        assert_eq!(skeleton(b"no firmware"), b"no firmware");
    }
}
