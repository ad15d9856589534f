//! What is in a distribution's own initrd: its archives, its files by name, and the texts that say which
//! modules may be loaded.
//!
//! It is read as the kernel unpacks it: archives one after the other, zeros between them passed over,
//! each plain or compressed; early ones with microcode come first and are plain. Of a compression that
//! is not read here, and of what else cannot be read, [`Initrd::unread`] tells: nothing is said of what
//! is not in it then. One whose file ends within an archive is refused.
//!
//! Sources: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst` and
//! `init/initramfs.c`; modprobe.d(5), modules.dep(5).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use cpio::newc;
use flate2::bufread::GzDecoder;
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

use crate::compressed::Compression;
use crate::elf::module_name;
use crate::error::{At, KitError};
use crate::image::check_initramfs;
use crate::modules::name_of;

/// All of it unpacked, at most: a large one of a distribution's has a few hundred MiB.
const LARGEST: u64 = 4 << 30;
/// Names, at most; a large one has ten thousand.
const MOST_FILES: usize = 500_000;
/// The kernel takes no longer name (`PATH_MAX`).
const LONGEST_NAME: u32 = 4096;
/// A text that is kept, at most: `modules.dep` of a whole kernel has 1 MiB.
const LONGEST_TEXT: u64 = 8 << 20;
/// A file whose content is wanted, at most: a firmware has 2 MiB.
const LARGEST_FILE: u64 = 64 << 20;
/// All texts.
const TEXTS: usize = 64 << 20;

/// One archive of an initrd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// How it is compressed, if it is.
    pub compression: Option<&'static str>,
    /// Names in it.
    pub entries: usize,
}

/// A distribution's initrd, as far as it can be read.
#[derive(Debug, Clone, Default)]
pub struct Initrd {
    /// The file.
    pub path: PathBuf,
    /// In their order.
    pub archives: Vec<Archive>,
    /// What of it could not be read, and why.
    pub unread: Option<String>,
    /// Bytes of its files.
    pub unpacked: u64,
    /// Files, directories and links by their names, without a slash before.
    names: BTreeSet<String>,
    /// Texts of those that say something of modules.
    texts: BTreeMap<String, String>,
    /// Names of files whose contents are wanted, and those.
    wanted: BTreeSet<String>,
    contents: BTreeMap<String, Vec<u8>>,
    /// The name that was read last.
    last: String,
    /// The file ended within an archive.
    cut: bool,
}

/// A line of modprobe's configuration, or of a list of modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// The file.
    pub file: &'a str,
    /// From 1.
    pub number: usize,
    /// The line.
    pub text: &'a str,
}

impl Initrd {
    /// Reads one.
    ///
    /// # Errors
    /// It cannot be read, is none, or no kernel finds a program in it to begin with.
    pub fn read(path: &Path) -> Result<Self, KitError> {
        let no = |reason: String| KitError::NoInitrd { path: path.to_path_buf(), reason };
        check_initramfs(path).map_err(|error| match error {
            KitError::NoInitramfs { reason, .. } => no(reason.to_owned()),
            other => other,
        })?;
        let path = std::path::absolute(path).at(path)?;
        let file = BufReader::with_capacity(1 << 16, File::open(&path).at(&path)?);
        let mut initrd = Self { path, ..Self::default() };
        if let Err(why) = initrd.take(file) {
            initrd.unread = Some(why);
        }
        if let Some(why) = initrd.unread.as_ref().filter(|_| initrd.cut) {
            let (bytes, after) =
                (std::fs::metadata(&initrd.path).at(&initrd.path)?.len(), &initrd.last);
            let after = match after.is_empty() {
                true => String::new(),
                false => format!(", in {after} or behind it"),
            };
            return Err(KitError::CutInitrd {
                path: initrd.path,
                place: format!("byte {bytes}{after}: {why}"),
            });
        }
        match (&initrd.unread, initrd.has("init")) {
            (Some(why), _) if initrd.names.is_empty() => Err(no(why.clone())),
            (None, false) => Err(no("there is no /init in it, which the kernel runs".to_owned())),
            _ => Ok(initrd),
        }
    }

