//! `decode`, `encode`, `describe` and `diff`.

use crate::support::{Process, run, run_with_input, switchyard};
use serde_json::{Value, json};
use std::process::Stdio;

/// A published test number.
const PAN: &str = "4111111111111111";

/// The published dumps of the dialect's notes, with the values that their sources give.
fn dumps() -> Vec<Value> {
    let text = include_str!("../../../wire/tests/data/unionpay-dumps.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn hexes() -> String {
    dumps().iter().map(|dump| format!("{}\n", dump["hex"].as_str().unwrap())).collect()
}

/// Stripe, PIN, chip and MAC: whatever may not be shown.
fn sale() -> Value {
    json!({
        "mti": "0200",
        "header": {"tpdu": "6000030000", "header": "603100310100"},
        "fields": {
            "2": PAN, "3": "000000", "4": "000000012345", "11": "000123", "14": "2912", "22": "051", "23": "001",
            "25": "00", "26": "06", "35": format!("{PAN}=29122011234567890"), "41": "12345678",
            "42": "123456789012345", "49": "156", "52": "0011223344556677", "53": "2600000000000000",
            "55": format!("9F2608AABBCCDDEEFF00119F360200015A08{PAN}"), "60": "22000001000500",
            "64": "3132333435363738",
        },
    })
}

fn sale_in_hex() -> String {
    run(["encode", &sale().to_string()]).expect(0).stdout.trim().to_owned()
}

#[test]
fn published_dumps_say_what_their_sources_say_and_encode_to_the_same_bytes() {
    let dumps = dumps();
    assert_eq!(dumps.len(), 10);
    let decoded = run_with_input(["decode", "--lines", "--unmasked"], &hexes()).expect(0);
    for (dump, document) in dumps.iter().zip(decoded.json_lines()) {
        let name = dump["name"].as_str().unwrap();
        assert_eq!(document["mti"], dump["mti"], "{name}");
        let (fields, expected) =
            (document["fields"].as_object().unwrap(), dump["fields"].as_object().unwrap());
        assert_eq!(fields.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
        for (de, expected) in expected {
            let (value, expected) = (fields[de].as_str().unwrap(), expected.as_str().unwrap());
            // Values that the source cuts off end in an ellipsis.
            let is_right = expected.strip_suffix('…').map_or(value == expected, |s| value.starts_with(s));
            assert!(is_right, "{name}: de {de} is {value:?}, not {expected:?}");
        }
    }
    let encoded = run_with_input(["encode", "--lines"], &decoded.stdout).expect(0).stdout;
    for (dump, line) in dumps.iter().zip(encoded.lines()) {
        let hex = dump["hex"].as_str().unwrap();
        let length = if dump["framed"].as_bool().unwrap() { 4 } else { 0 };
        assert_eq!(line, &hex[length..], "{}", dump["name"]);
    }
    assert_eq!(encoded.lines().count(), dumps.len());
}

#[test]
fn a_length_is_put_before_and_taken_off_when_it_is_asked_for() {
    for dump in dumps().iter().filter(|dump| dump["framed"] == true) {
        let hex = dump["hex"].as_str().unwrap();
        let by_itself = run(["decode", "--output", "json", "--unmasked", hex]).expect(0).stdout;
        let told = run(["decode", "--output", "json", "--unmasked", "--frame", "len2-be", hex]).expect(0);
        assert_eq!(told.stdout, by_itself);
        let encoded = run(["encode", "--frame", "len2-be", &by_itself]).expect(0).stdout;
        assert_eq!(encoded.trim(), hex);
    }
    let cut = run(["decode", "--frame", "len2-be", "003C6000"]).expect(2);
    assert!(cut.stderr.contains("cut"), "{}", cut.stderr);
    run(["decode", "--frame", "no-such-frame", "0800"]).expect(2);
}

#[test]
fn the_document_has_header_fields_and_subfields() {
    let dump = dumps().into_iter().find(|dump| dump["name"] == "B2").unwrap();
    let document = run(["decode", "--output", "json", dump["hex"].as_str().unwrap()]).expect(0).json();
    let keys: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["mti", "header", "fields", "subfields"]);
    assert_eq!((&document["mti"], &document["fields"]["39"]), (&json!("0810"), &json!("00")));
    let subfields = &document["subfields"];
    assert_eq!(
        (&subfields["60.1"], &subfields["60.2"], &subfields["60.3"]),
        (&json!("00"), &json!("000001"), &json!("004"))
    );
    let sale = run(["decode", "--output", "json", &sale_in_hex()]).expect(0).json();
    assert_eq!(sale["subfields"]["55.9F26"], "AABBCCDDEEFF0011");
    assert_eq!(sale["header"], json!({"tpdu": "6000030000", "header": "603100310100"}));
}

#[test]
fn what_may_not_be_shown_is_masked_until_it_is_asked_for() {
    let hex = sale_in_hex();
    let secrets = [PAN, "29122011234567890", "0011223344556677"];
    for command in [
        vec!["decode", &hex],
        vec!["decode", "--output", "json", &hex],
        vec!["describe", &hex],
        vec!["diff", &hex, &hex],
    ] {
        let ran = run(command.clone()).expect(0);
        for secret in secrets {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{command:?}: {ran:?}");
        }
    }
    let masked = run(["decode", "--output", "json", &hex]).expect(0).json();
    assert_eq!(masked["fields"]["2"], "411111******1111");
    let open = run(["decode", "--output", "json", "--unmasked", &hex]).expect(0).json();
    assert_eq!(open["fields"], sale()["fields"]);
    assert_eq!(run(["encode", &open.to_string()]).expect(0).stdout.trim(), hex);
    let described = run(["describe", "--unmasked", &hex]).expect(0).stdout;
    assert!(described.contains(PAN), "{described}");
}

#[test]
fn a_difference_names_the_element_and_masks_it() {
    let mut other = sale();
    other["fields"]["4"] = "000000012346".into();
    other["fields"]["2"] = "5555555555554444".into();
    let other = run(["encode", &other.to_string()]).expect(0).stdout.trim().to_owned();
    let ran = run(["diff", "--output", "json", &sale_in_hex(), &other]).expect(1);
    let rows = ran.json();
    let paths: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["de 2", "de 4"]);
    assert!(!ran.stdout.contains("5555555555554444") && !ran.stdout.contains(PAN), "{}", ran.stdout);
    assert!(rows[1]["left"].as_str().unwrap().contains("12345"));
    let text = run(["diff", &sale_in_hex(), &other]).expect(1).stdout;
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(run(["diff", &other, &other]).expect(0).stdout, "");
}

