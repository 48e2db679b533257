//! Puts everybody together and goes step by step.

use crate::billing::marked_up;
use crate::check::{Books, Breach, Checked, Journals, ensure};
use crate::env::{Env, Event, Peer};
use crate::host::Host;
use crate::hsm::Hsm;
use crate::plan::{ISSUER_TIMEOUT, Options, Plan, Sabotage};
use crate::schedule::{Micros, millis, seconds};
use crate::switch::{PARTITION, Process, core_config, log_options};
use crate::tally::Tally;
use crate::till::Till;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use switchyard_core::{Command, CommandError, Core, DownloadsOf, Effect, Input, Order, Output};
use switchyard_domain::{
    Actor, BusinessDate, CardClass, CardIssued, CardKind, Choice, ConversionRate, Currency, DataError,
    Destination, Download, DownloadKind, ExchangeRate, FeePlan, Funding, KeyName, KeyUse, Link, LinkDialect,
    LinkIndex, LinkOrder, MerchantIndex, Pan, Product, ProductIndex, ProductTerms, Reason, Record,
    ResponseCode, RiskAction, RiskRule, RiskRules, RiskSubject, RiskTest, RiskWindow, Route, RouteTarget,
    RoutingRule, RoutingRules, Scheme, Scope, StandInRule, StandInRules, Terminal, TerminalId, TerminalIndex,
    TerminalMac, TerminalOrder, TerminalProfile, TransactionKind, UtcOffset,
};
use switchyard_ledger::{Log, MemoryDisk, RecordBatch};
use switchyard_simulator::random::Random;
use switchyard_simulator::world::{
    DemoCard, DemoLink, DemoSize, DemoTerminal, DemoWorld, KeySource, ON_US_BIN, Speech,
};

/// Small segments, so that every run meets the seams between them.
pub(crate) const SEGMENT_BYTES: u64 = 1 << 20;
/// Time in which the queues drain once nothing goes wrong any more: a hundred times what a reversal waits between two sends.
const DRAIN_MAX: Micros = seconds(4 * 3_600);
/// The institution code of the first issuer; the others follow.
const ISSUERS_FROM: u64 = 3_010_000;
/// Events that may be planned at one time.
const PLANNED_MAX: usize = 100_000;

/// What a seed found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The run.
    pub options: Options,
    /// The step at which it was noticed.
    pub step: u64,
    /// The invariant.
    pub rule: String,
    /// What was found.
    pub found: String,
    /// The last events before.
    pub trace: Vec<String>,
}

impl Failure {
    /// The command that plays it again.
    pub fn command(&self) -> String {
        let Options { seed, steps, sabotage } = self.options;
        let name = sabotage.and_then(|sabotage| Sabotage::ALL.iter().find(|(kind, _)| *kind == sabotage));
        let sabotage = name.map_or_else(String::new, |(_, name)| format!(" --sabotage {name}"));
        format!("cargo xtask simulate --seed {seed} --steps {steps}{sabotage}")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trace.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "seed {} broke at step {}: {}", self.options.seed, self.step, self.rule)?;
        writeln!(f, "  {}", self.found)?;
        write!(f, "  again: {}", self.command())
    }
}

/// Plays one run from its seed to the end.
///
/// # Errors
/// [`Failure`] at the first step after which an invariant does not hold.
pub fn simulate(options: &Options) -> Result<Tally, Box<Failure>> {
    let failed = |env: Option<&Env>, breach: Breach| {
        Box::new(Failure {
            options: *options,
            step: env.map_or(0, |env| env.tally.steps),
            rule: breach.rule.to_owned(),
            found: breach.found,
            trace: env.map_or_else(Vec::new, |env| env.trace.lines()),
        })
    };
    let mut world = World::new(options).map_err(|breach| failed(None, breach))?;
    // The core stops when a decision contradicts its own state: that is a finding like any other.
    let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
    let ran = ran.unwrap_or_else(|_| {
        Err(Breach { rule: "nothing panics", found: "the panic's message stands above".into() })
    });
    world.env.tally.simulated_micros = world.env.now();
    world.env.tally.records = world.env.oracle.records();
    world.env.tally.blocks = world.env.oracle.blocks();
    ran.map_err(|breach| failed(Some(&world.env), breach))?;
    Ok(world.env.tally)
}

pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) switch: Option<Process>,
    started: u64,
    tills: Vec<Till>,
    /// One behind each link but the second one of the first issuer, which is the last.
    pub(crate) hosts: Vec<Host>,
    /// Names of the links and of the terminals, for operators.
    pub(crate) links: Vec<String>,
    terminals: Vec<TerminalId>,
}

impl World {
    fn new(options: &Options) -> Result<Self, Breach> {
        let broken =
            |error: switchyard_simulator::SimError| Breach { rule: "set-up", found: error.to_string() };
        let mut random = Random::new(options.seed);
        let plan = Plan::draw(&mut random);
        let size = DemoSize { merchants: 2, terminals: plan.tills, cards_on_us: 5, cards_linked: 6 };
        let mut demo = DemoWorld::generate(options.seed, &size, KeySource::Seeded).map_err(broken)?;
        demo.terminals.iter_mut().for_each(|terminal| teach(&plan, &mut random, terminal));
        demo.links.iter_mut().for_each(|link| teach_link(&plan, &mut random, link));
        let issuers = demo.links.len();
        if plan.has_twin {
            let twin = DemoLink { name: "twin".into(), routes: Vec::new(), ..demo.links[0].clone() };
            demo.links.push(twin);
        }
        let hsm = Hsm::new(options.seed, &demo);
        let disk = MemoryDisk::new(PARTITION, SEGMENT_BYTES);
        let mut env = Env::new(*options, plan, random, disk, hsm);
        env.speeches = demo.terminals.iter().map(|terminal| terminal.speech).collect();
        env.tally.generic_tills = env.speeches.iter().filter(|speech| speech.is_generic()).count() as u64;
        install(&mut env, &demo)?;
        let cards: Arc<[Arc<DemoCard>]> = demo.cards.iter().cloned().map(Arc::new).collect();
        let tills: Vec<Till> = demo
            .terminals
            .iter()
            .enumerate()
            .map(|(index, spec)| Till::new(index, spec.clone(), Arc::clone(&cards)))
            .collect();
        let script = env.plan.host.script;
        env.tally.later_links = demo.links.iter().filter(|link| is_later(link.dialect)).count() as u64;
        let bills_in = |index: usize| env.plan.bills_in.filter(|_| index == 0);
        let hosts: Result<Vec<_>, _> = (demo.links.iter().take(issuers).enumerate())
            .map(|(index, link)| Host::new(&demo, link, script, bills_in(index)))
            .collect();
        let links = demo.links.iter().map(|link| link.name.clone()).collect();
        let terminals = demo.terminals.iter().map(|terminal| terminal.tid).collect();
        let hosts = hosts.map_err(broken)?;
        Ok(Self { env, switch: None, started: 0, tills, hosts, links, terminals })
    }

    fn run(&mut self) -> Checked {
        self.env.schedule.after(0, Event::Restart);
        self.plan_next_crash();
        self.plan_next_jump();
        self.plan_next_day();
        self.plan_next_order();
        self.plan_next_absence();
        self.plan_next_sign_off();
        self.tills.iter_mut().for_each(|till| till.begin(&mut self.env));
        while self.env.tally.steps < self.env.options.steps {
            self.step()?;
        }
        self.drain()?;
        self.compare()
    }

    /// One event, and everything that has to hold after it.
    fn step(&mut self) -> Checked {
        let Some(event) = self.env.schedule.next() else {
            return Err(Breach { rule: "something always goes on", found: "nothing is planned".into() });
        };
        self.env.tally.steps += 1;
        self.happen(event)?;
        let planned = self.env.schedule.len();
        ensure(planned <= PLANNED_MAX, "queues are bounded", || format!("{planned} events are planned"))?;
        self.env.breach.take().map_or(Ok(()), Err)
    }

