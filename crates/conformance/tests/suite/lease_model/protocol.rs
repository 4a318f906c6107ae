//! The protocol: a store, replicas that serve from memory under leases, revocations that wait for them, and all that
//! may go wrong between them.
//!
//! Time is what clocks show of it: when a wait is over, all leases that were asked for before it began are over. So a
//! lease is known by the waits that began since it was asked for, and lives until one of them is over. Otherwise it lives
//! as long as it likes, and a wait lasts as long as it likes: there are no ticks, and every length of a lease, every pause
//! and every two clocks within the margin are among what is searched.
//!
//! What is left out, since with it less would be possible and not more:
//! - a request to the store that is long on its way and changes nothing there: it is as if it had been asked for later,
//!   with a younger lease;
//! - an answer that is long on its way back, where nothing but the start of a lease depends on it;
//! - the rows of replicas that crashed or took a new name: they only make revocations wait;
//! - pushes: they only make a replica ask, which it may do at any time;
//! - what a process applies and acknowledges because it committed it: that is as a renewal which it gives up;
//! - other credentials: one is watched, which one of the revocations ends.

use super::{
    replica::{Act, Lease, Replica, Store, Waits},
    rules::{Rule, Rules},
    search::Model,
};

/// What is searched: how much may happen, and under which rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol<const REPLICAS: usize> {
    /// How many revocations there are at most. One of them, any, ends the credential that is watched.
    pub(crate) revocations: u8,
    /// How often a lost list is mended at most. It may be lost any number of times.
    pub(crate) mendings: u8,
    /// A request that a replica gave up may land later.
    pub(crate) late_requests: bool,
    /// The rules.
    pub(crate) rules: Rules,
}

/// The wait of whoever has seen the list to be lost.
const LOST: Waits = 1;

/// The wait of a revocation.
const fn wait_of(revocation: u8) -> Waits {
    1 << revocation
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State<const REPLICAS: usize> {
    /// The last number of the stream.
    head: u8,
    /// The number that ended the credential which is watched.
    ended: Option<u8>,
    /// The revocation of that credential has answered.
    answered: bool,
    /// The waits under way.
    waiting: Waits,
    /// The number of the list, which stands with the stream.
    list: u8,
    /// The list holds its mark, with that number.
    whole: bool,
    /// Somebody is about to mend a list that others have mended. Only where nobody compares numbers.
    late_mender: bool,
    /// Sorted: nothing depends on which is which.
    replicas: [Replica; REPLICAS],
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A revocation commits, and waits; it may be that of the credential.
    Commit { ours: bool },
    /// All members have acknowledged a number: its revocation answers.
    AnswerEarly(u8),
    /// Leases have run out: a revocation strikes the silent and answers.
    AnswerLate(u8),
    /// The list is emptied.
    LoseList,
    /// A list that was lost for the length of a lease is begun anew.
    MendList,
    /// A list is begun anew by somebody who saw an earlier one lost.
    MendLate,
    /// The store forgets its last revocation.
    GoBack,
    /// A replica does something.
    Of(usize, Act),
}

impl<const REPLICAS: usize> Model for Protocol<REPLICAS> {
    type State = State<REPLICAS>;
    type Step = Step;

    fn start(&self) -> Self::State {
        State {
            head: 0,
            ended: None,
            answered: false,
            waiting: 0,
            list: 0,
            whole: true,
            late_mender: false,
            replicas: [Replica::fresh(0); REPLICAS],
        }
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Commit { ours: true }, Step::Commit { ours: false }];
        for number in 1..=self.revocations {
            steps.extend([Step::AnswerEarly(number), Step::AnswerLate(number)]);
        }
        steps.extend([Step::LoseList, Step::MendList]);
        let broken = [(Rule::MendsWhatItSaw, Step::MendLate), (Rule::RemembersRevocations, Step::GoBack)];
        steps.extend(broken.into_iter().filter(|(rule, _)| !self.rules.keep(*rule)).map(|(_, step)| step));
        for replica in 0..REPLICAS {
            let acts = Act::under(self.rules, self.late_requests).into_iter();
            steps.extend(acts.map(|act| Step::Of(replica, act)));
        }
        steps
    }

    fn after(&self, state: &Self::State, step: Step) -> Option<Self::State> {
        let mut state = *state;
        match step {
            Step::Commit { ours } => self.commit(&mut state, ours),
            Step::AnswerEarly(number) => self.answer_early(&mut state, number),
            Step::AnswerLate(number) => self.answer_late(&mut state, number),
            Step::LoseList => self.lose_list(&mut state),
            Step::MendList => self.mend_list(&mut state),
            Step::MendLate => state.mend_late(),
            Step::GoBack => state.go_back(),
            Step::Of(index, act) => {
                let State { head, ended, answered, whole, .. } = state;
                let store = Store { head, ended, answered, whole };
                state.replicas.get_mut(index)?.act(act, store, self.rules)
            }
        }?;
        state.replicas.sort_unstable();
        Some(state)
    }

    /// A request that arrives now would be accepted, after the revocation has answered.
    fn is_wrong(&self, state: &Self::State) -> bool {
        state.answered && self.serves(state)
    }

    /// The credential has ended, is in no memory, and on its way to none.
    fn is_over(&self, state: &Self::State) -> bool {
        let ended = state.ended.is_some() && (state.answered || self.rules.keep(Rule::EndsWithItsNumber));
        ended && !state.replicas.iter().any(Replica::holds)
    }
}

