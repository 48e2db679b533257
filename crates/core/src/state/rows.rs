//! Rows by number, in pages: what every transaction costs in memory, and how it gets into a snapshot.
//!
//! A page is *live* (values) or *packed* (the bytes that a snapshot holds of it), or both while it is only read.
//! Packed rows are a quarter as large as live ones and are loaded without being taken apart: a start
//! with ten million transactions reads bytes, and the few pages that somebody asks for are unpacked then.
//! What a start has to know of every page, for its indexes, stands before the rows of it as their summary. The rows are
//! compressed (Snappy), which halves what a start has to read: rows of a page have times, references and terminals in
//! common, and a row names its card twice. The bytes are part of the digest, so whoever has them written differently,
//! be it by another version of the compressor, has to raise the version of the sections.
//! Which form a page has is no part of the state: the digest is over the packed form of either.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::cell::OnceCell;

/// Rows of a page. One is unpacked in about a tenth of a millisecond, which is what the first question about an
/// old transaction costs.
pub(crate) const ROWS_PER_PAGE: usize = 256;

/// Pages at the end that stay live: whoever follows up does so soon.
const LIVE_PAGES: usize = 1_024;

/// Pages packed at a time: one takes about a tenth of a millisecond, and the core decides nothing meanwhile.
const PACKED_MAX: usize = 1;

/// Most bytes of a page's rows; a row takes some two hundred.
const PAGE_BYTES_MAX: usize = ROWS_PER_PAGE * 4_096;

/// Pages looked at in search of them.
const LOOKED_AT_MAX: usize = 4_096;

/// What can be kept in pages.
pub(crate) trait Row: Serialize + DeserializeOwned {
    /// What indexes need of a page.
    type Summary: Serialize + DeserializeOwned + PartialEq;
    /// The summary of a page with these rows.
    fn summary(rows: &[Self]) -> Self::Summary;
    /// Whether it can be the row of this number.
    fn is_numbered(&self, number: u64) -> bool;
}

/// The bytes of a page are not what packing makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

#[derive(Debug)]
struct Page<T> {
    /// Absent as soon as the live rows differ from it.
    packed: Option<Box<[u8]>>,
    live: OnceCell<Vec<T>>,
}

/// Rows that are numbered from 0 and only ever added at the end; the oldest pages may be given up.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    /// `None`: given up.
    pages: Vec<Option<Page<T>>>,
    len: u64,
    /// Where packing looks next.
    hand: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0, hand: 0 }
    }
}

impl<T: Row> Rows<T> {
    /// Rows ever added.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }
    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        let (page, row) = place(number);
        self.live(page)?.get(row)
    }
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let (page, row) = place(number);
        self.live(page)?;
        let page = self.pages.get_mut(page)?.as_mut()?;
        page.packed = None;
        page.live.get_mut()?.get_mut(row)
    }
    pub(crate) fn push(&mut self, value: T) {
        let (page, row) = place(self.len);
        if row == 0 {
            let live = OnceCell::from(Vec::with_capacity(ROWS_PER_PAGE));
            self.pages.push(Some(Page { packed: None, live }));
            // One page for each that begins: never many at a time.
            if let Some(old) = page.checked_sub(LIVE_PAGES) {
                self.pack_page(old);
            }
        }
        self.live(page);
        let page = self.pages[page].as_mut().expect("the newest page is never given up");
        page.packed = None;
        page.live.get_mut().expect("just unpacked").push(value);
        self.len += 1;
    }
    /// Pages ever begun.
    pub(crate) fn pages(&self) -> usize {
        self.pages.len()
    }
    /// The rows of a page, unless it was given up.
    pub(crate) fn live(&self, page: usize) -> Option<&[T]> {
        let count = self.count(page);
        let page = self.pages.get(page)?.as_ref()?;
        Some(page.live.get_or_init(|| {
            let packed = page.packed.as_deref().expect("a page is live, packed or both");
            unpack(packed, count).expect("packed here, or taken apart when its snapshot was made")
        }))
    }
    /// The packed form of a page, unless it was given up.
    pub(crate) fn packed(&self, page: usize) -> Option<Cow<'_, [u8]>> {
        let page = self.pages.get(page)?.as_ref()?;
        Some(match (&page.packed, page.live.get()) {
            (Some(packed), _) => Cow::Borrowed(&**packed),
            (None, live) => Cow::Owned(pack(live.map_or(&[], Vec::as_slice))),
        })
    }
    /// Rows of a page when it is whole or the last one.
    fn count(&self, page: usize) -> usize {
        count_of(self.len, page)
    }

    /// Packs some of the old pages that somebody asked for.
    pub(crate) fn pack_some(&mut self) {
        let end = self.pages.len().saturating_sub(LIVE_PAGES);
        let mut packed = 0;
        for _ in 0..LOOKED_AT_MAX.min(end) {
            if packed == PACKED_MAX {
                return;
            }
            if self.hand >= end {
                self.hand = 0;
            }
            packed += usize::from(self.pack_page(self.hand));
            self.hand += 1;
        }
    }
    /// Packs a page if it is live.
    fn pack_page(&mut self, page: usize) -> bool {
        let Some(Some(page)) = self.pages.get_mut(page) else { return false };
        let Some(live) = page.live.take() else { return false };
        page.packed.get_or_insert_with(|| pack(&live).into_boxed_slice());
        true
    }
    /// Rows from a snapshot: each page with its number, in order; those that are missing were given up.
    pub(crate) fn from_pages(len: u64, pages: Vec<(usize, Box<[u8]>)>) -> Result<Self, Malformed> {
        let count = usize::try_from(len).map_err(|_| Malformed)?.div_ceil(ROWS_PER_PAGE);
        let mut rows = Self { pages: Vec::new(), len, hand: 0 };
        // The head of a damaged snapshot may name any length, but the newest page is always there.
        let last = pages.last().map_or(0, |(number, _)| number + 1);
        if last != count {
            return Err(Malformed);
        }
        rows.pages.resize_with(count, || None);
        for (number, packed) in pages {
            let slot = rows.pages.get_mut(number).ok_or(Malformed)?;
            if slot.is_some() {
                return Err(Malformed);
            }
            *slot = Some(Page { packed: Some(packed), live: OnceCell::new() });
        }
        Ok(rows)
    }
}

