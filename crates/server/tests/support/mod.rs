//! A data directory with one merchant, a terminal that talks, and an issuer that answers.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses what it needs, and fails where it cannot go on"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchyard_core::Command;
use switchyard_domain::{
    BankAccount, CardClass, CardIssued, Currency, Expiry, FeePlan, KeyName, KeyUse, Link, LinkDialect,
    LinkIndex, Merchant, MerchantIndex, Pan, Route, RouteTarget, Terminal, TerminalMac, UtcOffset,
};
use switchyard_keys::mac::{MacAlgorithm, MacKey};
use switchyard_keys::pin::{Pin, encode_iso0, pvv};
use switchyard_keys::working_keys::{MakLength, WorkingKeyBlock};
use switchyard_keys::{DesKey, KeyError, TdesCipher};
use switchyard_ledger::{FileLayer, OsFiles};
use switchyard_server::config::Config;
use switchyard_server::{Fatal, Hooks, InitPlan, Switch, Tools, initialise};
use switchyard_wire::{Builder, Dialect, Message, Mti};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Polls until a condition holds; a minute at most, for machines that have much else to do.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come about");
}

pub const TERMINAL: &str = "T0000001";
pub const MERCHANT: &str = "898123456789012";
/// A card of the embedded issuer. Its digits, as those of the next, are none that numbers or zeros in a file spell by
/// chance, packed or not: tests look for them there.
pub const CARD: &str = "6225883141592654";
/// A card behind the link.
pub const FOREIGN_CARD: &str = "6230002718281822";
/// What a track has behind expiry and service code; no number or zeros spell it by chance.
pub const TRACK_REST: &str = "8271828459046";
pub const PIN: &[u8] = b"123456";
const TMK: [u8; 16] = *b"\x25\x8F\xB0\xAB\x70\xD0\x25\xCD\xB9\x9D\xF2\xC4\xD3\x02\xD6\x46";
const ENVELOPE: [u8; 11] = [0x60, 0x00, 0x03, 0x12, 0x34, 0x60, 0x31, 0x00, 0x31, 0x01, 0x00];

pub fn config() -> Config {
    Config::parse(
        "[terminals]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [ledger]\nsegment_mib = 1\nfree_mib_min = 0\n\
         [links]\nbackoff_ms_min = 10\nbackoff_ms_max = 50\n",
    )
    .unwrap()
}

pub fn install(dir: &Path, link: Option<SocketAddr>) {
    install_at(dir, link.map(|address| address.to_string()));
}

/// As [`install`], with an address in words.
pub fn install_at(dir: &Path, link: Option<String>) {
    install_waiting(dir, link, 2_000);
}

/// As [`install_at`], with the time in which the issuer has to answer.
pub fn install_waiting(dir: &Path, link: Option<String>, answer_timeout_ms: u32) {
    let plan =
        InitPlan { acquirer: "48720000".parse().unwrap(), offset: UtcOffset::CHINA, day: None, demo: true };
    initialise(dir, &config(), &plan, |tools| commands(tools, link, answer_timeout_ms)).unwrap();
}

