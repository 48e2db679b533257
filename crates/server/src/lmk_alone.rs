//! Another local master key for a data directory that no switch serves.

use std::path::Path;
use std::sync::Arc;

use switchyard_core::{Command, CommandError, CommandOutcome, Core, KeyCommand, KeyFacts, Output, State};
use switchyard_domain::{Actor, Reason};
use switchyard_keys::lmk::Lmk;
use switchyard_ledger::Log;

use crate::config::Config;
use crate::custody::{CustodyError, keys_of};
use crate::data::{DataDir, DataError};
use crate::install::{InitError, append, own, prove};
use crate::keystore::KeyStore;
use crate::lmk::{
    Custodian, LmkOrder, LmkView, Next, pages, settled, store_of, translate_files, translations, view,
    waiting_pages, waiting_translations,
};
use crate::login::{Login, Who};
use crate::open::{Opened, open};
use crate::shared::{Hooks, now};

/// Where a change has come to: what a crash may come behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The next key lies beside the one in force.
    Kept,
    /// The ledger names it.
    Named,
    /// The one before has another name.
    Renamed,
    /// The next one is in force.
    InForce,
    /// Keys of cards are under it.
    Files,
    /// So are some of the ledger's; how many pages.
    Page(usize),
    /// So are keys that wait.
    Waiting,
}

/// Called behind every step; an error ends the change there, as a crash would.
pub(crate) type After<'a> = &'a mut dyn FnMut(Step) -> Result<(), InitError>;

/// Changes the local master key in a data directory that no switch serves.
///
/// # Errors
/// [`InitError`]; wherever it stops, the keys open, and `key lmk retire` finishes what is left.
pub fn change_lmk_alone(
    dir: &Path,
    config: &Config,
    who: Who,
    order: LmkOrder,
) -> Result<LmkView, InitError> {
    change(dir, config, who, order, &mut |_| Ok(()))
}

/// As [`change_lmk_alone`], with somebody who looks on.
pub(crate) fn change(
    dir: &Path,
    config: &Config,
    who: Who,
    order: LmkOrder,
    after: After<'_>,
) -> Result<LmkView, InitError> {
    let mut room = Room::open(dir, config)?;
    let done = room.prove(who).and_then(|actor| room.change(config, &actor, order, after));
    room.close()?;
    done
}

/// Destroys the local master keys that are not in force, in a data directory that no switch serves, once nothing is under
/// them.
///
/// # Errors
/// [`InitError`].
pub fn retire_lmk_alone(dir: &Path, config: &Config, who: Who, reason: Reason) -> Result<LmkView, InitError> {
    let mut room = Room::open(dir, config)?;
    let done = room.prove(who).and_then(|actor| room.retire(config, &actor, reason));
    room.close()?;
    done
}

/// The local master keys of a data directory, for a reader beside whoever writes there.
///
/// # Errors
/// What reading the key files yields.
pub fn lmk_view(dir: &Path, config: &Config, state: &State) -> Result<LmkView, DataError> {
    let files = DataDir::new(dir, &config.keys).lmk();
    Ok(view(&KeyStore::under(Arc::new(files.open(config.general.profile, state.lmk())?))))
}

/// A data directory that is open for writing.
struct Room {
    data: DataDir,
    log: Log,
    core: Core,
    output: Output,
}

impl Room {
    fn open(dir: &Path, config: &Config) -> Result<Self, InitError> {
        let data = DataDir::new(dir, &config.keys);
        if !data.is_initialised() {
            return Err(DataError::NotInitialised { path: dir.to_path_buf() }.into());
        }
        let Opened { log, recovery, mut core, .. } =
            open(&data.ledger(), &data.snapshots(), config, &Hooks::default().files)?;
        let mut output = Output::default();
        core.start(log.epoch().0, recovery.cut.map_or(0, |cut| cut.bytes), now(), &mut output);
        Ok(Self { data, log, core, output })
    }

    /// Who asks; what his login led to is durable, whatever comes after it.
    fn prove(&mut self, who: Who) -> Result<Actor, InitError> {
        let proven = prove(&mut self.core, who, &mut self.output);
        self.write()?;
        proven
    }

