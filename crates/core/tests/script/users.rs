//! People who log in: roles, wrong passwords, lockouts, by the clock.

use crate::support::*;
use std::collections::BTreeSet;
use switchyard_core::{
    Act, Command, CommandError, CommandOutcome, LOCKOUT_MINUTES, LOGIN_TRIES_MAX, Order, PASSWORDS_KEPT,
    UserCommand,
};
use switchyard_domain::{
    Actor, PasswordRecord, Reason, Record, Role, Roles, TerminalOrder, UserName, UserOrder,
};

const MINUTE_MS: u64 = 60_000;

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}
fn user(text: &str) -> Actor {
    Actor::User(name(text))
}
fn password(text: &str) -> PasswordRecord {
    PasswordRecord(text.into())
}
fn roles(roles: &[Role]) -> Roles {
    Roles::of(roles.iter().copied()).unwrap()
}
fn why() -> Reason {
    "a test".parse().unwrap()
}
fn root() -> Actor {
    Actor::Operator("root (uid 0)".into())
}

type Verdict = Result<CommandOutcome, CommandError>;

fn add(bench: &mut Bench, who: &str, held: &[Role]) -> Verdict {
    let add = UserCommand::Add { user: name(who), roles: roles(held), password: password("first") };
    bench.command_as(root(), Command::User(add))
}
/// A user who has changed the password that somebody else set.
fn ready(bench: &mut Bench, who: &str, held: &[Role]) {
    add(bench, who, held).unwrap();
    set(bench, user(who), who, "own", 1).unwrap();
}
fn set(bench: &mut Bench, actor: Actor, who: &str, text: &str, version: u32) -> Verdict {
    let set = UserCommand::SetPassword { user: name(who), password: password(text), version };
    bench.command_as(actor, Command::User(set))
}
fn order(bench: &mut Bench, actor: Actor, who: &str, order: UserOrder) -> Verdict {
    bench.command_as(actor, Command::User(UserCommand::Order { user: name(who), order, reason: why() }))
}
fn begin(bench: &mut Bench, who: &str) -> Verdict {
    bench.command_as(Actor::Switch, Command::User(UserCommand::BeginLogin { user: name(who) }))
}
fn end(bench: &mut Bench, who: &str, version: u32, right: bool) -> Verdict {
    bench.command_as(Actor::Switch, Command::User(UserCommand::EndLogin { user: name(who), version, right }))
}
fn state_of(bench: &Bench, who: &str) -> &'static str {
    bench.core.state().users(bench.now).find(|view| view.user == name(who)).unwrap().state
}

#[test]
fn every_act_is_open_to_the_roles_of_its_row_and_to_no_other() {
    let mut bench = Bench::new();
    for role in Role::ALL {
        let who = format!("x-{role}");
        ready(&mut bench, &who, &[role]);
        for act in Act::ALL {
            let said = bench.command_as(user(&who), Command::May(*act));
            let expected = match act.roles().contains(&role) {
                true => Ok(CommandOutcome::Permitted),
                false => Err(CommandError::Forbidden { act: act.name() }),
            };
            assert_eq!(said, expected, "{role} {act:?}");
        }
    }
    for act in Act::ALL {
        let said = bench.command_as(root(), Command::May(*act)).is_ok();
        assert_eq!(said, act.roles().contains(&Role::Admin), "whom the system vouches for is admin: {act:?}");
    }
    let names: BTreeSet<_> = Act::ALL.iter().map(|act| act.name()).collect();
    assert_eq!(names.len(), Act::ALL.len(), "each has a name of its own");
    let terminal = Actor::Terminal(switchyard_domain::TerminalIndex(0));
    assert!(bench.command_as(terminal, Command::May(Act::Status)).is_err(), "a terminal is nobody here");
}

#[test]
fn the_table_in_the_documentation_is_the_one_that_is_held_to() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/users.md");
    let mark = |role: &Role, act: &Act| if act.roles().contains(role) { "×" } else { "" };
    let row = |act: &Act| {
        let cells: Vec<&str> = Role::ALL.iter().map(|role| mark(role, act)).collect();
        format!("| `{}` | {} |\n", act.name(), cells.join(" | "))
    };
    let table: String = Act::ALL.iter().map(row).collect();
    let text = std::fs::read_to_string(path).unwrap();
    let head = format!(
        "| act | {} |\n|---|{}\n",
        Role::ALL.map(Role::name).join(" | "),
        "---|".repeat(Role::ALL.len())
    );
    let begin = text.find(&head).expect("the head of the table") + head.len();
    let end = begin
        + text[begin..].lines().take_while(|line| line.starts_with('|')).map(|l| l.len() + 1).sum::<usize>();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(path, format!("{}{table}{}", &text[..begin], &text[end..])).unwrap();
        return;
    }
    assert_eq!(&text[begin..end], table);
}