/// Rows that page `page` of `len` rows has.
pub(crate) fn count_of(len: u64, page: usize) -> usize {
    let before = page as u64 * ROWS_PER_PAGE as u64;
    len.saturating_sub(before).min(ROWS_PER_PAGE as u64) as usize
}

fn place(number: u64) -> (usize, usize) {
    let rows = ROWS_PER_PAGE as u64;
    ((number / rows) as usize, (number % rows) as usize)
}

/// The count of the rows, their summary, and the rows, compressed.
fn pack<T: Row>(rows: &[T]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.len() * 224);
    for row in rows {
        bytes = postcard::to_extend(row, bytes).expect("a row always encodes into a vector");
    }
    let head = postcard::to_stdvec(&(rows.len() as u64, T::summary(rows)));
    let head = head.expect("a summary always encodes into a vector");
    let packed =
        snap::raw::Encoder::new().compress_vec(&bytes).expect("a page is shorter than four gigabytes");
    [head, packed].concat()
}

/// How many rows a packed page says it has, and their summary.
pub(crate) fn summary_of<T: Row>(bytes: &[u8]) -> Result<(usize, T::Summary), Malformed> {
    let (count, summary, _) = head::<T>(bytes)?;
    Ok((count, summary))
}

/// Count, summary, and the bytes of the rows.
fn head<T: Row>(bytes: &[u8]) -> Result<(usize, T::Summary, &[u8]), Malformed> {
    let ((count, summary), rows): ((u64, _), _) = postcard::take_from_bytes(bytes).map_err(|_| Malformed)?;
    let count = usize::try_from(count).map_err(|_| Malformed)?;
    if (1..=ROWS_PER_PAGE).contains(&count) { Ok((count, summary, rows)) } else { Err(Malformed) }
}

/// Takes a packed page apart to see that it can be, and that its summary is that of its rows.
pub(crate) fn check<T: Row>(bytes: &[u8], page: u64) -> Result<(), Malformed> {
    let (count, summary) = summary_of::<T>(bytes)?;
    let rows: Vec<T> = unpack(bytes, count)?;
    let numbers = page.checked_mul(ROWS_PER_PAGE as u64).ok_or(Malformed)?..;
    let numbered = rows.iter().zip(numbers).all(|(row, number)| row.is_numbered(number));
    if numbered && T::summary(&rows) == summary { Ok(()) } else { Err(Malformed) }
}

