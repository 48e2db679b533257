//! What terminals hear when the ledger's disk fails or fills.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{CARD, Client, config, install, start, start_on, until};
use switchyard_ledger::{FileLayer, OsFiles};
use switchyard_server::Fatal;

/// A disk that can be told to fail, or to be full.
#[derive(Debug, Default)]
struct Disk {
    fails: AtomicBool,
    full: AtomicBool,
}

impl FileLayer for Disk {
    fn write_at(&self, file: &File, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        OsFiles.write_at(file, path, bytes, offset)
    }
    fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk is gone"));
        }
        OsFiles.sync(file, path)
    }
    fn reserve(&self, file: &File, path: &Path, bytes: u64) -> io::Result<()> {
        OsFiles.reserve(file, path, bytes)
    }
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        if self.full.load(Ordering::Relaxed) { Ok(4_096) } else { OsFiles.free_bytes(dir) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_answers_nobody_and_ends_the_switch() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let disk = Arc::new(Disk::default());
    let (switch, fatal) = start_on(dir.path(), config(), disk.clone()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    assert_eq!(client.ask(&client.sale(CARD, 2, 100)).await.code, "00");
    disk.fails.store(true, Ordering::Relaxed);
    let frame = client.sale(CARD, 3, 100);
    tokio::io::AsyncWriteExt::write_all(&mut client.stream, &frame).await.unwrap();
    assert!(client.is_closed().await, "no answer for what may not be durable");
    until("the end is known", || fatal.lock().unwrap().is_some()).await;
    let cause = fatal.lock().unwrap().clone().unwrap();
    assert!(matches!(cause, Fatal::Ledger { .. }), "{cause}");
    assert!(switch.shutdown().await.is_err());

    // The next start finds what was durable: the first sale, and the second or not.
    disk.fails.store(false, Ordering::Relaxed);
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    assert_eq!(client.ask(&client.sale(CARD, 2, 100)).await.code, "00");
    assert_eq!(client.ask(&client.sale(CARD, 3, 100)).await.code, "00");
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_nearly_full_refuses_new_work_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let disk = Arc::new(Disk::default());
    let (switch, fatal) = start_on(dir.path(), config(), disk.clone()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    disk.full.store(true, Ordering::Relaxed);
    until("the disk is seen to be full", || switch.status().ledger_full).await;
    let refused = client.ask(&client.sale(CARD, 2, 100)).await;
    assert_eq!((refused.code.as_str(), refused.mac_is_right), ("96", Some(true)));
    // A reversal is not refused: it waits until it can be kept.
    let reversal = client.reversal(CARD, 3, 100);
    tokio::io::AsyncWriteExt::write_all(&mut client.stream, &reversal).await.unwrap();
    disk.full.store(false, Ordering::Relaxed);
    let answer = client.read().await;
    assert_eq!((answer.mti, answer.code.as_str()), (0x0410, "00"));
    assert_eq!(client.ask(&client.sale(CARD, 2, 100)).await.code, "00");
    assert!(fatal.lock().unwrap().is_none());
    switch.shutdown().await.unwrap();
}
