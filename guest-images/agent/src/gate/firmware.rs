//! The firmware gate: `/lib/firmware` is a FUSE filesystem whose every lookup
//! is a question to the bench.
//!
//! The kernel's own loader walks it as it walks any filesystem: it opens
//! `updates/RELEASE/NAME`, `updates/NAME`, `RELEASE/NAME` and `NAME` in turn
//! (`fw_get_filesystem_firmware`), takes the size from the inode and reads.
//! FUSE asks for one path component at a time, so the bench is asked whether
//! `updates` exists before anything in it: [`Answer::Errno`] keeps the loader
//! out, [`Answer::Directory`] lets it look inside.
//!
//! Three things make each request meet the gate, once:
//! - Names and attributes are valid for no time, so the kernel keeps no answer.
//! - Lookups in one directory may run side by side (`FUSE_PARALLEL_DIROPS`), and
//!   the reply waits in [`Asks`], not in a thread: one held lookup holds no
//!   other, except one for the very same name, which the kernel lets wait.
//! - A name that the kernel knows keeps its inode number, with whatever
//!   contents it has now. Were a known name's lookup to give another inode or an
//!   error, the kernel would drop what it knows and look up a second time
//!   (`fuse_dentry_revalidate`). So a refusal of a known file is given when it is
//!   opened: the loader gets the same errno from the same `open`.
//!
//! Reads bypass the page cache: contents can differ from request to request.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, Request, Session,
};
use guest_protocol::{Answer, GuestEvent, Question};
use nix::mount::{MntFlags, umount2};

use crate::asks::Asks;
use crate::error::{Context, SetupError};
use crate::outbox::Outbox;

const MOUNT_POINT: &str = "/lib/firmware";
/// The kernel takes no reply with a larger errno, and the request would hang.
const MAX_ERRNO: i32 = 511;
/// Nothing that the kernel learns stays valid.
const NO_TIME: Duration = Duration::ZERO;

/// Mounts the gate: from here on every firmware lookup waits for the bench.
pub(crate) fn start(asks: Arc<Asks>, outbox: Outbox) -> Result<(), SetupError> {
    fs::create_dir_all(MOUNT_POINT).context(|| format!("creating {MOUNT_POINT}"))?;
    let mut options = Config::default();
    options.mount_options =
        vec![MountOption::FSName("iwlbench".into()), MountOption::RO, MountOption::NoExec];
    let gate = FirmwareGate { asks, outbox: outbox.clone(), tree: Arc::default() };
    let session = Session::new(gate, MOUNT_POINT, &options)
        .context(|| format!("mounting FUSE on {MOUNT_POINT}"))?;
    thread::spawn(move || {
        let end = session.run();
        outbox.note(format!("the firmware gate is gone: {end:?}"));
    });
    Ok(())
}

/// Takes the gate away: what is below the mount point, a plain directory, shows.
pub(crate) fn stop() -> nix::Result<()> {
    umount2(MOUNT_POINT, MntFlags::MNT_DETACH)
}

struct FirmwareGate {
    asks: Arc<Asks>,
    outbox: Outbox,
    tree: Arc<Mutex<Tree>>,
}

/// What a file is at present: its bytes, or the errno that refuses it.
type Contents = Result<Arc<[u8]>, i32>;

/// Every name that was ever answered for with a file or a directory.
#[derive(Default)]
struct Tree {
    /// Index + 2 is the inode number; the root, 1, is not here.
    nodes: Vec<Node>,
    open: HashMap<u64, Open>,
    next_handle: u64,
}

struct Node {
    /// Below the mount point.
    path: String,
    kind: Kind,
}

enum Kind {
    Directory,
    File(Contents),
}

struct Open {
    path: String,
    bytes: Arc<[u8]>,
    /// Bytes from the start that the loader has.
    delivered: u64,
}

/// What to tell the kernel about a looked-up name.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Node(FileAttr),
    Errno(i32),
}

impl Tree {
    fn node(&self, ino: INodeNo) -> Option<&Node> {
        let index = ino.0.checked_sub(2)?;
        self.nodes.get(usize::try_from(index).ok()?)
    }

    /// The path of `name` in the directory `parent`.
    fn join(&self, parent: INodeNo, name: &str) -> Option<String> {
        if parent == INodeNo::ROOT {
            return Some(name.to_owned());
        }
        let parent = self.node(parent)?;
        Some(format!("{}/{name}", parent.path))
    }