    fn ask(&mut self, actor: &Actor, command: Command) -> Result<CommandOutcome, CommandError> {
        own(&mut self.core, actor.clone(), command, &mut self.output)
    }

    fn asked(&mut self, actor: &Actor, command: KeyCommand) -> Result<CommandOutcome, InitError> {
        Ok(self.ask(actor, Command::Key(command)).map_err(CustodyError::Refused)?)
    }

    fn known(&mut self, command: KeyCommand) -> Result<Vec<KeyFacts>, InitError> {
        Ok(keys_of(self.asked(&Actor::Switch, command)?))
    }

    /// Makes what was recorded durable.
    fn write(&mut self) -> Result<(), InitError> {
        let output = std::mem::take(&mut self.output);
        if output.records.is_empty() { Ok(()) } else { append(&mut self.log, &output) }
    }

    fn close(self) -> Result<(), InitError> {
        Ok(self.log.close(now().0)?)
    }

    fn change(
        &mut self,
        config: &Config,
        actor: &Actor,
        order: LmkOrder,
        after: After<'_>,
    ) -> Result<LmkView, InitError> {
        let (files, profile) = (self.data.lmk(), config.general.profile);
        let ring = settled(&files, config, self.core.state())?;
        let mut parts = Vec::new();
        for Custodian { user, password, component } in order.custodians {
            let login = Login { user: user.clone(), password };
            let source = match self.prove(Who::Login(login)) {
                Ok(_) => {
                    parts.push((user, component));
                    continue;
                }
                Err(InitError::Login(source)) => source,
                Err(other) => return Err(other),
            };
            return Err(CustodyError::Custodian { custodian: user, source }.into());
        }
        let next = Next::of(ring.check_value(), &parts, order.reason)?;
        files.keep_next(&next.key)?;
        after(Step::Kept)?;
        if let Err(refused) = self.asked(actor, KeyCommand::ChangeLmk(Box::new(next.change))) {
            files.drop_next()?;
            return Err(refused);
        }
        self.write()?;
        after(Step::Named)?;
        files.keep_before(profile)?;
        after(Step::Renamed)?;
        files.put_in_place()?;
        ring.succeed(Lmk::from_slice(next.key.expose())?)?;
        after(Step::InForce)?;
        self.translate(&KeyStore::under(Arc::new(ring)), after)
    }

    fn retire(&mut self, config: &Config, actor: &Actor, reason: Reason) -> Result<LmkView, InitError> {
        let store = store_of(&self.data, config, self.core.state())?;
        let check_values = store.lmk().check_values()[1..].to_vec();
        if check_values.is_empty() {
            return Err(CustodyError::NothingToRetire.into());
        }
        let done = self.translate(&store, &mut |_| Ok(()))?;
        self.asked(actor, KeyCommand::RetireLmk { check_values, reason })?;
        self.write()?;
        self.data.lmk().retire()?;
        store.lmk().retire();
        Ok(LmkView { translated: done.translated, in_module: done.in_module, ..view(&store) })
    }

