//! A part of a log is verified without the rest.

use std::fs;

use crate::common::{filled, segment_path, small};
use switchyard_ledger::{Error, Sequence, VerifyError, verify, verify_range};

#[test]
fn a_range_holds_whole_blocks_and_sees_what_is_damaged_in_it_alone() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), &small(), 40, 8);
    let range = |from, to: Option<u64>| verify_range(dir.path(), Sequence(from), to.map(Sequence), |_| ());
    let all = range(0, None).unwrap();
    assert_eq!((all.first.0, all.next.0, all.roots), (0, 40, true));
    assert_eq!(all.blocks, verify(dir.path(), |_| ()).unwrap().blocks);
    for (from, to) in [(0, 1), (5, 6), (7, 31), (39, 40), (20, 40)] {
        let part = range(from, Some(to)).unwrap();
        assert!(part.first.0 <= from && from - part.first.0 < 2, "{from}..{to}: {part:?}");
        assert!(part.next.0 >= to && part.next.0 - to < 2, "{from}..{to}: {part:?}");
        assert_eq!(part.roots, from == 0);
    }
    for (from, to) in [(40, None), (99, Some(100)), (10, Some(41))] {
        let beyond = range(from, to);
        assert!(matches!(beyond, Err(VerifyError::CouldNot(Error::Beyond { .. }))), "{beyond:?}");
    }
    // One flipped byte in a record of the third segment.
    let path = segment_path(dir.path(), 3);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096 + 165] ^= 1;
    fs::write(&path, bytes).unwrap();
    let bad = (0..40).filter(|from| range(*from, Some(from + 1)).is_err()).count();
    assert!((1..=2).contains(&bad), "{bad} ranges of one record see it");
    assert!(matches!(range(0, None), Err(VerifyError::Finding(_))));
}
