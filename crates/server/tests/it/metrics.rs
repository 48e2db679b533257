//! What a running switch counts: at /metrics, and on the administrators' socket for `switchyard top`.

use std::path::Path;
use std::sync::atomic::Ordering;

use crate::support::{CARD, Client, FOREIGN_CARD, Issuer, config, install, start, until};
use switchyard_server::{ADMIN_CONNECTIONS_MAX, Overview, Switch};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// The metrics as operators read about them.
const DOCUMENT: &str = include_str!("../../../../docs/metrics.md");

async fn ask(socket: &Path, request: &str) -> serde_json::Value {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    // A refused connection is answered without being read; the write may find it closed.
    let _ = stream.write_all(format!("{request}\n").as_bytes()).await;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    serde_json::from_str(&line).unwrap()
}

async fn overview(dir: &Path) -> Overview {
    let answer = ask(&dir.join("admin.sock"), r#"{"command":"overview"}"#).await;
    serde_json::from_value(answer["overview"].clone()).unwrap()
}

/// Value of one series of the page.
fn series(switch: &Switch, name: &str) -> f64 {
    let page = switch.handle().metrics_page();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{page}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_and_its_outcomes_are_counted_as_they_happened() {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(issuer.address));
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut stan = 10;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    let away = u32::try_from(stan - 11).unwrap();
    assert_eq!(client.ask(&client.sale(CARD, stan + 1, 700)).await.code, "00");
    assert_eq!(client.ask(&client.sale(CARD, stan + 2, 99_000_000)).await.code, "51");
    issuer.silent.store(true, Ordering::Relaxed);
    assert_eq!(client.ask(&client.sale(FOREIGN_CARD, stan + 3, 500)).await.code, "98");
    until("the reversal is acknowledged", || switch.status().saf_waiting == 0).await;
    until("the silence is counted", || series(&switch, "switch_link_timeouts_total{link=\"issuer\"}") == 1.0)
        .await;

    for (name, expected) in [
        ("switch_link_up{link=\"issuer\"}", 1.0),
        ("switch_link_answers_total{link=\"issuer\",class=\"approved\"}", 1.0),
        ("switch_link_answers_total{link=\"issuer\",class=\"declined\"}", 0.0),
        ("switch_link_answer_seconds_count{link=\"issuer\"}", 1.0),
        ("switch_link_answer_seconds_bucket{link=\"issuer\",le=\"+Inf\"}", 1.0),
        ("switch_link_answers_unmatched_total{link=\"issuer\",why=\"unmatched\"}", 0.0),
        ("switch_link_connections_lost_total{link=\"issuer\"}", 0.0),
        ("switch_link_queue_messages{link=\"issuer\"}", 0.0),
        ("switch_reply_codes_total{code=\"00\"}", 3.0),
        ("switch_reply_codes_total{code=\"51\"}", 1.0),
        ("switch_reply_codes_total{code=\"98\"}", 1.0),
        ("switch_replies_total{class=\"declined\"}", 1.0 + f64::from(away)),
        ("switch_request_seconds_count", 5.0 + f64::from(away)),
        ("switch_transactions_total{kind=\"sale\"}", 4.0 + f64::from(away)),
        ("switch_outcomes_total{outcome=\"approved\"}", 2.0),
        ("switch_outcomes_total{outcome=\"declined\"}", 1.0 + f64::from(away)),
        ("switch_outcomes_total{outcome=\"unknown\"}", 1.0),
        ("switch_saf_dead", 0.0),
        ("switch_payouts_held", 0.0),
        ("switch_link_messages_unreadable_total{link=\"issuer\"}", 0.0),
    ] {
        assert_eq!(series(&switch, name), expected, "{name}");
    }
    // Sign-on, two sales and the reversal went out; all but one were answered.
    assert!(series(&switch, "switch_link_messages_sent_total{link=\"issuer\"}") >= 4.0);
    assert!(series(&switch, "switch_link_messages_received_total{link=\"issuer\"}") >= 3.0);

    let seen = overview(dir.path()).await;
    assert_eq!((seen.phase.as_str(), seen.terminals, seen.connections, seen.hsm_up), ("serving", 1, 1, true));
    assert_eq!(seen.request.count(), 5 + u64::from(away));
    assert!(seen.request.quantile_micros(990).unwrap() >= 1_000_000, "the silent issuer took two seconds");
    assert!(seen.codes.contains(&("51".to_owned(), 1)), "{:?}", seen.codes);
    let link = &seen.links[0];
    assert_eq!((link.name.as_str(), link.status.as_str(), link.timeouts), ("issuer", "signed-on", 1));
    assert_eq!((link.answer.count(), link.answers[0].clone()), (1, ("approved".to_owned(), 1)));
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_series_is_documented_and_none_names_a_card() {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(issuer.address));
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    for (stan, card) in (10..).zip([CARD, FOREIGN_CARD]) {
        client.ask(&client.sale(card, stan, 500)).await;
    }
    let page = switch.handle().metrics_page();
    let mut count = 0;
    for name in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(DOCUMENT.contains(&format!("`{name}`")), "docs/metrics.md says nothing of {name}");
        count += 1;
    }
    assert!(count > 30, "{count} families");
    for card in [CARD, FOREIGN_CARD] {
        assert!(!page.contains(&card[..9]), "a card number is in\n{page}");
    }
    for name in DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()) {
        assert!(page.contains(&format!("# TYPE {name} ")), "docs/metrics.md has {name}, the page has not");
    }
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_beyond_the_limit_hear_so_and_a_place_becomes_free_again() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let (switch, _) = start(dir.path(), config()).await;
    let socket = dir.path().join("admin.sock");
    let mut held = Vec::new();
    for _ in 0..ADMIN_CONNECTIONS_MAX {
        held.push(UnixStream::connect(&socket).await.unwrap());
    }
    let full = ADMIN_CONNECTIONS_MAX as f64;
    until("all places are taken", || series(&switch, "switch_admin_connections_open") == full).await;
    let refused = ask(&socket, r#"{"command":"status"}"#).await;
    assert_eq!(refused["ok"], false, "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("64 connections"), "{refused}");
    assert_eq!(series(&switch, "switch_admin_connections_refused_total"), 1.0);
    held.pop();
    until("a place is free", || series(&switch, "switch_admin_connections_open") < full).await;
    assert_eq!(ask(&socket, r#"{"command":"status"}"#).await["ok"], true);
    drop(held);
    switch.shutdown().await.unwrap();
}