    fn happen(&mut self, event: Event) -> Checked {
        let (env, is_current) =
            (&mut self.env, |number| self.switch.as_ref().is_some_and(|process| process.number == number));
        match event {
            Event::Till { till, alarm } => self.tills[till].wake(env, alarm),
            Event::Request { line, bytes } => self.request(line, &bytes),
            Event::Reply { line, bytes } => {
                if let Some(Peer::Till(till)) = env.peer(line) {
                    self.tills[till].hear(env, line, &bytes);
                }
            }
            Event::Upstream { line, bytes } => self.upstream(line, &bytes),
            Event::Answer { line, bytes } => {
                if env.is_open(line)
                    && let Some(process) = &mut self.switch
                {
                    process.answered(env, line, &bytes);
                }
            }
            Event::Connect { process, .. }
            | Event::Depart { process, .. }
            | Event::Written { process }
            | Event::Worked { process, .. }
            | Event::Tick { process }
            | Event::Break { process, .. }
            | Event::CrashInWrite { process }
                if !is_current(process) => {}
            Event::Connect { link, .. } => self.with_switch(|process, env| process.connect_link(env, link)),
            Event::Depart { link, generation, .. } => {
                self.with_switch(|process, env| process.depart(env, link, generation));
            }
            Event::Worked { input, .. } => self.with_switch(|process, env| process.handle(env, *input)),
            Event::Tick { .. } => self.with_switch(Process::tick),
            Event::Written { .. } => {
                let alive = self.switch.as_mut().is_some_and(|process| process.written(env));
                if !alive {
                    self.die();
                }
            }
            Event::Crash => {
                self.plan_next_crash();
                if self.switch.is_some() && !self.env.draining {
                    self.die();
                }
            }
            Event::CrashInWrite { .. } => {
                if !self.env.draining {
                    self.die();
                }
            }
            Event::Restart => self.restart()?,
            Event::ClockJump => self.jump(),
            Event::DayEnds => {
                self.plan_next_day();
                self.env.tally.days += 1;
                self.with_switch(Process::cut_day);
            }
            Event::Order => self.order()?,
            Event::HostAway => self.leave(),
            Event::HostBack { host } => drop(env.away.remove(&host)),
            Event::HostSignsOff => self.sign_off(),
            Event::HostSignsOn { host, line } => self.sign_on(host, line),
            Event::Break { link, generation, .. } => {
                self.with_switch(|process, env| process.break_link(env, link, generation));
            }
        }
        Ok(())
    }

    pub(crate) fn with_switch(&mut self, work: impl FnOnce(&mut Process, &mut Env)) {
        if let Some(process) = &mut self.switch {
            work(process, &mut self.env);
        }
    }

    /// A terminal's frame arrives, if there is anybody to take it. What was sent before a connection broke may still.
    fn request(&mut self, line: u64, bytes: &[u8]) {
        let gone = !self.env.is_open(line) && self.env.random.chance(500);
        if gone {
            return;
        }
        self.with_switch(|process, env| process.take_frame(env, line, bytes));
    }

    /// The switch's frame arrives at an issuer that is there.
    fn upstream(&mut self, line: u64, bytes: &[u8]) {
        let Some(Peer::Host(host)) = self.env.peer(line) else { return };
        if !self.env.away.contains(&host) {
            let issuer = issuer_behind(host, self.hosts.len());
            self.hosts[issuer].hear(&mut self.env, line, bytes);
        }
    }

    /// The process ends without a word.
    fn die(&mut self) {
        let Some(process) = self.switch.take() else { return };
        self.env.tally.crashes += 1;
        self.env.note("the switch crashes", [process.number, self.env.oracle.records(), 0]);
        process.crash(&mut self.env);
        self.env.disconnect_all();
        for till in &mut self.tills {
            till.lost(&mut self.env);
        }
        if self.env.sabotages(Sabotage::LoseBlock, 500) {
            self.env.disk.lose_last_block();
        }
        let wait = self.env.random.between(millis(10), seconds(20));
        self.env.schedule.after(wait, Event::Restart);
    }

