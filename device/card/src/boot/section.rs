//! What comes of an image, and what it should have been.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use iwl_hw::fh::FH_MEM_TB_MAX_LENGTH;
use iwl_ucode::reader::{ImageKind, SectionRole};
use iwl_ucode::{Ucode, marker};

use crate::capabilities::Capabilities;
use crate::event::{Image, Wrong};

/// An image as it came.
#[derive(Debug, Clone)]
pub(crate) struct Uploaded {
    pub(crate) image: Image,
    /// The API number of the file that it is of, if its sections tell.
    pub(crate) api: Option<u16>,
    pub(crate) sections: u32,
    pub(crate) bytes: u32,
    /// How it compares with its file.
    pub(crate) compared: Compared,
}

/// What came of the comparison with the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compared {
    /// Sections of the file that did not come.
    pub(crate) missing: Vec<u32>,
    /// Something is missing, or not as it should be: its code cannot run.
    pub(crate) broken: bool,
    /// What the file says of it, if it is known.
    pub(crate) capabilities: Option<Arc<Capabilities>>,
}

/// A section, or a chunk of one, that has come.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) image: Image,
    pub(crate) index: u32,
    /// Where it lies in device memory, if the host says.
    pub(crate) dst: Option<u32>,
    pub(crate) len: u32,
    /// What is wrong with it or, now that its file is known, with those before it: by their places in
    /// the file.
    pub(crate) wrong: Vec<(u32, Wrong)>,
}

/// How much of a section tells it from others: what lies there is code, or a header with a digest.
pub(super) const START: usize = 64;
/// Most that is compared of an image: more pieces than any has.
const MOST_PIECES: usize = 256;

/// Of each of the chunks that a service channel would take of it.
fn hashes(bytes: &[u8]) -> Vec<u64> {
    let hash = |chunk: &[u8]| {
        let mut hasher = DefaultHasher::new();
        chunk.hash(&mut hasher);
        hasher.finish()
    };
    bytes.chunks(FH_MEM_TB_MAX_LENGTH as usize).map(hash).collect()
}

/// A section of a file.
#[derive(Debug)]
struct Known {
    /// Where it goes in device memory.
    offset: u32,
    len: u32,
    start: Vec<u8>,
    /// Their [`hashes`].
    chunks: Vec<u64>,
}

impl Known {
    fn of(offset: u32, content: &[u8]) -> Self {
        Self {
            offset,
            len: content.len() as u32,
            start: content[..content.len().min(START)].to_vec(),
            chunks: hashes(content),
        }
    }

    fn begins(&self, section: &[u8]) -> bool {
        let len = self.start.len().min(section.len());
        len > 0 && self.start[..len] == section[..len]
    }

    /// Which of its chunks goes there.
    fn chunk_at(&self, dst: u32) -> Option<usize> {
        let at = dst.checked_sub(self.offset)?;
        (at < self.len && at.is_multiple_of(FH_MEM_TB_MAX_LENGTH))
            .then_some((at / FH_MEM_TB_MAX_LENGTH) as usize)
    }
}

/// An image of a file: what of it is uploaded, in its order.
#[derive(Debug)]
struct KnownImage {
    image: Image,
    sections: Vec<Known>,
    capabilities: Arc<Capabilities>,
}

/// The sections of the files that a card's driver may be given: by these the card knows what arrives,
/// and whether it is whole. Without any it knows the stubs', which say it themselves.
#[derive(Debug, Clone, Default)]
pub struct KnownSections(Arc<[KnownImage]>);

