//! SET_IRQS, and what fires when.

mod common;

use common::{Peer, Seen, TRIGGER, eventfd, fired, memory, open_on, open_on_event, raw, set_irqs};
use vfio_bindings::bindings::vfio as linux;
use vfio_server::{
    Descriptor, DeviceInfo, Errno, IrqIndex,
    irq::{IrqTables, Raiser},
    irq_index,
    protocol::SetIrqs,
};

const MSI: u32 = irq_index::MSI;
const MSIX: u32 = irq_index::MSIX;
const INTX: u32 = irq_index::INTX;
const NONE: u32 = linux::VFIO_IRQ_SET_DATA_NONE;
const BOOL: u32 = linux::VFIO_IRQ_SET_DATA_BOOL;
const EVENT: u32 = linux::VFIO_IRQ_SET_DATA_EVENTFD;
const MASK: u32 = linux::VFIO_IRQ_SET_ACTION_MASK;
const UNMASK: u32 = linux::VFIO_IRQ_SET_ACTION_UNMASK;
const FIRE: u32 = linux::VFIO_IRQ_SET_ACTION_TRIGGER;

#[test]
fn msix_as_qemu_sets_it_up() {
    let (mut peer, _running) = Peer::new();
    let events: Vec<_> = (0..4).map(|_| eventfd()).collect();
    // Enabled without a descriptor, then vector by vector.
    assert_eq!(peer.set_irqs(EVENT | FIRE, MSIX, 0, 1, &[], &[]), 0);
    peer.poke(TRIGGER, MSIX << 16);
    for vector in 0..4 {
        let fd = raw(&events[vector as usize]);
        assert_eq!(peer.set_irqs(EVENT | FIRE, MSIX, vector, 1, &[], &[fd]), 0);
    }
    peer.poke(TRIGGER, MSIX << 16 | 2);
    let all = |events: &[_]| events.iter().map(fired).collect::<Vec<_>>();
    assert_eq!(all(&events), [0, 0, 1, 0]);
    // One is replaced, one is taken away.
    let other = eventfd();
    assert_eq!(peer.set_irqs(EVENT | FIRE, MSIX, 2, 1, &[], &[raw(&other)]), 0);
    assert_eq!(peer.set_irqs(EVENT | FIRE, MSIX, 3, 1, &[], &[]), 0);
    for vector in 0..6 {
        peer.poke(TRIGGER, MSIX << 16 | vector);
    }
    assert_eq!(all(&events), [1, 1, 0, 0]);
    assert_eq!(fired(&other), 1);
    // All at once, by the client itself, and some of them.
    let fds: Vec<_> = events.iter().map(raw).collect();
    assert_eq!(peer.set_irqs(EVENT | FIRE, MSIX, 0, 4, &[], &fds), 0);
    assert_eq!(peer.set_irqs(NONE | FIRE, MSIX, 1, 2, &[], &[]), 0);
    assert_eq!(all(&events), [0, 1, 1, 0]);
    assert_eq!(peer.set_irqs(BOOL | FIRE, MSIX, 0, 4, &[1, 0, 0, 7], &[]), 0);
    assert_eq!(all(&events), [1, 0, 0, 1]);
    // Disabled.
    assert_eq!(peer.set_irqs(NONE | FIRE, MSIX, 0, 0, &[], &[]), 0);
    for vector in 0..4 {
        peer.poke(TRIGGER, MSIX << 16 | vector);
    }
    assert_eq!(all(&events), [0; 4]);
}

#[test]
fn each_index_has_its_own_table() {
    let (mut peer, _running) = Peer::new();
    let (msi, msix) = (eventfd(), eventfd());
    peer.set_irqs(EVENT | FIRE, MSI, 0, 1, &[], &[raw(&msi)]);
    peer.set_irqs(EVENT | FIRE, MSIX, 0, 1, &[], &[raw(&msix)]);
    peer.set_irqs(NONE | FIRE, MSI, 0, 0, &[], &[]);
    peer.poke(TRIGGER, MSI << 16);
    peer.poke(TRIGGER, MSIX << 16);
    peer.poke(TRIGGER, 9 << 16);
    assert_eq!((fired(&msi), fired(&msix)), (0, 1));
}

