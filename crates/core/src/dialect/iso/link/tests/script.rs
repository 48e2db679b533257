//! Results of scripts in every dialect of a link.

use super::*;
use switchyard_domain::{LinkDialect, ScriptReport};

#[test]
fn a_script_result_and_its_repeat_say_the_same_in_every_dialect() {
    let pan = Pan::from_digits(PAN).unwrap();
    for (results, verification, counter, expected) in [
        (
            vec![0x20, 1, 2, 3, 4],
            Some([0, 0, 4, 0, 0]),
            Some(17),
            "95050000040000 9F36020011 DF31052001020304",
        ),
        (vec![0x10, 0, 0, 0, 0], None, None, "DF31051000000000"),
        (vec![0x20; 130], None, Some(1), "9F36020001 DF318182"),
    ] {
        let expected = expected.replace(' ', "");
        for name in LinkDialect::ALL.map(LinkDialect::name) {
            let dialect = Dialect::builtin(name).unwrap();
            let edition = Edition::of(dialect).unwrap();
            let mut heard = Vec::new();
            for repeat in [false, true] {
                let upstream = UpstreamRef { stan: stan(78), mti: 620, ..upstream(TransactionKind::Sale) };
                let (id, transaction) = (SafId(1), TransactionId(1));
                let reason = ReversalReason::Other;
                let message = Upstream::Script {
                    saf: SafEntry { id, kind: SafKind::Script, transaction, upstream, reason },
                    opened: Box::new(opened(TransactionKind::Sale)),
                    terminal: "T0000001".parse().unwrap(),
                    merchant: "M00000000000001".parse().unwrap(),
                    report: ScriptReport {
                        batch: BatchNumber::FIRST,
                        stan: stan(43),
                        transaction: Some(transaction),
                        results: results.clone(),
                        verification,
                        counter,
                    },
                    repeat,
                };
                let mut out = Vec::new();
                write(dialect, &message, Some(&pan), &context(), &mut out).unwrap();
                let parsed = dialect.parse(&out).unwrap();
                assert_eq!(parsed.mti(), edition.mti(620 + u16::from(repeat)), "{name}");
                let data = crate::dialect::iso::chip::read(&parsed).unwrap();
                let hex: String = data.iter().map(|byte| format!("{byte:02X}")).collect();
                assert!(hex.starts_with(&expected), "{name}: {hex}");
                let named = original::read(&parsed, edition).unwrap().unwrap();
                assert_eq!((named.mti, named.stan), (200, stan(77)), "{name}");
                assert_eq!(parsed.number(11), Some(78), "{name}");
                heard.push(
                    parsed
                        .elements()
                        .map(|de| (de, parsed.text(de).map(|text| text.into_owned())))
                        .collect::<Vec<_>>(),
                );
            }
            assert_eq!(heard[0], heard[1], "{name}");
        }
    }
}
