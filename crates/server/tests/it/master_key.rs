//! A terminal's master key over the line, against a running switch.

use std::path::Path;

use crate::support::{Answer, CARD, Client, MERCHANT, TERMINAL, config, dialect, install, start};
use switchyard_domain::{Actor, KeyName};
use switchyard_keys::master_key::{master_key_proof, open_master_key};
use switchyard_keys::{DesKey, TdesCipher, kcv};
use switchyard_server::{KeyRequest, Who, custody_alone};

fn custody(dir: &Path, request: KeyRequest) -> String {
    let who = Who::Proven(Actor::Operator("root (uid 0)".into()));
    custody_alone(dir, &config(), who, request).unwrap().kcv.unwrap_or_default()
}
fn offer(dir: &Path) -> String {
    let (terminal, reason) = (TERMINAL.parse().unwrap(), "a test".parse().unwrap());
    custody(dir, KeyRequest::Offer { terminal, under: None::<KeyName>, hours: 24, reason })
}
async fn ask(client: &mut Client, code: &str, de62: &[u8]) -> Answer {
    let frame = client.frame(0x0800, |builder| {
        builder.number(11, 7).unwrap().text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap();
        builder.digits(60, format!("00000001{code}").as_bytes()).unwrap();
        if !de62.is_empty() {
            builder.bytes(62, de62).unwrap();
        }
    });
    client.ask(&frame).await
}
/// DE 62 of an answer.
fn given(answer: &Answer) -> Vec<u8> {
    dialect().parse(&answer.body).unwrap().bytes(62).unwrap_or_default().to_vec()
}
fn proven(key: &DesKey) -> Vec<u8> {
    [&kcv(key)[..], &master_key_proof(key)].concat()
}
async fn sale(client: &mut Client, stan: u64) -> (String, u8) {
    let answer = client.ask(&client.sale(CARD, stan, 500)).await;
    (answer.code, answer.requirement)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_fetches_its_master_key_and_whoever_asks_in_its_place_gains_nothing() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), None);
    let told = offer(dir.path());
    let switch = start(dir.path(), config()).await.0;
    let address = switch.addresses().terminals;
    let mut client = Client::signed_on(address).await;
    let old = DesKey::from_slice(&client.tmk).unwrap();

    // Somebody who knows the terminal's number: what comes is shut, and the check value proves nothing.
    let mut stranger = Client::connect(address).await;
    let overheard = given(&ask(&mut stranger, "400", &[]).await);
    assert!(open_master_key(&TdesCipher::new(&DesKey::generate(16).unwrap()), &overheard).is_err());
    let guessed = [&overheard[16..], &[0; 8][..]].concat();
    assert_eq!(ask(&mut stranger, "401", &guessed).await.code, "A7");
    let short = ask(&mut stranger, "401", &overheard[16..]).await;
    assert_eq!(short.code, "30");
    assert_eq!(sale(&mut client, 2).await, ("00".into(), 0));
    client.sign_on().await;

    let answer = ask(&mut client, "400", &[]).await;
    assert_eq!((answer.mti, answer.code.as_str(), given(&answer)), (0x0810, "00", overheard));
    let new = open_master_key(&TdesCipher::new(&old), &given(&answer)).unwrap();
    assert_eq!(told, kcv(&new)[..3].iter().map(|byte| format!("{byte:02X}")).collect::<String>());
    // Twice: the first answer may have been lost.
    for _ in 0..2 {
        let taken = ask(&mut client, "401", &proven(&new)).await;
        assert_eq!((taken.code.as_str(), taken.requirement), ("00", 3));
    }
    assert_eq!(ask(&mut client, "400", &[]).await.code, "25");
    assert_eq!(sale(&mut client, 3).await, ("00".into(), 3), "its working keys serve until it signs on");
    client.tmk = new.expose().try_into().unwrap();
    assert_eq!(client.sign_on().await.code, "00", "under the new one");
    assert_eq!(sale(&mut client, 4).await, ("00".into(), 0));
    switch.shutdown().await.unwrap();

    // Withdrawn before it was fetched; the key in force outlives the restart.
    let second = offer(dir.path());
    assert_ne!(second, told);
    let (terminal, reason) = (TERMINAL.parse().unwrap(), "a test".parse().unwrap());
    custody(dir.path(), KeyRequest::Withdraw { terminal, reason });
    let switch = start(dir.path(), config()).await.0;
    let mut again = Client::connect(switch.addresses().terminals).await;
    again.tmk = client.tmk;
    assert_eq!(ask(&mut again, "400", &[]).await.code, "25");
    assert_eq!(again.sign_on().await.code, "00");
    assert_eq!(sale(&mut again, 5).await, ("00".into(), 0));
    switch.shutdown().await.unwrap();
}