#[test]
fn the_pin_masks_itself_until_unmasked() {
    let (mut peer, _running) = Peer::new();
    let pin = eventfd();
    peer.set_irqs(EVENT | FIRE, INTX, 0, 1, &[], &[raw(&pin)]);
    peer.poke(TRIGGER, 0);
    assert_eq!(fired(&pin), 1);
    // Held back, and made up for once.
    peer.poke(TRIGGER, 0);
    peer.poke(TRIGGER, 0);
    assert_eq!(fired(&pin), 0);
    assert_eq!(peer.set_irqs(NONE | UNMASK, INTX, 0, 1, &[], &[]), 0);
    assert_eq!(fired(&pin), 1);
    assert_eq!(peer.set_irqs(BOOL | UNMASK, INTX, 0, 1, &[1], &[]), 0);
    assert_eq!(fired(&pin), 0);
    // Masked by the client.
    assert_eq!(peer.set_irqs(NONE | MASK, INTX, 0, 1, &[], &[]), 0);
    peer.poke(TRIGGER, 0);
    assert_eq!(fired(&pin), 0);
    assert_eq!(peer.set_irqs(BOOL | UNMASK, INTX, 0, 1, &[0], &[]), 0);
    assert_eq!(fired(&pin), 0);
    assert_eq!(peer.set_irqs(NONE | UNMASK, INTX, 0, 1, &[], &[]), 0);
    assert_eq!(fired(&pin), 1);
    // Disabling forgets the mask.
    assert_eq!(peer.set_irqs(NONE | FIRE, INTX, 0, 0, &[], &[]), 0);
    peer.set_irqs(EVENT | FIRE, INTX, 0, 1, &[], &[raw(&pin)]);
    peer.poke(TRIGGER, 0);
    assert_eq!(fired(&pin), 1);
}

#[test]
fn the_pin_is_unmasked_by_its_eventfd() {
    let (mut peer, _running) = Peer::new();
    let (pin, unmask) = (eventfd(), eventfd());
    // In KVM's order: mask, eventfds, unmask.
    assert_eq!(peer.set_irqs(NONE | MASK, INTX, 0, 1, &[], &[]), 0);
    peer.set_irqs(EVENT | FIRE, INTX, 0, 1, &[], &[raw(&pin)]);
    assert_eq!(peer.set_irqs(EVENT | UNMASK, INTX, 0, 1, &[], &[raw(&unmask)]), 0);
    assert_eq!(peer.set_irqs(NONE | UNMASK, INTX, 0, 1, &[], &[]), 0);
    for _ in 0..3 {
        peer.poke(TRIGGER, 0);
        assert_eq!(fired(&pin), 1);
        peer.poke(TRIGGER, 0);
        assert_eq!(fired(&pin), 0);
        // The guest is done; the one held back fires.
        unmask.write(1).unwrap();
        while fired(&pin) == 0 {
            peer.alive();
        }
        unmask.write(1).unwrap();
        // Read by the server, so the pin is open again.
        while fired(&unmask) > 0 {
            unmask.write(1).unwrap();
            peer.alive();
        }
        peer.alive();
    }
}

/// A level stays asserted across an unmask: the device is asked to look.
#[test]
fn the_device_hears_of_the_unmasked_pin_only() {
    let (mut peer, running) = Peer::new();
    let (intx, unmask) = (eventfd(), eventfd());
    assert_eq!(peer.set_irqs(EVENT | FIRE, INTX, 0, 1, &[], &[raw(&intx)]), 0);
    assert_eq!(peer.set_irqs(NONE | MASK, INTX, 0, 1, &[], &[]), 0);
    assert_eq!(peer.set_irqs(NONE | UNMASK, INTX, 0, 1, &[], &[]), 0);
    assert_eq!(running.next(), Seen::PinUnmasked);
    assert_eq!(peer.set_irqs(EVENT | UNMASK, INTX, 0, 1, &[], &[raw(&unmask)]), 0);
    peer.alive();
    assert!(running.seen.try_iter().all(|seen| seen != Seen::PinUnmasked), "only set up");
    unmask.write(1).unwrap();
    assert_eq!(running.next(), Seen::PinUnmasked);
}

