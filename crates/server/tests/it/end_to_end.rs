//! Terminals, the switch and an issuer over real sockets.

use std::sync::atomic::Ordering;

use crate::support::{
    Between, CARD, Client, FOREIGN_CARD, Issuer, config, install, install_waiting, start, until,
};
use switchyard_core::{Command, CommandOutcome};
use switchyard_domain::{
    AccountId, AccountKind, AccountRules, Actor, BusinessDate, Currency, Entry, Phase, Timestamp, Transfer,
    TransferId, UtcOffset,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_is_approved_repeated_and_reversed_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let (switch, fatal) = start(dir.path(), config()).await;
    let address = switch.addresses().terminals;
    let mut client = Client::connect(address).await;
    let unkeyed = client.ask(&client.sale(CARD, 7, 100)).await;
    assert_eq!((unkeyed.code.as_str(), unkeyed.mac_is_right), ("77", None));
    let signed_on = client.sign_on().await;
    assert_eq!(signed_on.code, "00");

    let sale = client.sale(CARD, 2, 1_250);
    let approved = client.ask(&sale).await;
    assert_eq!((approved.mti, approved.code.as_str(), approved.mac_is_right), (0x0210, "00", Some(true)));
    let repeated = client.ask(&sale).await;
    assert_eq!(repeated.body, approved.body, "a repeat hears the same");
    let mut forged = sale.clone();
    *forged.last_mut().unwrap() ^= 1;
    let refused = client.ask(&forged).await;
    assert_eq!((refused.code.as_str(), refused.mac_is_right, refused.requirement), ("A0", None, 3));
    let reversed = client.ask(&client.reversal(CARD, 2, 1_250)).await;
    assert_eq!((reversed.mti, reversed.code.as_str(), reversed.mac_is_right), (0x0410, "00", Some(true)));

    let handle = switch.handle();
    let digest = handle.command(Actor::Switch, Command::Digest).await.unwrap();
    drop(client);
    switch.shutdown().await.unwrap();
    assert!(fatal.lock().unwrap().is_none());

    let (switch, _) = start(dir.path(), config()).await;
    let again = switch.command(Actor::Switch, Command::Digest).await.unwrap();
    assert!(matches!((&digest, &again), (CommandOutcome::Digest(_), CommandOutcome::Digest(_))));
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let known = client.ask(&client.sale(CARD, 2, 1_250)).await;
    assert_eq!(known.rrn, approved.rrn, "the stored reply");
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_in_one_write_are_all_answered() {
    const COUNT: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut all = Vec::new();
    (10..10 + COUNT).for_each(|stan| all.extend(client.sale(CARD, stan, 1)));
    client.stream.write_all(&all).await.unwrap();
    let mut stans = Vec::new();
    for _ in 0..COUNT {
        let answer = client.read().await;
        assert_eq!((answer.code.as_str(), answer.mac_is_right), ("00", Some(true)));
        stans.extend(answer.stan);
    }
    stans.sort_unstable();
    assert_eq!(stans, (10..10 + COUNT).collect::<Vec<_>>());
    let page = get(switch.addresses().http, "/metrics").await;
    assert!(page.contains("switch_replies_total{class=\"approved\"} 201"), "{page}");
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_goes_to_its_issuer_and_a_lost_answer_is_reversed() {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(issuer.address));
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut stan = 10;
    let approved = client.reached(&mut stan).await;
    assert_eq!((approved.code.as_str(), approved.mac_is_right), ("00", Some(true)));
    issuer.silent.store(true, Ordering::Relaxed);
    let unknown = client.ask(&client.sale(FOREIGN_CARD, stan + 1, 500)).await;
    assert!(matches!(unknown.code.as_str(), "98" | "68"), "{unknown:?}");
    until("the reversal arrives", || issuer.seen.lock().unwrap().contains(&0x0420)).await;
    until("the reversal is acknowledged", || switch.status().saf_waiting == 0).await;
    assert!(switch.status().links[0].up);
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_hears_once_what_a_chip_made_of_its_scripts() {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(issuer.address));
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut stan = 10;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    let first = client.ask(&client.script_result(stan + 1, stan)).await;
    let again = client.ask(&client.script_result(stan + 1, stan)).await;
    assert_eq!((first.mti, first.code.as_str(), first.mac_is_right), (0x0630, "00", Some(true)));
    assert_eq!(first.body, again.body, "the terminal hears the same once more");
    until("the result arrives", || issuer.seen.lock().unwrap().contains(&0x0620)).await;
    until("the result is acknowledged", || switch.status().saf_waiting == 0).await;
    let heard = |mti| issuer.seen.lock().unwrap().iter().filter(|seen| **seen == mti).count();
    assert_eq!((heard(0x0620), heard(0x0621)), (1, 0));
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_waited_longer_than_its_answer_may_take_never_leaves() {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(issuer.address));
    let mut config = config();
    config.links.credit_max = 1;
    let (switch, _) = start(dir.path(), config).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut stan = 10;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    issuer.seen.lock().unwrap().clear();
    issuer.silent.store(true, Ordering::Relaxed);
    // The first takes the only credit, and its place is free again only when both are overdue.
    let both = [client.sale(FOREIGN_CARD, stan + 1, 500), client.sale(FOREIGN_CARD, stan + 2, 600)].concat();
    let mut codes = [client.ask(&both).await.code, client.read().await.code];
    codes.sort();
    assert_eq!(codes[1], "98", "{codes:?}");
    assert!(matches!(codes[0].as_str(), "91" | "98"), "{codes:?}");
    until("every reversal is acknowledged", || switch.status().saf_waiting == 0).await;
    let requests = issuer.seen.lock().unwrap().iter().filter(|mti| **mti == 0x0200).count();
    assert_eq!(requests, 1, "the issuer could approve what nobody waits for any more");
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_follows_the_switch_and_administrators_are_served() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let (switch, _) = start(dir.path(), config()).await;
    let http = switch.addresses().http;
    assert!(get(http, "/livez").await.starts_with("HTTP/1.1 200"));
    assert!(get(http, "/readyz").await.starts_with("HTTP/1.1 200"));
    let mut admin = tokio::net::UnixStream::connect(dir.path().join("admin.sock")).await.unwrap();
    let requests = "{\"command\":\"status\"}\n{\"command\":\"day-cut\"}\n{\"command\":\"nothing\"}\n";
    admin.write_all(requests.as_bytes()).await.unwrap();
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let today = BusinessDate::at(Timestamp(since_1970.as_micros() as u64), UtcOffset::CHINA);
    let own = |kind| AccountId::own(kind, Currency::CNY);
    let transfer = Transfer {
        id: TransferId { day: today, number: 1 },
        entry: Entry::one(own(AccountKind::Bank), own(AccountKind::Suspense), 5, Phase::Posted),
        holds_until: None,
    };
    let transfer = serde_json::json!({"command": "transfer", "transfer": transfer});
    let closed = AccountRules { closed: true, ..AccountRules::default() };
    let account = own(AccountKind::Wallet);
    let rules = serde_json::json!({"command": "set-account-rules", "account": account, "rules": closed});
    let disguised = r#"{"command": "day-cut", "operator": "somebody-else"}"#;
    admin.write_all(format!("{transfer}\n{transfer}\n{rules}\n{disguised}\n").as_bytes()).await.unwrap();
    admin.shutdown().await.unwrap();
    let mut answers = String::new();
    admin.read_to_string(&mut answers).await.unwrap();
    let answers: Vec<serde_json::Value> =
        answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["status"]["phase"], "serving");
    assert_eq!(answers[1]["ok"], true, "{answers:?}");
    assert_eq!(answers[2]["ok"], false);
    assert_eq!(answers[3], serde_json::json!({"ok": true}));
    assert_eq!(answers[4], serde_json::json!({"ok": true, "repeated": true}), "it takes effect once");
    assert_eq!(answers[5], serde_json::json!({"ok": true}));
    assert_eq!(answers[6]["ok"], false, "nobody acts as another: {answers:?}");
    // A connection keeps the drain going for as long as it has something to wait for.
    let client = Client::signed_on(switch.addresses().terminals).await;
    switch.shutdown().await.unwrap();
    drop(client);
    assert!(!dir.path().join("admin.sock").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_ends_takes_nothing_new_and_answers_what_is_under_way() {
    let issuer = Issuer::start().await;
    let between = Between::start(issuer.address).await;
    let dir = tempfile::tempdir().unwrap();
    install_waiting(dir.path(), Some(between.address.to_string()), 60_000);
    let mut config = config();
    config.general.drain_timeout_s = 60;
    let (switch, _) = start(dir.path(), config).await;
    let http = switch.addresses().http;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut stan = 10;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    between.open.send(false).unwrap();
    issuer.seen.lock().unwrap().clear();
    client.stream.write_all(&client.sale(FOREIGN_CARD, stan + 1, 500)).await.unwrap();
    until("the issuer is asked", || issuer.seen.lock().unwrap().contains(&0x0200)).await;

    let ended = tokio::spawn(switch.shutdown());
    let mut answer = String::new();
    while !answer.starts_with("HTTP/1.1 503") {
        assert!(!ended.is_finished(), "it does not wait for the issuer");
        answer = get(http, "/readyz").await;
    }
    assert!(answer.ends_with("stopping\n"), "{answer}");
    assert!(!ended.is_finished());
    client.stream.write_all(&client.sale(CARD, stan + 2, 500)).await.unwrap();
    between.open.send(true).unwrap();
    let answer = client.read().await;
    assert_eq!((answer.stan, answer.code.as_str()), (Some(stan + 1), "00"));
    assert!(client.is_closed().await, "what came later is not taken");
    ended.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enciphered_track_is_read_and_its_card_named_in_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::connect(switch.addresses().terminals).await;
    assert_eq!(client.sign_on_as(b"00000001004").await.code, "00");
    let answer = client.ask(&client.sale_by_track(CARD, 2, 100)).await;
    assert_eq!((answer.code.as_str(), answer.mac_is_right), ("00", Some(true)));
    let message = crate::support::dialect().parse(&answer.body).unwrap();
    assert_eq!(message.text(2).unwrap(), CARD);
    // The new keys have no track key: what was under way is read under the old one.
    let before = client.sale_by_track(CARD, 3, 100);
    let frame = client.sign_on_frame(b"00000001003");
    let signed_on = client.ask(&frame).await;
    let answer = client.ask(&before).await;
    assert_eq!((answer.code.as_str(), answer.mac_is_right), ("00", Some(true)));
    client.take_keys(&signed_on);
    assert_eq!(client.ask(&client.sale(CARD, 4, 100)).await.code, "00");
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_while_a_terminal_signs_on_ends_under_the_keys_that_it_came_with() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let mut config = config();
    config.core.key_overlap_s = 3_600;
    let (switch, _) = start(dir.path(), config).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    for round in 0..5 {
        // Sales with PINs before and behind a sign-on, none of which waits for an answer.
        let (first, sign_on) = (100 + 100 * round, client.sign_on_frame(b"00000001003"));
        let mut bytes = Vec::new();
        (first..first + 20).for_each(|stan| bytes.extend(client.sale(CARD, stan, 1)));
        bytes.extend(&sign_on);
        (first + 20..first + 40).for_each(|stan| bytes.extend(client.sale(CARD, stan, 1)));
        client.stream.write_all(&bytes).await.unwrap();
        let mut signed_on = None;
        for _ in 0..41 {
            let answer = client.read().await;
            assert_eq!(answer.code, "00", "{answer:?}");
            if answer.mti == 0x0810 {
                signed_on = Some(answer);
            } else {
                assert_eq!(answer.mac_is_right, Some(true), "{answer:?}");
            }
        }
        // The new keys are in force by now, for certain: one more that was on its way.
        let late = client.ask(&client.sale(CARD, first + 40, 1)).await;
        assert_eq!((late.code.as_str(), late.mac_is_right), ("00", Some(true)));
        client.take_keys(&signed_on.unwrap());
        let answer = client.ask(&client.sale(CARD, first + 41, 1)).await;
        assert_eq!((answer.code.as_str(), answer.mac_is_right), ("00", Some(true)));
    }
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_under_keys_of_before_when_they_count_no_more_has_a_wrong_mac() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let mut config = config();
    config.core.key_overlap_s = 0;
    let (switch, _) = start(dir.path(), config).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let stale = client.sale(CARD, 2, 100);
    assert_eq!(client.sign_on().await.code, "00");
    assert_eq!(client.ask(&stale).await.code, "A0");
    assert_eq!(client.ask(&client.sale(CARD, 3, 100)).await.code, "00");
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_ends_its_bytes_still_hears_its_answers() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    let mut bytes = Vec::new();
    (10..30).for_each(|stan| bytes.extend(client.sale(CARD, stan, 1)));
    client.stream.write_all(&bytes).await.unwrap();
    client.stream.shutdown().await.unwrap();
    for _ in 10..30 {
        assert_eq!(client.read().await.code, "00");
    }
    assert!(client.is_closed().await);
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_cannot_start_says_why() {
    use switchyard_server::{CardKeyError, DataError, StartError};
    let dir = tempfile::tempdir().unwrap();
    let begin = |change: fn(&mut switchyard_server::config::Config)| {
        let mut config = config();
        change(&mut config);
        let path = dir.path().to_path_buf();
        async move { switchyard_server::Switch::start(config, &path, None).await.err() }
    };
    assert!(matches!(begin(|_| {}).await, Some(StartError::Data(DataError::NotInitialised { .. }))));
    install(dir.path(), None);
    let production =
        begin(|config| config.general.profile = switchyard_server::config::Profile::Production).await;
    assert!(matches!(production, Some(StartError::Data(DataError::DemoKey { .. }))), "{production:?}");
    let (switch, _) = start(dir.path(), config()).await;
    let second = begin(|_| {}).await;
    assert!(matches!(second, Some(StartError::Replay(_))), "{second:?}");
    switch.shutdown().await.unwrap();
    let hash = dir.path().join("keys/card-hash");
    std::fs::remove_file(&hash).unwrap();
    assert!(matches!(begin(|_| {}).await, Some(StartError::Data(DataError::Io { .. }))));
    std::fs::copy(dir.path().join("keys/lmk"), &hash).unwrap();
    let other = begin(|_| {}).await;
    assert!(matches!(other, Some(StartError::Cards(CardKeyError::OtherHashKey))), "{other:?}");
}