    fn restart(&mut self) -> Checked {
        self.started += 1;
        let process = Process::start(&mut self.env, self.started)?;
        self.env.note("the switch starts", [self.started, self.env.oracle.records(), 0]);
        self.switch = Some(process);
        Ok(())
    }

    fn plan_next_crash(&mut self) {
        if let Some(longest) = self.env.plan.crash_every {
            let wait = self.env.random.between(seconds(1), longest);
            self.env.schedule.after(wait, Event::Crash);
        }
    }

    fn plan_next_jump(&mut self) {
        if let Some(longest) = self.env.plan.clock_every {
            let wait = self.env.random.between(seconds(1), longest);
            self.env.schedule.after(wait, Event::ClockJump);
        }
    }

    fn plan_next_day(&mut self) {
        let wait = self.env.random.between(seconds(30), self.env.plan.day_every);
        self.env.schedule.after(wait, Event::DayEnds);
    }

    fn plan_next_order(&mut self) {
        if let Some(longest) = self.env.plan.order_every {
            let longest = if self.env.draining { seconds(60) } else { longest };
            let wait = self.env.random.between(seconds(1), longest);
            self.env.schedule.after(wait, Event::Order);
        }
    }

    /// An operator orders something of a link or a terminal. Once queues drain, everything is put right again.
    fn order(&mut self) -> Checked {
        self.plan_next_order();
        let (tills, links) = (self.tills.len() as u64, self.links.len() as u64);
        let orders: Vec<Order> = if self.env.draining {
            let links = (0..links).map(|link| self.order_link(link, LinkOrder::Up));
            links.chain((0..tills).map(|till| self.order_terminal(till, TerminalOrder::Enable))).collect()
        } else {
            let random = &mut self.env.random;
            let (till, link) = (random.below(tills), random.below(links));
            let order = match random.below(16) {
                0 => self.order_link(link, LinkOrder::Drain),
                1 => self.order_link(link, LinkOrder::Down),
                2 | 3 => self.order_link(link, LinkOrder::Up),
                4 => self.order_terminal(till, TerminalOrder::Disable),
                5 | 6 => self.order_terminal(till, TerminalOrder::Enable),
                7 | 8 | 14 | 15 => {
                    Order::SetDownload { whose: self.whose(till), download: download(&mut self.env.random)? }
                }
                9 => {
                    let whose = self.whose(till);
                    let Download { kind, name, .. } = download(&mut self.env.random)?;
                    Order::RemoveDownload { whose, kind, name, reason: reason() }
                }
                10 => self.order_terminal(till, TerminalOrder::ForceSignOn),
                _ => match rate(&mut self.env) {
                    Some(order) => order,
                    None => self.order_terminal(till, TerminalOrder::Enable),
                },
            };
            vec![order]
        };
        for order in orders {
            self.env.tally.orders += 1;
            self.with_switch(|process, env| process.command(env, Command::Order(order)));
        }
        Ok(())
    }

    /// Everybody's downloads, or those of a merchant or a terminal.
    fn whose(&mut self, till: u64) -> DownloadsOf {
        let story = &self.env.oracle.story;
        let merchant = story.merchant_of(TerminalIndex(till as u32));
        match (self.env.random.below(4), merchant) {
            (0, _) => DownloadsOf::Terminal(self.terminals[till as usize]),
            (1, Some(merchant)) => DownloadsOf::Merchant(merchant),
            _ => DownloadsOf::Everybody,
        }
    }

    fn order_link(&self, link: u64, what: LinkOrder) -> Order {
        Order::Link { link: self.links[link as usize].clone(), what, reason: reason() }
    }

    fn order_terminal(&self, till: u64, what: TerminalOrder) -> Order {
        Order::Terminal { terminal: self.terminals[till as usize], what, reason: reason() }
    }

