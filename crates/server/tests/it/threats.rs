//! Attacks over the wire, each against a running switch (docs/threat-model.md).

use std::path::Path;

use crate::support::{CARD, Client, MERCHANT, TERMINAL, config, dialect, install, start};
use switchyard_core::{Command, CommandOutcome};
use switchyard_domain::Actor;
use switchyard_server::Switch;
use switchyard_wire::Builder;
use tokio::io::AsyncWriteExt as _;

/// Bytes before the message in a frame: length, TPDU, header.
const ENVELOPE: usize = 2 + 11;
/// Replays of one request, half of them after a restart.
const REPLAYS: usize = 100_000;
/// Requests that are sent before their answers are read; a connection may have more under way.
const AT_ONCE: usize = 100;

async fn switch(dir: &Path) -> Switch {
    start(dir, config()).await.0
}

async fn books(switch: &Switch) -> Vec<String> {
    match switch.command(Actor::Switch, Command::TrialBalance).await.unwrap() {
        CommandOutcome::TrialBalance(rows) => rows.iter().map(|row| format!("{row:?}")).collect(),
        other => panic!("{other:?}"),
    }
}

/// Type, processing code, DE 25 and type code of everything that moves or shows money.
const FINANCIAL: &[(u16, &[u8], &[u8], u8)] = &[
    (0x0200, b"310000", b"00", 1),
    (0x0200, b"000000", b"00", 22),
    (0x0200, b"200000", b"00", 23),
    (0x0220, b"200000", b"00", 25),
    (0x0100, b"030000", b"06", 10),
    (0x0100, b"200000", b"06", 11),
    (0x0200, b"000000", b"06", 20),
    (0x0200, b"200000", b"06", 21),
    (0x0400, b"000000", b"00", 22),
    (0x0400, b"200000", b"00", 23),
    (0x0400, b"030000", b"06", 10),
    (0x0400, b"200000", b"06", 11),
    (0x0400, b"000000", b"06", 20),
    (0x0400, b"200000", b"06", 21),
    (0x0220, b"000000", b"00", 30),
    (0x0220, b"000000", b"06", 24),
    (0x0220, b"000000", b"00", 32),
    (0x0220, b"000000", b"00", 34),
    (0x0200, b"010000", b"00", 22),
    (0x0400, b"010000", b"00", 22),
    (0x0200, b"500000", b"00", 22),
    (0x0400, b"500000", b"00", 22),
    (0x0200, b"510000", b"00", 22),
    (0x0400, b"510000", b"00", 22),
];

/// The elements of such a request, and those of the original for what follows one.
fn elements(builder: &mut Builder<'_, '_>, stan: u64, row: &(u16, &[u8], &[u8], u8)) {
    let (mti, processing_code, condition, type_code) = row;
    builder.digits(2, CARD.as_bytes()).unwrap().digits(3, processing_code).unwrap().number(4, 1_000).unwrap();
    builder.number(11, stan).unwrap().digits(14, b"3012").unwrap().digits(22, b"012").unwrap();
    builder.digits(25, condition).unwrap().text(37, "000000000001").unwrap().text(38, "123456").unwrap();
    if *mti == 0x0400 {
        builder.text(39, "98").unwrap();
    }
    builder.text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap();
    if matches!(*processing_code, b"500000" | b"510000") {
        builder.digits(48, b"13800138000").unwrap();
    }
    builder.text(49, "156").unwrap();
    builder.digits(60, format!("{type_code:02}000001000").as_bytes()).unwrap();
    builder.digits(61, b"0000010000010101").unwrap();
    if *mti == 0x0220 {
        builder.text(63, "000").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_its_mac_is_refused_whatever_it_asks() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let switch = switch(dir.path()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let before = books(&switch).await;
    for (stan, row) in (2..).zip(FINANCIAL) {
        let frame = client.frame(row.0, |builder| elements(builder, stan, row));
        let answer = client.ask(&frame).await;
        assert_eq!((answer.mti, answer.code.as_str()), (row.0 + 0x10, "A0"), "{row:?}");
    }
    assert_eq!(books(&switch).await, before);
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bit_of_a_mac_counts() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let switch = switch(dir.path()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let before = books(&switch).await;
    let good = client.sale(CARD, 2, 1_000);
    let mac_at = good.len() - 8;
    for bit in 0..64 {
        let mut forged = good.clone();
        forged[mac_at + bit / 8] ^= 0x80 >> (bit % 8);
        assert_eq!(client.ask(&forged).await.code, "A0", "bit {bit}");
    }
    // Every digit of the amount is covered.
    let amount_at = ENVELOPE + dialect().parse(&good[ENVELOPE..]).unwrap().offset(4).unwrap();
    for at in amount_at..amount_at + 6 {
        let mut forged = good.clone();
        forged[at] ^= 0x01;
        assert_eq!(client.ask(&forged).await.code, "A0", "byte {at}");
    }
    assert_eq!(books(&switch).await, before);
    assert_eq!(client.ask(&good).await.code, "00", "what was refused did not use up the trace number");
    switch.shutdown().await.unwrap();
}

/// Sends the same request many times; every answer is the first one.
async fn replay(client: &mut Client, frame: &[u8], rrn: &str, times: usize) {
    let many = frame.repeat(AT_ONCE);
    for _ in 0..times / AT_ONCE {
        client.stream.write_all(&many).await.unwrap();
        for _ in 0..AT_ONCE {
            let answer = client.read().await;
            assert_eq!((answer.code.as_str(), answer.rrn.as_str()), ("00", rrn));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_replayed_posts_once_also_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let first = switch(dir.path()).await;
    let mut client = Client::signed_on(first.addresses().terminals).await;
    let sale = client.sale(CARD, 2, 1_000);
    let answer = client.ask(&sale).await;
    assert_eq!(answer.code, "00");
    let (posted, records) = (books(&first).await, first.status().records);
    replay(&mut client, &sale, &answer.rrn, REPLAYS / 2).await;
    assert_eq!(books(&first).await, posted);
    first.shutdown().await.unwrap();

    let second = switch(dir.path()).await;
    let mut again = Client::connect(second.addresses().terminals).await;
    replay(&mut again, &sale, &answer.rrn, REPLAYS / 2).await;
    assert_eq!(books(&second).await, posted);
    // A restart is a record; a repeat is none.
    assert!(second.status().records <= records + 4, "{} after {records}", second.status().records);
    // The same number with another amount is no repeat.
    let other = client.sale(CARD, 2, 2_000);
    assert_eq!(again.ask(&other).await.code, "94");
    assert_eq!(books(&second).await, posted);
    second.shutdown().await.unwrap();
}