    /// Translates every key that is not under the one in force.
    fn translate(&mut self, store: &KeyStore, after: After<'_>) -> Result<LmkView, InitError> {
        let mut done = view(store);
        let known = self.known(KeyCommand::List)?;
        let files = self.data.card_keys();
        done.translated +=
            translate_files(&known, |id, check_value| files.translate(store, id, check_value))?;
        after(Step::Files)?;
        let terminals = self.core.state().registry().terminals().count();
        for (number, from) in pages(terminals).enumerate() {
            let known = self.known(KeyCommand::Wrapped { from })?;
            let (keys, in_module) = translations(store, known)?;
            done.in_module += in_module;
            done.translated += keys.len() as u64;
            if !keys.is_empty() {
                self.asked(&Actor::Switch, KeyCommand::Translate { keys })?;
                self.write()?;
            }
            after(Step::Page(number))?;
        }
        for known in waiting_pages(self.asked(&Actor::Switch, KeyCommand::Waiting)?) {
            let keys = waiting_translations(store, known)?;
            done.translated += keys.len() as u64;
            if !keys.is_empty() {
                self.asked(&Actor::Switch, KeyCommand::TranslateWaiting { keys })?;
                self.write()?;
            }
        }
        after(Step::Waiting)?;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::KeyRequest;
    use crate::install::{
        InitPlan, Tools, add_user_alone, cards_of, custody_alone, initialise, set_password_alone,
    };
    use crate::keystore::is_ours;
    use crate::people::myself;
    use switchyard_domain::{
        AcquirerId, BankAccount, CardRef, KeyCipher, KeyName, KeyPlan, KeyUse, Merchant, MerchantIndex, Pan,
        Role, Roles, Terminal, TerminalMac, UtcOffset,
    };
    use switchyard_keys::lmk::KeyAlgorithm;
    use switchyard_keys::password::Password;
    use switchyard_keys::{KeyError, SecretBytes};

    const OWN: &str = "a horse by the sea";

    fn typed(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    fn order() -> LmkOrder {
        let custodians = ["ann", "ben"].map(|name| Custodian {
            user: name.parse().unwrap(),
            password: typed(OWN),
            component: crate::custody::Component::of(SecretBytes::random(32).unwrap()),
        });
        LmkOrder { custodians: custodians.into(), reason: "a test".parse().unwrap() }
    }

    /// A ledger with two custodians, terminals on more than one page, a second card key, and a sealed card.
    fn world(dir: &Path, config: &Config) -> CardRef {
        let plan = InitPlan {
            acquirer: "48720000".parse::<AcquirerId>().unwrap(),
            offset: UtcOffset::CHINA,
            day: None,
            demo: false,
        };
        let mut sealed = None;
        initialise(dir, config, &plan, |tools| {
            sealed = Some(tools.cards.seal(&Pan::from_digits(b"6225880000000008").unwrap(), None)?);
            registered(tools)
        })
        .unwrap();
        for name in ["ann", "ben"] {
            let roles = Roles::of([Role::KeyCustodian]).unwrap();
            let (user, first) = (name.parse().unwrap(), typed("set by somebody else"));
            add_user_alone(dir, config, Who::Proven(myself()), user, roles, &first).unwrap();
            let login = Login { user: name.parse().unwrap(), password: first };
            let own = typed(OWN);
            set_password_alone(dir, config, Who::Login(login), name.parse().unwrap(), &own).unwrap();
        }
        crate::install::rotate_card_key_alone(dir, config, Who::Proven(myself())).unwrap();
        keys_that_wait(dir, config);
        sealed.unwrap()
    }

    const CEREMONY: KeyName = KeyName { usage: KeyUse::Transport, owner: 1 };

    fn as_custodian(name: &str) -> Who {
        Who::Login(Login { user: name.parse().unwrap(), password: typed(OWN) })
    }

    fn load(dir: &Path, config: &Config, name: &str, part: u8) -> crate::custody::Shown {
        let component = crate::custody::Component::of(SecretBytes::from_slice(&[part; 32]));
        let request = KeyRequest::Load { key: CEREMONY, component };
        custody_alone(dir, config, as_custodian(name), request).unwrap()
    }

    /// One component of two is there, and a terminal may fetch its next master key.
    fn keys_that_wait(dir: &Path, config: &Config) {
        let plan = KeyPlan {
            cipher: KeyCipher::Aes,
            bytes: 32,
            components: 2,
            exportable: false,
            check_value: None,
        };
        let reason = || "a test".parse().unwrap();
        let begin = KeyRequest::Begin { key: CEREMONY, plan, reason: reason() };
        custody_alone(dir, config, Who::Proven(myself()), begin).unwrap();
        load(dir, config, "ann", 7);
        let terminal = "T0000001".parse().unwrap();
        let offer = KeyRequest::Offer { terminal, under: None, hours: 24, reason: reason() };
        custody_alone(dir, config, Who::Proven(myself()), offer).unwrap();
    }

    /// How many of the two open, and under the key in force; every one opens.
    fn waiting(dir: &Path, config: &Config) -> usize {
        let mut room = Room::open(dir, config).unwrap();
        let store = store_of(&room.data, config, room.core.state()).unwrap();
        let pages = waiting_pages(room.asked(&Actor::Switch, KeyCommand::Waiting).unwrap());
        assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), 2);
        let before = pages.into_iter().flat_map(|page| waiting_translations(&store, page).unwrap());
        let under_it = 2 - before.count();
        room.write().unwrap();
        room.close().unwrap();
        under_it
    }

