//! People who log in: beside a running switch and on the data of one that does not run.

use crate::support::{Process, Ran, World, skipped};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

const FIRST: &str = "set by somebody else";
const OWN: &str = "a horse by the sea";

/// Runs a command as a user, with these lines on standard input after the user's password.
fn as_user(world: &World, user: &str, password: &str, arguments: &[&str], more: &str) -> Ran {
    let arguments = [&["--user", user, "--password-stdin"], arguments].concat();
    Process::start(world.command(&arguments), &format!("{password}\n{more}")).finish()
}
fn with_input(world: &World, arguments: &[&str], input: &str) -> Ran {
    Process::start(world.command(arguments), input).finish()
}
fn add(world: &World, user: &str, roles: &[&str]) {
    let mut arguments = vec!["user", "add", user, "--password-stdin"];
    roles.iter().for_each(|role| arguments.extend(["--role", role]));
    with_input(world, &arguments, &format!("{FIRST}\n")).expect(0);
    as_user(world, user, FIRST, &["user", "passwd"], &format!("{OWN}\n")).expect(0);
}
fn json_of(world: &World, arguments: &[&str]) -> Value {
    world.run(&[arguments, &["--output", "json"]].concat()).expect(0).json()
}
fn because<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &["--reason", "a test"]].concat()
}

fn people_do_what_their_roles_open(world: &World) {
    let tid = world.made["terminals"][0]["tid"].as_str().unwrap().to_owned();
    let short =
        with_input(world, &["user", "add", "anna", "--role", "risk", "--password-stdin"], "too short\n");
    assert!(short.expect(2).stderr.contains("12 characters"));
    world.run(&["user", "add", "Anna", "--role", "risk"]).expect(64);
    world.run(&["user", "add", "anna"]).expect(64);
    add(world, "anna", &["operator", "risk"]);
    add(world, "ben", &["auditor"]);

    let disable = because(&["terminal", "disable", &tid]);
    as_user(world, "anna", OWN, &disable, "").expect(0);
    let refused = as_user(world, "ben", OWN, &disable, "").expect(2);
    assert!(refused.stderr.contains("none of your roles may do this: order-terminal"), "{refused:?}");
    for (user, password) in [("anna", FIRST), ("nobody", OWN)] {
        let refused = as_user(world, user, password, &disable, "").expect(2);
        assert!(refused.stderr.contains("user or password is wrong"), "{refused:?}");
    }
    // A card number on standard input comes after the password.
    let block = because(&["card", "block", "--cause", "lost"]);
    as_user(world, "anna", OWN, &block, "4111111111111111\n").expect(0);
    as_user(world, "ben", OWN, &block, "5500005555555559\n").expect(2);

    // Rights and passwords change.
    world.run(&because(&["user", "roles", "ben", "--role", "operator"])).expect(0);
    as_user(world, "ben", OWN, &because(&["terminal", "enable", &tid]), "").expect(0);
    let own = as_user(world, "ben", OWN, &because(&["user", "roles", "ben", "--role", "admin"]), "");
    assert!(own.expect(2).stderr.contains("none of your roles"));
    world.run(&because(&["user", "disable", "ben"])).expect(0);
    let refused = as_user(world, "ben", OWN, &because(&["terminal", "disable", &tid]), "").expect(2);
    assert!(refused.stderr.contains("disabled"), "{refused:?}");
    for repeated in [OWN, FIRST] {
        let refused = as_user(world, "anna", OWN, &["user", "passwd"], &format!("{repeated}\n")).expect(2);
        assert!(refused.stderr.contains("differs from the last 4"), "{refused:?}");
    }
    let others = as_user(world, "anna", OWN, &["user", "passwd", "ben"], "mine from now on\n").expect(2);
    assert!(others.stderr.contains("none of your roles"), "{others:?}");

    // What somebody else set is changed first.
    with_input(world, &["user", "passwd", "anna", "--password-stdin"], "reset by the admin\n").expect(0);
    let refused = as_user(world, "anna", "reset by the admin", &disable, "").expect(2);
    assert!(refused.stderr.contains("user passwd"), "{refused:?}");
    as_user(world, "anna", "reset by the admin", &["user", "passwd"], "hers alone again\n").expect(0);
    as_user(world, "anna", "hers alone again", &disable, "").expect(0);

    let shown = json_of(world, &["user", "show", "anna"]);
    assert_eq!((&shown["state"], &shown["roles"]), (&json!("active"), &json!(["operator", "risk"])));
    let states: Vec<_> =
        json_of(world, &["user", "list"]).as_array().unwrap().iter().map(|u| u["state"].clone()).collect();
    assert_eq!(states, ["active", "disabled"]);
    world.run(&["user", "show", "nobody"]).expect(1);
}

fn ten_wrong_passwords_lock_out(world: &World) {
    add(world, "eve", &["operator"]);
    let order = because(&["merchant", "enable", world.made["merchants"][0]["mid"].as_str().unwrap()]);
    let tried = |password: &str| as_user(world, "eve", password, &order, "").expect(2).stderr;
    for _ in 0..10 {
        assert!(tried("not hers at all").contains("user or password is wrong"));
    }
    assert!(tried(OWN).contains("locked out"), "not even the right one");
    assert_eq!(json_of(world, &["user", "show", "eve"])["state"], "locked");
    world.run(&because(&["user", "unlock", "eve"])).expect(0);
    as_user(world, "eve", OWN, &order, "").expect(0);
}

