//! Issuers that are away for a while: their connections are gone, or they have signed off and go on listening.

use crate::env::{Event, Way};
use crate::schedule::seconds;
use crate::world::{World, issuer_behind};

impl World {
    pub(crate) fn plan_next_absence(&mut self) {
        if let Some(longest) = self.env.plan.away_every {
            let wait = self.env.random.between(seconds(1), longest);
            self.env.schedule.after(wait, Event::HostAway);
        }
    }

    /// An issuer goes away for seconds or minutes.
    pub(crate) fn leave(&mut self) {
        self.plan_next_absence();
        if self.env.draining {
            return;
        }
        let host = self.env.random.below(self.links.len() as u64) as usize;
        self.env.tally.host_away += 1;
        self.env.note("an issuer goes away", [host as u64, 0, 0]);
        self.env.away.insert(host);
        self.with_switch(|process, env| process.link_lost(env, host));
        let wait = self.env.random.between(seconds(2), seconds(300));
        self.env.schedule.after(wait, Event::HostBack { host });
    }

    pub(crate) fn plan_next_sign_off(&mut self) {
        if let Some(longest) = self.env.plan.sign_off_every {
            let wait = self.env.random.between(seconds(1), longest);
            self.env.schedule.after(wait, Event::HostSignsOff);
        }
    }

    /// An issuer says over one of its connections that it takes nothing more, for seconds or minutes.
    pub(crate) fn sign_off(&mut self) {
        self.plan_next_sign_off();
        let host = self.env.random.below(self.links.len() as u64) as usize;
        let lines = self.switch.as_ref().map_or(Vec::new(), |process| process.lines_of(host));
        if lines.is_empty() || self.env.draining {
            return;
        }
        let line = lines[self.env.random.below(lines.len() as u64) as usize];
        self.env.tally.host_sign_offs += 1;
        self.env.note("an issuer signs off", [host as u64, line, 0]);
        let issuer = issuer_behind(host, self.hosts.len());
        if let Some(frame) = self.hosts[issuer].sign(line, false) {
            self.env.transmit_in_order(line, Way::ToSwitch, frame);
        }
        let wait = self.env.random.between(seconds(2), seconds(300));
        self.env.schedule.after(wait, Event::HostSignsOn { host, line });
    }

    /// It takes everything again. Until it hears that the switch has heard so, it says so again.
    pub(crate) fn sign_on(&mut self, host: usize, line: u64) {
        let issuer = issuer_behind(host, self.hosts.len());
        if !self.env.is_open(line) || !self.hosts[issuer].is_off(line) {
            return;
        }
        self.env.note("an issuer signs on", [host as u64, line, 0]);
        if let Some(frame) = self.hosts[issuer].sign(line, true) {
            self.env.transmit_in_order(line, Way::ToSwitch, frame);
        }
        self.env.schedule.after(seconds(20), Event::HostSignsOn { host, line });
    }

    /// Whoever signed off signs on: queues are to drain.
    pub(crate) fn sign_on_all(&mut self) {
        for host in 0..self.links.len() {
            for line in self.switch.as_ref().map_or(Vec::new(), |process| process.lines_of(host)) {
                self.sign_on(host, line);
            }
        }
    }
}
