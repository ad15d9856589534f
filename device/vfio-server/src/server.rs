//! Listening, accepting, and the event loop.

use std::{
    io,
    mem::MaybeUninit,
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::io::Errno;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::IoSliceMut,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, Shutdown,
        SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, recvmsg,
        shutdown, socket_with, sockopt,
    },
};
use tracing::{info, warn};

use crate::{
    descriptor::{Closer, Descriptor},
    device::Device,
    error::{BindError, Disconnect, Exit, ServeError},
    irq::Raiser,
    link::Link,
    protocol::{ProtocolError, Receiver},
    session::{Session, bus},
    stop::StopHandle,
    wake::WakeHandle,
};

/// A vfio-user server for one device and one client at a time.
///
/// Dropping it closes the socket and removes its file.
#[derive(Debug)]
pub struct Server {
    /// There until it is dropped.
    socket: Option<OwnedFd>,
    /// It is a client's already.
    connected: bool,
    /// The socket's file, if it is ours.
    file: Option<SocketFile>,
    receiver: Receiver,
    session: Session,
    link: Link,
    /// Others may have the device called.
    waker: Option<WakeHandle>,
    /// For how long the next message is looked for without sleeping.
    busy_poll: Duration,
    /// Until when that is, since the last one.
    awake_until: Option<Instant>,
    raiser: Raiser,
    closer: Closer,
    /// Since when the closer has been given time to catch up.
    closing_since: Option<Instant>,
}

/// Most descriptors that the kernel lets come with one message (`SCM_MAX_FD`). There is room for
/// all: what did not fit the kernel would close itself, on this thread.
const MOST_FDS: usize = 253;
/// How long to wait before looking again whether there are descriptors to accept a client with.
const NO_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(100);
/// How often to look whether the closer has caught up, and how long to wait for it at most.
const CLOSING_PAUSE: Duration = Duration::from_millis(1);
const CLOSING_PATIENCE: Duration = Duration::from_secs(1);

impl Server {
    /// Listens on a new socket at `path`, which is removed again when the server is dropped.
    ///
    /// # Errors
    /// [`BindError`]; an existing file is never replaced.
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, BindError> {
        let path = path.as_ref();
        let io = |errno: Errno| BindError::Io { path: path.into(), source: errno.into() };
        let address = SocketAddrUnix::new(path).map_err(|errno| match errno {
            Errno::NAMETOOLONG => {
                BindError::TooLong { path: path.into(), len: path.as_os_str().len() }
            }
            other => io(other),
        })?;
        let socket = stream_socket().map_err(io)?;
        match bind(&socket, &address) {
            Ok(()) => {}
            Err(Errno::ADDRINUSE) => return Err(whose(path, &address)),
            Err(errno) => return Err(io(errno)),
        }
        let file =
            SocketFile::new(path).map_err(|source| BindError::Io { path: path.into(), source })?;
        // One may wait while another is served.
        listen(&socket, 1).map_err(io)?;
        Self::new(socket, false, Some(file))
            .map_err(|source| BindError::Io { path: path.into(), source })
    }

    /// Serves an inherited socket: a listening one like [`Server::bind`], or a connected
    /// one, whose end is [`Exit::Disconnected`].
    ///
    /// # Errors
    /// If it is no stream socket, or no thread can be had.
    pub fn from_fd(socket: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_type(&socket)? != SocketType::STREAM {
            return Err(Errno::PROTOTYPE.into());
        }
        let connected = !sockopt::socket_acceptconn(&socket)?;
        Self::new(socket, connected, None)
    }

    fn new(socket: OwnedFd, connected: bool, file: Option<SocketFile>) -> io::Result<Self> {
        Ok(Self {
            socket: Some(socket),
            connected,
            file,
            receiver: Receiver::default(),
            session: Session::default(),
            link: Link::default(),
            waker: None,
            busy_poll: Duration::ZERO,
            awake_until: None,
            raiser: Raiser::new(),
            closer: Closer::new()?,
            closing_since: None,
        })
    }