#[test]
fn a_description_names_elements_and_codes() {
    let dump = dumps().into_iter().find(|dump| dump["name"] == "A2").unwrap();
    let text = run(["describe", dump["hex"].as_str().unwrap()]).expect(0).stdout;
    for part in ["0810", "00", "墨文哲有限公司", "成功"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.lines().count() > 10, "{text}");
    let many = run_with_input(["describe", "--lines"], &hexes()).expect(0).stdout;
    assert_eq!(many.lines().filter(|line| line.is_empty()).count(), 10);
}

#[test]
fn bad_lines_are_reported_in_their_place_and_the_rest_goes_on() {
    let good = dumps()[8]["hex"].as_str().unwrap().to_owned();
    let input = format!("{good}\nnot hexadecimal\n\n{good}0\n{}\n{good}\n", &good[..40]);
    let ran = run_with_input(["decode", "--lines"], &input).expect(1);
    let lines = ran.json_lines();
    assert_eq!(lines.len(), 5, "an empty line is none: {}", ran.stdout);
    for (index, has_error) in [false, true, true, true, false].into_iter().enumerate() {
        assert_eq!(lines[index].get("error").is_some_and(Value::is_string), has_error, "{index}: {lines:?}");
    }
    assert_eq!(lines[0], lines[4]);
    assert_eq!(lines[3]["mti"], lines[0]["mti"], "what could be read is there beside the error");
    let ran = run_with_input(["encode", "--lines"], &format!("{{}}\n[\n{}\n", sale())).expect(1);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[..2].iter().all(|line| line.starts_with("{\"error\":")), "{lines:?}");
    assert_eq!(lines[2], sale_in_hex());
}

