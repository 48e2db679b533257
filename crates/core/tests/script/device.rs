//! Downloads, status uploads and script results.

use crate::support::*;
use switchyard_core::{
    Body, CommandError, CommandOutcome, CoreConfig, DownloadStep, Order, OriginalRef, Reply, ReplyBody,
    ScriptResult,
};
use switchyard_domain::*;

const RID: &[u8] = b"\xA0\x00\x00\x03\x33";

fn ca_key(index: u8, modulus: usize) -> Download {
    let mut content =
        [b"\x9F\x06\x05", RID, b"\x9F\x22\x01", &[index], b"\xDF\x05\x04\x20\x30\x12\x31"].concat();
    content.extend(b"\xDF\x02\x81");
    content.push(modulus as u8);
    content.extend(std::iter::repeat_n(0xAB, modulus));
    Download::objects(DownloadKind::CaKey, content).unwrap()
}
fn aid(last: u8) -> Download {
    let content = [b"\x9F\x06\x07", RID, &[1, last], b"\xDF\x01\x01\x00"].concat();
    Download::objects(DownloadKind::Aid, content).unwrap()
}
fn parameter(code: &[u8; 2], value: &str) -> Download {
    Download::parameter(*code, value.as_bytes()).unwrap()
}
fn set(bench: &mut Bench, download: Download) -> CommandOutcome {
    bench.order(Order::SetDownload { download }).unwrap()
}
fn ask(bench: &mut Bench, kind: DownloadKind, step: DownloadStep) -> Reply {
    let ticket = bench.request(0, Body::Download { kind, step });
    bench.only(ticket)
}
fn data(reply: &Reply) -> Vec<u8> {
    match &reply.body {
        ReplyBody::Download { data, .. } => data.clone(),
        other => panic!("{other:?}"),
    }
}
fn sign_on_requirement(bench: &mut Bench) -> u8 {
    let ticket = bench.request(0, Body::SignOn { stan: stan(1), form: switchyard_core::KeyForm::Double });
    bench.only(ticket).requirement
}

#[test]
fn a_terminal_is_told_what_is_new_until_it_has_it() {
    let mut bench = Bench::new();
    assert_eq!(sign_on_requirement(&mut bench), 0, "there never was anything");
    set(&mut bench, aid(1));
    set(&mut bench, ca_key(1, 16));
    set(&mut bench, parameter(b"12", "60"));
    assert_eq!(sign_on_requirement(&mut bench), 1);
    for (kind, next) in [(DownloadKind::Parameter, 4), (DownloadKind::CaKey, 5), (DownloadKind::Aid, 0)] {
        let before = bench.records.len();
        let end = ask(&mut bench, kind, DownloadStep::End);
        assert_eq!((end.code.as_str(), end.requirement), ("00", next), "{kind:?}");
        assert_eq!(bench.records.len(), before + 1, "{kind:?}");
        assert_eq!(ask(&mut bench, kind, DownloadStep::End).requirement, next);
        assert_eq!(bench.records.len(), before + 1, "what it has already is not recorded again");
    }
    assert_eq!(sign_on_requirement(&mut bench), 0);
    bench.crash();
    bench.start();
    set(&mut bench, aid(2));
    assert_eq!(sign_on_requirement(&mut bench), 5, "it has another version");
    let other = bench.request(1, Body::SignOn { stan: stan(1), form: switchyard_core::KeyForm::Double });
    assert_eq!(bench.only(other).requirement, 1, "another terminal has nothing yet");
}

#[test]
fn parameters_come_whole_and_in_parts_that_fit() {
    let mut bench = Bench::new();
    let nothing = ask(&mut bench, DownloadKind::Parameter, DownloadStep::Parameters { seen: 0 });
    assert_eq!(data(&nothing), b"0");
    for (code, value) in [(b"12", "60"), (b"13", "3"), (b"22", "Tea House"), (b"11", &"F".repeat(32))] {
        set(&mut bench, parameter(code, value));
    }
    let all = data(&ask(&mut bench, DownloadKind::Parameter, DownloadStep::Parameters { seen: 0 }));
    let text = format!("111{}1260133{}", "F".repeat(32), format_args!("22{:<40}", "Tea House"));
    assert_eq!(String::from_utf8(all).unwrap(), text);
    let rest = data(&ask(&mut bench, DownloadKind::Parameter, DownloadStep::Parameters { seen: 3 }));
    assert_eq!(String::from_utf8(rest).unwrap(), format!("122{:<40}", "Tea House"));
}