fn commands(tools: &Tools, link: Option<String>, answer_timeout_ms: u32) -> Result<Vec<Command>, KeyError> {
    let (pvk_record, pvk) = tools.keys.generate(KeyUse::PinVerification)?;
    let pan = Pan::from_digits(CARD.as_bytes()).unwrap();
    let expiry: Expiry = "3012".parse().unwrap();
    let pin = Pin::new(PIN).unwrap();
    let account = BankAccount { holder: "x".into(), number: "1".into(), cnaps: "102100000000".into() };
    let merchant =
        Merchant { id: MERCHANT.parse().unwrap(), name: "x".into(), mcc: 5411, account, fee_plan: 1 };
    let terminal = Terminal {
        id: TERMINAL.parse().unwrap(),
        merchant: MerchantIndex(0),
        mac: TerminalMac::CupEcb,
        master_key: tools.keys.wrap(KeyUse::TerminalMaster, &TMK)?,
    };
    let card = CardIssued {
        card: tools.cards.seal(&pan, Some(&expiry))?,
        expiry,
        pvv: pvv(&TdesCipher::new(&pvk), CARD.as_bytes(), 1, &pin).unwrap(),
        currency: Currency::CNY,
    };
    let fees = FeePlan {
        plan: 1,
        from: switchyard_domain::BusinessDate(0),
        debit_ppm: 6_000,
        debit_cap_minor: None,
        credit_ppm: 6_000,
        credit_cap_minor: None,
        foreign_ppm: 6_000,
        foreign_cap_minor: None,
        fixed_minor: 0,
        minimum_minor: 0,
        refund_returns_fee: true,
    };
    let range = |prefix: u64, target| Route {
        low: prefix * 10_u64.pow(13),
        high: (prefix + 1) * 10_u64.pow(13) - 1,
        class: CardClass::Debit.into(),
        target,
        issuer: 3_080_000,
    };
    let mut commands = vec![
        Command::InstallKey { name: KeyName { usage: KeyUse::PinVerification, owner: 1 }, key: pvk_record },
        Command::SetFeePlan(fees),
        Command::Register(Box::new(merchant)),
        Command::Bind(Box::new(terminal)),
        Command::AddRoute(range(622_588, RouteTarget::OnUs)),
        Command::IssueCard { card: Box::new(card), balance_minor: 1_000_000 },
    ];
    if let Some(address) = link {
        commands.push(Command::AddLink(Box::new(Link {
            name: "issuer".into(),
            address,
            dialect: LinkDialect::Iso87Ascii,
            framing: "len2-be".into(),
            pin_key: tools.keys.generate(KeyUse::ZonePin)?.0,
            answer_timeout_ms,
            connections: 1,
        })));
        commands.push(Command::AddRoute(range(623_000, RouteTarget::Link(LinkIndex(0)))));
    }
    Ok(commands)
}

/// A switch that keeps what ended it instead of ending the process.
pub async fn start(dir: &Path, config: Config) -> (Switch, Arc<Mutex<Option<Fatal>>>) {
    start_on(dir, config, Arc::new(OsFiles)).await
}

/// As [`start`], on other files.
pub async fn start_on(
    dir: &Path,
    config: Config,
    files: Arc<dyn FileLayer>,
) -> (Switch, Arc<Mutex<Option<Fatal>>>) {
    let fatal = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&fatal);
    let on_fatal = Arc::new(move |cause: &Fatal| *seen.lock().unwrap() = Some(cause.clone()));
    (Switch::start_with(config, dir, None, Hooks { on_fatal, files, reload: None }).await.unwrap(), fatal)
}

pub fn dialect() -> &'static Dialect {
    Dialect::builtin("unionpay-pos").unwrap()
}

/// An answer with what the tests look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub mti: u16,
    pub code: String,
    pub stan: Option<u64>,
    pub rrn: String,
    pub requirement: u8,
    pub mac_is_right: Option<bool>,
    pub body: Vec<u8>,
}

/// A connection of any kind.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// One terminal on one connection.
pub struct Client {
    pub stream: Box<dyn Wire>,
    pub batch: u64,
    /// Its master key.
    pub tmk: [u8; 16],
    pik: Option<TdesCipher>,
    mak: Option<MacKey>,
    tdk: Option<TdesCipher>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// A terminal on a connection that is there.
    pub fn over(stream: impl Wire + 'static) -> Self {
        Self { stream: Box::new(stream), batch: 1, tmk: TMK, pik: None, mak: None, tdk: None }
    }

    /// A connection that has signed on.
    pub async fn signed_on(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        let answer = client.sign_on().await;
        assert_eq!((answer.mti, answer.code.as_str()), (0x0810, "00"));
        client
    }

    /// Double-length keys.
    pub async fn sign_on(&mut self) -> Answer {
        self.sign_on_as(b"00000001003").await
    }

    pub async fn sign_on_as(&mut self, de60: &[u8; 11]) -> Answer {
        let frame = self.sign_on_frame(de60);
        self.stream.write_all(&frame).await.unwrap();
        let answer = self.read().await;
        self.take_keys(&answer);
        answer
    }

    pub fn sign_on_frame(&self, de60: &[u8; 11]) -> Vec<u8> {
        self.frame(0x0800, |b| {
            b.number(11, 1).unwrap().text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap();
            b.digits(60, de60).unwrap().text(63, "01 ").unwrap();
        })
    }

