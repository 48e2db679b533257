//! Which request an issuer's answer is the answer to: by the key that was agreed with its link.

use crate::dialect::iso::link;
use crate::flight::{Asked, AskedAs, Over};
use crate::input::Answer;
use crate::machine::Core;
use switchyard_domain::{Rrn, TransactionOpened, UpstreamRef};

/// The answer to a reversal, whichever of its forms it has.
const REVERSED: u16 = 430;

impl Core {
    /// Where the answer to a message is looked up.
    pub(crate) fn asked_as(&self, upstream: &UpstreamRef, rrn: Rrn) -> AskedAs {
        if self.state.registry.link_terms(upstream.link).matching.has(11) {
            return AskedAs::Stan(upstream.stan, answered_by(upstream.mti + 10));
        }
        AskedAs::Rrn(rrn, answered_by(upstream.mti + 10))
    }

    /// What an answer may be about. The link's own messages have no reference and are known by their number on any link.
    pub(crate) fn asked_by(&mut self, over: Over, answer: &Answer) -> Option<(AskedAs, Asked)> {
        let Over { link, generation } = over;
        let by_reference = !self.state.registry.link_terms(link).matching.has(11);
        let reference = answer.rrn.filter(|_| by_reference);
        let reference = reference.map(|rrn| AskedAs::Rrn(rrn, answered_by(answer.mti)));
        let places = [reference, answer.stan.map(|stan| AskedAs::Stan(stan, answered_by(answer.mti)))];
        let flight = self.flight.link(link);
        places.into_iter().flatten().find_map(|place| Some((place, flight.asked_at(generation, place)?)))
    }

    /// Whether an answer repeats what the link's key has of a message. DE 37 beside DE 11 may be absent: hosts that were
    /// not told to repeat it often do not.
    pub(crate) fn fits(&self, upstream: &UpstreamRef, opened: &TransactionOpened, answer: &Answer) -> bool {
        let keys = self.state.registry.link_terms(upstream.link).matching;
        let (at, echoed) = (upstream.transmitted_at, &answer.echoed);
        let fits = |element, fits: bool| !keys.has(element) || fits;
        let reference = match answer.rrn {
            Some(rrn) => rrn == opened.rrn,
            None => keys.has(11),
        };
        fits(11, answer.stan == Some(upstream.stan))
            && fits(7, answer.transmitted == Some(at.transmission_digits()))
            && fits(37, reference)
            && fits(12, echoed.local_time == Some(at.local_time_digits(self.offset())))
            && fits(32, echoed.acquirer == self.state.acquirer())
            && fits(41, echoed.terminal == self.state.registry.terminal_id(opened.key.terminal))
            && fits(3, echoed.processing_code == Some(link::processing_code(opened.kind)))
    }
}

/// The answer's MTI with both classes of answers to a reversal under one. An answer that has kept the repeat bit of its
/// message is the same answer.
fn answered_by(mti: u16) -> u16 {
    let mti = mti & !1;
    if mti == 410 { REVERSED } else { mti }
}