    /// Files of it by their names, which are those that it has told; what is compressed is unpacked.
    ///
    /// # Errors
    /// It cannot be read any more.
    pub fn contents(&self, names: &[&str]) -> Result<Vec<Vec<u8>>, KitError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = names.iter().map(|name| (*name).to_owned()).collect();
        let mut again = Self { wanted, ..Self::default() };
        let file = BufReader::with_capacity(1 << 16, File::open(&self.path).at(&self.path)?);
        // As far as it can be read, as before.
        let _ = again.take(file);
        let content = |name: &&str| {
            let content = again.contents.get(*name).cloned().unwrap_or_default();
            let ending = name.rsplit('.').next().and_then(Compression::of_ending);
            ending.and_then(|ending| ending.unpack(&content).ok()).unwrap_or(content)
        };
        Ok(names.iter().map(content).collect())
    }

    /// Takes in all archives.
    fn take(&mut self, mut file: impl BufRead) -> Result<(), String> {
        let mut left = LARGEST;
        loop {
            let at = self.archives.len() + 1;
            let damaged = |error| format!("archive {at} ends early or is damaged: {error}");
            let Some(magic) = next_magic(&mut file).map_err(damaged)? else { return Ok(()) };
            // Each reader has to stop where its archive ends, and the next begins.
            let mut whole = magic.as_slice().chain(&mut file);
            let packed = Compression::of_content(&magic);
            let compression = match (packed, magic) {
                (Some(packed), _) => Some(packed.word()),
                (None, [b'0', b'7', b'0', b'7', b'0', b'1' | b'2']) => None,
                (None, [0x02, 0x21, 0x4c, 0x18, ..]) => Some("lz4"),
                (None, [b'B', b'Z', b'h', ..]) => return Err(not_read(at, "bzip2")),
                (None, [0x5d, 0, 0, ..]) => return Err(not_read(at, "lzma")),
                (None, [0x89, b'L', b'Z', b'O', ..]) => return Err(not_read(at, "lzo")),
                _ => {
                    return Err(format!("archive {at} is no newc cpio archive, compressed or not"));
                }
            };
            self.archives.push(Archive { compression, entries: 0 });
            let took = match packed {
                Some(Compression::Gzip) => self.packed(GzDecoder::new(whole), &mut left),
                Some(Compression::Xz) => self.packed(XzReader::new(whole, false), &mut left),
                Some(Compression::Zstd) => match StreamingDecoder::new(whole) {
                    Ok(decoder) => self.packed(decoder, &mut left),
                    Err(error) => Err(io::Error::other(error.to_string())),
                },
                None if compression.is_none() => self.archive(&mut whole, &mut left).map(drop),
                None => self.packed(FrameDecoder::new(whole), &mut left),
            };
            if let Err(error) = took {
                if left == 0 {
                    return Err(format!("it unpacks to more than {} GiB", LARGEST >> 30));
                }
                self.cut = file.fill_buf().is_ok_and(<[u8]>::is_empty);
                return Err(damaged(error));
            }
        }
    }

    /// Takes in the archives that were compressed together.
    fn packed(&mut self, mut decoder: impl Read, left: &mut u64) -> io::Result<()> {
        while self.archive(&mut decoder, left)? {}
        Ok(())
    }

    /// Takes in an archive up to its end, passing over zeros before it; says whether there was one.
    fn archive(&mut self, from: &mut impl Read, left: &mut u64) -> io::Result<bool> {
        let mut from = Bounded { from, left };
        let mut begun = false;
        loop {
            let mut header = [0; HEADER];
            if !read_header(&mut from, &mut header, !begun)? {
                return Ok(false);
            }
            begun = true;
            if number(&header[NAME_SIZE..]) > Some(LONGEST_NAME) {
                return Err(io::Error::other("a name is too long"));
            }
            let mut entry = newc::Reader::new(header.as_slice().chain(&mut from))?;
            if entry.entry().is_trailer() {
                entry.finish()?;
                return Ok(true);
            }
            if self.names.len() >= MOST_FILES {
                return Err(io::Error::other(format!("it has more than {MOST_FILES} files")));
            }
            let name = entry.entry().name().trim_start_matches("./").trim_matches('/').to_owned();
            self.last.clone_from(&name);
            self.unpacked += u64::from(entry.entry().file_size());
            if says_something(&name) {
                let texts: usize = self.texts.values().map(String::len).sum();
                let room = LONGEST_TEXT.min(TEXTS.saturating_sub(texts) as u64);
                let mut text = Vec::new();
                entry.by_ref().take(room).read_to_end(&mut text)?;
                if u64::from(entry.entry().file_size()) > room {
                    self.unread = Some(format!("{name} is too long to be read"));
                }
                self.texts.insert(name.clone(), String::from_utf8_lossy(&text).into_owned());
            }
            if self.wanted.contains(&name) {
                let mut content = Vec::new();
                entry.by_ref().take(LARGEST_FILE).read_to_end(&mut content)?;
                self.contents.insert(name.clone(), content);
            }
            entry.finish()?;
            if let Some(archive) = self.archives.last_mut() {
                archive.entries += 1;
            }
            self.names.insert(name);
        }
    }

    /// Whether there is a file, a directory or a link of this name.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The kernels whose modules it has, by their releases.
    pub fn releases(&self) -> Vec<&str> {
        let of = |name: &'_ String| -> Option<(usize, usize)> {
            let (before, rest) = name.split_once("lib/modules/")?;
            let release = rest.split('/').next()?;
            let begin = before.len() + "lib/modules/".len();
            // A directory alone holds no module.
            (rest.len() > release.len()).then_some((begin, begin + release.len()))
        };
        let releases = self.names.iter().filter_map(|name| of(name).map(|(a, b)| &name[a..b]));
        releases.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The file of a kernel's module.
    pub fn module(&self, release: &str, module: &str) -> Option<&str> {
        let wanted = module_name(module);
        self.in_modules(release).find(|name| name_of(name).as_deref() == Some(&wanted))
    }

    /// Whether the kernel has it built in, by the initrd's own list.
    pub fn has_built_in(&self, release: &str, module: &str) -> bool {
        let wanted = module_name(module);
        let list = self.text_of(release, "modules.builtin").map(|(_, text)| text);
        let mut lines = list.into_iter().flat_map(str::lines);
        lines.any(|line| name_of(line).as_deref() == Some(&wanted))
    }

    /// The modules that one needs, nearest last, as `modules.dep` has them.
    pub fn needs(&self, release: &str, module: &str) -> Vec<String> {
        let wanted = module_name(module);
        let list = self.text_of(release, "modules.dep").map(|(_, text)| text);
        let mut lines =
            list.into_iter().flat_map(str::lines).filter_map(|line| line.split_once(':'));
        let found = lines.find(|(name, _)| name_of(name).as_deref() == Some(&wanted));
        let needs = found.into_iter().flat_map(|(_, needs)| needs.split_whitespace());
        needs.filter_map(name_of).collect()
    }

    /// The file that the kernel's loader would take for a firmware's name.
    pub fn firmware(&self, release: &str, name: &str) -> Option<&str> {
        let places = [
            format!("lib/firmware/updates/{release}/{name}"),
            format!("lib/firmware/updates/{name}"),
            format!("lib/firmware/{release}/{name}"),
            format!("lib/firmware/{name}"),
        ];
        let endings = ["", ".zst", ".xz"];
        places.iter().find_map(|place| {
            endings.iter().find_map(|ending| self.below_usr(&format!("{place}{ending}")))
        })
    }

    /// The firmware files whose name begins so.
    pub fn firmware_like(&self, prefix: &str) -> Vec<&str> {
        let in_firmware = self.names.iter().filter(|name| name.contains("lib/firmware/"));
        let file =
            |name: &'_ String| name.rsplit('/').next().is_some_and(|f| f.starts_with(prefix));
        in_firmware.filter(|name| file(name)).map(String::as_str).collect()
    }

    /// The lines of modprobe's configuration.
    pub fn modprobe_lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.lines(|file| file.contains("modprobe.d/") || file.ends_with("etc/modprobe.conf"))
    }

    /// The lines of lists of modules that are loaded early.
    pub fn module_lists(&self) -> impl Iterator<Item = Line<'_>> {
        self.lines(|file| file == EARLY || file.contains("modules-load.d/"))
    }

    fn lines(&self, of: impl Fn(&str) -> bool) -> impl Iterator<Item = Line<'_>> {
        let files = self.texts.iter().filter(move |(file, _)| of(file));
        files.flat_map(|(file, text)| {
            let lines = text.lines().map(str::trim).enumerate();
            let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
            lines.map(move |(number, text)| Line { file, number: number + 1, text })
        })
    }

    /// Whether there is a modprobe, which the kernel runs to load what it wants.
    pub fn has_modprobe(&self) -> bool {
        ["sbin/modprobe", "bin/modprobe"].iter().any(|path| self.below_usr(path).is_some())
    }

    /// What has made it, where that is seen.
    pub fn maker(&self) -> Option<&'static str> {
        const MAKERS: [(&str, &str); 5] = [
            ("conf/initramfs.conf", "initramfs-tools"),
            ("scripts/init-top", "initramfs-tools"),
            ("usr/lib/dracut", "dracut"),
            ("init_functions", "mkinitcpio"),
            ("buildconfig", "mkinitcpio"),
        ];
        MAKERS.iter().find(|(name, _)| self.has(name)).map(|(_, maker)| *maker)
    }

    /// A file system's image in it, whose files are none of its names.
    pub fn image_within(&self) -> Option<&str> {
        let endings = [".squashfs", ".erofs", "root.img"];
        let is_one = |name: &&String| endings.iter().any(|ending| name.ends_with(ending));
        self.names.iter().find(is_one).map(String::as_str)
    }

    /// Since the links of `/lib` and `/sbin` into `/usr`, either may hold it.
    fn below_usr(&self, path: &str) -> Option<&str> {
        let places = [path.to_owned(), format!("usr/{path}")];
        places.iter().find_map(|place| self.names.get(place)).map(String::as_str)
    }

    fn in_modules(&self, release: &str) -> impl Iterator<Item = &str> {
        let directory = format!("lib/modules/{release}/");
        self.names.iter().map(String::as_str).filter(move |name| name.contains(&directory))
    }

    fn text_of(&self, release: &str, file: &str) -> Option<(&str, &str)> {
        let end = format!("lib/modules/{release}/{file}");
        let found = self.texts.iter().find(|(name, _)| name.ends_with(&end));
        found.map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

/// initramfs-tools' list of modules that are loaded before any other.
const EARLY: &str = "conf/modules";

/// Whether a file's text is kept.
fn says_something(name: &str) -> bool {
    const LISTS: [&str; 2] = ["modules.dep", "modules.builtin"];
    let file = name.rsplit('/').next().unwrap_or(name);
    (name.contains("lib/modules/") && LISTS.contains(&file))
        || (name.contains("modprobe.d/") && file.ends_with(".conf"))
        || name.contains("modules-load.d/")
        || name == EARLY
        || name == "etc/modprobe.conf"
}

fn not_read(archive: usize, compression: &str) -> String {
    format!("archive {archive} is compressed with {compression}, which is not read here")
}

/// The first bytes of the next archive, zeros before it passed over; `None` at the end.
fn next_magic(file: &mut impl BufRead) -> io::Result<Option<[u8; 6]>> {
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        match bytes.iter().position(|byte| *byte != 0) {
            Some(zeros) => {
                file.consume(zeros);
                let mut magic = [0; 6];
                file.read_exact(&mut magic)?;
                return Ok(Some(magic));
            }
            None => {
                let zeros = bytes.len();
                file.consume(zeros);
            }
        }
    }
}

