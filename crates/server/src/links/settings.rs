//! How a link is reached and spoken to, which an operator may change while it is at work.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use switchyard_core::Order;
use switchyard_domain::LinkSettings;
use switchyard_wire::Framing;
use tokio::sync::watch;

use super::address::{LinkAddress, LinkAddressError};

/// Why a link could not be set like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkSettingError {
    /// It has no such address.
    #[error("the address is refused: {0}")]
    Address(#[from] LinkAddressError),
    /// Nothing is framed so.
    #[error("there is no framing {0:?}: see `switchyard decode --help`")]
    Framing(String),
}

/// Whether an order, where it changes a link, gives it an address and a framing that there are: the core knows of neither.
///
/// # Errors
/// [`LinkSettingError`] by which of the two.
pub fn check_link_change(order: &Order) -> Result<(), LinkSettingError> {
    let Order::ChangeLink { change, .. } = order else { return Ok(()) };
    if let Some(address) = &change.address {
        address.parse::<LinkAddress>()?;
    }
    match &change.framing {
        Some(framing) if framing.parse::<Framing>().is_err() => {
            Err(LinkSettingError::Framing(framing.clone()))
        }
        Some(_) | None => Ok(()),
    }
}

/// What a link's task and its sessions go by.
#[derive(Debug)]
pub(super) struct InForce {
    settings: watch::Sender<LinkSettings>,
    /// Read for every request: these count on the connection that stands.
    answer_timeout_ms: AtomicU32,
    /// Zero: as the configuration says.
    credit_max: AtomicU32,
}

impl InForce {
    pub(super) fn new(settings: LinkSettings) -> Self {
        Self {
            answer_timeout_ms: AtomicU32::new(settings.answer_timeout_ms),
            credit_max: AtomicU32::new(settings.credit_max.unwrap_or(0)),
            settings: watch::channel(settings).0,
        }
    }

    pub(super) fn change(&self, settings: LinkSettings) {
        self.answer_timeout_ms.store(settings.answer_timeout_ms, Ordering::Relaxed);
        self.credit_max.store(settings.credit_max.unwrap_or(0), Ordering::Relaxed);
        self.settings.send_replace(settings);
    }

    pub(super) fn settings(&self) -> LinkSettings {
        self.settings.borrow().clone()
    }

    /// Whether the host is reached and spoken to as `known` says: else the connection cannot stay.
    pub(super) fn is_as(&self, known: &LinkSettings) -> bool {
        is_same_way(&self.settings.borrow(), known)
    }

    /// Resolves when the host is to be reached or spoken to otherwise than `known` says.
    pub(super) async fn until_other(&self, known: &LinkSettings) {
        // The sender is this object's own: the wait does not end in an error.
        let _ = self.settings.subscribe().wait_for(|now| !is_same_way(now, known)).await;
    }

    /// How many connections the link is to have.
    pub(super) fn connections(&self) -> usize {
        usize::from(self.settings.borrow().connections)
    }

    /// Resolves when the link is to have so many connections, or fewer.
    pub(super) async fn until_at_most(&self, count: usize) {
        let _ = self.settings.subscribe().wait_for(|now| usize::from(now.connections) <= count).await;
    }

    /// Resolves when the link is to have more connections.
    pub(super) async fn until_more_than(&self, count: usize) {
        let _ = self.settings.subscribe().wait_for(|now| usize::from(now.connections) > count).await;
    }

    pub(super) fn answer_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.answer_timeout_ms.load(Ordering::Relaxed)))
    }

    /// Requests that may be unanswered, where the configuration says `configured` for all links.
    pub(super) fn credit_max(&self, configured: u32) -> usize {
        let own = self.credit_max.load(Ordering::Relaxed);
        (if own > 0 { own } else { configured }) as usize
    }
}

fn is_same_way(left: &LinkSettings, right: &LinkSettings) -> bool {
    left.address == right.address && left.dialect == right.dialect && left.framing == right.framing
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_core::LinkChange;
    use switchyard_domain::LinkDialect;

    fn settings() -> LinkSettings {
        LinkSettings {
            address: "10.0.0.7:8600".into(),
            dialect: LinkDialect::Iso87Binary,
            framing: "len2-be".into(),
            answer_timeout_ms: 10_000,
            connections: 1,
            credit_max: None,
        }
    }

    #[test]
    fn only_what_the_connection_hangs_on_ends_it() {
        let in_force = InForce::new(settings());
        assert_eq!((in_force.answer_timeout().as_millis(), in_force.credit_max(9)), (10_000, 9));
        let other =
            LinkSettings { answer_timeout_ms: 500, connections: 4, credit_max: Some(3), ..settings() };
        in_force.change(other);
        assert_eq!((in_force.answer_timeout().as_millis(), in_force.credit_max(9)), (500, 3));
        assert_eq!(in_force.connections(), 4);
        assert!(in_force.is_as(&settings()));
        let others: [LinkSettings; 3] = [
            LinkSettings { address: "10.0.0.8:8600".into(), ..settings() },
            LinkSettings { dialect: LinkDialect::Iso93Ascii, ..settings() },
            LinkSettings { framing: "len4-be".into(), ..settings() },
        ];
        for other in others {
            in_force.change(other);
            assert!(!in_force.is_as(&settings()));
        }
    }

    #[test]
    fn an_address_or_a_framing_that_there_is_not_is_refused() {
        let order = |change| Order::ChangeLink {
            link: "a".into(),
            change,
            reason: "a test".parse().unwrap(),
            dry_run: false,
        };
        let with = |address: Option<&str>, framing: Option<&str>| LinkChange {
            address: address.map(Into::into),
            framing: framing.map(Into::into),
            ..LinkChange::default()
        };
        let table = [
            (with(None, None), true),
            (with(Some("10.0.0.8:8600"), Some("len4-be")), true),
            (with(Some("nowhere"), None), false),
            (with(None, Some("by-pigeon")), false),
        ];
        for (change, fits) in table {
            assert_eq!(check_link_change(&order(change.clone())).is_ok(), fits, "{change:?}");
        }
    }
}