    /// Notes the bench's word on a path.
    fn settle(&mut self, path: &str, kind: Result<Kind, i32>) -> Found {
        let known_file = || {
            self.nodes
                .iter()
                .position(|node| node.path == path && matches!(node.kind, Kind::File(_)))
        };
        let index = match kind {
            Err(errno) => match known_file() {
                // To an open that fails with ENOSYS the kernel would never send
                // another: that one is refused here, at the price of a second ask.
                Some(index) if errno != Errno::ENOSYS.code() => {
                    self.nodes[index].kind = Kind::File(Err(errno));
                    index
                }
                _ => return Found::Errno(errno),
            },
            Ok(kind) => {
                let same_kind = |node: &Node| {
                    node.path == path
                        && std::mem::discriminant(&node.kind) == std::mem::discriminant(&kind)
                };
                if let Some(index) = self.nodes.iter().position(same_kind) {
                    self.nodes[index].kind = kind;
                    index
                } else {
                    self.nodes.push(Node { path: path.to_owned(), kind });
                    self.nodes.len() - 1
                }
            }
        };
        Found::Node(attributes(INodeNo(index as u64 + 2), &self.nodes[index].kind))
    }

    fn open(&mut self, ino: INodeNo) -> Result<FileHandle, i32> {
        let node = self.node(ino).ok_or(Errno::ENOENT.code())?;
        let Kind::File(contents) = &node.kind else {
            return Err(Errno::EISDIR.code());
        };
        let open = Open { path: node.path.clone(), bytes: contents.clone()?, delivered: 0 };
        self.next_handle += 1;
        self.open.insert(self.next_handle, open);
        Ok(FileHandle(self.next_handle))
    }
}

impl Open {
    /// The bytes of one read; the flag says that the last one goes for the first time.
    fn read(&mut self, offset: u64, size: u32) -> (&[u8], bool) {
        let length = self.bytes.len() as u64;
        let start = offset.min(length);
        let end = start.saturating_add(u64::from(size)).min(length);
        let mut completes = false;
        if start <= self.delivered && end > self.delivered {
            self.delivered = end;
            completes = end == length;
        }
        // Both are at most the length, which is a usize.
        (&self.bytes[start as usize..end as usize], completes)
    }
}

