//! Risk rules, routing rules and stand-in rules by command, beside a running switch and without one.

use crate::support::{self, Process, World};
use serde_json::{Value, json};

fn json_of(world: &World, arguments: &[&str]) -> Value {
    world.run(&[arguments, &["--output", "json"]].concat()).expect(0).json()
}

const CARD_DAY: [&str; 9] =
    ["risk", "set", "1", "--reason", "card a day", "--sum", "card/day=500000", "--then", "decline=61"];

#[test]
fn risk_rules_are_set_by_flags_and_by_file_and_read_back_as_they_were_written() {
    let world = World::make(&[]);
    let mid = world.made["merchants"][0]["mid"].as_str().unwrap();
    assert_eq!(json_of(&world, &["risk", "list"]), json!({"version": 0, "rules": []}));
    assert_eq!(json_of(&world, &CARD_DAY), json!({"recorded": true}));
    let scope = ["--merchant", mid, "--kind", "sale", "--mcc", "5000-5999", "--between", "22:00-06:00"];
    let second =
        ["risk", "set", "2", "--reason", "many", "--attempts", "card_at_merchant/10=5", "--then", "score=40"];
    json_of(&world, &[&second[..], &scope, &["--currency", "CNY", "--decline-score", "100"]].concat());
    let listed = json_of(&world, &["risk", "list"]);
    assert_eq!((&listed["version"], &listed["decline_score"]), (&json!(2), &json!(100)));
    assert_eq!(
        listed["rules"][0],
        json!({"number": 1, "reason": "card a day", "about": {}, "then": {"decline": "61"},
               "test": {"sum": {"of": "card", "window": "day", "minor_max": 500_000}}})
        .without_about()
    );
    assert_eq!(
        listed["rules"][1],
        json!({"number": 2, "reason": "many", "then": {"score": 40},
               "about": {"merchants": [mid], "kinds": ["sale"], "mcc": [[5_000, 5_999]], "minutes": [1_320, 360],
                         "currency": "CNY"},
               "test": {"count": {"of": "card_at_merchant", "window": {"minutes": 10}, "count_max": 5,
                                  "attempts": true}}})
    );
    // What is shown can be set again, and is what it was.
    let file = world.root().join("rules.toml");
    std::fs::write(&file, world.run(&["risk", "show"]).expect(0).stdout).unwrap();
    let file = file.to_str().unwrap();
    let same = json_of(&world, &["risk", "set", "--file", file, "--all"]);
    assert_eq!(same, json!({"recorded": false, "changes": []}));
    world.run(&["risk", "remove", "1"]).expect(0);
    let back = json_of(&world, &["risk", "set", "--file", file, "--dry-run"]);
    assert_eq!(back, json!({"recorded": false, "changes": [{"number": 1, "change": "new"}]}));
    assert_eq!(
        json_of(&world, &["risk", "list"])["rules"].as_array().unwrap().len(),
        1,
        "a dry run changes nothing"
    );
    world.run(&["risk", "show", "1"]).expect(1);
    world.run(&["ledger", "verify"]).expect(0);
}

/// What is empty is not printed.
trait WithoutAbout {
    fn without_about(self) -> Self;
}
impl WithoutAbout for Value {
    fn without_about(mut self) -> Self {
        self.as_object_mut().unwrap().remove("about");
        self
    }
}

#[test]
fn wrong_rules_are_refused_with_what_is_wrong_in_them() {
    let world = World::make(&[]);
    let refused = |arguments: &[&str], code: i32, says: &str| {
        let ran = world.run(arguments).expect(code);
        assert!(ran.stderr.contains(says), "{arguments:?}: {ran:?}");
    };
    let risk = |test: &'static str, value: &'static str, then: &'static str| {
        vec!["risk", "set", "1", "--reason", "x", test, value, "--then", then]
    };
    refused(&risk("--sum", "card/week=5", "alert"), 64, "none of day, month");
    refused(&risk("--sum", "cart/day=5", "alert"), 2, "unknown variant `cart`");
    refused(&risk("--round-amount", "0", "alert"), 2, "risk rule 1 contradicts itself");
    refused(&risk("--amount-over", "5", "decline=00"), 2, "risk rule 1 contradicts itself");
    refused(&risk("--amount-over", "5", "shout"), 2, "none of decline=CODE");
    let about = |kind| [&risk("--amount-over", "5", "hold")[..], &["--kind", kind]].concat();
    refused(&about("void"), 2, "risk rule 1 is about Void");
    refused(&about("refund"), 2, "risk rule 1 is about refunds alone");
    refused(&risk("--merchant", "NOBODY", "alert"), 2, "there is no merchant \"NOBODY\"");
    refused(&["risk", "set"], 2, "name a rule by its number");
    refused(&["risk", "set", "1", "--then", "alert"], 64, "--reason");
    refused(&["risk", "remove", "9"], 2, "there is no rule 9");
    refused(&["risk", "set", "--decline-score", "9", "--expect-version", "4"], 2, "at version 0, not 4");
    refused(&["routing", "set", "1", "--to", "nowhere"], 2, "there is no link \"nowhere\"");
    refused(&["routing", "set", "1", "--to", "a:b=1"], 2, "none of weight, ppm, minor");
    refused(&["stand-in", "set", "1", "--each", "5"], 64, "--card-day");
    let file = world.root().join("rules.json");
    let rule =
        json!({"number": 1, "reason": "x", "test": "always", "then": "alert", "abuot": {"kinds": ["sale"]}});
    std::fs::write(&file, json!({"rules": [rule]}).to_string()).unwrap();
    refused(&["risk", "set", "--file", file.to_str().unwrap()], 2, "rule 1: \"abuot\" means nothing here");
    assert_eq!(json_of(&world, &["risk", "list"])["version"], 0);
}