    fn socket(&self) -> Result<&OwnedFd, Errno> {
        self.socket.as_ref().ok_or(Errno::BADF)
    }

    /// After each message, looks for the next one for this long before it sleeps, giving way to
    /// whoever else wants the CPU. A client whose VM stands still until it has its answer mostly
    /// asks again at once, and to be woken takes longer than to answer. Zero, as at first, for never.
    pub fn set_busy_poll(&mut self, time: Duration) {
        self.busy_poll = time;
    }

    /// A handle by which another thread has [`Device::wake`] called.
    ///
    /// # Errors
    /// If no eventfd can be had.
    pub fn waker(&mut self) -> io::Result<WakeHandle> {
        let waker = match self.waker.take() {
            Some(waker) => waker,
            None => WakeHandle::new()?,
        };
        Ok(self.waker.insert(waker).clone())
    }

    /// Whether [`Device::wake`] is due, by its time or because another thread asked for it.
    fn is_wake_due<D: Device + ?Sized>(&self, device: &D, woken: PollFlags) -> bool {
        if !woken.is_empty()
            && let Some(waker) = &self.waker
        {
            waker.take();
            return true;
        }
        is_due(device.deadline())
    }

    /// Where it listens, if it made the socket itself.
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// Serves one client after the other until `stop`. While one is connected the next
    /// waits in the listen backlog.
    ///
    /// # Errors
    /// [`ServeError`]; what a client does wrong only ends its connection
    /// ([`Device::detached`]).
    pub fn serve<D: Device + ?Sized>(
        &mut self,
        device: &mut D,
        stop: &StopHandle,
    ) -> Result<Exit, ServeError> {
        loop {
            let Some(client) = self.next_client(device, stop)? else {
                return Ok(Exit::Stopped);
            };
            let irqs = self.session.begin(device.info(), self.raiser.clone());
            self.receiver.clear();
            self.link.connect(client, irqs);
            let why = self.talk(device, stop);
            self.let_go();

            match &why {
                Disconnect::Closed | Disconnect::Stopped => info!("{why}"),
                Disconnect::Protocol(_)
                | Disconnect::Memory { .. }
                | Disconnect::NotShared { .. }
                | Disconnect::Io(_) => warn!("connection closed: {why}"),
            }
            if self.session.is_negotiated() {
                device.detached(&why);
            }
            match why {
                Disconnect::Stopped => return Ok(Exit::Stopped),
                _ if self.connected => return Ok(Exit::Disconnected),
                _ => {}
            }
        }
    }

    /// The client knows at once that it is over; its socket is closed later, with all that it
    /// has sent and nobody has read.
    fn let_go(&mut self) {
        if let Some(socket) = self.link.disconnect() {
            let _ = shutdown(&socket, Shutdown::Both);
            self.closer.close(socket);
        }
        self.receiver.clear();
        self.closing_since = None;
    }

