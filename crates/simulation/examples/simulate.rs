//! Plays many seeds and reports: what `cargo xtask simulate` runs.

#![allow(clippy::disallowed_methods, reason = "the report says how long it took on the clock of the machine")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use switchyard_simulation::{Failure, Options, STEPS_DEFAULT, Sabotage, Tally, simulate};

const HELP: &str = "\
cargo xtask simulate: a whole switch under one seed, many times

  --seeds N        how many seeds (default 100)
  --first S        the first of them (default 1)
  --seed S         this one alone
  --steps K        events of a run before its queues drain (default 30000)
  --seconds T      no further seed after this long
  --sabotage NAME  let the harness do something wrong on purpose
  --output json    the report as JSON
";

/// What the command line says.
struct Arguments {
    seeds: u64,
    first: u64,
    steps: u64,
    seconds: Option<u64>,
    sabotage: Option<Sabotage>,
    json: bool,
}

/// What came of it.
#[derive(Serialize)]
struct Report {
    seeds: u64,
    first_seed: u64,
    steps_per_seed: u64,
    simulated_hours: f64,
    seconds: f64,
    faults_injected: u64,
    invariant_breaks: usize,
    counts: Tally,
    failures: Vec<Found>,
}

/// A failure as the report has it.
#[derive(Serialize)]
struct Found {
    seed: u64,
    step: u64,
    rule: String,
    found: String,
    again: String,
    trace: Vec<String>,
}

impl From<&Failure> for Found {
    fn from(failure: &Failure) -> Self {
        Self {
            seed: failure.options.seed,
            step: failure.step,
            rule: failure.rule.clone(),
            found: failure.found.clone(),
            again: failure.command(),
            trace: failure.trace.clone(),
        }
    }
}

fn main() -> ExitCode {
    let arguments = match read(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(what) => {
            eprintln!("simulate: {what}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let report = run(&arguments);
    let broke = report.invariant_breaks > 0;
    if arguments.json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("simulate: {error}"),
        }
    } else {
        show(&report);
    }
    if broke { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments =
        Arguments { seeds: 100, first: 1, steps: STEPS_DEFAULT, seconds: None, sabotage: None, json: false };
    while let Some(word) = words.next() {
        if matches!(word.as_str(), "--help" | "-h" | "help") {
            return Ok(None);
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: not a number"));
        match word.as_str() {
            "--seeds" => arguments.seeds = number()?,
            "--first" => arguments.first = number()?,
            "--seed" => (arguments.first, arguments.seeds) = (number()?, 1),
            "--steps" => arguments.steps = number()?,
            "--seconds" => arguments.seconds = Some(number()?),
            "--output" => arguments.json = value == "json",
            "--sabotage" => {
                let known = Sabotage::ALL.iter().find(|(_, name)| *name == value);
                let names = || Sabotage::ALL.map(|(_, name)| name).join(", ");
                arguments.sabotage = Some(known.ok_or_else(|| format!("{value}: one of {}", names()))?.0);
            }
            other => return Err(format!("{other} is unknown")),
        }
    }
    Ok(Some(arguments))
}

fn run(arguments: &Arguments) -> Report {
    let begun = Instant::now();
    let limit = arguments.seconds.map(Duration::from_secs);
    let (mut counts, mut failures, mut seeds) = (Tally::default(), Vec::new(), 0);
    for seed in arguments.first..arguments.first + arguments.seeds {
        if limit.is_some_and(|limit| begun.elapsed() >= limit) {
            break;
        }
        let options = Options { steps: arguments.steps, sabotage: arguments.sabotage, ..Options::seed(seed) };
        seeds += 1;
        match simulate(&options) {
            Ok(tally) => counts += tally,
            Err(failure) => {
                eprintln!("{failure}");
                failures.push(Found::from(&*failure));
            }
        }
    }
    Report {
        seeds,
        first_seed: arguments.first,
        steps_per_seed: arguments.steps,
        simulated_hours: counts.simulated_hours(),
        seconds: begun.elapsed().as_secs_f64(),
        faults_injected: counts.faults(),
        invariant_breaks: failures.len(),
        counts,
        failures,
    }
}

fn show(report: &Report) {
    println!("seeds               {} from {}", report.seeds, report.first_seed);
    println!("simulated hours     {:.1}", report.simulated_hours);
    println!("messages            {}", report.counts.messages);
    println!("faults injected     {}", report.faults_injected);
    println!("crashes             {}", report.counts.crashes);
    println!("digests compared    {}", report.counts.digests);
    println!("invariant breaks    {}", report.invariant_breaks);
    println!("seconds             {:.1}", report.seconds);
    println!();
    for (name, count) in report.counts.list() {
        println!("{:<22} {count}", name.replace('_', " "));
    }
    for found in &report.failures {
        println!(
            "\nseed {} at step {}: {}: {}\n  {}",
            found.seed, found.step, found.rule, found.found, found.again
        );
    }
}