    /// Has the working keys of an answer from now on.
    pub fn take_keys(&mut self, answer: &Answer) {
        let message = dialect().parse(&answer.body).unwrap();
        if let Some(block) = message.bytes(62) {
            let tmk = DesKey::from_slice(&self.tmk).unwrap();
            let keys = WorkingKeyBlock::open(&tmk, block, MakLength::Single).unwrap();
            self.pik = Some(TdesCipher::new(&keys.pik));
            self.mak = Some(MacKey::new(MacAlgorithm::CupEcb, keys.mak.expose()).unwrap());
            self.tdk = keys.tdk.as_ref().map(TdesCipher::new);
        }
    }

    /// A sale with PIN, as a frame.
    pub fn sale(&self, card: &str, stan: u64, amount: u64) -> Vec<u8> {
        let pin = encode_iso0(&Pin::new(PIN).unwrap(), card.as_bytes()).unwrap();
        let block = self.pik.as_ref().map_or([0; 8], |pik| pik.encrypt_block(pin));
        self.transaction(0x0200, |b| {
            b.digits(2, card.as_bytes()).unwrap().number(3, 0).unwrap().number(4, amount).unwrap();
            b.number(11, stan).unwrap().digits(14, b"3012").unwrap().digits(22, b"021").unwrap();
            b.digits(25, b"00").unwrap().digits(26, b"12").unwrap();
            b.text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap().text(49, "156").unwrap();
            b.bytes(52, &block).unwrap().digits(53, b"2600000000000000").unwrap();
        })
    }

    /// A sale by magnetic stripe, whose track is enciphered and stands for the card number.
    pub fn sale_by_track(&self, card: &str, stan: u64, amount: u64) -> Vec<u8> {
        let track = format!("{card}=3012201{TRACK_REST}");
        let mut frame = self.transaction(0x0200, |b| {
            b.number(3, 0).unwrap().number(4, amount).unwrap().number(11, stan).unwrap();
            b.digits(22, b"022").unwrap().digits(25, b"00").unwrap().digits(35, track.as_bytes()).unwrap();
            b.text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap().text(49, "156").unwrap();
            b.digits(53, b"2610000000000000").unwrap();
        });
        let start = 2 + ENVELOPE.len();
        let message = dialect().parse(&frame[start..]).unwrap();
        let length = message.raw(35).unwrap().len();
        let track_at = start + message.offset(35).unwrap() + message.wire(35).unwrap().len() - length;
        let mac_at = start + message.offset(64).unwrap();
        let tdk = self.tdk.as_ref().unwrap();
        switchyard_keys::track::encrypt_in_place(tdk, &mut frame[track_at..track_at + length]).unwrap();
        let mac = self.mak.as_ref().unwrap().compute(&frame[start..mac_at]);
        frame[mac_at..].copy_from_slice(mac.as_bytes());
        frame
    }

    /// The reversal of that sale.
    pub fn reversal(&self, card: &str, stan: u64, amount: u64) -> Vec<u8> {
        self.transaction(0x0400, |b| {
            b.digits(2, card.as_bytes()).unwrap().number(3, 0).unwrap().number(4, amount).unwrap();
            b.number(11, stan).unwrap().digits(14, b"3012").unwrap().digits(22, b"021").unwrap();
            b.digits(25, b"00").unwrap().text(39, "98").unwrap();
            b.text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap().text(49, "156").unwrap();
        })
    }

    /// What a chip made of the scripts in the answer to the sale under `about`.
    pub fn script_result(&self, stan: u64, about: u64) -> Vec<u8> {
        let mut body = Vec::new();
        let mut b = dialect().builder(&mut body, Mti::new(0x0620));
        b.number(11, stan).unwrap().text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap();
        b.bytes(55, &[0xDF, 0x31, 5, 0x20, 1, 2, 3, 4]).unwrap();
        b.digits(60, format!("00{:06}951", self.batch).as_bytes()).unwrap();
        b.digits(61, format!("{:06}{about:06}1122", self.batch).as_bytes()).unwrap();
        let mac =
            |covered: &[u8]| self.mak.as_ref().map_or([b'0'; 8], |mak| *mak.compute(covered).as_bytes());
        b.finish_with_mac(64, mac).unwrap();
        framed(&body)
    }

