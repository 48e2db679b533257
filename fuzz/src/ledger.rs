//! Blocks and whole logs. Each input is tried as it is and once more with its checksums made right: without
//! that, hardly any mutation would get past them.

use switchyard_ledger::block::{HEADER_BYTES, MAGIC, decode};
use switchyard_ledger::limits::PAGE_BYTES;
use switchyard_ledger::proof::Proof;
use switchyard_ledger::{checkpoint, recover_image};

const CRC_AT: usize = 12;
const SEGMENT_MAGIC: &[u8; 8] = b"SWYSEGMT";
const MARK_MAGIC: &[u8; 8] = b"SWYMARK\0";

/// One block.
pub fn ledger_block(bytes: &[u8]) {
    let mut image = bytes.to_vec();
    read(&image);
    sign_block(&mut image);
    read(&image);
}

fn read(image: &[u8]) {
    if let Ok(block) = decode(image) {
        assert!(block.image_bytes() <= image.len());
        assert_eq!(block.records().count() as u64, u64::from(block.header.count));
    }
}

/// A proof of a record; what is read is written as it was read.
pub fn ledger_proof(bytes: &[u8]) {
    if let Ok(proof) = Proof::parse(bytes) {
        let text = proof.to_string();
        assert_eq!(
            Proof::parse(text.as_bytes()).as_ref(),
            Ok(&proof),
            "a proof that was written does not read back"
        );
    }
}

/// Checkpoints that an outsider kept; what is read is written as it was read.
pub fn ledger_witness(bytes: &[u8]) {
    if let Ok(kept) = checkpoint::parse_witness(bytes) {
        // An empty line between them: an origin may look like one more signature of the one before.
        let text: Vec<String> = kept.iter().map(ToString::to_string).collect();
        let text = text.join("\n");
        let again = checkpoint::parse_witness(text.as_bytes());
        assert_eq!(again.as_ref(), Ok(&kept), "checkpoints that were written do not read back");
    }
}

/// A mark, then segments: a new file begins wherever its magic stands, and is filled up to whole pages.
pub fn ledger_recover(bytes: &[u8]) {
    let mut files = cut(bytes);
    recover(&files);
    for file in &mut files {
        match file.starts_with(SEGMENT_MAGIC) {
            true => sign_segment(file),
            false => sign(file, CRC_AT, usize::MAX),
        }
    }
    recover(&files);
}

fn recover(files: &[Vec<u8>]) {
    let mark = files.iter().find(|file| file.starts_with(MARK_MAGIC));
    let segments = files.iter().filter(|file| !file.starts_with(MARK_MAGIC)).cloned().collect();
    let mut next = 0;
    let image = recover_image(segments, mark.map(Vec::as_slice), |seq, _| {
        assert_eq!(seq.0, next, "records come in order");
        next += 1;
    });
    if let Ok(image) = image {
        assert_eq!(image.next_seq.0, next, "the end counts every record");
    }
}

fn cut(bytes: &[u8]) -> Vec<Vec<u8>> {
    let starts_file = |at: &usize| {
        *at == 0 || bytes[*at..].starts_with(SEGMENT_MAGIC) || bytes[*at..].starts_with(MARK_MAGIC)
    };
    let starts: Vec<usize> = (0..bytes.len()).filter(starts_file).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let cut = starts.iter().zip(ends).map(|(start, end)| bytes[*start..end].to_vec());
    cut.map(|mut file| {
        if !file.starts_with(MARK_MAGIC) {
            file.resize(file.len().next_multiple_of(PAGE_BYTES), 0);
        }
        file
    })
    .collect()
}

fn sign_segment(file: &mut [u8]) {
    sign(file, CRC_AT, PAGE_BYTES);
    for at in (PAGE_BYTES..file.len()).step_by(PAGE_BYTES) {
        sign_block(&mut file[at..]);
    }
}

fn sign_block(image: &mut [u8]) {
    if image.len() < HEADER_BYTES || !image.starts_with(&MAGIC) {
        return;
    }
    let payload = u32::from_le_bytes([image[36], image[37], image[38], image[39]]) as usize;
    sign(image, CRC_AT, HEADER_BYTES.saturating_add(payload));
}

/// Puts the CRC32C of the first `reach` bytes, without its own four, in its place.
fn sign(image: &mut [u8], at: usize, reach: usize) {
    let reach = reach.min(image.len());
    if reach >= at + 4 {
        let crc = crc32c::crc32c_append(crc32c::crc32c(&image[..at]), &image[at + 4..reach]);
        image[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    }
}
