//! What comes in from the network, good and bad.

use std::time::Duration;

use crate::support::{CARD, Client, MERCHANT, TERMINAL, config, framed, install, start};
use switchyard_server::Switch;
use tokio::io::AsyncWriteExt;

struct Running {
    switch: Switch,
    _dir: tempfile::TempDir,
}

async fn running(change: impl FnOnce(&mut switchyard_server::config::Config)) -> Running {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let mut config = config();
    change(&mut config);
    let (switch, _) = start(dir.path(), config).await;
    Running { switch, _dir: dir }
}

impl Running {
    async fn client(&self) -> Client {
        Client::connect(self.switch.addresses().terminals).await
    }
    fn counted(&self, line: &str) -> bool {
        self.switch.handle().metrics_page().lines().any(|found| found == line)
    }
    async fn counts(&self, line: &str) {
        for _ in 0..200 {
            if self.counted(line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{line} is not in\n{}", self.switch.handle().metrics_page());
    }
}

fn echo(client: &Client) -> Vec<u8> {
    client.frame(0x0820, |b| {
        b.text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap().digits(60, b"00000001301").unwrap();
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_cannot_be_framed_close_the_connection_and_no_other() {
    let running = running(|config| config.terminals.frame_bytes_max = 1_000).await;
    let mut bystander = running.client().await;
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("a length above the limit", vec![0x03, 0xE9], "bad_length"),
        ("a web browser", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), "bad_length"),
        ("a frame without room for its envelope", vec![0, 3, 1, 2, 3], "bad_envelope"),
        (
            "a header that is not decimal",
            vec![0, 12, 0x60, 0, 3, 0, 0, 0xAA, 0xAA, 0, 0, 0, 0, 8],
            "bad_envelope",
        ),
    ];
    for (what, bytes, _) in &cases {
        let mut client = running.client().await;
        client.stream.write_all(bytes).await.unwrap();
        assert!(client.is_closed().await, "{what}");
    }
    for reason in ["bad_length", "bad_envelope"] {
        let count = cases.iter().filter(|case| case.2 == reason).count();
        running.counts(&format!("switch_connections_closed_total{{reason=\"{reason}\"}} {count}")).await;
    }
    let frame = echo(&bystander);
    assert_eq!(bystander.ask(&frame).await.code, "00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_frames_before_bad_bytes_reach_the_core() {
    let running = running(|_| {}).await;
    let mut client = running.client().await;
    let mut bytes = echo(&client);
    bytes.extend([0xFF; 4]);
    client.stream.write_all(&bytes).await.unwrap();
    assert!(client.is_closed().await);
    running.counts("switch_requests_total 1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_may_come_in_pieces_and_between_keep_alives() {
    let running = running(|_| {}).await;
    let mut client = running.client().await;
    let mut bytes = vec![0, 0];
    bytes.extend(echo(&client));
    bytes.extend([0, 0]);
    bytes.extend(echo(&client));
    for byte in bytes {
        client.stream.write_all(&[byte]).await.unwrap();
        client.stream.flush().await.unwrap();
    }
    for _ in 0..2 {
        let answer = client.read().await;
        assert_eq!((answer.mti, answer.code.as_str()), (0x0830, "00"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_frame_and_silence_end_in_time() {
    let running = running(|config| {
        config.terminals.frame_deadline_ms = 100;
        config.terminals.idle_timeout_s = 1;
    })
    .await;
    let mut slow = running.client().await;
    slow.stream.write_all(&[0, 50, 0x60]).await.unwrap();
    let mut silent = running.client().await;
    assert!(slow.is_closed().await);
    running.counts("switch_connections_closed_total{reason=\"frame_deadline\"} 1").await;
    assert!(silent.is_closed().await);
    running.counts("switch_connections_closed_total{reason=\"idle\"} 1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_wrong_are_answered_with_what_is_wrong() {
    let running = running(|_| {}).await;
    let mut client = running.client().await;
    let terminal = |id: &str, merchant: &str| {
        let client = &client;
        client.frame(0x0820, |b| {
            b.text(41, id).unwrap().text(42, merchant).unwrap().digits(60, b"00000001301").unwrap();
        })
    };
    let no_such_terminal = terminal("T9999999", MERCHANT);
    let other_merchant = terminal(TERMINAL, "898000000000000");
    let unknown_kind = client.frame(0x0820, |b| {
        b.text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap().digits(60, b"00000001999").unwrap();
    });
    let no_batch = client.frame(0x0820, |b| {
        b.text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap();
    });
    let mut cut_short = echo(&client);
    cut_short.truncate(cut_short.len() - 3);
    let len = (cut_short.len() - 2) as u16;
    cut_short[..2].copy_from_slice(&len.to_be_bytes());
    for (what, frame, code) in [
        ("unknown terminal", no_such_terminal, "97"),
        ("another's merchant", other_merchant, "03"),
        ("unknown transaction", unknown_kind, "12"),
        ("an element missing", no_batch, "30"),
        ("the last element cut short", cut_short, "30"),
        ("no working keys", client.sale(CARD, 1, 1), "77"),
    ] {
        let answer = client.ask(&frame).await;
        assert_eq!((answer.code.as_str(), answer.mac_is_right), (code, None), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nothing_can_be_answered_to_is_dropped_and_then_the_connection() {
    let running = running(|_| {}).await;
    let mut client = running.client().await;
    let answer = framed(&[0x02, 0x10, 0, 0, 0, 0, 0, 0, 0, 0]);
    let rubbish = framed(&[0xFF; 20]);
    for _ in 0..3 {
        client.stream.write_all(&answer).await.unwrap();
        client.stream.write_all(&rubbish).await.unwrap();
    }
    let frame = echo(&client);
    assert_eq!(client.ask(&frame).await.code, "00", "nothing was said to those before");
    for _ in 0..8 {
        client.stream.write_all(&rubbish).await.unwrap();
    }
    assert!(client.is_closed().await);
    running.counts("switch_connections_closed_total{reason=\"garbage\"} 1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_limits_are_closed_at_once() {
    let running = running(|config| config.terminals.connections_per_ip_max = 2).await;
    let (mut first, second) = (running.client().await, running.client().await);
    let frame = echo(&first);
    first.ask(&frame).await;
    running.counts("switch_connections_open 2").await;
    assert!(running.client().await.is_closed().await);
    drop(second);
    running.counts("switch_connections_open 1").await;
    let mut third = running.client().await;
    assert_eq!(third.ask(&frame).await.code, "00");
    running.counts("switch_connections_refused_total 1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_window_slows_a_connection_down_and_loses_nothing() {
    let running = running(|config| {
        config.terminals.in_flight_per_connection_max = 1;
        config.core.batch_inputs_max = 1;
    })
    .await;
    let mut client = running.client().await;
    let one = echo(&client);
    client.stream.write_all(&one.repeat(500)).await.unwrap();
    for _ in 0..500 {
        assert_eq!(client.read().await.code, "00");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_queue_requests_hear_96_and_reversals_and_advices_wait() {
    let running = running(|config| {
        config.core.queue_requests_max = 1;
        config.core.queue_reserved_max = 1;
        config.terminals.in_flight_per_connection_max = 1_000;
    })
    .await;
    let mut client = Client::signed_on(running.switch.addresses().terminals).await;
    let mut bytes = Vec::new();
    for stan in 100..300 {
        bytes.extend(client.reversal(CARD, stan, 1));
        bytes.extend(client.offline_sale(CARD, stan + 1_000, 1));
        bytes.extend(echo(&client));
    }
    client.stream.write_all(&bytes).await.unwrap();
    let mut shed = 0;
    for _ in 0..600 {
        let answer = client.read().await;
        match (answer.mti, answer.code.as_str()) {
            (0x0410 | 0x0230 | 0x0830, "00") => {}
            (0x0830, "96") => shed += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(shed > 0);
    running.counts(&format!("switch_requests_shed_total {shed}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_waited_too_long_is_not_done() {
    let running = running(|config| config.keys.job_wait_ms_max = 0).await;
    let mut client = running.client().await;
    assert_eq!(client.sign_on().await.code, "A7");
    running.counts("switch_key_jobs_total{outcome=\"overdue\"} 1").await;
    running.counts("switch_key_jobs_total{outcome=\"made\"} 0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_takes_no_answers_is_closed() {
    let running = running(|config| {
        config.terminals.output_deadline_ms = 200;
        config.terminals.output_bytes_max = 4_096;
    })
    .await;
    let mut client = running.client().await;
    let bytes = echo(&client).repeat(100);
    // The peer's and our own socket buffers take megabytes before a write stops.
    while client.stream.write_all(&bytes).await.is_ok() {}
    running.counts("switch_connections_closed_total{reason=\"output_deadline\"} 1").await;
}