    fn registered(tools: &Tools) -> Result<Vec<Command>, KeyError> {
        let merchant = Merchant {
            id: "104490000000001".parse().unwrap(),
            name: "Harbour Books".into(),
            mcc: 5_942,
            fee_plan: 1,
            account: BankAccount { holder: "HB".into(), number: "1".into(), cnaps: "102100099996".into() },
        };
        let mut commands = vec![Command::Register(Box::new(merchant))];
        for number in 0..130 {
            commands.push(Command::Bind(Box::new(Terminal {
                id: format!("T{number:07}").parse().unwrap(),
                merchant: MerchantIndex(0),
                mac: TerminalMac::CupEcb,
                master_key: tools.keys.generate(KeyUse::TerminalMaster)?.0,
            })));
        }
        Ok(commands)
    }

    /// The ledger, replayed as a start does it.
    fn replayed(dir: &Path) -> State {
        crate::snapshots::state_of(&dir.join("ledger"), &dir.join("snapshots")).unwrap()
    }

    /// How many keys of the ledger open under the key in force, and how many under one before it. Every one opens.
    fn opened(dir: &Path, config: &Config, card: &CardRef) -> (usize, usize) {
        let state = replayed(dir);
        let cards = cards_of(dir, config, &state).unwrap();
        assert_eq!(cards.open_card(card).unwrap().masked().to_string().len(), 16);
        let data = DataDir::new(dir, &config.keys);
        let store = KeyStore::under(Arc::new(data.lmk().open(config.general.profile, state.lmk()).unwrap()));
        let (mut now, mut before) = (0, 0);
        for from in pages(state.registry().terminals().count()) {
            for facts in state.wrapped_keys(from) {
                let record = facts.record.unwrap();
                assert!(is_ours(&record));
                store.unwrap(facts.key.usage, &record).unwrap();
                match store.translate(facts.key.usage, &record).unwrap() {
                    Some(_) => before += 1,
                    None => now += 1,
                }
            }
        }
        (now, before)
    }

    #[test]
    fn a_crash_at_any_step_leaves_every_key_open_and_the_change_comes_to_its_end() {
        let steps = [
            (Step::Kept, false),
            (Step::Named, true),
            (Step::Renamed, true),
            (Step::InForce, true),
            (Step::Files, true),
            (Step::Page(0), true),
            (Step::Page(1), true),
            (Step::Page(2), true),
            (Step::Waiting, true),
        ];
        for (crash, is_changed) in steps {
            let dir = tempfile::tempdir().unwrap();
            let (dir, config) = (dir.path(), Config::default());
            let card = world(dir, &config);
            let before = lmk_view(dir, &config, &replayed(dir)).unwrap().in_force;
            let mut seen = 0;
            let stopped = change(dir, &config, Who::Proven(myself()), order(), &mut |step| {
                seen += 1;
                if step == crash { Err(CustodyError::Stopped.into()) } else { Ok(()) }
            });
            assert!(matches!(stopped, Err(InitError::Custody(CustodyError::Stopped))), "{crash:?}");
            assert!(seen > 0);
            let (now, old) = opened(dir, &config, &card);
            assert_eq!(now + old, 130, "{crash:?}");
            assert_eq!(waiting(dir, &config) == 2, !is_changed || crash == Step::Waiting, "{crash:?}");
            // The next writer puts in force what the ledger names.
            crate::install::rotate_card_key_alone(dir, &config, Who::Proven(myself())).unwrap();
            let view = lmk_view(dir, &config, &replayed(dir)).unwrap();
            assert_eq!(view.in_force != before, is_changed, "{crash:?}");
            assert_eq!(dir.join("keys/lmk-new").exists(), !is_changed, "{crash:?}");
            if !is_changed {
                assert_eq!(view.before, Vec::<String>::new());
                // Nothing was under it: another attempt writes over it.
                change_lmk_alone(dir, &config, Who::Proven(myself()), order()).unwrap();
            }
            let reason = "a test".parse().unwrap();
            let retired = retire_lmk_alone(dir, &config, Who::Proven(myself()), reason).unwrap();
            assert_eq!(retired.before, Vec::<String>::new());
            assert_eq!(opened(dir, &config, &card), (130, 0), "{crash:?}: all under one key");
            assert_eq!(waiting(dir, &config), 2, "{crash:?}");
            // The ceremony goes on under the next key: the sum is that of both components.
            let whole = load(dir, &config, "ben", 9).kcv.unwrap();
            let sum = KeyAlgorithm::Aes.check_value(&[7 ^ 9; 32]).unwrap();
            assert_eq!(whole, crate::custody::text(&sum), "{crash:?}");
            let left = std::fs::read_dir(dir.join("keys")).unwrap().flatten();
            assert_eq!(left.filter(|f| f.file_name().to_string_lossy().starts_with("lmk")).count(), 1);
        }
    }

