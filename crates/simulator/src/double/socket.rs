//! Sockets of the test host.

use super::host::Host;
use crate::random::Random;
use crate::world::DemoWorld;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use switchyard_domain::Rrn;
use switchyard_wire::{Envelope, EnvelopeKind, Framing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(super) struct Double {
    host: Arc<Mutex<Host>>,
    address: String,
}

impl Double {
    /// Loses `drop_per_mille` of its replies.
    pub(super) async fn start(world: DemoWorld, drop_per_mille: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let host = Arc::new(Mutex::new(Host::new(&world)));
        let (shared, random) = (Arc::clone(&host), Arc::new(Mutex::new(Random::new(3))));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared), Arc::clone(&random), drop_per_mille));
            }
        });
        Self { host, address }
    }
    pub(super) fn address(&self) -> &str {
        &self.address
    }
    /// Returns once so many transactions stand.
    pub(super) async fn posted(&self, count: usize) {
        while self.standing().len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    /// What was posted and not reversed.
    pub(super) fn standing(&self) -> BTreeMap<Rrn, u64> {
        self.host.lock().unwrap().standing()
    }
}

async fn serve(
    mut stream: TcpStream,
    host: Arc<Mutex<Host>>,
    random: Arc<Mutex<Random>>,
    drop_per_mille: u16,
) {
    stream.set_nodelay(true).unwrap();
    let framing = Framing::Len2BeExclusive;
    let mut buffer = Vec::new();
    while stream.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
        let mut out = Vec::new();
        let mut frames = framing.frames(&buffer, 4_096);
        for range in frames.by_ref() {
            let payload = &buffer[range.unwrap()];
            let (envelope, body) = Envelope::split(payload, EnvelopeKind::TpduHeader).unwrap();
            let reply = host.lock().unwrap().handle(body);
            if random.lock().unwrap().chance(drop_per_mille) {
                continue;
            }
            framing
                .write(&mut out, |out| {
                    envelope.reply().write(out);
                    out.extend_from_slice(&reply);
                })
                .unwrap();
        }
        let consumed = frames.consumed();
        buffer.drain(..consumed);
        if stream.write_all(&out).await.is_err() {
            return;
        }
    }
}
