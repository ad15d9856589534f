//! A register read, by a thread that is confined as a card's is and by one that is not, by turns
//! in the same run: what Landlock and seccomp cost an access.
//!
//! ```text
//! cargo bench -p card-host
//! ```

use std::{path::Path, thread::JoinHandle, time::Instant};

use card_host::confine;
use vfio_server::{Bus, Device, DeviceInfo, Errno, Region, Server, StopHandle};
use vfio_user::Client;

const SAMPLES: usize = 200;
const READS: u32 = 500;

/// Reads as zeros.
struct Zeros;

impl Device for Zeros {
    fn info(&self) -> DeviceInfo {
        let mut info = DeviceInfo::default();
        info.regions[0] = Region::read_write(0x1000);
        info
    }
    fn read(&mut self, _: &mut Bus<'_>, _: u32, _: u64, _: &mut [u8]) -> Result<(), Errno> {
        Ok(())
    }
    fn write(&mut self, _: &mut Bus<'_>, _: u32, _: u64, _: &[u8]) -> Result<(), Errno> {
        Ok(())
    }
    fn reset(&mut self, _: &mut Bus<'_>) {}
    fn wake(&mut self, _: &mut Bus<'_>) {}
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

fn serve(path: &Path, stop: &StopHandle, confined: bool) -> JoinHandle<()> {
    let mut server = Server::bind(path).expect("a socket");
    let stop = stop.clone();
    std::thread::spawn(move || {
        if confined {
            println!("{}", confine());
        }
        server.serve(&mut Zeros, &stop).expect("served");
        // It must not remove its socket's file; the directory goes as a whole.
        std::mem::forget(server);
    })
}

fn main() {
    let place = tempfile::tempdir().expect("a directory");
    let stop = StopHandle::new().expect("an eventfd");
    let paths = ["confined", "free"].map(|name| place.path().join(name));
    let threads = [serve(&paths[0], &stop, true), serve(&paths[1], &stop, false)];
    let mut clients = paths.each_ref().map(|path| Client::new(path).expect("connected"));
    let mut samples = [const { Vec::new() }; 2];
    for sample in 0..SAMPLES {
        for turn in 0..2 {
            // Neither is always the first.
            let which = (turn + sample) % 2;
            let start = Instant::now();
            for _ in 0..READS {
                clients[which].region_read(0, 0, &mut [0; 4]).expect("read");
            }
            samples[which].push(start.elapsed() / READS);
        }
    }
    let [confined, free] = samples.map(|mut samples| {
        samples.sort_unstable();
        // What else runs on the machine is in the slower ones.
        samples[SAMPLES / 10]
    });
    println!("read: {confined:.2?} confined, {free:.2?} free");
    stop.stop();
    drop(clients);
    for thread in threads {
        thread.join().expect("no panic");
    }
}
