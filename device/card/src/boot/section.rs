//! What comes of an image.

use iwl_ucode::marker;

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

/// The image that a section of it belongs to, by how it begins.
pub(super) fn image_of(section: &[u8]) -> Option<Image> {
    if marker::begins(section, &marker::INIT) {
        Some(Image::Init)
    } else if marker::begins(section, &marker::RUNTIME) {
        Some(Image::Runtime)
    } else {
        None
    }
}
