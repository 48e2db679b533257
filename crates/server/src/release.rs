//! What happens when records are durable: effects go out, and nothing before that.
//!
//! It runs on the committer's thread, which must get back to the disk: it only moves things into queues.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use switchyard_core::{Effect, Input, Upstream};
use switchyard_domain::{KeyName, KeyRecord, KeyUse, Link, LinkIndex, LinkSettings, TerminalIndex};
use switchyard_ledger::{Error, Outcome, Position};

use crate::connection::Outbox;
use crate::shared::{Fatal, Shared, guarded};
use crate::workers::Job;

/// What waits for one batch of records to be durable.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// From the core, in its order.
    pub(crate) effects: Vec<Effect>,
    /// Registry records that the server itself has to act on.
    pub(crate) registered: Vec<Registered>,
}

/// A registry record that changes what the server does.
#[derive(Debug)]
pub(crate) enum Registered {
    /// A link to serve.
    Link(LinkIndex, Box<Link>),
    /// A key to use.
    Key(KeyName, KeyRecord),
    /// Keys, the same as before, that are wrapped in another way.
    Translated(Vec<(KeyName, KeyRecord)>),
    /// A terminal is to sign on at its next answer.
    RenewKeys(TerminalIndex),
    /// Card keys to destroy.
    Shredded(Vec<u16>),
    /// A link is to have a connection, or none.
    LinkWanted(LinkIndex, bool),
    /// A link is reached or spoken to in another way.
    LinkChanged(LinkIndex, Box<LinkSettings>),
}

/// Releases effects.
pub(crate) struct Release {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
    jobs: Vec<Job>,
    /// Connections that got something and have not been woken yet.
    woken: Vec<Arc<Outbox>>,
}

impl Release {
    /// Tasks of links that are registered later are started on `runtime`.
    pub(crate) fn new(shared: Arc<Shared>, runtime: tokio::runtime::Handle) -> Self {
        Self { shared, runtime, jobs: Vec::new(), woken: Vec::new() }
    }

    /// Lets the effects of durable batches go, in order but for keys, which come first: a reply of the same
    /// batches is authenticated under the keys in force after them.
    pub(crate) fn release(&mut self, pending: Vec<Pending>) {
        for batch in &pending {
            self.put_in_force(&batch.effects);
        }
        for batch in pending {
            let mut shredded = Vec::new();
            for registered in batch.registered {
                match registered {
                    Registered::Link(index, link) => {
                        crate::links::start(&self.shared, &self.runtime, index, *link, None, true);
                    }
                    Registered::Key(name, key) => self.use_key(name, &key),
                    Registered::Translated(keys) => {
                        keys.iter().for_each(|(name, key)| self.translated(*name, key));
                    }
                    Registered::RenewKeys(terminal) => self.shared.table.renew_keys(terminal),
                    Registered::Shredded(ids) => shredded.extend(ids),
                    Registered::LinkWanted(link, wanted) => self.shared.links.want(link, wanted),
                    Registered::LinkChanged(link, settings) => self.shared.links.change(link, *settings),
                }
            }
            let effects = self.shred_before(shredded, batch.effects);
            self.let_go(effects);
        }
        self.shared.jobs.push(&mut self.jobs);
        self.woken.drain(..).for_each(|outbox| outbox.wake());
    }