    /// Waits for a client; meanwhile the device's time goes on. `None` to stop.
    fn next_client<D: Device + ?Sized>(
        &mut self,
        device: &mut D,
        stop: &StopHandle,
    ) -> Result<Option<OwnedFd>, ServeError> {
        if self.connected {
            let socket = self.socket().map_err(failed("duplicating the socket"))?;
            return socket.try_clone().map(Some).map_err(failed("duplicating the socket"));
        }
        let mut pause = None;
        loop {
            device.answered();
            if self.closer.is_lost() {
                return Err(ServeError::Descriptors);
            }
            let socket = self.socket().map_err(failed("waiting for a client"))?;
            let wanted = if pause.is_none() { PollFlags::IN } else { PollFlags::empty() };
            let mut fds = [
                PollFd::new(socket, wanted),
                PollFd::from_borrowed_fd(stop.fd(), PollFlags::IN),
                self.waker_fd(stop),
            ];
            let deadline = sooner(device.deadline(), pause.take());
            wait(&mut fds, deadline).map_err(failed("waiting for a client"))?;
            let [client, stopped, woken] = fds.map(|fd| fd.revents());
            let client = !client.is_empty();
            if !stopped.is_empty() {
                return Ok(None);
            }
            if self.is_wake_due(device, woken) {
                device.wake(&mut bus(&mut self.link));
            }
            if client {
                let socket = self.socket().map_err(failed("accepting a client"))?;
                match accept_with(socket, SocketFlags::CLOEXEC) {
                    Ok(client) => return Ok(Some(client)),
                    // It has changed its mind.
                    Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                    // The process has none left: it waits in the backlog.
                    Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                        pause = Some(Instant::now() + NO_DESCRIPTORS_PAUSE);
                    }
                    Err(errno) => return Err(failed("accepting a client")(errno)),
                }
            }
        }
    }

    /// The waker's descriptor; without one, one that is not looked at.
    fn waker_fd<'a>(&'a self, stop: &'a StopHandle) -> PollFd<'a> {
        match &self.waker {
            Some(waker) => PollFd::from_borrowed_fd(waker.fd(), PollFlags::IN),
            None => PollFd::from_borrowed_fd(stop.fd(), PollFlags::empty()),
        }
    }

    /// Serves a client until it or the server has enough.
    fn talk<D: Device + ?Sized>(&mut self, device: &mut D, stop: &StopHandle) -> Disconnect {
        loop {
            if let Err(why) = self.turn(device, stop) {
                return why;
            }
            if let Some(why) = self.link.take_broken() {
                return why;
            }
        }
    }

    /// Waits for something to happen and deals with it.
    fn turn<D: Device + ?Sized>(
        &mut self,
        device: &mut D,
        stop: &StopHandle,
    ) -> Result<(), Disconnect> {
        device.answered();
        let awake_until = self.awake_until.take();
        let closing = self.await_closer();
        let Some(socket) = self.link.socket() else {
            return Err(Disconnect::Closed);
        };
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, !self.link.is_congested() && closing.is_none());
        wanted.set(PollFlags::OUT, self.link.has_unsent());
        let mut fds = [
            PollFd::new(socket, wanted),
            PollFd::from_borrowed_fd(stop.fd(), PollFlags::IN),
            self.waker_fd(stop),
            PollFd::from_borrowed_fd(stop.fd(), PollFlags::empty()),
        ];
        let unmask = self.link.irqs.unmask_fd();
        if let Some(unmask) = unmask {
            fds[3] = PollFd::from_borrowed_fd(unmask, PollFlags::IN);
        }
        let polled = if unmask.is_some() { 4 } else { 3 };
        let fds_polled = &mut fds[..polled];
        let deadline = sooner(device.deadline(), closing);
        if !busy_wait(fds_polled, awake_until, deadline).map_err(io::Error::from)? {
            wait(fds_polled, deadline).map_err(io::Error::from)?;
        }
        let [socket, stopped, woken, unmasked] = fds.map(|fd| fd.revents());

        if !stopped.is_empty() {
            return Err(Disconnect::Stopped);
        }
        if !unmasked.is_empty() {
            self.link.irqs.unmask_pin();
        }
        if self.is_wake_due(device, woken) {
            device.wake(&mut bus(&mut self.link));
        }
        if socket.contains(PollFlags::OUT) {
            self.link.flush();
        }
        if socket.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.receive()?;
            while !self.link.is_broken()
                && let Some(message) = self.receiver.next_message()?
            {
                self.session.handle(message, &mut self.link, device)?;
            }
            if !self.busy_poll.is_zero() {
                self.awake_until = Some(Instant::now() + self.busy_poll);
            }
        }
        if self.link.irqs.take_pin_unmasked() {
            device.pin_unmasked(&mut bus(&mut self.link));
        }
        if self.link.messages.has_arrived() {
            self.link.messages.begin_wake();
            device.wake(&mut bus(&mut self.link));
            self.link.messages.end_wake();
        }
        Ok(())
    }

    /// Reads once from the client.
    fn receive(&mut self) -> Result<(), Disconnect> {
        let Some(socket) = self.link.socket() else {
            return Err(Disconnect::Closed);
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = [IoSliceMut::new(self.receiver.space())];
        let received = match recvmsg(
            socket,
            &mut buffer,
            &mut control,
            RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
        ) {
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(errno) => return Err(io::Error::from(errno).into()),
        };
        if received.bytes == 0 {
            return Err(Disconnect::Closed);
        }
        let fds = control.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        });
        let closer = &self.closer;
        let fds = fds.flatten().map(|fd| closer.sort(fd));
        // All that can come would have fitted.
        let lost = received.flags.contains(ReturnFlags::CTRUNC).then_some(Descriptor::Lost);
        self.receiver.received(received.bytes, fds.chain(lost))?;
        if let Some(waiting) = closer.is_full() {
            return Err(ProtocolError::Unclosable { waiting }.into());
        }
        Ok(())
    }

    /// Until when the client is not read, so that what it has sent can be closed. It is read
    /// again after a while: it may have nothing more of the kind.
    fn await_closer(&mut self) -> Option<Instant> {
        if !self.closer.is_behind() {
            self.closing_since = None;
            return None;
        }
        let now = Instant::now();
        let since = *self.closing_since.get_or_insert(now);
        (now - since < CLOSING_PATIENCE).then(|| now + CLOSING_PAUSE)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.let_go();
        if let Some(socket) = self.socket.take() {
            if self.connected {
                let _ = shutdown(&socket, Shutdown::Both);
            }
            // Who waited in the backlog may have sent something.
            self.closer.close(socket);
        }
    }
}

