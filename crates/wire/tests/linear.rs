//! Work and memory grow with the input and no faster: an input twice as long costs about twice as much.
//!
//! Memory is counted by the allocator, so the numbers do not depend on the machine. Alone in its file: the allocator
//! counts for the process, and the cases run one after the other in one test.

// A test fails by unwrapping; the lint knows that only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]
// Time is what is measured.
#![allow(clippy::disallowed_methods)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use switchyard_wire::{Dialect, Framing, Masking, Tlvs, describe, diff, json, validate};

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// The only way to see an allocation is to be the allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        BYTES.fetch_add(size.saturating_sub(layout.size()), Ordering::Relaxed);
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocated bytes, and the least time of a few runs: noise only adds.
fn cost(mut work: impl FnMut()) -> (usize, Duration) {
    work();
    let before = BYTES.load(Ordering::Relaxed);
    work();
    let bytes = BYTES.load(Ordering::Relaxed) - before;
    let time = (0..9)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min();
    (bytes, time.unwrap_or_default())
}

/// Holds the cost of `of(n)`, for n doubled four times, to sixteen times that of the first, with room for noise;
/// what is quadratic would take 256 times as much.
fn grows_linearly(name: &str, first: usize, of: impl Fn(usize) -> Box<dyn FnMut()>) {
    let (small_bytes, small_time) = cost(of(first));
    let (large_bytes, large_time) = cost(of(first * 16));
    assert!(large_bytes <= small_bytes * 40 + 4096, "{name}: {small_bytes} bytes became {large_bytes}");
    let floor = Duration::from_micros(20);
    assert!(large_time <= small_time.max(floor) * 100, "{name}: {small_time:?} became {large_time:?}");
}

/// A message of a dialect whose element 48 takes any length, as chip data and as text.
fn message(dialect: &Dialect, value: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, switchyard_wire::Mti::new(0x0200));
    builder.bytes(48, value).unwrap();
    builder.finish().unwrap();
    body
}

fn dialect(inside: &str) -> &'static Dialect {
    let text = format!(
        "name = \"long\"\nextends = \"iso87-binary\"\n[elements]\n48 = {{ name = \"long\", prefix = \"binary\", {inside} }}\n"
    );
    Box::leak(Box::new(Dialect::from_toml(&text).unwrap()))
}

/// Objects that nest as deep as they may, objects of nothing, filler, and a length that lies at every step.
const ADVERSARIES: [(&str, &[u8]); 6] = [
    ("empty objects", &[0x82, 0]),
    ("filler", &[0]),
    ("templates", &[0x72, 6, 0x72, 4, 0x72, 2, 0x82, 0]),
    ("long tags", &[0x9F, 0x81, 0x81, 0x01, 0]),
    ("long lengths", &[0x82, 0x83, 0, 0, 0]),
    ("lies", &[0x82, 0x82, 0xFF, 0xFF]),
];

#[test]
fn work_and_memory_grow_as_the_input_does() {
    what_is_read_and_shown_costs_as_much_as_it_is_long();
    a_document_is_a_small_multiple_of_the_message();
}

fn what_is_read_and_shown_costs_as_much_as_it_is_long() {
    // Bytes that are walked over by themselves, without the limit of objects in an element.
    for (name, unit) in ADVERSARIES {
        grows_linearly(name, 4_000, |count| {
            let bytes = unit.repeat(count);
            Box::new(move || {
                let walked = Tlvs::new(&bytes).map_while(Result::ok).count();
                assert!(walked <= switchyard_wire::TLV_COUNT_MAX);
            })
        });
    }
    let chip = dialect("format = \"b..60000 LL\", tlv = \"ber\"");
    let text = dialect("format = \"ans..60000 LL\"");
    let wide = dialect("format = \"ans..60000 LL\", charset = \"gbk\", counts = \"characters\"");
    for (name, unit) in ADVERSARIES {
        shown(&format!("chip data of {name}"), chip, unit);
    }
    shown("digits", text, b"4111111111111111=");
    shown("zeros", text, b"0");
    shown("controls", text, b"\x1b");
    shown("characters of two bytes", wide, &[0xC4, 0xAB]);
    // A stream of frames, of keep-alives, and of what looks like the end of a text.
    for (framing, unit) in [
        (Framing::Len2BeExclusive, &[0, 1, 7][..]),
        (Framing::Len4Ascii, b"0000"),
        (Framing::StxEtx, &[2, 3, 3]),
        (Framing::StxLenBcd2, &[6]),
    ] {
        grows_linearly(framing.name(), 4_000, |count| {
            let stream = unit.repeat(count);
            Box::new(move || assert_eq!(framing.frames(&stream, 4096).count(), count))
        });
    }
}

fn shown(name: &str, dialect: &'static Dialect, unit: &[u8]) {
    let empty = message(dialect, b"");
    grows_linearly(name, 1_500 / unit.len(), |count| {
        let body = message(dialect, &unit.repeat(count));
        let empty = empty.clone();
        Box::new(move || {
            let message = dialect.parse(&body).unwrap();
            let _ = (message.text(48), message.tlv(48).count(), message.parts(48).count());
            let _ = describe::describe(&message, Masking::Masked);
            let _ = json::to_json(&message, Masking::Masked);
            let empty = dialect.parse(&empty).unwrap();
            let _ = diff::diff(&message, &empty, Masking::Masked);
            let _ = validate::validate(&message);
        })
    });
}

fn a_document_is_a_small_multiple_of_the_message() {
    // Here the memory matters, whatever the time: every character may be escaped, shown twice and masked.
    const FACTOR: usize = 120;
    for name in Dialect::builtin_names() {
        let dialect = Dialect::builtin(name).unwrap();
        let mut body = Vec::new();
        let mut builder = dialect.builder(&mut body, switchyard_wire::Mti::new(0x0200));
        builder.text(48, &"1".repeat(300)).unwrap();
        builder.finish().unwrap();
        let message = dialect.parse(&body).unwrap();
        let (bytes, _) = cost(|| {
            let _ = describe::describe(&message, Masking::Masked);
            let _ = json::to_json(&message, Masking::Masked);
        });
        assert!(bytes <= FACTOR * body.len(), "{name}: {bytes} bytes for {}", body.len());
    }
}