    fn put_in_force(&self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::UseTerminal { index, terminal } => self.shared.table.use_terminal(*index, terminal),
                Effect::UseProfile { terminal, profile } => {
                    self.shared.table.use_profile(*terminal, *profile);
                }
                Effect::UseMac { terminal, mac } => self.shared.table.use_mac(*terminal, *mac),
                Effect::UseKeys { terminal, keys } => {
                    let overlap = Duration::from_secs(u64::from(self.shared.config.core.key_overlap_s));
                    self.shared.table.use_keys(*terminal, keys.as_ref().clone(), overlap);
                }
                Effect::Reply { .. }
                | Effect::PinWork { .. }
                | Effect::ChipWork { .. }
                | Effect::MakeKeys { .. }
                | Effect::Send { .. }
                | Effect::LinkState { .. }
                | Effect::SignOnRefused { .. }
                | Effect::OpenLinkKey { .. }
                | Effect::KeyArrived { .. }
                | Effect::Stray { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
    }

    fn let_go(&mut self, effects: Vec<Effect>) {
        let connections = self.shared.connections.read();
        for effect in effects {
            match effect {
                Effect::Reply { origin, reply } => match connections.get(&origin.connection) {
                    Some(outbox) => {
                        if outbox.put(origin.ticket, reply) {
                            self.woken.push(Arc::clone(outbox));
                        }
                    }
                    None => self.shared.metrics.replies_undelivered.increment(1),
                },
                Effect::PinWork { slot, terminal, version, request, job } => {
                    self.jobs.push(Job::Pin { slot, terminal, version, request, job });
                }
                Effect::ChipWork { slot, request } => self.jobs.push(Job::Chip { slot, request }),
                Effect::MakeKeys { slot, terminal, version, form } => {
                    self.jobs.push(Job::Keys { slot, terminal, version, form });
                }
                Effect::Send { link, generation, message } => {
                    if let Err(message) = self.shared.links.send(link, generation, message) {
                        self.not_sent(link, *message);
                    }
                }
                Effect::Stray { link, why } => self.shared.links.stray(link, why),
                Effect::LinkState { link, signed_on, resting } => {
                    self.shared.links.show(link, signed_on, resting);
                }
                Effect::SignOnRefused { link, code } => self.shared.links.sign_on_refused(link, code),
                Effect::OpenLinkKey { slot, opening } => self.jobs.push(Job::LinkKey { slot, opening }),
                Effect::KeyArrived { link, what } => self.shared.links.key_arrived(link, what),
                Effect::CommandDone { ticket, result } => self.shared.command_done(ticket, result),
                Effect::UseTerminal { .. }
                | Effect::UseProfile { .. }
                | Effect::UseMac { .. }
                | Effect::UseKeys { .. } => {}
            }
        }
    }

    /// What has been opened stays open: it is the same key.
    fn translated(&self, name: KeyName, key: &KeyRecord) {
        match name.usage {
            KeyUse::TerminalMaster | KeyUse::TerminalPin | KeyUse::TerminalMac | KeyUse::TerminalTrack => {
                self.shared.table.translated(TerminalIndex(name.owner), name.usage, key);
            }
            KeyUse::ZonePin | KeyUse::PinVerification | KeyUse::IssuerCryptogram => {
                self.shared.keys.use_key(name, key);
            }
            KeyUse::CardData | KeyUse::CardHash | KeyUse::Transport => {}
        }
    }

    /// A card key is read from its file here, which happens once in a period.
    fn use_key(&self, name: KeyName, key: &KeyRecord) {
        let Shared { cards, keys, store, .. } = &*self.shared;
        match name.usage {
            KeyUse::CardData => {}
            KeyUse::TerminalMaster => {
                return self.shared.table.use_master_key(TerminalIndex(name.owner), key);
            }
            KeyUse::TerminalPin
            | KeyUse::TerminalMac
            | KeyUse::TerminalTrack
            | KeyUse::ZonePin
            | KeyUse::PinVerification
            | KeyUse::CardHash
            | KeyUse::IssuerCryptogram
            | KeyUse::Transport => return keys.use_key(name, key),
        }
        match cards.use_key(store, name.owner, key) {
            Ok(()) => tracing::info!(key = name.owner, "a new card data key is in use"),
            Err(error) => tracing::error!(%error, "a new card data key cannot be used; the one before stays"),
        }
    }

    /// Keys are forgotten here. Their files are destroyed by a worker, and commands of the same batch are answered by it afterwards: whoever asked
    /// hears that it is done when it is. What else is to go is given back.
    fn shred_before(&mut self, keys: Vec<u16>, effects: Vec<Effect>) -> Vec<Effect> {
        if keys.is_empty() {
            return effects;
        }
        if let Err(error) = self.shared.cards.forget(&keys) {
            tracing::error!(%error, "a card data key is not forgotten; the next start does without it");
        }
        let (mut answers, mut others) = (Vec::new(), Vec::with_capacity(effects.len()));
        for effect in effects {
            match effect {
                Effect::CommandDone { ticket, result } => answers.push((ticket, result)),
                other => others.push(other),
            }
        }
        self.jobs.push(Job::Shred { keys, answers });
        others
    }

    fn not_sent(&self, link: LinkIndex, message: Upstream) {
        if let Upstream::Request(request) = message {
            let transaction = request.opened.id;
            self.shared.queue.push([Input::NotSent { link, transaction, request: Some(request) }]);
        }
    }
}

impl Outcome<Pending> for Release {
    fn on_durable(&mut self, position: Position, pending: Vec<Pending>) {
        self.shared.durable.store(position.next_seq.0, Ordering::Release);
        let shared = Arc::clone(&self.shared);
        if let Some(durable) = shared.index_durable.get() {
            durable.advance(position.next_seq);
        }
        if let Some(rows) = shared.rows.get() {
            rows.advance(position.next_seq);
        }
        guarded(&shared, "ledger-commit", || self.release(pending));
    }

