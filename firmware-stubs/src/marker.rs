//! What a stub section begins with, so that the card's firmware interpreter can tell
//! which image it was given. Real sections begin with code and carry no marker.

/// First bytes of each section of a stub INIT image.
pub const INIT: [u8; 16] = *b"iwlbench INIT  \0";

/// First bytes of each section of a stub runtime image.
pub const RUNTIME: [u8; 16] = *b"iwlbench RT    \0";

/// First bytes of the chunk of a stub `.pnvm` file.
pub const PNVM: [u8; 16] = *b"iwlbench PNVM  \0";