    #[test]
    fn a_custodian_with_a_wrong_password_or_a_component_of_another_length_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, config) = (dir.path(), Config::default());
        let card = world(dir, &config);
        let mut wrong = order();
        wrong.custodians[1].password = typed("another one altogether");
        let refused = change_lmk_alone(dir, &config, Who::Proven(myself()), wrong);
        assert!(matches!(refused, Err(InitError::Custody(CustodyError::Custodian { .. }))), "{refused:?}");
        let mut short = order();
        short.custodians[0].component = crate::custody::Component::of(SecretBytes::random(16).unwrap());
        let refused = change_lmk_alone(dir, &config, Who::Proven(myself()), short);
        assert!(matches!(refused, Err(InitError::Custody(CustodyError::Length { .. }))), "{refused:?}");
        let mut one = order();
        one.custodians.pop();
        change_lmk_alone(dir, &config, Who::Proven(myself()), one).unwrap_err();
        let mut same = order();
        same.custodians[1].user = "ann".parse().unwrap();
        change_lmk_alone(dir, &config, Who::Proven(myself()), same).unwrap_err();
        assert!(!dir.join("keys/lmk-new").exists(), "a key that nobody has is destroyed");
        assert_eq!(opened(dir, &config, &card), (130, 0));
        assert_eq!(replayed(dir).lmk(), None);
        // The wrong password counts all the same.
        let nothing = retire_lmk_alone(dir, &config, Who::Proven(myself()), "a test".parse().unwrap());
        assert!(matches!(nothing, Err(InitError::Custody(CustodyError::NothingToRetire))));
    }

    #[test]
    fn the_ledger_opens_with_the_key_before_it_only_where_it_does_not_name_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, config) = (dir.path(), Config::default());
        let card = world(dir, &config);
        let old = std::fs::read(dir.join("keys/lmk")).unwrap();
        change_lmk_alone(dir, &config, Who::Proven(myself()), order()).unwrap();
        assert_eq!(opened(dir, &config, &card), (130, 0));
        retire_lmk_alone(dir, &config, Who::Proven(myself()), "a test".parse().unwrap()).unwrap();
        let new = std::fs::read(dir.join("keys/lmk")).unwrap();
        assert!(new != old);
        std::fs::write(dir.join("keys/lmk"), old).unwrap();
        let refused = lmk_view(dir, &config, &replayed(dir));
        assert!(matches!(refused, Err(DataError::OtherLmk { .. })), "{refused:?}");
        std::fs::write(dir.join("keys/lmk"), new).unwrap();
        assert_eq!(opened(dir, &config, &card), (130, 0));
    }
}