    fn on_poison(&mut self, error: &Error) {
        self.shared.fail(&Fatal::Ledger { reason: format!("{} {error}", error.code()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keytable::tests::{terminal, working_keys};
    use crate::shared::Phase;
    use crate::shared::tests::shared;
    use std::sync::Mutex;
    use switchyard_core::{Origin, Reply};
    use switchyard_domain::ResponseCode;

    fn reply(connection: u64) -> Effect {
        let origin = Origin { connection, ticket: 1 };
        Effect::Reply { origin, reply: Reply::refused(ResponseCode::SYSTEM_MALFUNCTION) }
    }

    #[tokio::test]
    async fn keys_are_in_force_before_any_answer_of_the_same_release() {
        let shared = shared(&Arc::default());
        let mut release = Release::new(Arc::clone(&shared), tokio::runtime::Handle::current());
        let terminal = terminal(&shared.store, "T0000001");
        let outbox = shared.connections.insert_for_test(7);
        let keys = Box::new(working_keys(&shared.store, 3));
        // The answer stands before the keys, and in an earlier batch.
        let first = Pending { effects: vec![reply(7), reply(8)], registered: Vec::new() };
        let use_terminal =
            Effect::UseTerminal { index: TerminalIndex(0), terminal: Box::new(terminal.clone()) };
        let use_keys = Effect::UseKeys { terminal: TerminalIndex(0), keys };
        let second = Pending { effects: vec![use_terminal, use_keys], registered: Vec::new() };
        release.put_in_force(&first.effects);
        assert_eq!(outbox.count(), 0, "putting keys in force lets nothing go");
        release.release(vec![first, second]);
        assert_eq!(outbox.count(), 1);
        let entry = shared.table.find(&terminal.id).unwrap();
        assert_eq!(entry.keys(&shared.store).unwrap().version, 3);
        assert!(shared.metrics.render().contains("switch_replies_undelivered_total 1"));
    }

    #[tokio::test]
    async fn a_failed_ledger_ends_the_switch_once_and_nobody_is_answered() {
        let fatal = Arc::<Mutex<Vec<Fatal>>>::default();
        let shared = shared(&fatal);
        let mut release = Release::new(Arc::clone(&shared), tokio::runtime::Handle::current());
        let waiting = shared.command(switchyard_domain::Actor::Switch, switchyard_core::Command::Digest);
        release.on_poison(&Error::Poisoned);
        release.on_poison(&Error::Poisoned);
        let causes = fatal.lock().unwrap().clone();
        assert!(matches!(causes.as_slice(), [Fatal::Ledger { .. }]), "{causes:?}");
        assert_eq!(causes[0].exit_code(), 70);
        assert_eq!(*shared.phase.borrow(), Phase::Failed);
        assert!(waiting.await.is_err(), "a command in flight has no result");
        assert!(!shared.enter(Phase::Draining), "there is no way back");
    }
}
