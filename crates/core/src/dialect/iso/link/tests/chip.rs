//! DE 23 and 55 of advices in every dialect of a link.

use super::*;
use switchyard_domain::{ChipData, LinkDialect};

#[test]
fn an_advice_and_its_repeat_have_what_the_chip_said_in_every_dialect() {
    let pan = Pan::from_digits(PAN).unwrap();
    for (sequence, objects) in [
        (Some(1), vec![0x9F, 0x26, 8, 1, 2, 3, 4, 5, 6, 7, 8]),
        (None, [&[0x9F, 0x26][..], &[0x7F; 253]].concat()),
        (Some(7), vec![]),
    ] {
        for name in LinkDialect::ALL.map(LinkDialect::name) {
            let dialect = Dialect::builtin(name).unwrap();
            for repeat in [false, true] {
                let (id, transaction) = (SafId(1), TransactionId(1));
                let upstream = UpstreamRef { mti: 220, ..upstream(TransactionKind::OfflineSale) };
                let reason = ReversalReason::Other;
                let message = Upstream::Advice {
                    saf: SafEntry { id, kind: SafKind::Advice, transaction, upstream, reason },
                    opened: Box::new(opened(TransactionKind::OfflineSale)),
                    terminal: "T0000001".parse().unwrap(),
                    merchant: "M00000000000001".parse().unwrap(),
                    auth_code: None,
                    original: None,
                    chip: Some(ChipData { sequence, objects: objects.clone() }),
                    billing: None,
                    repeat,
                };
                check(dialect, &message, Some(&pan), |message| {
                    assert_eq!(message.number(23), sequence.map(u64::from), "{name}");
                    let heard = crate::dialect::iso::chip::read(message).unwrap_or_default();
                    assert_eq!(heard, objects, "{name}");
                    assert_eq!(message.has(55), !objects.is_empty(), "{name}");
                });
            }
        }
    }
}