    /// A sale that the terminal has approved by itself.
    pub fn offline_sale(&self, card: &str, stan: u64, amount: u64) -> Vec<u8> {
        self.transaction_as(30, 0x0220, |b| {
            b.digits(2, card.as_bytes()).unwrap().number(3, 0).unwrap().number(4, amount).unwrap();
            b.number(11, stan).unwrap().digits(14, b"3012").unwrap().digits(22, b"012").unwrap();
            b.digits(25, b"00").unwrap().text(38, "123456").unwrap();
            b.text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap().text(49, "156").unwrap();
        })
    }

    /// The same by a chip, whose data is DE 55.
    pub fn offline_sale_by_chip(&self, card: &str, stan: u64, amount: u64, data: &[u8]) -> Vec<u8> {
        self.transaction_as(30, 0x0220, |b| {
            b.digits(2, card.as_bytes()).unwrap().number(3, 0).unwrap().number(4, amount).unwrap();
            b.number(11, stan).unwrap().digits(14, b"3012").unwrap().digits(22, b"052").unwrap();
            b.number(23, 1).unwrap().digits(25, b"00").unwrap();
            b.text(41, TERMINAL).unwrap().text(42, MERCHANT).unwrap().text(49, "156").unwrap();
            b.bytes(55, data).unwrap();
        })
    }

    fn transaction(&self, mti: u16, elements: impl FnOnce(&mut Builder<'_, '_>)) -> Vec<u8> {
        self.transaction_as(22, mti, elements)
    }

    fn transaction_as(&self, kind: u8, mti: u16, elements: impl FnOnce(&mut Builder<'_, '_>)) -> Vec<u8> {
        let de60 = format!("{kind:02}{:06}000", self.batch);
        let mut body = Vec::new();
        let mut builder = dialect().builder(&mut body, Mti::new(mti));
        elements(&mut builder);
        builder.digits(60, de60.as_bytes()).unwrap();
        if mti == 0x0220 {
            builder.text(63, "01 ").unwrap();
        }
        let mac =
            |covered: &[u8]| self.mak.as_ref().map_or([b'0'; 8], |mak| *mak.compute(covered).as_bytes());
        builder.finish_with_mac(64, mac).unwrap();
        framed(&body)
    }

    /// A message without MAC, as a frame.
    pub fn frame(&self, mti: u16, elements: impl FnOnce(&mut Builder<'_, '_>)) -> Vec<u8> {
        let mut body = Vec::new();
        let mut builder = dialect().builder(&mut body, Mti::new(mti));
        elements(&mut builder);
        builder.finish().unwrap();
        framed(&body)
    }

    pub async fn ask(&mut self, frame: &[u8]) -> Answer {
        self.stream.write_all(frame).await.unwrap();
        self.read().await
    }

    /// A sale at the issuer behind the link. Until the host has answered the sign-on it cannot be
    /// reached: further sales, under further numbers, are tried until then.
    pub async fn reached(&mut self, stan: &mut u64) -> Answer {
        for _ in 0..6_000 {
            *stan += 1;
            let answer = self.ask(&self.sale(FOREIGN_CARD, *stan, 500)).await;
            if answer.code != "91" {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the issuer stays away");
    }

    pub async fn read(&mut self) -> Answer {
        let mut length = [0; 2];
        self.stream.read_exact(&mut length).await.unwrap();
        let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[..5], [0x60, 0x12, 0x34, 0x00, 0x03], "source and destination change places");
        let body = frame[11..].to_vec();
        let message = dialect().parse(&body).unwrap();
        let text = |de| message.text(de).map(|text| text.into_owned()).unwrap_or_default();
        let mac_is_right = message.offset(64).map(|offset| {
            self.mak
                .as_ref()
                .is_some_and(|mak| mak.verify(&body[..offset], message.raw(64).unwrap_or_default()))
        });
        Answer {
            mti: message.mti().as_u16(),
            code: text(39),
            stan: message.number(11),
            rrn: text(37),
            requirement: frame[7] & 0xF,
            mac_is_right,
            body: body.clone(),
        }
    }

    /// True when the switch closes the connection without another byte.
    pub async fn is_closed(&mut self) -> bool {
        let mut byte = [0; 1];
        matches!(self.stream.read(&mut byte).await, Ok(0) | Err(_))
    }
}

pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = ((ENVELOPE.len() + body.len()) as u16).to_be_bytes().to_vec();
    frame.extend(ENVELOPE);
    frame.extend(body);
    frame
}

