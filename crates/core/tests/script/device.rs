//! Downloads, status uploads and script results.

use crate::support::*;
use switchyard_core::{
    Body, CommandError, CommandOutcome, CoreConfig, DownloadStep, DownloadsOf, MacCheck, Order, OriginalRef,
    Reply, ReplyBody, ScriptResult, TerminalChange,
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
    set_for(bench, DownloadsOf::Everybody, download)
}
fn set_for(bench: &mut Bench, whose: DownloadsOf, download: Download) -> CommandOutcome {
    bench.order(Order::SetDownload { whose, download }).unwrap()
}
fn remove_for(bench: &mut Bench, whose: DownloadsOf, Download { kind, name, .. }: Download) {
    let removed = bench.order(Order::RemoveDownload { whose, kind, name, reason: reason() });
    assert_eq!(removed, Ok(CommandOutcome::Recorded));
}
fn of_merchant(which: usize) -> DownloadsOf {
    DownloadsOf::Merchant(MERCHANTS[which].parse().unwrap())
}
fn of_terminal(which: usize) -> DownloadsOf {
    DownloadsOf::Terminal(TERMINALS[which].0.parse().unwrap())
}
fn ask(bench: &mut Bench, kind: DownloadKind, step: DownloadStep) -> Reply {
    ask_as(bench, (TERMINALS[0].0, MERCHANTS[TERMINALS[0].1]), kind, step)
}
fn ask_as(bench: &mut Bench, who: (&str, &str), kind: DownloadKind, step: DownloadStep) -> Reply {
    let ticket = bench.request_as(who.0, who.1, MacCheck::NotRequired, Body::Download { kind, step });
    bench.only(ticket)
}
/// A terminal asks for all of a kind, and says that it has it.
fn fetch(bench: &mut Bench, kind: DownloadKind) -> Reply {
    ask(bench, kind, DownloadStep::List { seen: 0 });
    ask(bench, kind, DownloadStep::End)
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
        let end = fetch(&mut bench, kind);
        assert_eq!((end.code.as_str(), end.requirement), ("00", next), "{kind:?}");
        assert_eq!(bench.records.len(), before + 1, "{kind:?}");
        assert_eq!(fetch(&mut bench, kind).requirement, next);
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
    let keys: Vec<Download> = (1..=59).map(|index| ca_key(index, 200)).collect();
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
            b'2' => assert!(seen < 59),
            last => break assert_eq!((last, seen), (b'1', 59)),
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
    let whose_of = [DownloadsOf::Everybody, of_merchant(0), of_terminal(0)];
    for (whose, first, max) in
        [(whose_of[0], 2, DOWNLOADS_OF_ALL_MAX), (whose_of[1], 101, 20), (whose_of[2], 201, 20)]
    {
        let last = if first == 2 { max as u8 } else { first + max as u8 - 1 };
        for number in first..=last {
            assert_eq!(set_for(&mut bench, whose, aid(number)), CommandOutcome::Recorded);
        }
        let full = bench.order(Order::SetDownload { whose, download: aid(250) });
        assert!(matches!(full, Err(CommandError::Full { max: most, .. }) if most == max), "{full:?}");
        assert_eq!(set_for(&mut bench, whose, aid(last)), CommandOutcome::RecordedBefore, "as before");
    }
    let list = data(&ask(&mut bench, DownloadKind::Aid, DownloadStep::List { seen: 98 }));
    assert_eq!(list, [b"1".to_vec(), aid(220).summary()].concat(), "all of them can be counted");
    let remove = |whose, last| Order::RemoveDownload {
        whose,
        kind: DownloadKind::Aid,
        name: aid(last).name,
        reason: reason(),
    };
    let missing = Err(CommandError::Missing { what: "download of this name and scope" });
    for (whose, number) in [(whose_of[0], 7), (whose_of[1], 101), (whose_of[2], 201)] {
        assert_eq!(bench.order(remove(whose, number)), Ok(CommandOutcome::Recorded));
        assert_eq!(bench.order(remove(whose, number)), missing);
    }
    assert_eq!(bench.order(remove(of_merchant(1), 8)), missing, "not that merchant's own");
    for (whose, what) in [
        (DownloadsOf::Merchant("M99999999999999".parse().unwrap()), "merchant"),
        (DownloadsOf::Terminal("T9999999".parse().unwrap()), "terminal"),
    ] {
        let set = bench.order(Order::SetDownload { whose, download: aid(1) });
        assert_eq!(set, Err(CommandError::Missing { what }));
        assert_eq!(bench.order(remove(whose, 1)), Err(CommandError::Missing { what }));
    }
    let false_name = Download { name: b"\xA0\x00\x00\x03\x34".to_vec(), ..aid(1) };
    let refused = bench.order(Order::SetDownload { whose: whose_of[0], download: false_name });
    assert!(matches!(refused, Err(CommandError::Download(_))), "{refused:?}");
}