    /// The wall clock jumps, by seconds or by hours.
    fn jump(&mut self) {
        self.plan_next_jump();
        if self.env.draining {
            return;
        }
        let far = [seconds(2), seconds(120), seconds(7_200)][self.env.random.below(3) as usize];
        let by = self.env.random.between(millis(1), far) as i64;
        if self.env.random.chance(500) {
            self.env.tally.clock_forward += 1;
            self.env.wall_offset += by;
        } else {
            self.env.tally.clock_backward += 1;
            self.env.wall_offset -= by;
        }
    }

    /// Nothing goes wrong any more and nobody buys: everything that is owed has to come to its end.
    fn drain(&mut self) -> Checked {
        self.env.draining = true;
        self.env.away.clear();
        self.sign_on_all();
        self.env.note("queues drain", [0; 3]);
        self.tills.iter_mut().for_each(|till| till.hurry(&mut self.env));
        if self.env.plan.order_every.is_some() {
            // The next order was planned for busier times, and may be hours away.
            self.order()?;
        }
        let until = self.env.now() + DRAIN_MAX;
        loop {
            let quiet = self.tills.iter().all(Till::is_done);
            if quiet && self.switch.as_ref().is_some_and(Process::is_quiet) {
                return Ok(());
            }
            let late = self.env.now() > until;
            ensure(!late, "queues drain", || {
                let open: Vec<_> =
                    self.tills.iter().filter(|till| !till.is_done()).map(|till| till.index).collect();
                let story = &self.env.oracle.story;
                format!("terminals {open:?}, {} in the queue, {} open", story.saf_waiting(), story.unresolved)
            })?;
            self.step()?;
        }
    }

    /// The three journals, and one more replay.
    fn compare(&mut self) -> Checked {
        let Some(process) = &self.switch else { return Ok(()) };
        process.compare(&mut self.env)?;
        let again = self.env.oracle.replay(&self.env.disk, core_config(&self.env.plan), false)?;
        self.env.oracle.compare(again.state())?;
        self.env.tally.digests += 1;
        let story = &self.env.oracle.story;
        ensure(story.dead_letters == 0, "reversals reach their issuers", || {
            format!("{} dead letters", story.dead_letters)
        })?;
        self.env.tally.cases = story.cases.len() as u64;
        self.env.tally.over_limit = story.over_limit;
        self.env.tally.stood_in = story.stood_in;
        self.env.tally.rerouted = story.rerouted;
        for till in &self.tills {
            let reported = story.reported.get(&TerminalIndex(till.index as u32));
            let said = reported.is_none_or(|status| till.said.contains(status));
            ensure(said, "terminals' words are kept", || format!("terminal {} said otherwise", till.index))?;
            story.compare_held(TerminalIndex(till.index as u32), &till.held, &mut self.env.tally)?;
            let journal = Journals {
                terminal: TerminalIndex(till.index as u32),
                speech: self.env.speeches[till.index],
                believed: &till.believed,
                scripts: &till.told,
                miscounted: &till.miscounted,
            };
            journal.compare(story, &mut self.env.tally)?;
        }
        let books = Books {
            entries: self.hosts.iter().map(Host::entries).collect(),
            scripts: self.hosts.iter().flat_map(Host::scripts).map(|(rrn, sent)| (*rrn, sent)).collect(),
        };
        books.compare(story, &mut self.env.tally)
    }
}

/// The second link of the first issuer leads to it, too.
pub(crate) fn issuer_behind(link: usize, issuers: usize) -> usize {
    if link < issuers { link } else { 0 }
}

/// What a terminal speaks, as the seed has it.
fn teach(plan: &Plan, random: &mut Random, terminal: &mut DemoTerminal) {
    let takes_partial = random.chance(500);
    if !random.chance(plan.generic) {
        return terminal.speak(Speech { takes_partial, ..Speech::default() });
    }
    let dialect = LinkDialect::ALL[random.below(LinkDialect::ALL.len() as u64) as usize];
    let macs = [TerminalMac::CupEcb, TerminalMac::X919, TerminalMac::CmacTdes];
    terminal.mac = macs[random.below(macs.len() as u64) as usize];
    terminal.speak(Speech { carries_mac: random.chance(800), takes_partial, ..Speech::generic(dialect) });
}

