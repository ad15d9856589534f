//! What comes of an image.

use std::sync::Arc;

use iwl_ucode::reader::ImageKind;
use iwl_ucode::{Ucode, marker};

use crate::event::Image;

/// An image as it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uploaded {
    pub(crate) image: Image,
    /// The API number of the file that it is of, if its sections tell.
    pub(crate) api: Option<u16>,
    pub(crate) sections: u32,
    pub(crate) bytes: u32,
}

/// A section, or a chunk of one, that has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    pub(crate) image: Image,
    pub(crate) index: u32,
    /// Where it lies in device memory, if the host says.
    pub(crate) dst: Option<u32>,
    pub(crate) len: u32,
}

/// How much of a section tells it from others: what lies there is code, or a header with a digest.
const START: usize = 64;

/// A section of a file.
#[derive(Debug)]
struct Known {
    image: Image,
    /// Where it goes in device memory.
    offset: u32,
    start: Vec<u8>,
}

/// The sections of the files that a card's driver may be given: by these the card knows what arrives.
/// Without any it knows the stubs', which say it themselves.
#[derive(Debug, Clone, Default)]
pub struct KnownSections(Arc<[Known]>);

impl KnownSections {
    /// Those of these files; what is no firmware is left out.
    #[must_use]
    pub fn of<'f>(files: impl IntoIterator<Item = &'f [u8]>) -> Self {
        let mut known = Vec::new();
        for ucode in files.into_iter().filter_map(|file| Ucode::parse(file).ok()) {
            for (kind, image) in
                [(ImageKind::Init, Image::Init), (ImageKind::Regular, Image::Runtime)]
            {
                let sections = ucode.image(kind).sections.iter().flatten();
                known.extend(sections.filter(|section| !section.content.is_empty()).map(
                    |section| {
                        let start = section.content[..section.content.len().min(START)].to_vec();
                        Known { image, offset: section.load_offset, start }
                    },
                ));
            }
        }
        Self(known.into())
    }

    /// The image that a section of it belongs to, by how it begins and where it goes, if that is said.
    pub(super) fn image_of(&self, section: &[u8], dst: Option<u32>) -> Option<Image> {
        if marker::begins(section, &marker::INIT) {
            return Some(Image::Init);
        }
        if marker::begins(section, &marker::RUNTIME) {
            return Some(Image::Runtime);
        }
        let is = |known: &&Known| {
            let len = known.start.len().min(section.len());
            len > 0
                && known.start[..len] == section[..len]
                && dst.is_none_or(|dst| dst == known.offset)
        };
        self.0.iter().find(is).map(|known| known.image)
    }
}