/// A socket's file, removed with it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode: another file that took the name is not ours to remove.
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        // Absolute, should the process change its directory.
        let path = std::path::absolute(path)?;
        let identity = identity(&path)?;
        Ok(Self { path, identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

fn stream_socket() -> Result<OwnedFd, Errno> {
    socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
}

/// Why a path cannot be bound.
fn whose(path: &Path, address: &SocketAddrUnix) -> BindError {
    let path = path.to_path_buf();
    let is_socket = std::fs::metadata(&path).is_ok_and(|file| file.file_type().is_socket());
    if !is_socket {
        return BindError::NotASocket { path };
    }
    // Asking costs a listener one connection that closes at once.
    match stream_socket().and_then(|socket| connect(&socket, address)) {
        Err(Errno::CONNREFUSED) => BindError::Stale { path },
        _ => BindError::InUse { path },
    }
}

fn failed<E: Into<io::Error>>(what: &'static str) -> impl Fn(E) -> ServeError {
    move |source| ServeError::Io { what, source: source.into() }
}

/// Waits for a descriptor or the deadline.
fn wait(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> Result<(), Errno> {
    let timeout = deadline.map(|deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        }
    });
    match poll(fds, timeout.as_ref()) {
        Ok(_) => Ok(()),
        // A signal; nothing has happened to the descriptors.
        Err(Errno::INTR) => {
            for fd in fds {
                fd.clear_revents();
            }
            Ok(())
        }
        Err(errno) => Err(errno),
    }
}

/// Looks for a descriptor until then or the deadline, without sleeping; whether there was one.
fn busy_wait(
    fds: &mut [PollFd<'_>],
    until: Option<Instant>,
    deadline: Option<Instant>,
) -> Result<bool, Errno> {
    while until.is_some_and(|until| Instant::now() < until) && !is_due(deadline) {
        match poll(fds, Some(&Timespec::default())) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno),
        }
        std::thread::yield_now();
    }
    Ok(false)
}

fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn is_due(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}