/// What a link speaks, as the seed has it.
fn teach_link(plan: &Plan, random: &mut Random, link: &mut DemoLink) {
    if random.chance(plan.any_edition) {
        link.dialect = LinkDialect::ALL[random.below(LinkDialect::ALL.len() as u64) as usize];
    }
}

fn is_later(dialect: LinkDialect) -> bool {
    !dialect.name().starts_with("iso87")
}

/// The first records: keys, merchants, terminals, links, routes, cards.
fn install(env: &mut Env, demo: &DemoWorld) -> Checked {
    let unwritable = |error: switchyard_ledger::Error| Breach { rule: "set-up", found: error.to_string() };
    let (mut log, _) = Log::over(Box::new(env.disk.handle()), &log_options(env)).map_err(unwritable)?;
    let mut core = Core::new(core_config(&env.plan));
    let mut output = Output::default();
    let genesis = Record::Genesis {
        partition: PARTITION.0 as u8,
        acquirer: demo.acquirer,
        offset: UtcOffset::CHINA,
        day: BusinessDate::at(env.wall(), UtcOffset::CHINA),
        demo: true,
    };
    let commands = [Command::Genesis(Box::new(genesis))].into_iter().chain(registry(env, demo)?);
    for command in commands.collect::<Vec<_>>() {
        let input = Input::Command { ticket: 0, actor: Actor::Installer, command: Box::new(command) };
        core.handle(input, env.wall(), &mut output);
    }
    let refused = output.effects.iter().find_map(|effect| match effect {
        Effect::CommandDone { result: Err(error), .. } => Some(error.clone()),
        _ => None,
    });
    ensure(refused.is_none(), "set-up", || {
        refused.as_ref().map_or_else(String::new, CommandError::to_string)
    })?;
    let mut batch = RecordBatch::new();
    for stamped in &output.records {
        batch.push(|buffer| stamped.encode(buffer)).map_err(unwritable)?;
    }
    log.append(&batch, env.wall().0).map_err(unwritable)?;
    log.close(env.wall().0).map_err(unwritable)?;
    env.oracle.follow(&env.disk)
}

fn registry(env: &mut Env, demo: &DemoWorld) -> Result<Vec<Command>, Breach> {
    let broken = |what: &str| Breach { rule: "set-up", found: what.to_owned() };
    let mut out = vec![Command::SetFeePlan(fee_plan(1)), Command::SetFeePlan(fee_plan(2))];
    for merchant in &demo.merchants {
        out.push(Command::Register(Box::new(merchant.into())));
    }
    for terminal in &demo.terminals {
        let owner =
            demo.merchants.iter().position(|m| m.mid == terminal.mid).ok_or_else(|| broken("merchant"))?;
        out.push(Command::Bind(Box::new(Terminal {
            id: terminal.tid,
            merchant: MerchantIndex(owner as u32),
            mac: terminal.mac,
            master_key: Hsm::wrap_demo(&terminal.tmk),
        })));
        let profile = terminal.speech.profile();
        if profile != TerminalProfile::default() {
            let (terminal, what) = (terminal.tid, TerminalOrder::Speak(profile));
            out.push(Command::Order(Order::Terminal { terminal, what, reason: reason() }));
        }
    }
    out.push(Command::Order(foreign_product().map_err(|_| broken("product"))?));
    let route = |low: &str, high: &str, class: CardClass, target: RouteTarget, issuer: u64| {
        let (low, high) = (fill(low, '0')?, fill(high, '9')?);
        // Domestic cards are of no product, so that a repeat is compared with and without one.
        let product = (class == CardClass::Foreign).then_some(ProductIndex(0));
        let class = CardKind { class, product };
        Some(Command::AddRoute(Route { low, high, class, target, issuer }))
    };
    for (link, index) in demo.links.iter().zip(0_u16..) {
        out.push(Command::AddLink(Box::new(Link {
            name: link.name.clone(),
            address: link.address.clone(),
            dialect: link.dialect,
            framing: link.framing.clone(),
            pin_key: Hsm::wrap_demo(&link.zpk),
            answer_timeout_ms: (ISSUER_TIMEOUT / 1_000) as u32,
            connections: env.plan.connections,
        })));
        let target = RouteTarget::Link(LinkIndex(index));
        let routes = link
            .routes
            .iter()
            .map(|r| route(&r.low, &r.high, r.class, target, ISSUERS_FROM + u64::from(index)));
        out.extend(routes.collect::<Option<Vec<_>>>().ok_or_else(|| broken("route"))?);
    }
    let own = route(ON_US_BIN, ON_US_BIN, CardClass::Debit, RouteTarget::OnUs, 1_020_000);
    out.push(own.ok_or_else(|| broken("route"))?);
    for card in demo.cards.iter().filter(|card| card.on_us) {
        let pan = card.number().map_err(|_| broken("card number"))?;
        let pvv = env.hsm.pvv(card).ok_or_else(|| broken("pin"))?;
        let reference = env.hsm.seal(&pan, Some(&card.expiry));
        let issued = CardIssued { card: reference, expiry: card.expiry, pvv, currency: Currency::CNY };
        // Little enough that some sales are refused.
        let balance_minor = card.balance_minor.min(2_000_000);
        out.push(Command::IssueCard { card: Box::new(issued), balance_minor });
    }
    if let (true, Some(key)) = (env.plan.looks_at_chips, &demo.issuer_cryptogram) {
        let name = KeyName { usage: KeyUse::IssuerCryptogram, owner: 1 };
        out.push(Command::InstallKey { name, key: Hsm::wrap_demo(key) });
    }
    out.extend(limit(env));
    out.extend(stand_in(env));
    out.extend(two_ways(env, demo));
    out.extend(billing(env, demo));
    Ok(out)
}

