//! What happens when records are durable: effects go out, and nothing before that.
//!
//! It runs on the committer's thread, which must get back to the disk: it only moves things into queues.

use std::sync::Arc;

use switchyard_core::{Effect, Input, Upstream};
use switchyard_domain::{KeyName, KeyRecord, Link, LinkIndex};
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
            for registered in batch.registered {
                match registered {
                    Registered::Link(index, link) => {
                        crate::links::start(&self.shared, &self.runtime, index, *link);
                    }
                    Registered::Key(name, key) => self.shared.keys.use_key(&self.shared.store, name, &key),
                }
            }
            self.let_go(batch.effects);
        }
        self.shared.jobs.push(&mut self.jobs);
        self.woken.drain(..).for_each(|outbox| outbox.wake());
    }

    fn put_in_force(&self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::UseTerminal { index, terminal } => self.shared.table.use_terminal(*index, terminal),
                Effect::UseKeys { terminal, keys } => {
                    self.shared.table.use_keys(*terminal, keys.as_ref().clone());
                }
                Effect::Reply { .. }
                | Effect::PinWork { .. }
                | Effect::MakeKeys { .. }
                | Effect::Send { .. }
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
                Effect::MakeKeys { slot, terminal, version, form } => {
                    self.jobs.push(Job::Keys { slot, terminal, version, form });
                }
                Effect::Send { link, generation, message } => {
                    if let Err(message) = self.shared.links.send(link, generation, message) {
                        self.not_sent(link, &message);
                    }
                }
                Effect::CommandDone { ticket, result } => self.shared.command_done(ticket, result),
                Effect::UseTerminal { .. } | Effect::UseKeys { .. } => {}
            }
        }
    }

    fn not_sent(&self, link: LinkIndex, message: &Upstream) {
        if let Upstream::Request(request) = message {
            self.shared.queue.push([Input::NotSent { link, transaction: request.opened.id }]);
        }
    }
}

impl Outcome<Pending> for Release {
    fn on_durable(&mut self, _position: Position, pending: Vec<Pending>) {
        let shared = Arc::clone(&self.shared);
        guarded(&shared, "ledger-commit", || self.release(pending));
    }

    fn on_poison(&mut self, error: &Error) {
        self.shared.fail(&Fatal::Ledger { reason: format!("{} {error}", error.code()) });
    }
}
