//! What people type at a terminal: passwords and components are not shown, and the terminal is left as it was.
//!
//! The other side of the pseudo-terminal is a script of a few lines: nothing of this project may open one without
//! `unsafe`, and Python's standard library does.

use crate::support::{Process, World, skipped};
use serde_json::{Value, json};
use std::process::Command;

/// Plays somebody at a terminal: waits for prompts, types, and tells what was shown and how the terminal was left.
const SITTER: &str = r#"
import json, os, pty, select, sys, termios, time
plan = json.load(sys.stdin)
# The command begins when it is known how the terminal was before it: a quick one has asked by then.
begin, known = os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    os.read(begin, 1)
    os.execv(plan["command"][0], plan["command"])
shown, echoes = b"", []
modes = lambda: termios.tcgetattr(terminal)[3]
before, end = modes(), time.monotonic() + 100
os.write(known, b"x")
def more():
    global shown
    if time.monotonic() > end:
        os.kill(pid, 9)
        raise SystemExit("nothing came: " + repr(shown))
    if not select.select([terminal], [], [], 1)[0]:
        return True
    try:
        got = os.read(terminal, 4096)
    except OSError:
        return False
    shown += got
    return bool(got)
seen = 0
for prompt, text in plan["typed"]:
    while prompt.encode() not in shown[seen:]:
        if not more():
            raise SystemExit("it ended before " + prompt + ": " + repr(shown))
    seen = shown.index(prompt.encode(), seen) + len(prompt)
    echoes.append(bool(modes() & termios.ECHO))
    os.write(terminal, text.encode())
# A terminal is as long as somebody has it open; this side asks while the child's end is not closed yet.
left = modes()
while True:
    try:
        left = modes()
    except termios.error:
        pass
    if not more():
        break
_, status = os.waitpid(pid, 0)
print(json.dumps({"shown": shown.decode(), "echoes": echoes, "left": left, "before": before,
    "code": os.waitstatus_to_exitcode(status)}))
"#;

/// What a command does at a terminal; nothing where there is no Python to open one.
fn at_a_terminal(world: &World, arguments: &[&str], typed: &[(&str, &str)]) -> Option<Value> {
    let command = world.command(arguments);
    let words: Vec<&str> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|w| w.to_str().unwrap())
        .collect();
    let plan = json!({ "command": words, "typed": typed });
    let mut python = Command::new("python3");
    python.args(["-c", SITTER]).env("NO_COLOR", "1");
    Some(Process::start(python, &plan.to_string()).finish().expect(0).json())
}

fn there_is_python() -> bool {
    let found = Command::new("python3").args(["-c", "import pty, termios"]).output();
    let found = found.is_ok_and(|ran| ran.status.success());
    if !found {
        skipped("what is typed at a terminal: there is no python3 with pty");
    }
    found
}

/// Nothing typed is shown, and the terminal shows again what is typed once the command has ended.
#[track_caller]
fn unseen(told: &Value, secrets: &[&str]) {
    let shown = told["shown"].as_str().unwrap();
    for secret in secrets {
        assert!(!shown.contains(secret), "{told}");
    }
    assert!(told["echoes"].as_array().unwrap().iter().all(|echo| echo == false), "{told}");
    assert_eq!(told["left"], told["before"], "the terminal is left as it was: {told}");
}

#[test]
fn passwords_and_components_are_typed_unseen_and_the_terminal_is_left_as_it_was() {
    if !there_is_python() {
        return;
    }
    let world = World::make(&[]);
    let (first, own) = ("set by somebody else", "a horse by the sea");
    let add = ["user", "add", "ann", "--role", "key-custodian"];
    let prompts = ["new password of ann: ", "the same again: "];
    let ask = |typed: [&str; 2]| {
        at_a_terminal(&world, &add, &[(prompts[0], typed[0]), (prompts[1], typed[1])]).unwrap()
    };
    // A wrong repeat is told and adds nobody.
    let wrong = ask(["set by somebody else\r", "set by nobody else\r"]);
    assert!(wrong["shown"].as_str().unwrap().contains("that is not the same"), "{wrong}");
    assert_eq!(wrong["code"], 2);
    unseen(&wrong, &[first, "nobody else"]);
    let added = ask(["set by somebody else\r", "set by somebody else\r"]);
    assert_eq!(added["code"], 0, "{added}");
    unseen(&added, &[first]);
    // One's own in its place, with a slip that was taken back.
    let passwd = ["user", "passwd", "--user", "ann"];
    let typed = [
        ("password of ann: ", "set by somebody elze\x7f\x7fse\r"),
        ("new password of ann: ", "a horse by the sea\r"),
        ("the same again: ", "a horse by the sea\r"),
    ];
    let changed = at_a_terminal(&world, &passwd, &typed).unwrap();
    assert_eq!(changed["code"], 0, "{changed}");
    unseen(&changed, &[first, own]);
    // A component.
    world.run(&["key", "init", "transport/1", "--reason", "a test"]).expect(0);
    let component = "0123 4567 89AB CDEF FEDC BA98 7654 3210";
    let load = ["key", "load", "transport/1", "--user", "ann"];
    let typed = [
        ("component of transport/1: ", &*format!("{component}\r")),
        ("password of ann: ", "a horse by the sea\r"),
    ];
    let loaded = at_a_terminal(&world, &load, &typed).unwrap();
    assert_eq!(loaded["code"], 0, "{loaded}");
    unseen(&loaded, &[own, component, "4567"]);
}

#[test]
fn ctrl_c_at_a_prompt_ends_the_command_and_leaves_the_terminal_as_it_was() {
    if !there_is_python() {
        return;
    }
    let world = World::make(&[]);
    let add = ["user", "add", "ann", "--role", "auditor"];
    let stopped = at_a_terminal(&world, &add, &[("new password of ann: ", "set by some\x03")]).unwrap();
    assert_eq!(stopped["code"], 2, "{stopped}");
    assert!(stopped["shown"].as_str().unwrap().contains("interrupted"), "{stopped}");
    unseen(&stopped, &["set by some"]);
    assert_eq!(world.run(&["user", "list", "--output", "json"]).expect(0).json(), json!([]));
}