fn attributes(ino: INodeNo, kind: &Kind) -> FileAttr {
    let (file_type, size) = match kind {
        Kind::Directory => (FileType::Directory, 0),
        Kind::File(Ok(bytes)) => (FileType::RegularFile, bytes.len() as u64),
        Kind::File(Err(_)) => (FileType::RegularFile, 0),
    };
    FileAttr {
        ino,
        size,
        blocks: size.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: file_type,
        perm: if file_type == FileType::Directory { 0o755 } else { 0o644 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// The bench's answer in the terms of the filesystem; an unusable one fails the
/// lookup with EIO, and the text says why.
fn understand(answer: Answer) -> Result<Result<Kind, i32>, String> {
    match answer {
        Answer::File { data } => {
            let bytes =
                BASE64.decode(data).map_err(|e| format!("contents that are not base64: {e}"))?;
            Ok(Ok(Kind::File(Ok(bytes.into()))))
        }
        Answer::Directory => Ok(Ok(Kind::Directory)),
        Answer::Errno { errno } if (1..=MAX_ERRNO).contains(&errno) => Ok(Err(errno)),
        Answer::Errno { errno } => Err(format!("errno {errno}, not within 1..={MAX_ERRNO}")),
        Answer::Proceed | Answer::Exit { .. } | Answer::Kill { .. } => {
            Err("a module gate's answer".into())
        }
    }
}

impl FirmwareGate {
    fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }
}

fn lock(tree: &Mutex<Tree>) -> MutexGuard<'_, Tree> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Filesystem for FirmwareGate {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        config
            .add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS)
            .map_err(|_| io::Error::other("this kernel looks names up one by one"))
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let path = name.to_str().and_then(|name| self.tree().join(parent, name));
        let Some(path) = path else {
            self.outbox.note(format!("firmware gate: cannot ask for {name:?} in {parent}"));
            reply.error(Errno::ENOENT);
            return;
        };
        let question = Question::FirmwareLookup { path: path.clone() };
        let tree = Arc::clone(&self.tree);
        let outbox = self.outbox.clone();
        self.asks.ask(question, req.pid(), move |answer| {
            let Some(answer) = answer else {
                reply.error(Errno::EIO);
                return;
            };
            let kind = understand(answer).unwrap_or_else(|why| {
                outbox.note(format!("firmware gate: {path}: the bench gave {why}"));
                Err(Errno::EIO.code())
            });
            let found = lock(&tree).settle(&path, kind);
            match found {
                Found::Node(attr) => reply.entry(&NO_TIME, &attr, Generation(0)),
                Found::Errno(errno) => reply.error(Errno::from_i32(errno)),
            }
        });
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        if ino == INodeNo::ROOT {
            reply.attr(&NO_TIME, &attributes(ino, &Kind::Directory));
            return;
        }
        match self.tree().node(ino) {
            Some(node) => reply.attr(&NO_TIME, &attributes(ino, &node.kind)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.tree().open(ino) {
            Ok(handle) => reply.opened(handle, FopenFlags::FOPEN_DIRECT_IO),
            Err(errno) => reply.error(Errno::from_i32(errno)),
        }
    }

    fn read(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut tree = self.tree();
        let Some(open) = tree.open.get_mut(&fh.0) else {
            reply.error(Errno::EBADF);
            return;
        };
        let path = open.path.clone();
        let length = open.bytes.len() as u64;
        let (bytes, completes) = open.read(offset, size);
        if completes {
            // Before the reply, after which the driver runs on.
            self.outbox.event(GuestEvent::FirmwareRead { path, bytes: length });
        }
        reply.data(bytes);
    }

    fn release(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        if let Some(open) = self.tree().open.remove(&fh.0) {
            let length = open.bytes.len() as u64;
            if length == 0 || open.delivered < length {
                self.outbox.note(format!(
                    "firmware gate: {} was closed after {} of {length} bytes",
                    open.path, open.delivered
                ));
            }
        }
        reply.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> Result<Kind, i32> {
        Ok(Kind::File(Ok(bytes.into())))
    }

    fn inode(found: &Found) -> INodeNo {
        match found {
            Found::Node(attr) => attr.ino,
            Found::Errno(errno) => panic!("errno {errno}"),
        }
    }

    #[test]
    fn paths_grow_by_directory() {
        let mut tree = Tree::default();
        let intel = inode(&tree.settle("intel", Ok(Kind::Directory)));
        let path = tree.join(intel, "iwlwifi").unwrap();
        let iwlwifi = inode(&tree.settle(&path, Ok(Kind::Directory)));
        assert_eq!(tree.join(iwlwifi, "a.ucode").as_deref(), Some("intel/iwlwifi/a.ucode"));
        assert_eq!(tree.join(INodeNo::ROOT, "b").as_deref(), Some("b"));
        assert_eq!(tree.join(INodeNo(99), "c"), None);
        assert_eq!(tree.join(INodeNo(0), "c"), None);
    }

    #[test]
    fn a_known_file_keeps_its_inode_and_is_refused_at_open() {
        let mut tree = Tree::default();
        assert_eq!(tree.settle("f", Err(2)), Found::Errno(2));
        let first = tree.settle("f", file(b"one"));
        let other = tree.settle("g", file(b"other"));
        assert_ne!(inode(&first), inode(&other));
        let handle = tree.open(inode(&first)).unwrap();

        let refused = tree.settle("f", Err(13));
        assert_eq!(inode(&refused), inode(&first));
        assert_eq!(tree.open(inode(&first)).map(|handle| handle.0), Err(13));
        // An open file keeps the contents it was opened with.
        assert_eq!(&*tree.open[&handle.0].bytes, b"one");

        let again = tree.settle("f", file(b"three"));
        assert_eq!(inode(&again), inode(&first));
        let Found::Node(attr) = again else { unreachable!() };
        assert_eq!(attr.size, 5);
        assert_eq!(tree.settle("f", Err(38)), Found::Errno(38));
        assert_eq!(tree.settle("g/x", Err(2)), Found::Errno(2));
    }

    #[test]
    fn a_directory_is_not_opened_as_a_file() {
        let mut tree = Tree::default();
        let found = tree.settle("d", Ok(Kind::Directory));
        let file_found = tree.settle("d", file(b"x"));
        assert_ne!(inode(&found), inode(&file_found));
        assert_eq!(tree.open(inode(&found)).map(|handle| handle.0), Err(21));
    }

    #[test]
    fn the_last_byte_is_told_once_and_only_after_all_before_it() {
        let mut open = Open { path: "f".into(), bytes: (*b"0123456789").into(), delivered: 0 };
        // A read of the end alone is no complete read.
        assert_eq!(open.read(8, 10), (&b"89"[..], false));
        assert_eq!(open.read(0, 4), (&b"0123"[..], false));
        assert_eq!(open.read(4, 100), (&b"456789"[..], true));
        assert_eq!(open.read(4, 100), (&b"456789"[..], false));
        assert_eq!(open.read(10, 100), (&b""[..], false));
        assert_eq!(open.read(u64::MAX, u32::MAX), (&b""[..], false));
    }

    #[test]
    fn unusable_answers_are_told_apart() {
        for answer in [
            Answer::Proceed,
            Answer::Exit { status: 0 },
            Answer::Errno { errno: 0 },
            Answer::Errno { errno: -2 },
            Answer::Errno { errno: 512 },
            Answer::File { data: "*".into() },
        ] {
            assert!(understand(answer.clone()).is_err(), "{answer:?}");
        }
        assert!(matches!(understand(Answer::Errno { errno: 511 }), Ok(Err(511))));
    }
}
