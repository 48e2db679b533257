//! What chips made of scripts, as generic terminals tell it.

use super::*;
use crate::input::ScriptResult;

/// Bytes of DE 55 as a dialect's element takes them.
fn told(data: &'static str) -> Ask {
    Ask { code: None, minor: None, card: false, ..ask(620, 0) }.with(55, data)
}

fn body(ask: &Ask, dialect: &Dialect, edition: Edition) -> Vec<u8> {
    let is_binary = dialect.element(55).unwrap().class() == switchyard_wire::Class::Binary;
    let text = ask.extra.iter().find(|(de, _)| *de == 55).map(|(_, text)| *text);
    let (Some(text), true) = (text, is_binary) else { return ask.body(dialect, edition) };
    let mut without = ask.clone();
    without.extra.retain(|(de, _)| *de != 55);
    let first = without.body(dialect, edition);
    let message = dialect.parse(&first).unwrap();
    let bytes: Vec<u8> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let mut out = Vec::new();
    let mut builder = dialect.builder(&mut out, message.mti());
    for de in message.elements().filter(|de| *de < 55) {
        builder.echo(&message, de).unwrap();
    }
    builder.bytes(55, &bytes).unwrap();
    for de in message.elements().filter(|de| *de > 55) {
        builder.echo(&message, de).unwrap();
    }
    builder.finish().unwrap();
    out
}

fn result(ask: &Ask, dialect: &Dialect, edition: Edition) -> Result<ScriptResult, Refusal> {
    let bytes = body(ask, dialect, edition);
    let parsed = read(&dialect.parse(&bytes).unwrap(), edition)?;
    assert!(matches!(parsed.mac, MacRequirement::Required { .. }), "it has to be authentic");
    match into_body(parsed.draft) {
        Body::ScriptResult(result) => Ok(*result),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_script_result_names_its_transaction_in_every_edition() {
    for (dialect, edition) in dialects() {
        for mti in [620, 621] {
            let whole = Ask { mti, ..told("950500000408009F36020011DF31052001020304") };
            for original in [100, 200] {
                let read = result(&whole.clone().of(original, 41), dialect, edition).unwrap();
                let (batch, stan) = read.original.batch_stan.unwrap();
                assert_eq!((batch, stan.get(), read.original.rrn), (BatchNumber::OPEN, 41, None));
                assert!(read.original.moment.is_some());
                assert_eq!((read.stan.get(), read.batch), (42, BatchNumber::OPEN));
                assert_eq!(read.results, [0x20, 1, 2, 3, 4]);
                assert_eq!((read.verification, read.counter), (Some([0, 0, 4, 8, 0]), Some(17)));
            }
            let by_reference = result(&whole.with(37, "231115000042"), dialect, edition).unwrap();
            assert_eq!(by_reference.original.rrn, "231115000042".parse().ok());
        }
    }
}

#[test]
fn what_tells_of_no_script_or_of_no_transaction_is_refused() {
    for (dialect, edition) in dialects() {
        let refused = |ask: &Ask| result(ask, dialect, edition).unwrap_err().code;
        for data in ["DF3100", "DF31042001020304", "950500000408009F36020011", "DF3105200102"] {
            assert_eq!(refused(&told(data).of(200, 41)).as_str(), "30", "{data}");
        }
        assert_eq!(refused(&told("DF31052001020304")).as_str(), "30", "of which transaction?");
        let other = Ask { extra: Vec::new(), ..told("") }.of(200, 41);
        assert_eq!(refused(&other).as_str(), "40", "another administrative message");
    }
}

#[test]
fn the_answer_to_a_script_result_approves_in_its_class() {
    for (dialect, edition) in dialects() {
        let bytes = body(&told("DF31052001020304").of(200, 41), dialect, edition);
        let request = dialect.parse(&bytes).unwrap();
        let facts = ReplyFacts {
            code: ResponseCode::APPROVED,
            rrn: "231115000043".parse().unwrap(),
            auth_code: None,
            at: Timestamp(0),
            settlement_date: BusinessDate(0),
            balance: None,
        };
        let reply = Reply::recorded(&facts, ReplyBody::ScriptResult { facts });
        let acquirer: AcquirerId = "48021560".parse().unwrap();
        let context = ReplyContext { card: None, offset: UtcOffset::CHINA, acquirer: &acquirer, mac: None };
        let mut out = Vec::new();
        write_reply(&request, edition, &reply, &context, &mut out).unwrap();
        let answer = dialect.parse(&out).unwrap();
        assert_eq!(answer.mti(), edition.mti(630), "{}", dialect.name());
        let code = match edition {
            Edition::Iso87 => "00",
            Edition::Iso93 => "600",
            Edition::Iso2003 => "6000",
        };
        assert_eq!(answer.text(39).unwrap(), code);
        assert_eq!(answer.text(37).unwrap(), "231115000043");
        assert!(!answer.has(55), "what was told is not said again");
    }
}
