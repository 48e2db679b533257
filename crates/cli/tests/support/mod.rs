//! Runs the built `switchyard` and the processes around it. Every child is ended by its own handle, every
//! wait has an end.
#![allow(dead_code, unreachable_pub, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a command may take, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(5);

/// The built binary with nothing of the tester's environment that it would listen to.
pub fn switchyard<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchyard"));
    command.args(arguments).env_remove("SWITCHYARD_DATA").env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// How a command ended and what it printed.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}
impl Ran {
    /// Its output, which has to be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
    /// Its output, which has to be JSON lines.
    pub fn json_lines(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(read).collect()
    }
    /// Itself, if it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs a command to its end.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    run_with_input(arguments, "")
}

/// Runs a command to its end with `input` on its stdin.
pub fn run_with_input<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>, input: &str) -> Ran {
    Process::start(switchyard(arguments), input).finish()
}

/// A child process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Process {
    pub fn start(mut command: Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.as_bytes().to_vec());
        // A child that does not read its input is none the worse for it.
        let feed = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let threads = vec![
            feed,
            collect(child.stdout.take().unwrap(), &stdout),
            collect(child.stderr.take().unwrap(), &stderr),
        ];
        Self { child, stdout, stderr, threads }
    }

    /// What came on stderr so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }
    /// What came on stdout so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout.lock().unwrap()).into_owned()
    }
    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
    /// The first line on stderr that `pick` finds something in.
    pub fn wait_for_line<T>(&mut self, pick: impl Fn(&str) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let is_running = self.is_running();
            let text = self.stderr();
            // A line that is still being written is left for the next look.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            if let Some(found) = whole.lines().find_map(&pick) {
                return found;
            }
            assert!(is_running && begun.elapsed() < PATIENCE, "running: {is_running}\n{text}");
            std::thread::sleep(POLL);
        }
    }
    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
    /// SIGKILL: nothing of it runs on.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        self.child.wait().unwrap();
    }
    /// SIGTERM.
    pub fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }
    /// Waits for its end.
    pub fn finish(mut self) -> Ran {
        let status = self.wait();
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        let text = |bytes: &Mutex<Vec<u8>>| String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
        Ran { code: status.code().unwrap_or(-1), stdout: text(&self.stdout), stderr: text(&self.stderr) }
    }
    fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end:\n{}", self.stderr());
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A child that has ended is only taken off the system's list.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn collect(mut from: impl Read + Send + 'static, into: &Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            into.lock().unwrap().extend_from_slice(&buffer[..count]);
        }
    })
}

/// Waits until `condition` holds.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come about");
        std::thread::sleep(POLL);
    }
}

/// A data directory of the demo world beside the configuration that it was made with.
pub struct World {
    dir: tempfile::TempDir,
    /// What `init` printed.
    pub made: Value,
}

/// Small segments, so that a test sees several and zeroes few; snapshots all the time; ports that the system chooses.
const CONFIG: &str = "\
[terminals]
listen = \"127.0.0.1:0\"
frame_deadline_ms = 1_000
[http]
listen = \"127.0.0.1:0\"
[ledger]
segment_mib = 1
snapshot_records = 200
[core]
reversal_retry_ms = 200
[links]
backoff_ms_min = 20
backoff_ms_max = 200
";