impl KnownSections {
    /// Those of these files; what is no firmware is left out. Of two that what comes may be of, it is
    /// the first's.
    #[must_use]
    pub fn of<'f>(files: impl IntoIterator<Item = &'f [u8]>) -> Self {
        let mut known = Vec::new();
        for ucode in files.into_iter().filter_map(|file| Ucode::parse(file).ok()) {
            let capabilities = Arc::new(Capabilities::of(&ucode));
            for (kind, image) in
                [(ImageKind::Init, Image::Init), (ImageKind::Regular, Image::Runtime)]
            {
                // What lies behind the paging separator is fetched later, by the firmware.
                let sections = ucode.image(kind).sections.iter().flatten();
                let sections =
                    sections.take_while(|section| section.role != SectionRole::PagingSeparator);
                let sections: Vec<_> = sections
                    .filter(|section| section.role != SectionRole::CpuSeparator)
                    .filter(|section| !section.content.is_empty())
                    .map(|section| Known::of(section.load_offset, section.content))
                    .collect();
                if !sections.is_empty() {
                    let capabilities = capabilities.clone();
                    known.push(KnownImage { image, sections, capabilities });
                }
            }
        }
        Self(known.into())
    }

    /// There are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The image that a section of it belongs to, by what else has come, how it begins and where it goes,
    /// if that is said: what it holds may be part of others too.
    pub(super) fn image_of(
        &self,
        judge: &Judge,
        section: &[u8],
        dst: Option<u32>,
    ) -> Option<Image> {
        if marker::begins(section, &marker::INIT) {
            return Some(Image::Init);
        }
        if marker::begins(section, &marker::RUNTIME) {
            return Some(Image::Runtime);
        }
        if let Some(image) = judge.image(self) {
            return Some(image.image);
        }
        let is = |known: &Known| known.begins(section) && dst.is_none_or(|dst| dst == known.offset);
        self.0.iter().find(|image| image.sections.iter().any(is)).map(|image| image.image)
    }
}

/// What has come of an image.
#[derive(Debug)]
struct Piece {
    /// Where it goes, if the host says, and it is a chunk; what comes without is a whole section.
    dst: Option<u32>,
    chunks: Vec<u64>,
}

/// A piece's place in an image: a section, and a chunk of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    section: usize,
    chunk: usize,
}

impl KnownImage {
    /// Where this piece belongs, as it is: in more places than one if the file has more such.
    fn exactly(&self, piece: &Piece) -> impl Iterator<Item = Place> + Clone {
        let sections = self.sections.iter().enumerate();
        sections.filter_map(move |(section, known)| {
            let (chunk, there) = match piece.dst {
                None => (0, &known.chunks[..]),
                Some(dst) => known.chunk_at(dst).map(|at| (at, &known.chunks[at..=at]))?,
            };
            (there == piece.chunks).then_some(Place { section, chunk })
        })
    }

    /// What it was meant to be, if it is not: by where it goes, by what it holds, or as the next.
    fn nearly(&self, piece: &Piece, next: Place) -> Place {
        let mut sections = self.sections.iter().enumerate();
        let by_place = piece.dst.and_then(|dst| {
            sections.find_map(|(section, known)| {
                known.chunk_at(dst).map(|chunk| Place { section, chunk })
            })
        });
        let by_content = || {
            let holds =
                |known: &Known| piece.chunks.iter().any(|chunk| known.chunks.contains(chunk));
            let section = self.sections.iter().position(holds)?;
            Some(Place { section, chunk: 0 })
        };
        let last = Place { section: self.sections.len() - 1, chunk: 0 };
        by_place.or_else(by_content).unwrap_or(next.min(last))
    }

    /// Each piece's fault, if it has one, and what has come.
    fn judge(&self, pieces: &[Piece]) -> (Vec<Option<(usize, Wrong)>>, Vec<Place>) {
        let mut there: Vec<Place> = Vec::new();
        let mut faults = Vec::new();
        for piece in pieces {
            let last = there.iter().max().copied();
            let next = last.map_or(Place { section: 0, chunk: 0 }, |last| Place {
                section: last.section + 1,
                chunk: 0,
            });
            let mut places = self.exactly(piece);
            let first = places.clone().next();
            let exactly = places.find(|place| !there.contains(place)).or(first);
            let place = exactly.unwrap_or_else(|| self.nearly(piece, next));
            let wrong = match exactly {
                None => Some(Wrong::Altered),
                Some(place) if there.contains(&place) => Some(Wrong::Repeated),
                Some(place) if last.is_some_and(|last| place < last) => Some(Wrong::OutOfOrder),
                Some(_) => None,
            };
            faults.push(wrong.map(|wrong| (place.section, wrong)));
            match piece.dst {
                Some(_) => there.push(place),
                None => {
                    let chunks = 0..self.sections[place.section].chunks.len();
                    there.extend(chunks.map(|chunk| Place { chunk, ..place }));
                }
            }
        }
        (faults, there)
    }

