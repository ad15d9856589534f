//! The receiver and the requests, under arbitrary bytes.

use proptest::prelude::*;
use vfio_server::{
    Descriptor, DeviceInfo, IrqIndex,
    dma::DmaTable,
    irq::{IrqTables, Raiser},
    protocol::{Capabilities, DmaMap, DmaUnmap, Receiver, Request, SetIrqs, UNMAP_ALL},
};

/// Header fields and payload of every message, until the stream fails.
type Cut = (Vec<(u16, u16, u32, Vec<u8>)>, bool);

/// Feeds `bytes` in pieces of these sizes, over and over.
fn cut(bytes: &[u8], pieces: &[usize]) -> Cut {
    let mut receiver = Receiver::default();
    let mut messages = Vec::new();
    let mut rest = bytes;
    let mut sizes = pieces.iter().cycle();
    while !rest.is_empty() {
        let space = receiver.space();
        let count = sizes.next().unwrap().min(&rest.len()).min(&space.len()).to_owned();
        space[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        receiver.received(count, None).unwrap();
        loop {
            match receiver.next_message() {
                Ok(Some(message)) => {
                    // Whatever it says, it is judged without a panic.
                    let _ = Request::parse(message.header.command, message.payload);
                    messages.push((
                        message.header.message_id,
                        message.header.command,
                        message.header.flags,
                        message.payload.to_vec(),
                    ));
                }
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..100, 1..20)
}

prop_compose! {
    fn valid()(
        id: u16,
        command in 0_u16..20,
        flags in prop::sample::select(vec![0_u32, 1, 0x10, 0x21]),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) -> (u16, u16, u32, Vec<u8>) {
        (id, command, flags, payload)
    }
}

fn encode((id, command, flags, payload): &(u16, u16, u32, Vec<u8>)) -> Vec<u8> {
    let size = 16 + payload.len() as u32;
    let mut bytes = Vec::new();
    bytes.extend(id.to_ne_bytes());
    bytes.extend(command.to_ne_bytes());
    bytes.extend(size.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[test]
fn descriptors_belong_to_the_last_message_of_their_read() {
    let plain = encode(&(1, 9, 0, vec![0; 16]));
    let carrier = encode(&(2, 2, 0, vec![0; 32]));
    for split in 1..=carrier.len() {
        let mut receiver = Receiver::default();
        let first = [&plain, &carrier[..split]].concat();
        receiver.space()[..first.len()].copy_from_slice(&first);
        receiver.received(first.len(), [Descriptor::Other]).unwrap();
        assert_eq!(receiver.next_message().unwrap().unwrap().fds.len(), 0);
        if split < carrier.len() {
            assert!(receiver.next_message().unwrap().is_none());
            let rest = [&carrier[split..], &plain].concat();
            receiver.space()[..rest.len()].copy_from_slice(&rest);
            receiver.received(rest.len(), None).unwrap();
        }
        assert_eq!(receiver.next_message().unwrap().unwrap().fds.len(), 1);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        pieces in pieces(),
    ) {
        let (messages, failed) = cut(&bytes, &pieces);
        prop_assert_eq!(cut(&bytes, &[usize::MAX]), (messages, failed));
    }

    #[test]
    fn valid_streams_are_cut_the_same_anywhere(
        messages in prop::collection::vec(valid(), 0..20),
        pieces in pieces(),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(encode).collect();
        prop_assert_eq!(cut(&bytes, &pieces), (messages, false));
    }

    #[test]
    fn requests_of_arbitrary_bytes_never_panic(
        command in 0_u16..20,
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        if let Ok(Request::RegionWriteMulti(writes)) = Request::parse(command, &payload) {
            prop_assert!(writes.iter().all(|(access, data)| data.len() == access.count as usize));
        }
    }

    #[test]
    fn version_data_of_arbitrary_bytes_never_panics(
        data in prop::collection::vec(any::<u8>(), 0..64),
        json in "\\{\"capabilities\":\\{\"(max_msg_fds|pgsizes|max_data_xfer_size)\":-?[0-9]{1,22}\\}\\}\0",
    ) {
        for data in [&data[..], json.as_bytes()] {
            if let Ok(proposed) = Capabilities::parse(data) {
                prop_assert!(proposed.answer(data.len()).len() <= data.len());
                prop_assert!((1..=1 << 20).contains(&proposed.transfer_size()));
            }
        }
    }

    /// The table answers as a list of single bytes would.
    #[test]
    fn dma_table_matches_a_plain_list(
        steps in prop::collection::vec((0_u8..4, 0_u64..40, 0_u64..12), 1..60),
    ) {
        let mut table = DmaTable::default();
        let mut plain: Vec<(u64, u64)> = Vec::new();
        for (step, address, size) in steps {
            let end = address + size;
            if step < 2 {
                let request = DmaMap { argsz: 32, flags: 3, offset: 0, address, size };
                let free = size > 0 && plain.iter().all(|(from, to)| *to <= address || end <= *from);
                prop_assert_eq!(table.map(&request, None).is_ok(), free);
                if free {
                    plain.push((address, end));
                }
            } else {
                let all = step == 3 && address == 0;
                let request = if all {
                    DmaUnmap { argsz: 24, flags: UNMAP_ALL, address: 0, size: 0 }
                } else {
                    DmaUnmap { argsz: 24, flags: 0, address, size }
                };
                let (named, kept): (Vec<_>, Vec<_>) = plain
                    .iter()
                    .copied()
                    .partition(|(from, to)| all || (*from < end && address < *to));
                let whole = named.iter().all(|(from, to)| all || (address <= *from && *to <= end));
                let right = all || (size > 0 && !named.is_empty() && whole);
                prop_assert_eq!(table.unmap(&request).is_ok(), right);
                if right {
                    plain = kept;
                }
            }
            for address in 0..60 {
                let expected = plain.iter().find(|(from, to)| *from <= address && address < *to);
                let found = table.find(address).map(|(_, into, left)| (address - into, address + left));
                prop_assert_eq!(found, expected.copied());
            }
        }
    }

    #[test]
    fn arbitrary_irq_requests_never_panic(
        flags in 0_u32..128,
        index in 0_u32..7,
        start in prop::sample::select(vec![0, 1, 3, 4, u32::MAX]),
        count in prop::sample::select(vec![0, 1, 4, 5, u32::MAX]),
        bools in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let mut info = DeviceInfo::default();
        info.irqs[0] = IrqIndex::INTX;
        info.irqs[2] = IrqIndex::messages(4);
        let mut tables = IrqTables::new(&info.irqs, Raiser::default());
        let set = SetIrqs { argsz: 20, flags, index, start, count };
        let _ = tables.set(&set, &bools, Vec::new());
        tables.trigger(index, start);
        tables.unmask_pin();
    }
}