/// The rows of a packed page that has `count` of them.
fn unpack<T: Row>(bytes: &[u8], count: usize) -> Result<Vec<T>, Malformed> {
    let (said, _, packed) = head::<T>(bytes)?;
    let length = snap::raw::decompress_len(packed).map_err(|_| Malformed)?;
    if said != count || length > PAGE_BYTES_MAX {
        return Err(Malformed);
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(packed).map_err(|_| Malformed)?;
    let mut bytes = bytes.as_slice();
    let mut rows = Vec::with_capacity(count);
    while !bytes.is_empty() && rows.len() < count {
        let (row, rest) = postcard::take_from_bytes(bytes).map_err(|_| Malformed)?;
        rows.push(row);
        bytes = rest;
    }
    if bytes.is_empty() && rows.len() == count { Ok(rows) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Row for u64 {
        type Summary = Option<u64>;
        fn summary(rows: &[Self]) -> Option<u64> {
            rows.iter().max().copied()
        }
        fn is_numbered(&self, number: u64) -> bool {
            *self >= number
        }
    }

    #[test]
    fn rows_are_the_same_live_packed_and_loaded() {
        let mut rows = Rows::default();
        let count = (ROWS_PER_PAGE * (LIVE_PAGES + 3) + 7) as u64;
        (0..count).for_each(|n| rows.push(n * 3));
        *rows.get_mut(5).unwrap() = 1_000_000;
        rows.pack_some();
        *rows.get_mut(6).unwrap() = 2_000_000;
        rows.pack_some();
        assert!(rows.pages[0].as_ref().unwrap().live.get().is_none());
        let pages = (0..rows.pages()).map(|n| (n, rows.packed(n).unwrap().into_owned().into()));
        let loaded = Rows::<u64>::from_pages(rows.len(), pages.collect()).unwrap();
        for number in [0, 5, 6, 255, 256, count - 1] {
            assert_eq!(rows.get(number), loaded.get(number));
        }
        assert!((0..count).all(|n| rows.get(n) == loaded.get(n)));
        assert_eq!(loaded.get(5), Some(&1_000_000));
        assert_eq!(loaded.get(6), Some(&2_000_000));
        assert_eq!(loaded.get(count), None);
        let less = (1..rows.pages()).map(|n| (n, rows.packed(n).unwrap().into_owned().into()));
        let loaded = Rows::<u64>::from_pages(rows.len(), less.collect()).unwrap();
        assert_eq!((loaded.get(5), loaded.get(256)), (None, Some(&768)), "a page that is not there");
    }

    #[test]
    fn pages_that_do_not_fit_are_refused() {
        let one: Box<[u8]> = pack(&[1_u64]).into();
        assert!(Rows::<u64>::from_pages(1, vec![(0, one.clone())]).is_ok());
        assert!(Rows::<u64>::from_pages(u64::MAX, vec![(0, one.clone())]).is_err());
        assert!(Rows::<u64>::from_pages(1, vec![]).is_err());
        assert!(Rows::<u64>::from_pages(1, vec![(0, one.clone()), (0, one)]).is_err());
        assert!(unpack::<u64>(&[pack(&[1_u64]), vec![2]].concat(), 1).is_err());
        assert!(unpack::<u64>(&pack(&[1_u64]), 2).is_err());
    }

    #[test]
    fn a_page_is_packed_into_the_same_bytes_by_every_build() {
        // When these differ, state digests do: raise the version of the sections.
        let rows: Vec<u64> = (0..200).map(|n| 1_000_000_000_000 + n % 7 + n / 50).collect();
        let page = pack(&rows);
        assert_eq!((page.len(), sum(&page)), (125, 0x1d3e_ab7c_dce1_d2c9));
        let enormous = [&[1, 0][..], &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0]].concat();
        assert_eq!(unpack::<u64>(&enormous, 1), Err(Malformed), "a length that nothing has");
    }

    /// FNV-1a: depends on nothing that a build could change.
    fn sum(bytes: &[u8]) -> u64 {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
    }

    #[test]
    fn the_rows_of_a_page_are_held_against_its_summary_and_its_place() {
        let page = pack(&[300_u64, 400, 350]);
        assert_eq!(summary_of::<u64>(&page), Ok((3, Some(400))));
        assert_eq!((check::<u64>(&page, 1), check::<u64>(&page, 2)), (Ok(()), Err(Malformed)));
        for at in 0..page.len() {
            assert_eq!(check::<u64>(&page[..at], 1), Err(Malformed), "cut at {at}");
            let mut bad = page.clone();
            bad[at] ^= 1;
            // A row below the highest may have another value: that is what the digest is for.
            assert!(
                check::<u64>(&bad, 1).is_err()
                    || unpack::<u64>(&bad, 3).is_ok_and(|rows| rows.contains(&400))
            );
        }
    }
}
