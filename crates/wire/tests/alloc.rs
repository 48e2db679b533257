//! Parsing and reading a message allocates nothing. Alone in its file: the allocator counts for the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use switchyard_wire::{Dialect, Framing, Mti, Scan};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// The only way to see an allocation is to be the allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
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

    let before = ALLOCATIONS.load(Ordering::Relaxed);
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
    let after = ALLOCATIONS.load(Ordering::Relaxed);
    assert_eq!(after - before, 0);
}