#[test]
fn routing_and_stand_in_rules_of_a_running_switch_change_at_once() {
    let world = World::make(&[]);
    let links: Vec<&str> =
        world.made["links"].as_array().unwrap().iter().map(|link| link["name"].as_str().unwrap()).collect();
    let serve = world.serve();
    let to = |link: &str, rest: &str| format!("{link}:{rest}");
    let (first, second) = (to(links[0], "weight=3:ppm=900"), to(links[1], "weight=1"));
    let set =
        ["routing", "set", "5", "--choose", "weight", "--to", &first, "--to", &second, "--amount-to", "700"];
    assert_eq!(json_of(&world, &set), json!({"recorded": true}));
    json_of(&world, &["routing", "set", "6", "--to", links[1], "--at", "1", "--class", "credit"]);
    let listed = json_of(&world, &["routing", "list"]);
    assert_eq!((&listed["version"], &listed["rules"][0]["number"]), (&json!(2), &json!(6)), "{listed}");
    assert_eq!(
        listed["rules"][1],
        json!({"number": 5, "minor_max": 700, "choose": "weight", "destinations": [
            {"link": links[0], "weight": 3, "cost_ppm": 900, "cost_minor": 0},
            {"link": links[1], "weight": 1, "cost_ppm": 0, "cost_minor": 0},
        ]})
    );
    assert_eq!(json_of(&world, &set), json!({"recorded": false, "changes": []}), "it is so");
    let stand_in = ["stand-in", "set", "1", "--class", "debit", "--each", "30000", "--card-day", "60000"];
    json_of(&world, &[&stand_in[..], &["--card-count", "3", "--refuses-pin"]].concat());
    assert_eq!(
        json_of(&world, &["stand-in", "list"]),
        json!({"version": 1, "rules": [{"number": 1, "about": {"classes": ["debit"]}, "minor_max": 30_000,
            "day_minor_max": 60_000, "day_count_max": 3, "refuses_pin": true}]})
    );
    world.run(&["stand-in", "remove", "1"]).expect(0);
    world.run(&["routing", "remove", "5", "6"]).expect(0);
    assert_eq!(json_of(&world, &["routing", "list"]), json!({"version": 3, "rules": []}));
    let text = world.run(&["routing", "list"]).expect(0);
    assert!(text.stderr.contains("version 3"), "{text:?}");
    // The core looks at a rule from the moment on that the command came back.
    json_of(&world, &CARD_DAY);
    assert_eq!(json_of(&world, &["risk", "list"])["rules"][0]["number"], 1);
    serve.stop();
}

#[test]
fn a_day_is_replayed_under_rules_that_are_not_in_force() {
    let world = support::busy_world("150");
    let file = world.root().join("candidate.toml");
    let write = |test: &str, then: &str| {
        let text = format!("[[rules]]\nnumber = 3\nreason = \"candidate\"\ntest = {test}\nthen = {then}\n");
        std::fs::write(&file, text).unwrap();
    };
    let replay = |code: i32| {
        world.run(&["risk", "test", "--file", file.to_str().unwrap(), "--output", "json"]).expect(code).json()
    };
    write("\"always\"", "\"alert\"");
    // Refunds are looked at by rules that name them.
    let refunds = "[[rules]]\nnumber = 4\nreason = \"refunds\"\ntest = \"always\"\nthen = \"alert\"\nabout = { kinds = [\"refund\"] }\n";
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + refunds).unwrap();
    let all = replay(0);
    let looked_at = all["looked_at"].as_u64().unwrap();
    assert!(looked_at > 20, "{all}");
    let spoke = |rule: usize| all["rules"][rule]["transactions"].as_u64().unwrap();
    assert_eq!(spoke(0) + spoke(1), looked_at, "{all}");
    assert!(spoke(1) > 0, "{all}");
    write("{ count = { of = \"merchant\", window = \"day\", count_max = 2 } }", "{ decline = \"65\" }");
    let some = replay(1);
    let declined = some["verdicts"]["decline"].as_u64().unwrap();
    assert!(declined > 0 && declined < looked_at, "{some}");
    assert_eq!(json_of(&world, &["risk", "list"])["version"], 0, "nothing is set");
    assert_eq!(
        world.run(&["risk", "test", "--date", "2001-01-01"]).expect(0).stdout,
        "2001-01-01: 0 transactions looked at\n"
    );
}