#[test]
fn a_message_that_does_not_parse_whole_shows_what_it_has() {
    let hex = &sale_in_hex()[..120];
    let ran = run(["decode", "--output", "json", hex]).expect(1);
    assert_eq!(ran.json()["fields"]["3"], "000000");
    assert!(ran.json()["error"].is_string() && !ran.stderr.is_empty());
    assert!(!ran.stdout.contains(PAN) && !ran.stderr.contains(PAN));
    run(["describe", hex]).expect(1);
}

/// Chip data whose second object says that it is longer than the element.
#[test]
fn a_composite_that_cannot_be_followed_is_an_error_beside_everything_else() {
    let mut broken = sale();
    broken["fields"]["55"] = "9F2608AABBCCDDEEFF00119F36050020".into();
    let hex = run(["encode", &broken.to_string()]).expect(0).stdout.trim().to_owned();
    let error = "de 55.9F36: needs 8 bytes, have 5 at offset";
    let ran = run(["decode", "--output", "json", &hex]).expect(1);
    let document = ran.json();
    assert!(document["error"].as_str().unwrap().starts_with(error), "{document}");
    assert_eq!(document["errors"]["55"], document["error"]);
    assert!(ran.stderr.contains(error), "{}", ran.stderr);
    // What stands before the trouble and behind the element is there all the same.
    assert_eq!(document["subfields"]["55.9F26"], "AABBCCDDEEFF0011");
    assert_eq!(document["fields"]["60"], "22000001000500");
    let lines = run_with_input(["decode", "--lines"], &format!("{hex}\n{}\n", sale_in_hex())).expect(1);
    let documents = lines.json_lines();
    assert_eq!((documents.len(), &documents[0]), (2, &document));
    assert!(documents[1].get("error").is_none(), "{}", documents[1]);
    for command in ["decode", "describe"] {
        let shown = run([command, &hex]).expect(1).stdout;
        assert!(shown.contains(error) && shown.contains("9F26"), "{shown}");
    }
    // Two that are equal are not right because of that.
    let ran = run(["diff", &hex, &hex]).expect(1);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains(error), "{}", ran.stderr);
    run(["diff", &sale_in_hex(), &sale_in_hex()]).expect(0);
}

#[test]
fn findings_are_shown_in_text_and_counted_when_they_are_asked_for() {
    // The tables want the chip's card sequence nowhere, and the terminal's MAC everywhere: the sale is complete.
    let whole = run(["decode", "--validate", "--output", "json", &sale_in_hex()]).expect(0).json();
    assert_eq!(whole["findings"], json!([]));
    let mut less = sale();
    less["fields"].as_object_mut().unwrap().remove("41");
    less["fields"]["39"] = "00".into();
    let less = run(["encode", &less.to_string()]).expect(0).stdout.trim().to_owned();
    let findings = json!(["de 39: forbidden here and present", "de 41: mandatory here and absent"]);
    assert_eq!(
        run(["decode", "--validate", "--output", "json", &less]).expect(1).json()["findings"],
        findings
    );
    let lines = run_with_input(["decode", "--validate", "--lines"], &format!("{less}\n")).expect(1);
    assert_eq!(lines.json_lines()[0]["findings"], findings);
    // Without the option the document is what it always was.
    assert_eq!(run(["decode", "--output", "json", &less]).expect(0).json().get("findings"), None);
    for command in ["decode", "describe"] {
        let text = run([command, &less]).expect(0).stdout;
        assert!(text.contains("  finding de 41: mandatory here and absent"), "{text}");
        run([command, "--validate", &less]).expect(1);
    }
    // A message that is cut lacks what could not be read: that is said once.
    let cut = run(["decode", "--validate", "--output", "json", &less[..100]]).expect(1).json();
    assert!(cut["error"].is_string() && cut.get("findings").is_none(), "{cut}");
}

#[test]
fn a_message_may_come_on_stdin_and_with_white_space() {
    let hex = sale_in_hex();
    let spaced: String =
        hex.as_bytes().chunks(2).map(|pair| format!("{} \n", str::from_utf8(pair).unwrap())).collect();
    let direct = run(["decode", "--output", "json", &hex]).expect(0).stdout;
    assert_eq!(run_with_input(["decode", "--output", "json"], &spaced).expect(0).stdout, direct);
    assert_eq!(run_with_input(["encode"], &sale().to_string()).expect(0).stdout.trim(), hex);
    for input in ["", " \n", "0", "0x12", "é"] {
        let ran = run_with_input(["decode"], input).expect(2);
        assert!(ran.stdout.is_empty() && ran.stderr.starts_with("switchyard: "), "{ran:?}");
    }
}