/// Who did what stands in the ledger; nothing of a password does, beyond its hash, and that leaves it for nobody.
fn the_ledger_knows_who(world: &World) {
    world.run(&["ledger", "verify"]).expect(0);
    let exported = world.run(&["ledger", "export"]).expect(0).stdout;
    let by_anna = |line: &&str| line.contains(r#""actor":{"user":"anna"}"#);
    let lines: Vec<_> = exported.lines().filter(by_anna).collect();
    for record in ["terminal_ordered", "card_blocked", "password_set", "login_tried"] {
        assert!(lines.iter().any(|line| line.contains(record)), "{record} in {lines:?}");
    }
    assert!(!exported.contains("argon2"), "hashes stay in the ledger");
    for path in std::fs::read_dir(world.data().join("ledger")).unwrap() {
        let bytes = std::fs::read(path.unwrap().path()).unwrap();
        for password in [FIRST, OWN] {
            assert!(!bytes.windows(password.len()).any(|window| window == password.as_bytes()));
        }
    }
}

#[test]
fn people_log_in_on_the_data_of_a_switch_that_does_not_run() {
    let world = World::make(&[]);
    people_do_what_their_roles_open(&world);
    ten_wrong_passwords_lock_out(&world);
    the_ledger_knows_who(&world);
}

#[test]
fn people_log_in_at_a_running_switch_and_outlive_it() {
    let world = World::make(&[]);
    let serve = world.serve();
    people_do_what_their_roles_open(&world);
    ten_wrong_passwords_lock_out(&world);
    a_session_is_one_persons(&world);
    assert!(serve.metric("switch_login_failures_total") >= 12);
    let stderr = serve.stop();
    assert!(!stderr.contains(OWN) && !stderr.contains(FIRST), "no password in the log");
    let serve = world.serve();
    assert_eq!(json_of(&world, &["user", "show", "ben"])["state"], "disabled", "after a restart as well");
    let order = because(&["user", "enable", "ben"]);
    world.run(&order).expect(0);
    serve.stop();
    the_ledger_knows_who(&world);
}

/// One connection: what it may follows from who logged in on it, at every command.
fn a_session_is_one_persons(world: &World) {
    let mut stream = UnixStream::connect(world.data().join("admin.sock")).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut answer = |request: Value| {
        writeln!(stream, "{request}").unwrap();
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let refused = answer(json!({"command": "login", "user": "eve", "password": "not hers at all"}));
    assert_eq!(refused["ok"], false);
    assert_eq!(answer(json!({"command": "login", "user": "eve", "password": OWN}))["user"], "eve");
    assert_eq!(answer(json!({"command": "status"}))["ok"], true);
    assert_eq!(answer(json!({"command": "digest", "operator": "eve"}))["ok"], true);
    let other = answer(json!({"command": "digest", "operator": "anna"}));
    assert!(other["error"].as_str().unwrap().contains("cannot act as somebody else"), "{other}");
    for closed in ["users", "trial-balance"] {
        let refused = answer(json!({ "command": closed }));
        assert_eq!(refused["error"], format!("none of your roles may do this: {closed}"));
    }
    world.run(&because(&["user", "disable", "eve"])).expect(0);
    let refused = answer(json!({"command": "status"}));
    assert_eq!(
        refused["error"], "not now: the user is disabled",
        "at the next command, not at the next login"
    );
    world.run(&because(&["user", "enable", "eve"])).expect(0);
    assert_eq!(answer(json!({"command": "status"}))["ok"], true);
}

/// Numbers of a user and of groups that no system gives to anybody.
const STRANGER: u32 = 64_321;
const GROUP: u32 = 64_322;
const OTHER_GROUP: u32 = 64_323;

#[test]
fn the_group_of_the_data_directory_may_open_the_socket_and_has_to_log_in() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    let world = World::make(&[]);
    if std::fs::metadata(world.data()).unwrap().uid() != 0 {
        skipped("the socket of a group: only root can be somebody else");
        return;
    }
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), format!("{text}\n[admin]\ngroup = true\n")).unwrap();
    let open = |path: &std::path::Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    chown(world.data(), None, Some(GROUP)).unwrap();
    open(world.root());
    std::fs::set_permissions(world.data(), std::fs::Permissions::from_mode(0o750)).unwrap();
    // A copy of the command stands where everybody may run it, which the build's own directory may not be.
    let place = tempfile::tempdir().unwrap();
    open(place.path());
    let own = world.command(&[]);
    let binary = place.path().join("switchyard");
    std::fs::copy(own.get_program(), &binary).unwrap();
    let serve = world.serve();
    let as_stranger = |group: u32, arguments: &[&str], input: &str| {
        let mut command = std::process::Command::new(&binary);
        command.arg("--data").arg(world.data()).args(arguments).env_remove("SWITCHYARD_USER");
        command.current_dir(place.path()).uid(STRANGER).gid(group);
        Process::start(command, input).finish()
    };
    add(&world, "ann", &["auditor"]);
    let socket = std::fs::metadata(world.data().join("admin.sock")).unwrap();
    assert_eq!((socket.mode() & 0o777, socket.gid()), (0o660, GROUP));
    let status = ["link", "status", "--output", "json"];
    let unproven = as_stranger(GROUP, &status, "").expect(2);
    assert!(unproven.stderr.contains("log in with --user"), "{unproven:?}");
    let login = [&status[..], &["--user", "ann", "--password-stdin"]].concat();
    as_stranger(GROUP, &login, &format!("{OWN}\n")).expect(0);
    let outside = as_stranger(OTHER_GROUP, &login, &format!("{OWN}\n")).expect(2);
    assert!(outside.stderr.contains("Permission denied"), "{outside:?}");
    serve.stop();
}