#[test]
fn what_rules_find_is_listed_counted_and_its_payout_let_go() {
    let world = World::make(&[]);
    json_of(&world, &["risk", "set", "1", "--reason", "every one", "--then", "hold"]);
    json_of(
        &world,
        &["risk", "set", "2", "--reason", "too much", "--amount-over", "99999", "--then", "decline=61"],
    );
    let serve = world.serve();
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", "80", "--terminals", "4"];
    world.run(&sim).expect(0);
    let counted = |verdict: &str| serve.metric(&format!("switch_risk_total{{verdict=\"{verdict}\"}}"));
    let flagged = json_of(&world, &["risk", "flagged"]);
    let flagged = flagged.as_array().unwrap();
    let of = |verdict: &str| flagged.iter().filter(|row| row["verdict"] == verdict).count() as u64;
    assert!(of("hold_payout") > 5, "{flagged:?}");
    assert_eq!((of("hold_payout"), of("decline")), (counted("hold_payout"), counted("decline")));
    assert!(flagged.iter().all(|row| row["why"].as_str().unwrap().starts_with("rule 1: every one")));
    assert_eq!(json_of(&world, &["risk", "flagged", "--since", "2099-01-01"]), json!([]));
    let held = json_of(&world, &["risk", "held"]);
    let held = held.as_array().unwrap();
    assert!(!held.is_empty() && held.len() as u64 <= of("hold_payout"), "{held:?}");
    assert!(held.iter().all(|row| row["outcome"] != "declined" && row["outcome"] != "reversed"), "{held:?}");
    let top = || json_of(&world, &["top", "--interval-ms", "200"])["payouts_held"].as_u64().unwrap();
    let shows = |count: usize| (0..20).any(|_| top() == count as u64);
    assert!(shows(held.len()), "what top counts is what is listed");
    let rrn = held[0]["rrn"].as_str().unwrap();
    let release = ["risk", "release", rrn, "--reason", "the cardholder confirmed"];
    assert_eq!(json_of(&world, &release), json!({"recorded": true}));
    world.run(&release).expect(1);
    world.run(&["risk", "release", "000000000000", "--reason", "x"]).expect(1);
    let left = json_of(&world, &["risk", "held"]);
    assert!(shows(held.len() - 1), "{}", top());
    assert_eq!(left.as_array().unwrap().len(), held.len() - 1);
    assert!(left.as_array().unwrap().iter().all(|row| row["rrn"] != rrn), "{left}");
    let explained = json_of(&world, &["explain", "transaction", rrn]).to_string();
    for words in ["rule 1: every one", "not paid out until it is released", "the cardholder confirmed"] {
        assert!(explained.contains(words), "{words}: {explained}");
    }
    let log = serve.stop();
    assert!(log.contains("the risk rules found something") && log.contains("hold_payout"), "{log}");
    world.run(&["ledger", "verify"]).expect(0);
}

#[test]
fn an_accounts_own_rules_can_be_taken_away() {
    let world = World::make(&[]);
    let mid = world.made["merchants"][0]["mid"].as_str().unwrap();
    // What has taken place has to be posted: such an account takes no limit.
    let payable = world.run(&["limit", "set", &format!("merchant-payable/{mid}/CNY"), "--closed", "true"]);
    assert!(payable.expect(2).stderr.contains("no limit"));
    let account = format!("wallet/{mid}/CNY");
    world.run(&["limit", "remove", &account]).expect(1);
    world.run(&["limit", "set", &account, "--closed", "true"]).expect(0);
    assert_eq!(json_of(&world, &["limit", "list"]).as_array().unwrap().len(), 1);
    world.run(&["limit", "remove", &account]).expect(0);
    assert_eq!(json_of(&world, &["limit", "list"]), json!([]));
}

#[test]
fn top_shows_a_running_switch_once_as_text_and_as_json() {
    let world = World::make(&[]);
    let alone = world.run(&["top", "--once"]).expect(2);
    assert!(alone.stderr.contains("no switch serves"), "{alone:?}");
    let serve = world.serve();
    let seen = json_of(&world, &["top", "--interval-ms", "200"]);
    assert_eq!(
        (&seen["phase"], &seen["saf_dead"], &seen["hsm_up"]),
        (&json!("serving"), &json!(0), &json!(true))
    );
    let made = world.made["links"].as_array().unwrap();
    let names =
        |links: &Value| links.as_array().unwrap().iter().map(|link| link["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&seen["links"]), names(&made.clone().into()));
    assert!(seen["window_ms"].as_u64().unwrap() >= 200, "{seen}");
    let text = Process::start(world.command(&["top", "--interval-ms", "100"]), "").finish().expect(0);
    assert!(text.stdout.starts_with("switchyard  serving  day "), "no terminal is one look: {text:?}");
    assert!(made.iter().all(|link| text.stdout.contains(link["name"].as_str().unwrap())), "{text:?}");
    world.run(&["top", "--interval-ms", "1"]).expect(64);
    serve.stop();
}