/// An act of an operator or a terminal, and what the terminals are told afterwards and are given: parameter 12, and whether
/// there is a second application.
struct Turn {
    what: &'static str,
    act: fn(&mut Bench),
    due: [u8; 3],
    given: [&'static str; 3],
}

/// The merchants' terminals: two of the first, one of the second.
fn who(bench: &Bench, which: usize) -> (&'static str, &'static str) {
    let registry = bench.core.state().registry();
    let index = registry.terminal_named(&TERMINALS[which].0.parse().unwrap()).unwrap();
    let merchant = registry.terminal_settings(index).unwrap().merchant;
    (TERMINALS[which].0, MERCHANTS[merchant.0 as usize])
}
fn told(bench: &mut Bench, which: usize) -> u8 {
    let status = Body::Status { status: b"0000".to_vec() };
    let (terminal, merchant) = who(bench, which);
    let ticket = bench.request_as(terminal, merchant, MacCheck::NotRequired, status);
    bench.only(ticket).requirement
}
fn given(bench: &mut Bench, which: usize) -> String {
    let who = who(bench, which);
    let mut one =
        |kind, name: &[u8]| data(&ask_as(bench, who, kind, DownloadStep::One { name: name.to_vec() }));
    let parameter = one(DownloadKind::Parameter, b"12");
    let pilot = one(DownloadKind::Aid, &aid(2).name);
    let pilot = if pilot == b"0" { "" } else { " pilot" };
    format!("{}{pilot}", String::from_utf8_lossy(&parameter[1..]))
}
fn load(bench: &mut Bench) {
    for which in 0..3 {
        let who = who(bench, which);
        for (kind, list) in [
            (DownloadKind::Parameter, DownloadStep::Parameters { seen: 0 }),
            (DownloadKind::Aid, DownloadStep::List { seen: 0 }),
        ] {
            ask_as(bench, who, kind, list);
            ask_as(bench, who, kind, DownloadStep::End);
        }
    }
}
fn timeout(value: &str) -> Download {
    parameter(b"12", value)
}
fn move_to(bench: &mut Bench, which: usize, merchant: usize) {
    let change =
        TerminalChange { merchant: Some(MERCHANTS[merchant].parse().unwrap()), ..TerminalChange::default() };
    let terminal = TERMINALS[which].0.parse().unwrap();
    bench.order(Order::ChangeTerminal { terminal, change, reason: reason(), dry_run: false }).unwrap();
}

const TURNS: &[Turn] = &[
    Turn { what: "nothing yet", act: |_| {}, due: [0; 3], given: [""; 3] },
    Turn { what: "everybody's", act: |b| drop(set(b, timeout("60"))), due: [1; 3], given: ["60"; 3] },
    Turn { what: "fetched", act: load, due: [0; 3], given: ["60"; 3] },
    Turn {
        what: "a merchant's own is nobody else's business",
        act: |b| drop(set_for(b, of_merchant(0), timeout("30"))),
        due: [1, 1, 0],
        given: ["30", "30", "60"],
    },
    Turn { what: "fetched", act: load, due: [0; 3], given: ["30", "30", "60"] },
    Turn {
        what: "a terminal's own",
        act: |b| drop(set_for(b, of_terminal(0), timeout("10"))),
        due: [1, 0, 0],
        given: ["10", "30", "60"],
    },
    Turn { what: "fetched", act: load, due: [0; 3], given: ["10", "30", "60"] },
    Turn {
        what: "everybody's changes behind what is nearer",
        act: |b| drop(set(b, timeout("61"))),
        due: [0, 0, 1],
        given: ["10", "30", "61"],
    },
    Turn { what: "and back", act: |b| drop(set(b, timeout("60"))), due: [0; 3], given: ["10", "30", "60"] },
    Turn {
        what: "the merchant's changes behind the terminal's",
        act: |b| drop(set_for(b, of_merchant(0), timeout("31"))),
        due: [0, 1, 0],
        given: ["10", "31", "60"],
    },
    Turn { what: "fetched", act: load, due: [0; 3], given: ["10", "31", "60"] },
    Turn {
        what: "what is behind the terminal's own comes back",
        act: |b| remove_for(b, of_terminal(0), timeout("10")),
        due: [1, 0, 0],
        given: ["31", "31", "60"],
    },
    Turn { what: "fetched", act: load, due: [0; 3], given: ["31", "31", "60"] },
    Turn {
        what: "an application on trial at one terminal, and a start",
        act: |b| {
            set_for(b, of_terminal(2), aid(2));
            b.crash();
            b.start();
        },
        due: [0, 0, 5],
        given: ["31", "31", "60 pilot"],
    },
    Turn { what: "fetched", act: load, due: [0; 3], given: ["31", "31", "60 pilot"] },
    Turn {
        what: "its own goes with it to another merchant, whose others it is given there",
        act: |b| move_to(b, 2, 0),
        due: [0, 0, 1],
        given: ["31", "31", "31 pilot"],
    },
    Turn { what: "fetched", act: load, due: [0; 3], given: ["31", "31", "31 pilot"] },
    Turn {
        what: "a value of its own that is no other than before",
        act: |b| drop(set_for(b, of_terminal(1), timeout("31"))),
        due: [0; 3],
        given: ["31", "31", "31 pilot"],
    },
    Turn {
        what: "the trial ends",
        act: |b| remove_for(b, of_terminal(2), aid(2)),
        due: [0, 0, 5],
        given: ["31", "31", "31"],
    },
    Turn {
        what: "the merchant has none of its own any more",
        act: |b| remove_for(b, of_merchant(0), timeout("31")),
        due: [1, 0, 1],
        given: ["60", "31", "60"],
    },
    Turn { what: "fetched", act: load, due: [0; 3], given: ["60", "31", "60"] },
    Turn {
        what: "nobody has any",
        act: |b| {
            remove_for(b, DownloadsOf::Everybody, timeout("60"));
            remove_for(b, of_terminal(1), timeout("31"));
        },
        due: [1; 3],
        given: [""; 3],
    },
    Turn { what: "and nothing is fetched", act: load, due: [0; 3], given: [""; 3] },
];

#[test]
fn a_terminal_is_given_its_own_else_its_merchants_else_everybodys_and_told_when_that_changes() {
    assert_eq!(TERMINALS.map(|(_, merchant)| merchant), [0, 0, 1], "as the table has it");
    let mut bench = Bench::new();
    for (at, Turn { what, act, due, given: expected }) in TURNS.iter().enumerate() {
        act(&mut bench);
        for which in 0..3 {
            let now = (told(&mut bench, which), given(&mut bench, which));
            assert_eq!(now, (due[which], expected[which].to_owned()), "turn {at}: {what}: terminal {which}");
        }
    }
}

#[test]
fn what_changes_while_it_is_fetched_is_fetched_once_more() {
    for (what, meanwhile, due) in [
        ("nothing", (|_| {}) as fn(&mut Bench), 0),
        ("its own", |b| drop(set_for(b, of_terminal(0), timeout("59"))), 1),
        ("everybody's, to and fro", |b| drop((set(b, timeout("59")), set(b, timeout("60")))), 1),
        ("another kind, that it has never had", |b| drop(set(b, aid(1))), 5),
        ("another merchant's", |b| drop(set_for(b, of_merchant(1), timeout("59"))), 0),
        ("its merchant, to and fro", |b| (move_to(b, 0, 1), move_to(b, 0, 0)).1, 1),
        (
            "the switch",
            |b| {
                b.crash();
                b.start();
            },
            1,
        ),
    ] {
        let mut bench = Bench::new();
        set(&mut bench, timeout("60"));
        ask(&mut bench, DownloadKind::Parameter, DownloadStep::Parameters { seen: 0 });
        meanwhile(&mut bench);
        let end = ask(&mut bench, DownloadKind::Parameter, DownloadStep::End);
        assert_eq!((end.code.as_str(), end.requirement), ("00", due), "{what}");
        bench.crash();
        bench.start();
        assert_eq!(told(&mut bench, 0), due, "{what}, after a start");
    }
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