impl World {
    /// A demo's world. Unless told where its issuers are, it looks for them where nobody is: a simulator that somebody
    /// runs beside the tests has other keys.
    pub fn make(extra: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("switchyard.toml");
        std::fs::write(&config, CONFIG).unwrap();
        let data = dir.path().join("data");
        let mut arguments: Vec<&OsStr> = ["init", "--demo", "--output", "json"].map(OsStr::new).to_vec();
        arguments.extend([OsStr::new("--data"), data.as_os_str()]);
        arguments.extend([OsStr::new("--config"), config.as_os_str()]);
        arguments.extend(extra.iter().map(OsStr::new));
        let nowhere = free_ports::<2>().map(|port| port.to_string()).join(",");
        if !extra.contains(&"--issuer-ports") {
            arguments.extend(["--issuer-ports", &nowhere].map(OsStr::new));
        }
        let made = run(arguments).expect(0).json();
        Self { dir, made }
    }
    /// The directory that holds everything; it goes with the world.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("switchyard.toml")
    }
    /// Puts the switch's own addresses in the place of port 0, so that it comes back to them.
    pub fn keep_addresses(&self, serve: &Serve) {
        let listen = |address: SocketAddr| format!("listen = \"{address}\"");
        let text = std::fs::read_to_string(self.config()).unwrap();
        let text = text.replacen("listen = \"127.0.0.1:0\"", &listen(serve.terminals), 1);
        let text = text.replacen("listen = \"127.0.0.1:0\"", &listen(serve.http), 1);
        std::fs::write(self.config(), text).unwrap();
    }
    /// Runs a command on this data directory.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Process::start(self.command(arguments), "").finish()
    }
    /// The same, to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = switchyard(["--data"]);
        command.arg(self.data()).args(arguments);
        command
    }
    /// Runs `serve`.
    pub fn serve(&self) -> Serve {
        let mut command = self.command(&["serve", "--config"]);
        command.arg(self.config());
        Serve::start(command)
    }
    /// What the running switch says about itself over its administrators' socket.
    pub fn status(&self) -> Value {
        self.asked("status")
    }
    /// Whether the running switch has its projections: until then whoever asks reads the ledger for itself.
    pub fn projects(&self) -> bool {
        self.answer("projections")["reached"].is_u64()
    }
    fn asked(&self, command: &str) -> Value {
        self.answer(command)[command].take()
    }
    fn answer(&self, command: &str) -> Value {
        let mut stream = UnixStream::connect(self.data().join("admin.sock")).unwrap();
        writeln!(stream, "{{\"command\":\"{command}\"}}").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
    /// Waits until every link of the running switch has signed on: before that, its issuer cannot be reached.
    pub fn wait_for_links(&self) {
        until("the links to sign on", || {
            self.asked("overview")["links"]
                .as_array()
                .unwrap()
                .iter()
                .all(|link| link["status"] == "signed-on")
        });
    }
    /// The segments of the ledger, in order.
    pub fn segments(&self) -> Vec<PathBuf> {
        segments(&self.data())
    }
}

/// The segments of a data directory's ledger, in order.
pub fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("ledger")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.extension() == Some(OsStr::new("log"))).collect();
    found.sort();
    found
}

/// A running switch.
pub struct Serve {
    pub process: Process,
    pub terminals: SocketAddr,
    pub http: SocketAddr,
}

impl Serve {
    /// Starts it, and waits until it says where it listens.
    pub fn start(command: Command) -> Self {
        let mut process = Process::start(command, "");
        let (terminals, http) = process.wait_for_line(|line| {
            let (terminals, rest) = line.strip_prefix("terminals on ")?.split_once(", http on ")?;
            Some((terminals.parse().ok()?, rest.split(';').next()?.parse().ok()?))
        });
        Self { process, terminals, http }
    }
    /// Ends it in good order; gives what it wrote on stderr.
    pub fn stop(self) -> String {
        self.process.terminate();
        self.process.finish().expect(0).stderr
    }
    /// A page over HTTP: status line with headers, and body.
    pub fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
    /// The value of one line of `/metrics`, with its labels as they are printed; 0 when there is none.
    pub fn metric(&self, name: &str) -> u64 {
        let page = self.get("/metrics").1;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse::<f64>().unwrap() as u64)
    }
}

/// Ports that nobody listens on now, each given out once. They lie below those that the system chooses for others, so
/// that they stay free until their owner comes.
pub fn free_ports<const N: usize>() -> [u16; N] {
    const PORTS: std::ops::Range<u32> = 10_000..32_000;
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Other processes that run tests begin elsewhere.
    let first = std::process::id().wrapping_mul(97);
    [(); N].map(|()| {
        let mut ports = PORTS.map(|_| {
            let tried = first.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
            (PORTS.start + tried % (PORTS.end - PORTS.start)) as u16
        });
        ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
    })
}

/// Says that something is not tested, past the harness, which keeps what passing tests print.
pub fn skipped(why: &str) {
    let line = format!("\nSKIPPED: {why}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// A program of the environment that `cargo xtask tools` makes, when `check` ends well: it has what the test needs.
pub fn venv_program(name: &str, check: &[&str]) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin").join(name);
    let output = Command::new(&path).args(check).output().ok()?;
    output.status.success().then_some(path)
}

/// Hexadecimal digits to bytes.
pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// A world whose terminals have bought, refunded and closed, and whose switch has stopped.
pub fn busy_world(transactions: &str) -> World {
    let world = World::make(&[]);
    let serve = world.serve();
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", transactions, "--terminals", "4"];
    world.run(&sim).expect(0);
    serve.stop();
    world
}
