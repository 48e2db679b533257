//! What a card number, a PIN block or a track may never reach.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod support;

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use support::{CARD, Client, FOREIGN_CARD, Issuer, config, install, start};
use tokio::io::AsyncWriteExt;

/// Log lines, kept.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);
impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The ways in which digits are written: characters, and packed two to a byte at either nibble.
fn spellings(digits: &str) -> Vec<Vec<u8>> {
    let packed = |digits: &[u8]| digits.chunks_exact(2).map(|d| (d[0] - b'0') << 4 | (d[1] - b'0')).collect();
    let ascii = digits.as_bytes();
    vec![ascii.to_vec(), packed(ascii), packed(&ascii[1..])]
}

fn assert_absent(place: &str, haystack: &[u8], secrets: &[Vec<u8>]) {
    for secret in secrets {
        let found = haystack.windows(secret.len()).position(|window| window == secret.as_slice());
        assert_eq!(found, None, "a secret of {} bytes in {place}", secret.len());
    }
}

fn every_file(dir: &Path, visit: &mut dyn FnMut(&Path, Vec<u8>)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            every_file(&path, visit);
        } else if let Ok(bytes) = std::fs::read(&path) {
            visit(&path, bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_card_number_reaches_a_log_a_metric_or_the_disk() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), Some(issuer.address));
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::connect(switch.addresses().terminals).await;
    assert_eq!(client.sign_on_as(b"00000001004").await.code, "00");
    let sale = client.sale(CARD, 2, 100);
    for frame in [
        sale.clone(),
        client.sale_by_track(CARD, 3, 100),
        client.sale(FOREIGN_CARD, 4, 100),
        client.reversal(CARD, 2, 100),
        client.sale("6299990000000005", 5, 100),
    ] {
        client.ask(&frame).await;
    }
    // Messages that go wrong are where bytes like to end up in a log.
    for cut in [20, 40, 60, sale.len() - 10] {
        let mut frame = sale[..cut].to_vec();
        let len = (cut - 2) as u16;
        frame[..2].copy_from_slice(&len.to_be_bytes());
        client.stream.write_all(&frame).await.unwrap();
    }
    let mut forged = sale;
    *forged.last_mut().unwrap() ^= 1;
    client.stream.write_all(&forged).await.unwrap();
    while client.read().await.code != "A0" {}
    client.stream.write_all(CARD.as_bytes()).await.unwrap();
    assert!(client.is_closed().await);

    let metrics = switch.handle().metrics_page();
    let status = format!("{:?}", switch.status());
    switch.shutdown().await.unwrap();
    let secrets: Vec<_> = [CARD, FOREIGN_CARD, "6299990000000005"].into_iter().flat_map(spellings).collect();
    assert_absent("the metrics", metrics.as_bytes(), &secrets);
    assert_absent("the status", status.as_bytes(), &secrets);
    let log = lines.0.lock().unwrap().clone();
    assert!(!log.is_empty());
    assert_absent("the log", &log, &secrets);
    let mut files = 0;
    every_file(dir.path(), &mut |path, bytes| {
        files += 1;
        assert_absent(&path.display().to_string(), &bytes, &secrets);
    });
    assert!(files >= 4, "ledger and keys were looked at");
}
