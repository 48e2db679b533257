//! What a card number, a PIN block or a track may never reach, and what nobody outside may write.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod support;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use support::{
    Between, CARD, Client, FOREIGN_CARD, Issuer, TRACK_REST, config, dialect, install, start, until,
};
use switchyard_server::Switch;
use switchyard_wire::Dialect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// TPDU and header.
const ENVELOPE_BYTES: usize = 11;

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

/// The values of an element in frames of a stream, each behind a length of two bytes.
fn values(mut stream: &[u8], dialect: &Dialect, skipped: usize, element: u8) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk::<2>() {
        let (frame, next) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        let message = dialect.parse(&frame[skipped..]).unwrap();
        found.extend(message.raw(element).map(<[u8]>::to_vec));
        stream = next;
    }
    found
}

/// Everything that is logged from here on.
fn kept_log() -> Lines {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    lines
}

/// What must be nowhere: card numbers, what follows the service code on a track as the terminal read it, the track and the
/// PINs as they came in `sent`, and as they went on under the issuer's key.
fn secrets_of(sent: &[u8], between: &Between) -> Vec<Vec<u8>> {
    let mut secrets: Vec<_> =
        [CARD, FOREIGN_CARD, "6299991618033986"].into_iter().flat_map(spellings).collect();
    secrets.extend(spellings(TRACK_REST));
    let tracks = values(sent, dialect(), ENVELOPE_BYTES, 35);
    let pins = values(sent, dialect(), ENVELOPE_BYTES, 52);
    let passed_on = values(&between.kept.lock().unwrap(), Dialect::builtin("iso87-ascii").unwrap(), 0, 52);
    assert!(
        (tracks.len(), pins.len()) == (1, 4) && passed_on.len() >= 3,
        "{tracks:?} {pins:?} {passed_on:?}"
    );
    let hex = |digits: &[u8]| {
        (0..digits.len() / 2)
            .map(|at| {
                u8::from_str_radix(std::str::from_utf8(&digits[2 * at..2 * at + 2]).unwrap(), 16).unwrap()
            })
            .collect()
    };
    secrets.extend(passed_on.iter().map(|digits| hex(digits)));
    secrets.extend(tracks.into_iter().chain(pins).chain(passed_on));
    secrets
}

/// What an issuer needs of a chip.
const CRYPTOGRAM: [u8; 11] = [0x9F, 0x26, 8, 1, 2, 3, 4, 5, 6, 7, 8];

/// DE 55 with everything that a chip may say and nobody may write down: number, track, the holder's name.
fn chip_data(card: &str) -> Vec<u8> {
    let packed = &spellings(card)[1];
    let track: Vec<u8> = [&packed[..], &[0xD3, 0x01, 0x22, 0x01], &spellings(TRACK_REST)[1]].concat();
    let object = |tag: &[u8], value: &[u8]| [tag, &[value.len() as u8], value].concat();
    [
        object(&[0x5A], packed),
        object(&[0x57], &track),
        object(&[0x5F, 0x20], card.as_bytes()),
        object(&[0x9F, 0x1F], TRACK_REST.as_bytes()),
        object(&[0x9F, 0x20], &spellings(TRACK_REST)[1]),
        CRYPTOGRAM.to_vec(),
        object(&[0x70], &object(&[0x57], &track)),
    ]
    .concat()
}