#[test]
fn malformed_requests_are_refused() {
    let (mut peer, _running) = Peer::new();
    let file = memory(1, 0);
    let fd = raw(&file);
    let invalid = Errno::INVAL.raw_os_error() as u32;
    let mut refused = |flags, index, start, count, bools: &[u8], fds: &[i32]| {
        let error = peer.set_irqs(flags, index, start, count, bools, fds);
        assert_eq!(error, invalid, "{flags:#x} {index} {start} {count}");
    };
    refused(EVENT | FIRE, 5, 0, 1, &[], &[fd]);
    refused(EVENT | FIRE, u32::MAX, 0, 1, &[], &[fd]);
    refused(EVENT | FIRE, 3, 0, 1, &[], &[fd]); // Absent.
    refused(EVENT | FIRE, MSIX, 4, 1, &[], &[fd]);
    refused(EVENT | FIRE, MSIX, 3, 2, &[], &[fd, fd]);
    refused(EVENT | FIRE, MSIX, u32::MAX, 2, &[], &[fd, fd]);
    refused(EVENT | FIRE, MSIX, 0, 3, &[], &[fd, fd]);
    refused(EVENT | FIRE, MSIX, 0, 0, &[], &[]);
    refused(EVENT, MSIX, 0, 1, &[], &[fd]);
    refused(FIRE, MSIX, 0, 1, &[], &[]);
    refused(EVENT | NONE | FIRE, MSIX, 0, 1, &[], &[fd]);
    refused(EVENT | FIRE | MASK, MSIX, 0, 1, &[], &[fd]);
    refused(EVENT | FIRE | 1 << 6, MSIX, 0, 1, &[], &[fd]);
    refused(NONE | FIRE, MSIX, 0, 1, &[], &[fd]);
    refused(NONE | FIRE, MSIX, 1, 0, &[], &[]);
    refused(NONE | MASK, MSIX, 0, 1, &[], &[]); // Masked in its table.
    refused(EVENT | UNMASK, MSIX, 0, 1, &[], &[fd]);
    refused(EVENT | MASK, INTX, 0, 1, &[], &[fd]);
    let mut short = set_irqs(NONE | FIRE, MSIX, 0, 0, &[]);
    short[0] = 19;
    peer.refused(8, &short, Errno::INVAL);
    peer.alive();
    assert_eq!(open_on(&file), 1);
}

#[test]
fn a_descriptor_that_would_block_does_not() {
    let (mut peer, _running) = Peer::new();
    // A blocking eventfd whose counter is full.
    let full = vmm_sys_util::eventfd::EventFd::new(0).unwrap();
    full.write(u64::MAX - 1).unwrap();
    assert_eq!(peer.set_irqs(EVENT | FIRE, MSIX, 0, 1, &[], &[raw(&full)]), 0);
    for _ in 0..20_000 {
        peer.post(TRIGGER, MSIX << 16);
    }
    peer.alive();
}

/// Poll has found it readable, and the client has taken the count back since.
#[test]
fn an_unmask_with_nothing_to_read_does_not_wait() {
    let mut info = DeviceInfo::default();
    info.irqs[INTX as usize] = IrqIndex::INTX;
    let mut tables = IrqTables::new(&info.irqs, Raiser::new());
    let blocking = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap();
    let set = SetIrqs { argsz: 20, flags: EVENT | UNMASK, index: INTX, start: 0, count: 1 };
    tables.set(&set, &[], vec![Descriptor::Event(blocking)]).unwrap();
    tables.unmask_pin();
    assert!(tables.unmask_fd().is_some(), "it is kept");
}

/// One that gives up a count at a time is never empty, and the thread would have nothing else to do.
#[test]
fn an_unmask_that_is_never_empty_is_let_go() {
    let mut info = DeviceInfo::default();
    info.irqs[INTX as usize] = IrqIndex::INTX;
    let mut tables = IrqTables::new(&info.irqs, Raiser::new());
    let semaphore = rustix::event::EventfdFlags::SEMAPHORE | rustix::event::EventfdFlags::NONBLOCK;
    let many = rustix::event::eventfd(u32::MAX, semaphore).unwrap();
    let set = SetIrqs { argsz: 20, flags: EVENT | UNMASK, index: INTX, start: 0, count: 1 };
    tables.set(&set, &[], vec![Descriptor::Event(many)]).unwrap();
    tables.unmask_pin();
    assert!(tables.unmask_fd().is_none(), "nobody polls it any more");
}

#[test]
fn interrupts_go_with_the_client() {
    let (mut peer, running) = Peer::new();
    let event = eventfd();
    assert_eq!(peer.set_irqs(EVENT | FIRE, MSIX, 0, 1, &[], &[raw(&event)]), 0);
    assert_eq!(open_on_event(&event), 2);
    drop(peer);
    assert!(matches!(running.next(), Seen::Detached(_)));
    assert_eq!(open_on_event(&event), 1);
}