#[test]
fn a_list_says_whether_there_is_more_and_each_key_is_asked_for_by_its_name() {
    let mut bench = Bench::new();
    let keys: Vec<Download> = (1..=60).map(|index| ca_key(index, 200)).collect();
    for key in &keys {
        set(&mut bench, key.clone());
    }
    let (mut seen, mut heard) = (0, Vec::new());
    loop {
        let part = data(&ask(&mut bench, DownloadKind::CaKey, DownloadStep::List { seen }));
        assert!(part.len() <= DOWNLOAD_BYTES_MAX + 1);
        heard.extend_from_slice(&part[1..]);
        seen = heard.len() / keys[0].summary().len();
        match part[0] {
            b'2' => assert!(seen < 60),
            last => break assert_eq!((last, seen), (b'1', 60)),
        }
    }
    assert_eq!(heard, keys.iter().flat_map(Download::summary).collect::<Vec<_>>());
    for key in &keys[..3] {
        let one = ask(&mut bench, DownloadKind::CaKey, DownloadStep::One { name: key.name.clone() });
        assert_eq!(data(&one), [b"1", key.content.as_slice()].concat());
    }
    let unknown = DownloadStep::One { name: b"\xA0\x00\x00\x03\x33\xFE".to_vec() };
    assert_eq!(data(&ask(&mut bench, DownloadKind::CaKey, unknown)), b"0");
}

#[test]
fn downloads_are_set_once_limited_and_removed() {
    let mut bench = Bench::new();
    assert_eq!(set(&mut bench, aid(1)), CommandOutcome::Recorded);
    assert_eq!(set(&mut bench, aid(1)), CommandOutcome::RecordedBefore);
    (2..=99).for_each(|last| assert_eq!(set(&mut bench, aid(last)), CommandOutcome::Recorded));
    let full = bench.order(Order::SetDownload { download: aid(100) });
    assert!(matches!(full, Err(CommandError::NotNow { .. })), "{full:?}");
    let remove =
        |last| Order::RemoveDownload { kind: DownloadKind::Aid, name: aid(last).name, reason: reason() };
    assert_eq!(bench.order(remove(7)), Ok(CommandOutcome::Recorded));
    assert_eq!(bench.order(remove(7)), Err(CommandError::Missing { what: "download of this name" }));
    let false_name = Download { name: b"\xA0\x00\x00\x03\x34".to_vec(), ..aid(1) };
    let refused = bench.order(Order::SetDownload { download: false_name });
    assert!(matches!(refused, Err(CommandError::Download(_))), "{refused:?}");
}

#[test]
fn another_status_than_before_is_recorded_and_the_same_is_not() {
    let mut bench = Bench::new();
    let mut say = |status: &[u8]| {
        let before = bench.records.len();
        let ticket = bench.request(0, Body::Status { status: status.to_vec() });
        (bench.code_of(ticket), bench.records.len() - before)
    };
    for (status, expected) in [
        (&b"0000"[..], ("00".to_owned(), 1)),
        (b"0000", ("00".to_owned(), 0)),
        (b"0001", ("00".to_owned(), 1)),
        (&[b'0'; DOWNLOAD_BYTES_MAX + 1], ("30".to_owned(), 0)),
    ] {
        assert_eq!(say(status), expected);
    }
    assert_eq!(bench.core.state().reported(TerminalIndex(0)).unwrap().1, b"0001");
}

#[test]
fn a_script_result_is_recorded_once_with_its_transaction() {
    let mut bench = Bench::with(CoreConfig::default());
    assert_eq!(bench.code(&Ask::sale(10, 500)), "00");
    let result = |number: u32, place: u32| {
        let original = OriginalRef { batch_stan: Some((named::batch(1), stan(place))), ..Default::default() };
        Body::ScriptResult(Box::new(ScriptResult {
            stan: stan(number),
            batch: named::batch(1),
            original,
            results: vec![0x20, 1, 2, 3, 4],
            verification: Some([0; 5]),
            counter: Some(7),
        }))
    };
    let first = bench.request(0, result(11, 10));
    let facts = bench.facts(first);
    let before = bench.records.len();
    let again = bench.request(0, result(11, 10));
    assert_eq!((bench.facts(again), bench.records.len()), (facts, before), "a repeat hears the same");
    let unknown = bench.request(0, result(12, 99));
    assert_eq!(bench.code_of(unknown), "00");
    let reports = bench.records.iter().filter_map(|stamped| match &stamped.record {
        Record::ScriptReported { report, .. } => Some(report.transaction.is_some()),
        _ => None,
    });
    assert_eq!(reports.collect::<Vec<_>>(), [true, false]);
    let off = bench.request(0, Body::SignOff { stan: stan(13) });
    assert_eq!(bench.code_of(off), "00");
    let signed_off = bench.request(0, result(14, 10));
    assert_eq!(bench.code_of(signed_off), "77");
}
