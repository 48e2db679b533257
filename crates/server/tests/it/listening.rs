//! Links whose hosts connect to the switch.

use std::sync::Arc;

use crate::support::{
    Client, FOREIGN_CARD, Issuer, answer_all, config, connect_from, framed_link, install_at, port, read_link,
    start, until,
};
use switchyard_core::{Command, Order};
use switchyard_domain::{Actor, LinkOrder};
use switchyard_wire::{Dialect, Mti};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Asks the switch whether it is there, on a stream that is the link's.
async fn echo(stream: &mut TcpStream) -> (Mti, String) {
    let dialect = Dialect::builtin("iso87-ascii").unwrap();
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, Mti::new(0x0800));
    builder.digits(7, b"1123085500").unwrap().number(11, 424_242).unwrap().number(70, 301).unwrap();
    builder.finish().unwrap();
    stream.write_all(&framed_link(&body)).await.unwrap();
    loop {
        let body = read_link(stream).await.unwrap();
        let message = dialect.parse(&body).unwrap();
        // The switch's own sign-on comes first.
        if message.number(11) == Some(424_242) {
            return (message.mti(), message.text(39).unwrap().into_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_connects_is_a_link_like_any_other() {
    let at = port().await;
    let dir = tempfile::tempdir().unwrap();
    install_at(dir.path(), Some(format!("listen://{at}?peer=127.0.0.1")));
    let (switch, _) = start(dir.path(), config()).await;
    let mut client = Client::signed_on(switch.addresses().terminals).await;
    assert_eq!(client.ask(&client.sale(FOREIGN_CARD, 2, 500)).await.code, "91", "nobody is there yet");

    let mut stranger = connect_from("127.0.0.2:0", at).await;
    assert!(matches!(stranger.read(&mut [0; 1]).await, Ok(0) | Err(_)), "it may not come from there");
    assert!(!switch.status().links[0].up);

    let issuer = Issuer::start().await;
    let host = connect_from("127.0.0.1:0", at).await;
    let first = tokio::spawn(answer_all(host, Arc::clone(&issuer.seen), Arc::clone(&issuer.silent)));
    let mut stan = 10;
    assert_eq!(client.reached(&mut stan).await.code, "00");

    // The host lost its connection without the switch's knowing: its next one counts.
    let host = connect_from("127.0.0.1:0", at).await;
    let later = tokio::spawn(answer_all(host, Arc::clone(&issuer.seen), Arc::clone(&issuer.silent)));
    tokio::time::timeout(std::time::Duration::from_secs(60), first).await.unwrap().unwrap();
    assert_eq!(client.reached(&mut stan).await.code, "00");

    let order = |what| {
        let order = Order::Link { link: "issuer".into(), what, reason: "maintenance".parse().unwrap() };
        switch.command(Actor::Switch, Command::Order(order))
    };
    order(LinkOrder::Down).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(60), later).await.unwrap().unwrap();
    until("the link is down", || !switch.status().links[0].up).await;
    order(LinkOrder::Up).await.unwrap();
    let mut host = connect_from("127.0.0.1:0", at).await;
    let answer = echo(&mut host).await;
    assert_eq!(answer, (Mti::new(0x0810), "00".to_owned()), "the host's own question is answered");
    switch.shutdown().await.unwrap();
}
