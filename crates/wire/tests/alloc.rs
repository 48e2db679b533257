//! Parsing and reading a message allocates nothing. The allocator counts, for each thread by itself.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use switchyard_wire::{Dialect, Framing, Mti, Scan};

struct Counting;

thread_local! {
    /// By thread, because tests run side by side.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends allocates after its counter is gone.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// The only way to see an allocation is to be the allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn parsing_reading_and_building_allocate_nothing() {
    let dialect = Dialect::builtin("unionpay-pos").unwrap();
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, Mti::new(0x0200));
    builder.digits(2, b"4111111111111111").unwrap();
    builder.number(4, 100).unwrap();
    builder.digits(35, b"4111111111111111=25121010000012345678").unwrap();
    builder.text(41, "12345678").unwrap();
    builder.bytes(55, &[0x9F, 0x36, 2, 0, 1, 0x82, 2, 0, 0]).unwrap();
    builder.digits(60, b"22000001000").unwrap();
    builder.finish().unwrap();
    let mut framed = Vec::new();
    Framing::Len2BeExclusive.write(&mut framed, |out| out.extend_from_slice(&body)).unwrap();
    let mut reply = Vec::with_capacity(4096);

    let before = ALLOCATIONS.with(Cell::get);
    let Scan::Frame { start, end, .. } = Framing::Len2BeExclusive.scan(&framed, 4096) else {
        panic!("no frame")
    };
    let message = dialect.parse(&framed[start..end]).unwrap();
    let mut buf = [0; 64];
    assert_eq!(message.digits(2, &mut buf), Some(&b"4111111111111111"[..]));
    assert_eq!((message.number(4), message.text(41).as_deref()), (Some(100), Some("12345678")));
    assert_eq!(message.tag(55, 0x9F36), Some(&[0, 1][..]));
    assert!(message.subfield("60.2").is_some() && message.elements().count() == 6);
    let mut builder = dialect.builder(&mut reply, message.mti().reply());
    builder.echo(&message, 2).unwrap().echo(&message, 4).unwrap().number(11, 7).unwrap();
    builder.finish_with_mac(64, |data| [data.len() as u8; 8]).unwrap();
    let after = ALLOCATIONS.with(Cell::get);
    assert_eq!(after - before, 0);
}

/// In every dialect, with every element that it has, known bitmap or not: a parse allocates nothing, whole, cut or
/// spoiled, and neither does reading digits, numbers, bytes, subfields of digits, tags and values.
#[test]
fn parsing_allocates_nothing_in_any_dialect() {
    for name in Dialect::builtin_names() {
        let dialect = Dialect::builtin(name).unwrap();
        for step in 1..=8 {
            let body = every_nth_element(dialect, step);
            // The third time, the bitmap is known.
            for round in 0..3 {
                let (mut read, mut buf) = (0, [0; 1024]);
                let before = ALLOCATIONS.with(Cell::get);
                let message = dialect.parse(&body).unwrap();
                for de in message.elements() {
                    read += usize::from(message.digits(de, &mut buf).is_some());
                    read += usize::from(message.number(de).is_some());
                    read += usize::from(message.wire(de).is_some() && message.value_len(de).is_some());
                    read += message.tlv(de).count();
                }
                read += usize::from(message.stan().is_ok() && message.amount().is_ok());
                read += usize::from(message.local_time().is_ok() && message.rrn().is_ok());
                let after = ALLOCATIONS.with(Cell::get);
                assert_eq!(after - before, 0, "{name}, every {step}, round {round}");
                assert!(read > 0);
            }
            for cut in 0..body.len() {
                let mut spoiled = body[..cut].to_vec();
                if let Some(byte) = spoiled.last_mut() {
                    *byte ^= 0x5A;
                }
                let before = ALLOCATIONS.with(Cell::get);
                let (message, error) = dialect.parse_partial(&spoiled);
                let after = ALLOCATIONS.with(Cell::get);
                assert_eq!(after - before, 0, "{name}, every {step}, cut at {cut}");
                drop((message, error));
            }
        }
    }
}

fn every_nth_element(dialect: &Dialect, step: usize) -> Vec<u8> {
    use switchyard_wire::{Class, Length};
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, Mti::new(0x0200));
    for element in dialect.elements().step_by(step) {
        let length = match element.length() {
            Length::Fixed(length) => length as usize,
            Length::Variable { max, .. } => (max as usize).min(9),
        };
        let de = element.de();
        match element.class() {
            Class::SignedAmount => {
                builder.digits(de, &[&b"C"[..], &vec![b'0'; length - 1]].concat()).unwrap()
            }
            Class::Binary => builder.bytes(de, &vec![0; length]).unwrap(),
            _ => builder.text(de, &"0".repeat(length)).unwrap(),
        };
    }
    builder.finish().unwrap();
    body
}
