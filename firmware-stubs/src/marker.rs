//! What a stub section begins with, so that the card's firmware interpreter can tell
//! which image it was given, and of which file. Real sections begin with code and carry no marker.

/// First bytes of each section of a stub INIT image, whatever its API number.
pub const INIT: [u8; 16] = *b"iwlbench INIT  \0";

/// First bytes of each section of a stub runtime image, whatever its API number.
pub const RUNTIME: [u8; 16] = *b"iwlbench RT    \0";

/// First bytes of the chunk of a stub `.pnvm` file.
pub const PNVM: [u8; 16] = *b"iwlbench PNVM  \0";

/// Where the API number stands, as the driver counts it; two spaces if none does.
const API: std::ops::Range<usize> = 13..15;

/// A marker with the file's API number in it.
#[must_use]
pub fn with_api(mut marker: [u8; 16], api: u16) -> [u8; 16] {
    marker[API].copy_from_slice(&api.to_le_bytes());
    marker
}

/// Whether a section begins with this marker, with or without an API number.
#[must_use]
pub fn begins(section: &[u8], marker: &[u8; 16]) -> bool {
    let whole = section.get(..marker.len());
    whole.is_some_and(|whole| {
        whole[..API.start] == marker[..API.start] && whole[API.end..] == marker[API.end..]
    })
}

/// The API number in a marker that a section begins with.
#[must_use]
pub fn api_of(section: &[u8]) -> Option<u16> {
    let known = [&INIT, &RUNTIME].into_iter().find(|marker| begins(section, marker))?;
    let api = &section[API];
    (api != &known[API]).then(|| u16::from_le_bytes([api[0], api[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_tells_image_and_api() {
        let section = [&with_api(RUNTIME, 1107)[..], &[1; 20]].concat();
        assert!(begins(&section, &RUNTIME) && !begins(&section, &INIT));
        assert_eq!(api_of(&section), Some(1107));
        assert_eq!((api_of(&INIT), begins(&INIT, &INIT)), (None, true));
        assert_eq!((api_of(b"real code, long enough"), api_of(b"iwlbench")), (None, None));
    }
}