#[test]
fn usage_is_64_and_what_cannot_be_done_is_2() {
    for wrong in [
        vec![],
        vec!["decod", "00"],
        vec!["decode", "--no-such-option"],
        vec!["decode", "--output", "xml", "00"],
        vec!["diff", "00"],
        vec!["demo", "--transactions", "0"],
        vec!["check-config"],
        vec!["sim", "terminals", "--resume"],
        vec!["ledger", "query", "--limit", "many"],
    ] {
        let ran = run(wrong.clone());
        assert_eq!(ran.code, 64, "{wrong:?}: {ran:?}");
        assert!(ran.stdout.is_empty() && ran.stderr.contains("--help"), "{wrong:?}: {ran:?}");
    }
    for (dialect, part) in [("no-such-file.toml", "no-such-file.toml"), ("iso87", "built-in")] {
        let ran = run(["decode", "--dialect", dialect, "00"]).expect(2);
        assert!(ran.stderr.contains(part) && ran.stdout.is_empty(), "{ran:?}");
    }
    for help in [vec!["--help"], vec!["decode", "--help"], vec!["--version"]] {
        let ran = run(help).expect(0);
        assert!(!ran.stdout.is_empty() && ran.stderr.is_empty(), "{ran:?}");
    }
}

#[test]
fn a_dialect_may_be_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.toml");
    std::fs::write(&path, run(["dialect", "show", "unionpay-pos", "--toml"]).expect(0).stdout).unwrap();
    let path = path.to_str().unwrap();
    let hex = sale_in_hex();
    let own = run(["decode", "--output", "json", "--dialect", path, &hex]).expect(0).stdout;
    assert_eq!(own, run(["decode", "--output", "json", &hex]).expect(0).stdout);
    std::fs::write(path, "this is no dialect").unwrap();
    run(["decode", "--dialect", path, &hex]).expect(2);
    let names = run(["dialect", "list", "--output", "json"]).expect(0).json();
    assert!(names.as_array().unwrap().iter().any(|d| d["name"] == "unionpay-pos"), "{names}");
}

/// `decode --lines | head -1` and the like end without a word.
#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let mut command = switchyard(["decode", "--lines"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let (mut stdin, input) = (child.stdin.take().unwrap(), hexes().repeat(2_000));
    let feed = std::thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, input.as_bytes())));
    let ended = child.wait_with_output().unwrap();
    feed.join().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[test]
fn known_answers_of_the_key_library_hold() {
    let ran = Process::start(switchyard(["key", "selftest", "--output", "json"]), "").finish().expect(0);
    let tally = ran.json();
    assert_eq!((&tally["passed"], &tally["failed"], &tally["unknown"]), (&89.into(), &0.into(), &0.into()));
    assert_eq!(tally["algorithms"].as_object().unwrap().len(), 89, "one of each kind");

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vectors.jsonl");
    let right = include_str!("../../data/selftest.jsonl").lines().next().unwrap();
    let wrong = right.replace("\"output\": \"0", "\"output\": \"F");
    assert_ne!(right, wrong);
    let unknown = right.replace("pinblock_iso0", "pinblock_iso9");
    let check = |lines: &[&str]| {
        std::fs::write(&file, lines.join("\n")).unwrap();
        run(["key", "selftest", "--output", "json", "--vectors", file.to_str().unwrap()])
    };
    let named = check(&[right, &unknown]).expect(0).json();
    assert_eq!(named["algorithms"]["pinblock_iso9"]["unknown"], 1, "{named}");
    let failed = check(&[right, &wrong]).expect(1);
    assert_eq!((&failed.json()["passed"], &failed.json()["failed"]), (&1.into(), &1.into()));
    assert!(failed.stderr.contains("line 2: pinblock_iso0"), "{failed:?}");
    assert!(check(&["{\"alg\": 1}"]).expect(2).stderr.contains("line 1"));
}