#[test]
fn a_command_is_refused_to_those_whose_roles_do_not_open_it() {
    let mut bench = Bench::new();
    ready(&mut bench, "ann", &[Role::Auditor]);
    ready(&mut bench, "bob", &[Role::Operator, Role::Finance]);
    let disable = || {
        let terminal = TERMINALS[0].0.parse().unwrap();
        Command::Order(Order::Terminal { terminal, what: TerminalOrder::Disable, reason: why() })
    };
    let before = bench.records.len();
    assert_eq!(
        bench.command_as(user("ann"), disable()),
        Err(CommandError::Forbidden { act: "order-terminal" })
    );
    let expecting = Command::Expecting { version: 0, command: Box::new(disable()) };
    assert_eq!(
        bench.command_as(user("ann"), expecting),
        Err(CommandError::Forbidden { act: "order-terminal" })
    );
    assert_eq!(bench.command_as(user("nobody"), disable()), Err(CommandError::Missing { what: "user" }));
    assert_eq!(bench.records.len(), before, "nothing is recorded of a refusal");
    assert_eq!(bench.command_as(user("bob"), disable()), Ok(CommandOutcome::Recorded));
    assert_eq!(bench.records.last().unwrap().actor, user("bob"), "the record has who it was");
    assert!(matches!(bench.command_as(user("bob"), Command::CutDay), Ok(CommandOutcome::DayCut { .. })));
}

#[test]
fn rights_end_when_they_are_taken_and_not_when_a_session_ends() {
    let mut bench = Bench::new();
    ready(&mut bench, "ann", &[Role::Operator]);
    let may = |bench: &mut Bench| bench.command_as(user("ann"), Command::May(Act::Reindex)).is_ok();
    assert!(may(&mut bench));
    let steps: [(UserOrder, bool); 5] = [
        (UserOrder::Roles(roles(&[Role::Finance])), false),
        (UserOrder::Roles(roles(&[Role::Finance, Role::Operator])), true),
        (UserOrder::Disable, false),
        (UserOrder::Enable, true),
        (UserOrder::Unlock, true),
    ];
    for (what, then) in steps {
        let recorded = what != UserOrder::Unlock;
        let said = order(&mut bench, root(), "ann", what.clone()).unwrap();
        assert_eq!(said == CommandOutcome::Recorded, recorded, "{what:?}");
        let again = order(&mut bench, root(), "ann", what.clone());
        assert_eq!(again, Ok(CommandOutcome::RecordedBefore), "{what:?}");
        assert_eq!(may(&mut bench), then, "{what:?}");
        bench.crash();
        assert_eq!(may(&mut bench), then, "{what:?} after a restart");
    }
    ready(&mut bench, "eve", &[Role::Admin]);
    let own = order(&mut bench, user("eve"), "eve", UserOrder::Roles(roles(&[Role::KeyCustodian])));
    assert!(matches!(own, Err(CommandError::NotNow { .. })), "not even an administrator: {own:?}");
    assert!(order(&mut bench, user("eve"), "nobody", UserOrder::Disable).is_err());
    assert_eq!(add(&mut bench, "eve", &[Role::Risk]), Err(CommandError::Exists { what: "user" }));
}

#[test]
fn what_somebody_else_set_is_changed_before_anything_else() {
    let mut bench = Bench::new();
    add(&mut bench, "ann", &[Role::Operator]).unwrap();
    let may = |bench: &mut Bench| bench.command_as(user("ann"), Command::May(Act::Status)).is_ok();
    assert_eq!(state_of(&bench, "ann"), "password-to-change");
    assert!(!may(&mut bench));
    set(&mut bench, user("ann"), "ann", "own", 1).unwrap();
    assert!(may(&mut bench));
    // An administrator resets it, another user cannot.
    ready(&mut bench, "bob", &[Role::Operator]);
    let other = set(&mut bench, user("bob"), "ann", "mine", 2);
    assert_eq!(other, Err(CommandError::Forbidden { act: "reset-password" }));
    set(&mut bench, root(), "ann", "reset", 2).unwrap();
    assert!(!may(&mut bench));
    assert!(set(&mut bench, user("ann"), "ann", "late", 2).is_err(), "chosen before the reset");
    set(&mut bench, user("ann"), "ann", "own again", 3).unwrap();
    assert!(may(&mut bench));
}

#[test]
fn the_last_four_passwords_are_kept_and_no_more() {
    let mut bench = Bench::new();
    add(&mut bench, "ann", &[Role::Operator]).unwrap();
    for version in 1..=6 {
        set(&mut bench, user("ann"), "ann", &format!("p{version}"), version).unwrap();
        let passwords = UserCommand::Passwords { user: name("ann") };
        let Ok(CommandOutcome::Passwords(kept)) = bench.command_as(user("ann"), Command::User(passwords))
        else {
            panic!()
        };
        assert_eq!(kept.version, version + 1);
        assert_eq!(kept.kept.len(), PASSWORDS_KEPT.min(version as usize + 1));
        assert_eq!(kept.kept[0], password(&format!("p{version}")), "the one in force first");
    }
    ready(&mut bench, "bob", &[Role::Auditor]);
    let others = UserCommand::Passwords { user: name("ann") };
    assert!(bench.command_as(user("bob"), Command::User(others)).is_err());
}