    /// The sections of which nothing, or not all, has come.
    fn missing(&self, there: &[Place]) -> Vec<u32> {
        let is_there = |section: usize, known: &Known| {
            (0..known.chunks.len()).all(|chunk| there.contains(&Place { section, chunk }))
        };
        let sections = self.sections.iter().enumerate();
        let missing = sections.filter(|(section, known)| !is_there(*section, known));
        missing.map(|(section, _)| section as u32).collect()
    }
}

/// Compares what comes with the file that it is of.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pieces: Vec<Piece>,
    /// Pieces that are each known image's, as they are.
    fitting: Vec<usize>,
    /// How many of the pieces have been judged.
    judged: usize,
    /// Something was not as it should be.
    altered: bool,
}

impl Judge {
    /// A section or a chunk has come: what is wrong with it, and with those before it if it is by this
    /// one that the file is known.
    pub(super) fn arrive(
        &mut self,
        known: &KnownSections,
        dst: Option<u32>,
        content: &[u8],
    ) -> Vec<(u32, Wrong)> {
        if known.is_empty() || self.pieces.len() == MOST_PIECES {
            return Vec::new();
        }
        let piece = Piece { dst, chunks: hashes(content) };
        self.fitting.resize(known.0.len(), 0);
        for (count, image) in self.fitting.iter_mut().zip(&*known.0) {
            *count += usize::from(image.exactly(&piece).next().is_some());
        }
        self.pieces.push(piece);
        let Some(image) = self.image(known) else { return Vec::new() };
        let (faults, _) = image.judge(&self.pieces);
        let new = faults.into_iter().skip(self.judged).flatten();
        let new: Vec<_> = new.map(|(section, wrong)| (section as u32, wrong)).collect();
        self.judged = self.pieces.len();
        self.altered |= new.iter().any(|(_, wrong)| *wrong == Wrong::Altered);
        new
    }

    /// The image that most of it is of, and the first such.
    fn image<'k>(&self, known: &'k KnownSections) -> Option<&'k KnownImage> {
        let most = self.fitting.iter().max().filter(|most| **most > 0)?;
        let at = self.fitting.iter().position(|count| count == most)?;
        known.0.get(at)
    }

    /// How long the section is that begins so, as the file has it.
    pub(super) fn length(&self, known: &KnownSections, start: &[u8]) -> Option<u32> {
        let own = self.image(known);
        let next = own.and_then(|image| image.sections.get(self.pieces.len()));
        let of_own = own.into_iter().flat_map(|image| &image.sections);
        let of_all = known.0.iter().flat_map(|image| &image.sections);
        // What a short one holds, a longer one may begin with: where it is due, it is meant.
        let long = |section: &&Known| section.len as usize >= START.min(start.len());
        let others = of_own.clone().chain(of_all).filter(long).chain(of_own);
        let mut all = next.into_iter().chain(others);
        all.find(|section| section.begins(start)).map(|section| section.len)
    }

    /// All has come that will: how it compares with the file.
    pub(super) fn end(&self, known: &KnownSections) -> Compared {
        let whole = self.pieces.len() < MOST_PIECES;
        let Some(image) = self.image(known).filter(|_| whole) else { return Compared::default() };
        let missing = image.missing(&image.judge(&self.pieces).1);
        let broken = !missing.is_empty() || self.altered;
        Compared { missing, broken, capabilities: Some(image.capabilities.clone()) }
    }
}
