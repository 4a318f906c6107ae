//! Two clocks that run apart: that of a replica which asks for a lease, and that of whoever waits until it is over.
//!
//! The protocol rests on time in one way only: a lease that was asked for before a wait began is over when the wait is.
//! That is shown here with clocks that tick, and taken from here by `protocol`, where time is nothing else. In a unit of
//! true time a clock ticks four or five times, now this way and now that: two clocks run apart by up to a quarter.

use super::{
    rules::{Rule, Rules},
    search::Model,
};

/// The length of a lease, in ticks.
const LEASE: u8 = 20;
/// The length of a wait: a lease, and a quarter for clocks that run apart.
const WAIT: u8 = 25;

/// What is searched: under which rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks(pub(crate) Rules);

/// Everything. Clocks are known by what they count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Readings {
    /// The renewal was asked for.
    asked: bool,
    /// The renewal was answered, and counts.
    granted: bool,
    /// The ticks that the replica counts of its lease.
    age: u8,
    /// What the replica counted when it last copied its clock. Only where nobody reads it on arrival.
    copied: Option<u8>,
    /// The ticks since the wait began.
    waited: Option<u8>,
    /// A request that arrived after the wait was accepted.
    accepted: bool,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tick {
    /// The replica asks for a renewal.
    Ask,
    /// The renewal is answered, and counts.
    Answer,
    /// The other begins to wait.
    BeginToWait,
    /// The replica copies its clock.
    CopyTheClock,
    /// The wait is over, and a request arrives.
    Arrive,
    /// A unit of time passes: so often the clock of the replica ticks, and so often that of whoever waits.
    Pass(u8, u8),
}

impl Model for Clocks {
    type State = Readings;
    type Step = Tick;

    fn start(&self) -> Readings {
        Readings::default()
    }

    fn steps(&self) -> Vec<Tick> {
        let mut steps = vec![Tick::Ask, Tick::Answer, Tick::BeginToWait, Tick::Arrive];
        steps.extend([Tick::Pass(4, 4), Tick::Pass(4, 5), Tick::Pass(5, 4), Tick::Pass(5, 5)]);
        let broken =
            [(Rule::ReadsTheClockOnArrival, Tick::CopyTheClock), (Rule::ClocksNeverStop, Tick::Pass(0, 5))];
        steps.extend(broken.into_iter().filter(|(rule, _)| !self.0.keep(*rule)).map(|(_, step)| step));
        steps
    }

    fn after(&self, state: &Readings, step: Tick) -> Option<Readings> {
        let before = *state;
        let (possible, after) = match step {
            Tick::Ask => (!before.asked && before.waited.is_none(), Readings { asked: true, ..before }),
            Tick::Answer => (before.asked, Readings { granted: true, ..before }),
            Tick::BeginToWait => (before.waited.is_none(), Readings { waited: Some(0), ..before }),
            Tick::CopyTheClock => (true, Readings { copied: Some(before.age), ..before }),
            Tick::Arrive => {
                let over = before.waited.is_some_and(|ticks| ticks >= self.wait());
                (over, Readings { accepted: self.accepts(before), ..before })
            }
            Tick::Pass(here, there) => (true, self.pass(before, here, there)),
        };
        possible.then_some(after)
    }

    fn is_wrong(&self, state: &Readings) -> bool {
        state.accepted
    }

    fn is_over(&self, _: &Readings) -> bool {
        false
    }
}

impl Clocks {
    fn wait(self) -> u8 {
        if self.0.keep(Rule::WaitsWithAMargin) { WAIT } else { LEASE }
    }

    fn pass(self, before: Readings, here: u8, there: u8) -> Readings {
        let counts = if self.0.keep(Rule::CountsFromTheAsking) { before.asked } else { before.granted };
        let age = if counts { (before.age + here).min(LEASE) } else { 0 };
        Readings { age, waited: before.waited.map(|ticks| (ticks + there).min(WAIT)), ..before }
    }

    /// Whether a request that arrives now is accepted.
    pub(crate) fn accepts(self, state: Readings) -> bool {
        let reading = if self.0.keep(Rule::ReadsTheClockOnArrival) { Some(state.age) } else { state.copied };
        state.granted && reading.is_some_and(|age| age < LEASE)
    }
}