/// An entry's header.
const HEADER: usize = 110;
/// Where the length of its name is in it.
const NAME_SIZE: usize = 94;

/// Reads a header, zeros before it passed over where `first`; says whether there was one.
fn read_header(from: &mut impl Read, header: &mut [u8; HEADER], first: bool) -> io::Result<bool> {
    let mut byte = [0];
    loop {
        match from.read(&mut byte)? {
            0 if first => return Ok(false),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if byte[0] == 0 && first => {}
            _ => break,
        }
    }
    header[0] = byte[0];
    from.read_exact(&mut header[1..])?;
    Ok(true)
}

/// Eight digits of a header.
fn number(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits.get(..8)?).ok()?, 16).ok()
}

/// A reader that ends when so much of all was read.
struct Bounded<'a, R> {
    from: &'a mut R,
    left: &'a mut u64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(*self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("it is too large"));
        }
        let read = self.from.read(&mut buffer[..most])?;
        *self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        archive_of(&files)
    }

    fn archive_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, text) in files {
            let entry = newc::Builder::new(name).mode(0o100_644);
            let length = u32::try_from(text.len()).unwrap();
            let mut writer = entry.write(out, length);
            writer.write_all(text).unwrap();
            out = writer.finish().unwrap();
        }
        newc::trailer(out).unwrap()
    }

    const FILES: [(&str, &str); 9] = [
        ("init", "#!/bin/sh"),
        ("conf/initramfs.conf", ""),
        ("conf/modules", "# early\niwlwifi\n"),
        ("usr/sbin/modprobe", ""),
        ("usr/lib/modules/7.3/kernel/drivers/iwlwifi.ko.xz", ""),
        ("usr/lib/modules/7.3/kernel/net/mac-80211.ko", ""),
        (
            "usr/lib/modules/7.3/modules.dep",
            "kernel/x/iwlmvm.ko.xz: kernel/y/iwlwifi.ko.xz kernel/net/mac-80211.ko\n",
        ),
        ("usr/lib/modules/7.3/modules.builtin", "kernel/fs/ext4.ko\n"),
        ("etc/modprobe.d/no.conf", "# none\n\n  blacklist iwlwifi\n"),
    ];

    fn read(bytes: &[u8]) -> Result<Initrd, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.img");
        std::fs::write(&path, bytes).unwrap();
        Initrd::read(&path).map_err(|error| error.to_string())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    /// The same in each of the forms that distributions give it, microcode in front.
    fn forms() -> Vec<(Option<&'static str>, Vec<u8>)> {
        let whole = archive(&FILES);
        let mut xz =
            lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).unwrap();
        xz.write_all(&whole).unwrap();
        // As `lz4 -l` writes it; the kernel reads no other.
        let block = lz4_flex::block::compress(&whole);
        let length = u32::try_from(block.len()).unwrap().to_le_bytes();
        let lz4 = [&[0x02, 0x21, 0x4c, 0x18][..], &length, &block].concat();
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        vec![
            (None, whole.clone()),
            (Some("gzip"), gzip(&whole)),
            (Some("xz"), xz.finish().unwrap()),
            (Some("zstd"), ruzstd::encoding::compress_to_vec(whole.as_slice(), level)),
            (Some("lz4"), lz4),
        ]
    }

    #[test]
    fn each_form_of_it_has_the_same_names() {
        let mut early = archive(&[("kernel/x86/microcode/GenuineIntel.bin", "x")]);
        early.resize(early.len().next_multiple_of(512), 0);
        for (compression, bytes) in forms() {
            let initrd = read(&[early.clone(), bytes].concat()).unwrap();
            assert_eq!(initrd.unread, None, "{compression:?}");
            let entries = FILES.len();
            assert_eq!(
                initrd.archives,
                [Archive { compression: None, entries: 1 }, Archive { compression, entries }]
            );
            assert_eq!(initrd.len(), entries + 1);
            assert_eq!(initrd.releases(), ["7.3"]);
            assert_eq!(initrd.maker(), Some("initramfs-tools"));
        }
    }

    #[test]
    fn what_comes_behind_a_compressed_one_is_read_too() {
        for (compression, bytes) in forms().into_iter().filter(|(how, _)| *how != Some("lz4")) {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            let packed = ruzstd::encoding::compress_to_vec(&b"firmware"[..], level);
            let more = archive_of(&[("lib/firmware/x.ucode.zst", &packed)]);
            // It is read again for what is in its files.
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.img");
            std::fs::write(&path, [bytes, vec![0; 8], gzip(&more)].concat()).unwrap();
            let initrd = Initrd::read(&path).unwrap();
            assert_eq!(initrd.unread, None, "{compression:?}");
            let file = initrd.firmware("7.3", "x.ucode").unwrap();
            assert_eq!(file, "lib/firmware/x.ucode.zst");
            let contents = initrd.contents(&[file, "no", file]).unwrap();
            assert_eq!(contents, [&b"firmware"[..], b"", b"firmware"]);
        }
    }

    #[test]
    fn modules_and_what_is_said_of_them() {
        let initrd = read(&archive(&FILES)).unwrap();
        let file = "usr/lib/modules/7.3/kernel/drivers/iwlwifi.ko.xz";
        assert_eq!(initrd.module("7.3", "iwlwifi"), Some(file));
        assert!(initrd.module("7.3", "mac_80211").is_some());
        assert_eq!(initrd.module("7.3", "iwlmvm"), None);
        assert_eq!(initrd.module("7", "iwlwifi"), None, "of another kernel");
        assert_eq!(initrd.needs("7.3", "iwlmvm"), ["iwlwifi", "mac_80211"]);
        assert!(initrd.has_built_in("7.3", "ext4") && !initrd.has_built_in("7.3", "ext"));
        assert!(initrd.has_modprobe());
        let lines: Vec<_> = initrd.modprobe_lines().collect();
        let (file, text) = ("etc/modprobe.d/no.conf", "blacklist iwlwifi");
        assert_eq!(lines, [Line { file, number: 3, text }]);
        assert_eq!(initrd.module_lists().map(|line| line.text).collect::<Vec<_>>(), ["iwlwifi"]);
    }

    #[test]
    fn what_is_none_is_refused_in_a_line() {
        for (bytes, said) in [
            (b"x".to_vec(), "no newc cpio archive"),
            (vec![0; 4096], "it is empty"),
            (archive(&[("etc/x", "")]), "there is no /init in it"),
            (b"BZh91AY".to_vec(), "compressed with bzip2"),
            (vec![0x1f, 0x8b, 8, 0], "archive 1 ends early or is damaged"),
        ] {
            let error = read(&bytes).unwrap_err();
            assert!(error.contains(said) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn of_what_cannot_be_read_it_says_so_and_what_came_before_counts() {
        let whole = archive(&FILES);
        let some = read(&[&whole[..], b"BZh91AY"].concat()).unwrap();
        assert!(some.unread.as_deref().is_some_and(|why| why.contains("bzip2")), "{some:?}");
        assert!(some.has("init"));
        let mut long = whole.clone();
        long[NAME_SIZE..NAME_SIZE + 8].copy_from_slice(b"00ffffff");
        assert!(read(&long).unwrap_err().contains("a name is too long"));
    }

    #[test]
    fn what_is_cut_off_is_refused_with_the_place() {
        let early = archive(&[("kernel/x86/microcode/GenuineIntel.bin", "x")]);
        for (compression, bytes) in forms() {
            let cut = [&early, &bytes[..bytes.len() - 200]].concat();
            let error = read(&cut).unwrap_err();
            let place = format!("is cut off at byte {}", cut.len());
            assert!(error.contains(&place), "{compression:?}: {error}");
            assert!(error.contains("archive 2 ends early"), "{compression:?}: {error}");
        }
        let whole = archive(&FILES);
        let error = read(&whole[..whole.len() - 200]).unwrap_err();
        assert!(
            error.contains(", in usr/lib/modules/7.3/modules.builtin or behind it: archive 1"),
            "{error}"
        );
    }

    #[test]
    fn nothing_is_read_without_bound() {
        let whole = archive(&FILES);
        let mut initrd = Initrd::default();
        let mut left = 300;
        assert!(initrd.archive(&mut whole.as_slice(), &mut left).is_err());
        assert_eq!(left, 0);
    }
}
