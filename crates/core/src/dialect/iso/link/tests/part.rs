//! Reversals of a part on a link.

use super::*;
use switchyard_domain::Billing;

#[test]
fn a_reversal_of_a_part_says_what_stands_in_every_edition() {
    let first = dialects().into_iter().map(|dialect| (dialect, Edition::Iso87));
    for (dialect, edition) in first.chain(later()) {
        let own = UpstreamRef { stan: stan(78), mti: 420, ..upstream(TransactionKind::Sale) };
        let saf = SafEntry {
            id: SafId(1),
            kind: SafKind::PartReversal,
            transaction: TransactionId(1),
            upstream: own,
            reason: ReversalReason::Other,
        };
        let rate = "0.1389".parse().unwrap();
        let billed = Amount::new(174, Currency::USD);
        for billing in [None, Some(Billing { amount: billed, rate, rate_day: BusinessDate(19_675) })] {
            let message = Upstream::Reversal {
                saf,
                opened: Box::new(opened(TransactionKind::Sale)),
                stands: Some(Amount::new(300, Currency::CNY)),
                terminal: "T0000001".parse().unwrap(),
                merchant: "M00000000000001".parse().unwrap(),
                billing,
                repeat: false,
            };
            check(dialect, &message, None, |message| {
                let (amounts, bill) = match edition {
                    Edition::Iso87 => ([4, 95], "000000000174"),
                    Edition::Iso93 => ([4, 30], "000000000042"),
                    Edition::Iso2003 => ([4, 30], "8402000000000042"),
                };
                let expected = match edition {
                    Edition::Iso87 => ["000000001250", "000000000300000000000000C00000000C00000000"],
                    Edition::Iso93 => ["000000000300", "000000001250000000000000"],
                    Edition::Iso2003 => ["1562000000000300", "15620000000012500000000000000000"],
                };
                assert_eq!(texts(message, &amounts), expected, "{}", dialect.name());
                let billed = if billing.is_some() { bill } else { "" };
                assert_eq!(texts(message, &[6]), [billed], "{}: DE 6 goes with DE 4", dialect.name());
                if edition != Edition::Iso87 {
                    assert_eq!(texts(message, &[24, 25]), ["401", "4001"]);
                }
            });
        }
    }
}