/// Ends of lines and colours in everything that is text, from a terminal and from an administrator.
async fn forge_log_lines(client: &Client, switch: &Switch, data: &Path) {
    let [terminal, merchant] = ["T\n\x1b[31mX", "M\r\nFORGED LINE\x07"].map(|text| text.to_owned());
    let mut frame = client.frame(0x0800, |b| {
        b.number(11, 1).unwrap().text(41, &terminal).unwrap().text(42, &format!("{merchant:15}")).unwrap();
        b.digits(60, b"00000001003").unwrap().text(63, "01 ").unwrap();
    });
    let mut forger = Client::connect(switch.addresses().terminals).await;
    let answer = forger.ask(&frame).await;
    assert_ne!(answer.code, "00");
    // The same with a header and a bitmap that lie.
    frame[15] = b'\n';
    forger.stream.write_all(&frame).await.unwrap();
    let mut admin = tokio::net::UnixStream::connect(data.join("admin.sock")).await.unwrap();
    let order = serde_json::json!({"no\nsuch\x1b[31m order": {"reason": "\nFORGED"}});
    admin.write_all(format!("{order}\n").as_bytes()).await.unwrap();
    admin.shutdown().await.unwrap();
    let mut refused = String::new();
    admin.read_to_string(&mut refused).await.unwrap();
    assert!(refused.lines().count() == 1 && !refused.contains('\x1b'), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_card_number_reaches_a_log_a_metric_or_the_disk() {
    let lines = kept_log();

    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let between = Between::start(issuer.address).await;
    install(dir.path(), Some(between.address));
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::connect(switch.addresses().terminals).await;
    assert_eq!(client.sign_on_as(b"00000001004").await.code, "00");
    let sale = client.sale(CARD, 2, 100);
    let mut stan = 100;
    assert_eq!(client.reached(&mut stan).await.code, "00");
    let frames = [
        sale.clone(),
        client.sale_by_track(CARD, 3, 100),
        client.sale(FOREIGN_CARD, 4, 100),
        client.reversal(CARD, 2, 100),
        client.sale("6299991618033986", 5, 100),
    ];
    for frame in &frames {
        client.ask(frame).await;
    }
    // What a chip said waits for its issuer, on the disk.
    let offline = client.offline_sale_by_chip(FOREIGN_CARD, 7, 100, &chip_data(FOREIGN_CARD));
    assert_eq!(client.ask(&offline).await.code, "00");
    until("the issuer hears of it", || issuer.seen.lock().unwrap().contains(&0x0220)).await;
    // An outcome that nobody knows: what the queue of reversals keeps is on the disk by now.
    issuer.silent.store(true, Ordering::Relaxed);
    let open = client.sale(FOREIGN_CARD, 6, 100);
    assert_eq!(client.ask(&open).await.code, "98");
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
    forge_log_lines(&client, &switch, dir.path()).await;
    client.stream.write_all(CARD.as_bytes()).await.unwrap();
    assert!(client.is_closed().await);

    let link = Dialect::builtin("iso87-ascii").unwrap();
    let told = values(&between.kept.lock().unwrap(), link, 0, 55);
    let expected: String = CRYPTOGRAM.iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(!told.is_empty() && told.iter().all(|data| *data == expected.as_bytes()), "the cryptogram alone");
    let secrets = secrets_of(&[frames.concat(), open].concat(), &between);

    // What a kill would leave behind, and what an end in good order does.
    let scan = |when: &str| {
        let mut files = 0;
        every_file(dir.path(), &mut |path, bytes| {
            files += 1;
            assert_absent(&format!("{} {when}", path.display()), &bytes, &secrets);
        });
        assert!(files >= 4, "ledger and keys were looked at");
    };
    scan("of a switch at work");
    let metrics = switch.handle().metrics_page();
    let status = format!("{:?}", switch.status());
    switch.shutdown().await.unwrap();
    scan("of a switch that ended");
    assert_absent("the metrics", metrics.as_bytes(), &secrets);
    assert_absent("the status", status.as_bytes(), &secrets);
    let log = lines.0.lock().unwrap().clone();
    assert!(!log.is_empty());
    assert_absent("the log", &log, &secrets);
    for line in String::from_utf8(log).unwrap().lines() {
        let stamped = line.len() > 27 && line.as_bytes()[10] == b'T' && line.as_bytes()[26] == b'Z';
        assert!(stamped && !line.contains(|c: char| c.is_control()), "somebody else wrote {line:?}");
    }
}