/// The product of every foreign card. Cash is refused to it, so that refusals by product are among the answers.
fn foreign_product() -> Result<Order, DataError> {
    let refuses = vec![TransactionKind::CashAdvance];
    let terms = ProductTerms { name: "Visa".to_owned(), refuses, ..ProductTerms::default() };
    let (scheme, funding) = (Scheme::Vis, Funding::Credit);
    let product = Product { code: "VISA-CR".parse()?, scheme, funding, foreign: true, terms };
    Ok(Order::AddProduct { product: Box::new(product), reason: reason() })
}

/// What a card may spend on a business day. The one who watches knows the limit that was ordered.
fn limit(env: &mut Env) -> Option<Command> {
    let ordered = env.plan.card_day_minor?;
    env.oracle.story.card_day_minor = Some(ordered);
    let minor_max = if env.is(Sabotage::RaiseLimit) { ordered * 3 } else { ordered };
    let test = RiskTest::Sum { of: RiskSubject::Card, window: RiskWindow::Day, minor_max };
    let then = RiskAction::Decline(ResponseCode::AMOUNT_LIMIT);
    let rule = RiskRule { number: 1, reason: "a card's day".into(), about: Scope::default(), test, then };
    Some(Command::SetRiskRules(Box::new(RiskRules { version: 1, rules: vec![rule], ..RiskRules::default() })))
}

/// The second link of the first issuer takes what the first one cannot.
fn two_ways(env: &Env, demo: &DemoWorld) -> Option<Command> {
    let twin = u16::try_from(demo.links.len() - 1).ok().filter(|_| env.plan.has_twin)?;
    let to = |link| Destination { link: LinkIndex(link), weight: 1, cost_ppm: 0, cost_minor: 0 };
    let rule = RoutingRule {
        number: 1,
        issuers: vec![ISSUERS_FROM],
        about: Scope::default(),
        minor_max: None,
        choose: Choice::First,
        destinations: vec![to(0), to(twin)],
    };
    Some(Command::SetRoutingRules(Box::new(RoutingRules { version: 1, rules: vec![rule] })))
}