/// What befalls the store.
impl<const REPLICAS: usize> Protocol<REPLICAS> {
    fn commit(&self, state: &mut State<REPLICAS>, ours: bool) -> Option<()> {
        let possible = state.head < self.revocations && !(ours && state.ended.is_some());
        possible.then(|| {
            state.head += 1;
            if ours {
                state.ended = Some(state.head);
            }
            state.begin(wait_of(state.head));
        })
    }

    fn answer_early(&self, state: &mut State<REPLICAS>, number: u8) -> Option<()> {
        let whole = state.whole || !self.rules.keep(Rule::AnswersLateWhileLost);
        let all_know = state.replicas.iter().all(|replica| replica.row.is_none_or(|row| row >= number))
            || !self.rules.keep(Rule::AsksAllMembers);
        (whole && all_know && state.waits(number)).then(|| state.answer(number, false))
    }

    fn answer_late(&self, state: &mut State<REPLICAS>, number: u8) -> Option<()> {
        state.waits(number).then(|| {
            state.answer(number, self.rules.keep(Rule::WaitsForLeases));
            if self.rules.keep(Rule::StrikesTheSilent) {
                for replica in &mut state.replicas {
                    replica.row = replica.row.filter(|row| *row >= number);
                }
            }
        })
    }

    /// The worst that can be is that somebody sees it at once, and waits from then on. Whoever took the mending of this
    /// list for its loss waits already.
    fn lose_list(&self, state: &mut State<REPLICAS>) -> Option<()> {
        state.replicas.iter_mut().for_each(|replica| replica.row = None);
        if state.whole && self.rules.keep(Rule::SeesALoss) {
            state.whole = false;
            if state.waiting & LOST == 0 {
                state.begin(LOST);
            }
        }
        Some(())
    }

    fn mend_list(&self, state: &mut State<REPLICAS>) -> Option<()> {
        (!state.whole && state.list < self.mendings).then(|| {
            state.end(LOST, self.rules.keep(Rule::MendsAfterLeases));
            state.list += 1;
            state.whole = true;
            state.late_mender = !self.rules.keep(Rule::MendsWhatItSaw);
            if !self.rules.keep(Rule::ReadsTheNumberFirst) {
                state.begin(LOST);
            }
            if !self.rules.keep(Rule::KeepsWhoJoinedMeanwhile) {
                state.replicas.iter_mut().for_each(|replica| replica.row = None);
            }
        })
    }
}

/// What can be asked of a state.
impl<const REPLICAS: usize> Protocol<REPLICAS> {
    /// How many revocations wait.
    pub(crate) const fn revocations_that_wait(&self, state: &State<REPLICAS>) -> u32 {
        (state.waiting & !LOST).count_ones()
    }
    /// Whether a replica accepts the credential from memory.
    pub(crate) fn serves(&self, state: &State<REPLICAS>) -> bool {
        state.replicas.iter().any(|replica| replica.accepts(self.rules))
    }
    /// Whether all of them do.
    pub(crate) fn all_serve(&self, state: &State<REPLICAS>) -> bool {
        state.replicas.iter().all(|replica| replica.accepts(self.rules))
    }
    /// Whether a lost list was mended, and a replica serves from memory since.
    pub(crate) fn serves_after_mending(&self, state: &State<REPLICAS>) -> bool {
        state.whole && state.list > 0 && self.serves(state)
    }
    /// How many members have a lease.
    pub(crate) fn members_with_a_lease(&self, state: &State<REPLICAS>) -> usize {
        state.replicas.iter().filter(|replica| replica.row.is_some() && replica.lease.is_some()).count()
    }
}

impl<const REPLICAS: usize> State<REPLICAS> {
    fn waits(&self, revocation: u8) -> bool {
        self.waiting & wait_of(revocation) != 0
    }

    fn answer(&mut self, revocation: u8, after_leases: bool) {
        self.end(wait_of(revocation), after_leases);
        self.answered |= self.ended == Some(revocation);
    }

    fn leases(&mut self) -> impl Iterator<Item = &mut Lease> {
        self.replicas.iter_mut().flat_map(|replica| [&mut replica.lease, &mut replica.asked])
    }

    fn begin(&mut self, wait: Waits) {
        self.waiting |= wait;
        self.leases().for_each(|lease| *lease = lease.map(|since| since | wait));
    }

    /// Nobody waits any more; if the whole time was waited, then leases that were asked for before are over.
    fn end(&mut self, wait: Waits, leases_too: bool) {
        self.waiting &= !wait;
        let ends = |since: Waits| leases_too && since & wait != 0;
        self.leases()
            .for_each(|lease| *lease = lease.filter(|since| !ends(*since)).map(|since| since & !wait));
    }

    fn mend_late(&mut self) -> Option<()> {
        (!self.whole && self.late_mender).then(|| {
            self.end(LOST, false);
            self.whole = true;
        })
    }

    /// The store is as it was before its last revocation. What was under way fails.
    fn go_back(&mut self) -> Option<()> {
        let lost = self.head;
        self.head = lost.checked_sub(1)?;
        self.end(wait_of(lost), false);
        if self.ended == Some(lost) {
            (self.ended, self.answered) = (None, false);
        }
        for replica in &mut self.replicas {
            replica.row = replica.row.map(|row| row.min(lost - 1));
            replica.lose_calls();
        }
        Some(())
    }
}