#[test]
fn ten_wrong_passwords_lock_a_user_out_for_half_an_hour() {
    // Wrong tries, then minutes that go by, then whether a try is let.
    let rows: [(u8, u64, bool); 6] = [
        (LOGIN_TRIES_MAX - 1, 0, true),
        (LOGIN_TRIES_MAX, 0, false),
        (LOGIN_TRIES_MAX, 1, false),
        (LOGIN_TRIES_MAX, LOCKOUT_MINUTES - 1, false),
        (LOGIN_TRIES_MAX, LOCKOUT_MINUTES, true),
        (LOGIN_TRIES_MAX, LOCKOUT_MINUTES + 600, true),
    ];
    for (wrong, minutes, let_in) in rows {
        let mut bench = Bench::new();
        ready(&mut bench, "ann", &[Role::Operator]);
        for _ in 0..wrong {
            assert!(matches!(begin(&mut bench, "ann"), Ok(CommandOutcome::Passwords(_))));
            assert_eq!(end(&mut bench, "ann", 2, false), Ok(CommandOutcome::Recorded));
        }
        bench.now = bench.now.plus_micros(minutes * MINUTE_MS * 1_000);
        let row = format!("{wrong} wrong, {minutes} minutes");
        assert_eq!(begin(&mut bench, "ann").is_ok(), let_in, "{row}");
        bench.crash();
        assert_eq!(begin(&mut bench, "ann").is_ok(), let_in, "{row}, after a restart");
        let records = bench.records.len();
        assert_eq!(end(&mut bench, "ann", 2, true).is_ok(), let_in, "{row}: not even the right one");
        assert_eq!(
            bench.records.len() - records,
            usize::from(let_in),
            "{row}: what is locked records nothing"
        );
        assert_eq!(state_of(&bench, "ann"), if let_in { "active" } else { "locked" }, "{row}");
        if !let_in {
            order(&mut bench, root(), "ann", UserOrder::Unlock).unwrap();
            assert!(end(&mut bench, "ann", 2, true).is_ok(), "{row}, unlocked");
        }
    }
}

#[test]
fn a_right_password_forgets_the_wrong_ones_and_a_lockout_begins_anew() {
    let mut bench = Bench::new();
    ready(&mut bench, "ann", &[Role::Operator]);
    for _ in 0..3 {
        (1..LOGIN_TRIES_MAX).for_each(|_| drop(end(&mut bench, "ann", 2, false).unwrap()));
        end(&mut bench, "ann", 2, true).unwrap();
    }
    let last = bench.records.last().unwrap();
    assert_eq!(
        (&last.actor, &last.record),
        (&user("ann"), &Record::LoginTried { user: name("ann"), right: true })
    );
    for _ in 0..3 {
        (0..LOGIN_TRIES_MAX).for_each(|_| drop(end(&mut bench, "ann", 2, false).unwrap()));
        assert_eq!(bench.records.last().unwrap().actor, Actor::Switch, "who it was is not known");
        assert!(begin(&mut bench, "ann").is_err());
        bench.now = bench.now.plus_micros(LOCKOUT_MINUTES * MINUTE_MS * 1_000);
        assert!(begin(&mut bench, "ann").is_ok());
    }
    assert!(end(&mut bench, "ann", 1, true).is_err(), "compared with a password of before");
    order(&mut bench, root(), "ann", UserOrder::Disable).unwrap();
    assert!(begin(&mut bench, "ann").is_err() && end(&mut bench, "ann", 2, true).is_err());
    for actor in [root(), user("ann"), Actor::Operator("x".into())] {
        let begin = Command::User(UserCommand::BeginLogin { user: name("ann") });
        assert!(bench.command_as(actor, begin).is_err(), "only the switch compares passwords");
    }
}

#[test]
fn a_custodian_rotates_the_keys_of_cards_and_installs_no_other() {
    use switchyard_domain::{KeyName, KeyRecord, KeyUse, WrappedKey};
    let mut bench = Bench::new();
    ready(&mut bench, "ann", &[Role::KeyCustodian]);
    let install = |usage| {
        let key = KeyRecord { wrapped: WrappedKey(String::new()), check_value: [1; 4] };
        Command::InstallKey { name: KeyName { usage, owner: 0 }, key }
    };
    assert_eq!(bench.command_as(user("ann"), install(KeyUse::CardData)), Ok(CommandOutcome::Recorded));
    for usage in [KeyUse::PinVerification, KeyUse::IssuerCryptogram, KeyUse::Transport] {
        let refused = bench.command_as(user("ann"), install(usage));
        assert_eq!(refused, Err(CommandError::Forbidden { act: "install-key" }), "{usage:?}");
    }
}