/// The first issuer bills in another currency, over whichever of its links.
fn billing(env: &mut Env, demo: &DemoWorld) -> Vec<Command> {
    let Some(currency) = env.plan.bills_in else { return Vec::new() };
    let first = demo.links.iter().take(1);
    let all = first.chain(demo.links.iter().skip(1).filter(|link| link.routes.is_empty()));
    let bill = |link: &DemoLink| Order::Link {
        link: link.name.clone(),
        what: LinkOrder::Bill(Some(currency)),
        reason: reason(),
    };
    let bills: Vec<Order> = all.map(bill).collect();
    rate(env).into_iter().chain(bills).map(Command::Order).collect()
}

/// Another rate from now on. Whoever watches knows what DE 10 has to be.
fn rate(env: &mut Env) -> Option<Order> {
    let to = env.plan.bills_in?;
    let (digits, places) = match to {
        Currency::JPY => (env.random.between(19_000, 23_000), 3),
        _ => (env.random.between(1_200, 1_600), 4),
    };
    let markup_ppm = [0, 15_000, 12_345][env.random.below(3) as usize];
    let rate = ConversionRate::from_de10(marked_up(digits, places, 0))?;
    env.rates.push(marked_up(digits, places, markup_ppm));
    env.tally.rates += 1;
    let rate = ExchangeRate { from: Currency::CNY, to, rate, markup_ppm, valid_from: env.wall() };
    Some(Order::SetRate { rate, reason: reason() })
}

/// What may be approved while an issuer is away. The one who watches knows what was ordered.
fn stand_in(env: &mut Env) -> Option<Command> {
    let ordered = env.plan.stand_in?;
    env.oracle.story.stand_in = Some(ordered);
    let times = if env.is(Sabotage::StandInBeyond) { 5 } else { 1 };
    let rule = StandInRule {
        number: 1,
        issuers: Vec::new(),
        about: Scope::default(),
        minor_max: ordered.minor_max * times,
        day_minor_max: ordered.day_minor_max * times,
        day_count_max: ordered.day_count_max * times as u32,
        refuses_pin: ordered.refuses_pin,
    };
    Some(Command::SetStandInRules(Box::new(StandInRules { version: 1, rules: vec![rule] })))
}

/// Something for terminals to download, of one of a few names.
fn download(random: &mut Random) -> Result<Download, Breach> {
    let (name, value) = (random.below(3) as u8, random.below(100) as u8);
    let made = match random.below(3) {
        0 => {
            let codes = [(b"12", 2), (b"14", 14), (b"16", 14)];
            let (code, digits) = codes[usize::from(name)];
            Download::parameter(*code, format!("{value:0digits$}").as_bytes())
        }
        1 => {
            let rid = b"\x9F\x06\x05\xA0\x00\x00\x03\x33";
            let modulus = vec![value; 120];
            let expiry = b"\xDF\x05\x04\x20\x30\x12\x31\xDF\x02\x78";
            let content = [&rid[..], b"\x9F\x22\x01", &[name], expiry, &modulus].concat();
            Download::objects(DownloadKind::CaKey, content)
        }
        _ => {
            let aid = b"\x9F\x06\x07\xA0\x00\x00\x03\x33\x01";
            let content = [&aid[..], &[name], b"\xDF\x01\x01", &[value]].concat();
            Download::objects(DownloadKind::Aid, content)
        }
    };
    made.map_err(|error| Breach { rule: "set-up", found: error.to_string() })
}

/// Why operators of a simulation do what they do.
fn reason() -> Reason {
    "as the seed has it".parse().expect("a line of text is a reason")
}

fn fee_plan(plan: u32) -> FeePlan {
    FeePlan {
        plan,
        from: BusinessDate(0),
        debit_ppm: 3_500,
        debit_cap_minor: Some(1_300),
        credit_ppm: 4_500,
        credit_cap_minor: None,
        foreign_ppm: 15_000,
        foreign_cap_minor: None,
        fixed_minor: 0,
        minimum_minor: 0,
        refund_returns_fee: true,
    }
}

/// A prefix as the first or last number that begins with it.
fn fill(prefix: &str, digit: char) -> Option<u64> {
    let text: String = prefix.chars().chain(std::iter::repeat(digit)).take(Pan::DIGITS_MAX).collect();
    text.parse().ok()
}