/// An issuer that answers `00` to everything, or nothing to transactions while `silent`.
pub struct Issuer {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<u16>>>,
    pub silent: Arc<std::sync::atomic::AtomicBool>,
}

impl Issuer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, silent) = (Arc::<Mutex<Vec<u16>>>::default(), Arc::default());
        let issuer = Self { address, seen: Arc::clone(&seen), silent: Arc::clone(&silent) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_all(stream, Arc::clone(&seen), Arc::clone(&silent)));
            }
        });
        issuer
    }
}

/// Somebody between the switch and its issuer who keeps what the switch sends, and holds answers back while it is told to.
pub struct Between {
    pub address: SocketAddr,
    pub open: watch::Sender<bool>,
    pub kept: Arc<Mutex<Vec<u8>>>,
}

impl Between {
    pub async fn start(issuer: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, gate) = watch::channel(true);
        let kept = Arc::<Mutex<Vec<u8>>>::default();
        let keep = Arc::clone(&kept);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut switch, mut to_switch) = stream.into_split();
                let (mut host, mut to_host) = TcpStream::connect(issuer).await.unwrap().into_split();
                let keep = Arc::clone(&keep);
                tokio::spawn(async move {
                    let mut bytes = [0; 1_024];
                    while let Ok(count @ 1..) = switch.read(&mut bytes).await {
                        keep.lock().unwrap().extend(&bytes[..count]);
                        to_host.write_all(&bytes[..count]).await.unwrap();
                    }
                });
                let mut gate = gate.clone();
                tokio::spawn(async move {
                    let mut bytes = [0; 1_024];
                    while let Ok(count @ 1..) = host.read(&mut bytes).await {
                        gate.wait_for(|open| *open).await.unwrap();
                        to_switch.write_all(&bytes[..count]).await.unwrap();
                    }
                });
            }
        });
        Self { address, open, kept }
    }
}

pub async fn answer_all(
    mut stream: impl Wire,
    seen: Arc<Mutex<Vec<u16>>>,
    silent: Arc<std::sync::atomic::AtomicBool>,
) {
    let dialect = Dialect::builtin("iso87-ascii").unwrap();
    while let Some(body) = read_link(&mut stream).await {
        let message = dialect.parse(&body).unwrap();
        let mti = message.mti().as_u16();
        seen.lock().unwrap().push(mti);
        if mti == 0x0200 && silent.load(std::sync::atomic::Ordering::Relaxed) {
            continue;
        }
        stream.write_all(&answer_of(dialect, &message)).await.unwrap();
    }
}

/// A message of a link without its frame; nothing once the connection is gone.
pub async fn read_link(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).await.ok()?;
    let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

/// A message in the frame that links have here.
pub fn framed_link(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes()[..], body].concat()
}

/// A port that was free a moment ago; a link waits until it is free again.
pub async fn port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Connects as a link's host would: it tries until somebody listens.
pub async fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    for _ in 0..6_000 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(from.parse().unwrap()).unwrap();
        if let Ok(stream) = socket.connect(to).await {
            return stream;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody listens at {to}");
}

/// The answer `00`, in its frame.
pub fn answer_of(dialect: &Dialect, message: &Message<'_, '_>) -> Vec<u8> {
    let mut body = Vec::new();
    let mut builder = dialect.builder(&mut body, message.mti().reply());
    for de in [2, 3, 4, 7, 11, 37] {
        builder.echo(message, de).unwrap();
    }
    if message.mti().as_u16() == 0x0200 {
        builder.text(38, "123456").unwrap();
    }
    builder.text(39, "00").unwrap();
    for de in [41, 42, 49, 70] {
        builder.echo(message, de).unwrap();
    }
    builder.finish().unwrap();
    framed_link(&body)
}
