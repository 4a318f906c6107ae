//! One process that serves from memory, and what the list of members says of it.

use super::rules::{Rule, Rules};

/// A set of waits: bit 0 is that of a list which was lost, bit n that of revocation n.
pub(crate) type Waits = u8;

/// A lease that is not over, known by the waits that began since it was asked for.
pub(crate) type Lease = Option<Waits>;

/// What a process can read of the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Store {
    /// The last number of the stream.
    pub(crate) head: u8,
    /// The number that ended the credential which is watched.
    pub(crate) ended: Option<u8>,
    /// The revocation of that credential has answered.
    pub(crate) answered: bool,
    /// The list holds its mark, with the number that stands with the stream.
    pub(crate) whole: bool,
}

/// A replica, and its row in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Replica {
    /// The number that it acknowledged, if it is a member.
    pub(crate) row: Option<u8>,
    /// The number up to which it applied notices.
    applied: u8,
    /// What it holds of the credential.
    memory: Memory,
    /// It has read that the credential is live, and is about to put that into memory.
    fill: Option<Fill>,
    pub(crate) lease: Lease,
    call: Call,
    /// The lease that comes of the call, if it comes to one.
    pub(crate) asked: Lease,
    /// A request that it gave up, and that may still land.
    late: Option<Request>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Memory {
    Nothing,
    Live,
    Ended,
}

/// Whether the notices since the credential was read are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Fill {
    Remembered,
    Forgotten,
}

/// How far a renewal has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Call {
    None,
    /// The store has read the list, and not yet the head.
    List(Standing),
    /// The other way round, which is wrong.
    Head(u8),
    /// The answer is there, or on its way: what was applied may be less than this head.
    Told(Standing, u8),
    /// A request is on its way to the store.
    Sent(Request),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Standing {
    Member(u8),
    Stranger,
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Request {
    Acknowledge(u8),
    Join(u8),
}

/// What a replica does, or what happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// It asks for a renewal, and the store reads the first half of the answer.
    Ask,
    /// The store reads the second half.
    ReadOn,
    /// The store reads it as it was before its last revocation.
    ReadStale,
    /// It applies the next notice.
    Apply,
    /// The next notice is not kept any more.
    FindGap,
    /// It decides what the answer means.
    Conclude,
    /// What it sent is carried out and answered.
    Land,
    /// It gives up its call, of which nothing is left.
    GiveUp,
    /// It gives up its call, of which a request is still on its way.
    LeaveBehind,
    /// That request is carried out.
    LandLate,
    /// It crashes and starts.
    Restart,
    /// It reads the credential in the store, which is live.
    Look,
    /// It puts what it read into memory.
    Fill,
    /// It leaves the list, though it has a lease.
    Leave,
    /// The store loses its row, and no other.
    LoseRow,
    /// The store loses its last acknowledgement.
    ForgetAcknowledgement,
}

impl Act {
    /// All that can happen under these rules.
    pub(crate) fn under(rules: Rules, late_requests: bool) -> Vec<Self> {
        let mut acts = vec![Self::Ask, Self::ReadOn, Self::Apply, Self::FindGap, Self::Conclude, Self::Land];
        acts.extend([Self::GiveUp, Self::Restart, Self::Look, Self::Fill]);
        if late_requests {
            acts.extend([Self::LeaveBehind, Self::LandLate]);
        }
        let broken = [
            (Rule::LeavesWithoutALease, Self::Leave),
            (Rule::LosesTheListWhole, Self::LoseRow),
            (Rule::AnswersFromTheNewest, Self::ReadStale),
            (Rule::RemembersAcknowledgements, Self::ForgetAcknowledgement),
        ];
        acts.extend(broken.into_iter().filter(|(rule, _)| !rules.keep(*rule)).map(|(_, act)| act));
        acts
    }
}

/// What it does.
impl Replica {
    /// Takes one step, if it can.
    pub(crate) fn act(&mut self, act: Act, store: Store, rules: Rules) -> Option<()> {
        match act {
            Act::Ask => self.ask(store, rules),
            Act::ReadOn => self.read_on(store, rules),
            Act::ReadStale => self.read_on(Store { head: store.head.checked_sub(1)?, ..store }, rules),
            Act::Apply => self.apply(store, rules),
            Act::FindGap => self.find_gap(store, rules),
            Act::Conclude => self.conclude(rules),
            Act::Land => self.land(rules),
            Act::GiveUp => (self.call != Call::None).then(|| self.rest()),
            Act::LeaveBehind => self.leave_behind(),
            Act::LandLate => self.late.take().map(|late| self.carry_out(late)),
            Act::Restart => {
                *self = Self::fresh(store.head);
                Some(())
            }
            Act::Look => self.look(store, rules),
            Act::Fill => self.fill(store, rules),
            Act::Leave | Act::LoseRow => self.row.take().map(drop),
            Act::ForgetAcknowledgement => {
                self.row = Some(self.row?.checked_sub(1)?);
                Some(())
            }
        }
    }

    fn ask(&mut self, store: Store, rules: Rules) -> Option<()> {
        let list = Call::List(self.standing(store, rules));
        (self.call == Call::None).then(|| {
            self.call = if rules.keep(Rule::ReadsTheListFirst) { list } else { Call::Head(store.head) };
            self.asked = Some(0);
        })
    }

    fn read_on(&mut self, store: Store, rules: Rules) -> Option<()> {
        let (standing, head) = match self.call {
            Call::List(standing) => (standing, store.head),
            Call::Head(head) => (self.standing(store, rules), head),
            _ => return None,
        };
        self.call = Call::Told(standing, head);
        if head < self.applied {
            self.start_over(store.head);
        }
        Some(())
    }

    fn standing(&self, store: Store, rules: Rules) -> Standing {
        if !store.whole && rules.keep(Rule::CountsForNobodyWhileLost) {
            return Standing::Lost;
        }
        self.row.map_or(Standing::Stranger, Standing::Member)
    }

    fn is_behind(&self, store: Store) -> bool {
        matches!(self.call, Call::Told(..)) && self.applied < store.head
    }

    fn apply(&mut self, store: Store, rules: Rules) -> Option<()> {
        self.is_behind(store).then(|| {
            self.applied += 1;
            if store.ended == Some(self.applied) && self.memory == Memory::Live {
                self.memory = if rules.keep(Rule::KeepsWhatEnded) { Memory::Ended } else { Memory::Nothing };
            }
        })
    }

    fn find_gap(&mut self, store: Store, rules: Rules) -> Option<()> {
        self.is_behind(store).then(|| {
            if rules.keep(Rule::SeesAGap) {
                let kept = !rules.keep(Rule::ForgetsOldFills);
                self.fill = self.fill.filter(|_| kept).map(|_| Fill::Forgotten);
                self.start_over(store.head);
            } else {
                self.applied += 1;
            }
        })
    }

    fn conclude(&mut self, rules: Rules) -> Option<()> {
        let Call::Told(standing, head) = self.call else { return None };
        if self.applied < head && rules.keep(Rule::CountsOnceCaughtUp) {
            let early = !rules.keep(Rule::AppliesBeforeItAcknowledges);
            let unknown = matches!(standing, Standing::Member(known) if known < head);
            return (early && unknown).then(|| self.call = Call::Sent(Request::Acknowledge(head)));
        }
        match standing {
            Standing::Member(known) if known < self.applied && rules.keep(Rule::CountsOnceAcknowledged) => {
                self.call = Call::Sent(Request::Acknowledge(self.applied));
            }
            Standing::Member(_) => self.renew(rules),
            Standing::Stranger if !rules.keep(Rule::CountsForMembers) => self.renew(rules),
            Standing::Stranger => self.join(rules),
            Standing::Lost => {
                self.lease = self.lease.filter(|_| !rules.keep(Rule::LossEndsLeases));
                self.rest();
            }
        }
        Some(())
    }

    fn land(&mut self, rules: Rules) -> Option<()> {
        let Call::Sent(request) = self.call else { return None };
        self.carry_out(request);
        match request {
            Request::Join(_) if !rules.keep(Rule::AsksAgainOnceJoined) => self.renew(rules),
            Request::Join(_) => self.rest(),
            Request::Acknowledge(_) if self.row.is_none() && rules.keep(Rule::HeedsTheAnswer) => {
                self.join(rules)
            }
            Request::Acknowledge(number) if number > self.applied => {
                self.call = Call::Told(Standing::Member(number), number);
            }
            Request::Acknowledge(_) => self.renew(rules),
        }
        Some(())
    }

    /// The renewal counts.
    fn renew(&mut self, rules: Rules) {
        self.lease = if rules.keep(Rule::CountsFromTheAsking) { self.asked } else { Some(0) };
        self.rest();
    }

    /// Under a new name there is no row, and what is on its way under the old one makes at most revocations wait.
    fn join(&mut self, rules: Rules) {
        self.lease = self.lease.filter(|_| !rules.keep(Rule::StrangersEndTheirLease));
        if rules.keep(Rule::JoinsUnderANewName) {
            (self.row, self.late) = (None, None);
        }
        self.asked = self.asked.filter(|_| !rules.keep(Rule::AsksAgainOnceJoined));
        self.call = Call::Sent(Request::Join(self.applied));
    }

    /// What the store does with a request: none lowers the number.
    fn carry_out(&mut self, request: Request) {
        self.row = match request {
            Request::Acknowledge(number) => self.row.map(|row| row.max(number)),
            Request::Join(number) => Some(self.row.map_or(number, |row| row.max(number))),
        };
    }

    fn leave_behind(&mut self) -> Option<()> {
        let Call::Sent(request) = self.call else { return None };
        self.late.is_none().then(|| {
            self.late = Some(request);
            self.rest();
        })
    }

    /// Several requests may look at once: one of them may have filled the memory before.
    fn look(&mut self, store: Store, rules: Rules) -> Option<()> {
        let live = store.ended.is_none() || (!store.answered && !rules.keep(Rule::EndsWithItsNumber));
        (live && self.fill.is_none()).then(|| {
            // A notice that was applied before the look is none since.
            let to_come = store.ended.is_none_or(|number| number > self.applied);
            self.fill = Some(if to_come { Fill::Remembered } else { Fill::Forgotten });
        })
    }

    /// The look found the credential live, so the number that ended it is later than the one that the look noted.
    fn fill(&mut self, store: Store, rules: Rules) -> Option<()> {
        let fill = self.fill.take()?;
        let touched = store.ended.is_some_and(|number| number <= self.applied) && fill == Fill::Remembered;
        if self.memory == Memory::Nothing && !(touched && rules.keep(Rule::ChecksAFill)) {
            self.memory = Memory::Live;
        }
        Some(())
    }

    /// No call is under way.
    fn rest(&mut self) {
        (self.call, self.asked) = (Call::None, None);
    }

    fn start_over(&mut self, head: u8) {
        self.rest();
        (self.applied, self.memory, self.lease) = (head, Memory::Nothing, None);
    }
}

/// What it is.
impl Replica {
    /// Started just now, with nothing in memory.
    pub(crate) const fn fresh(head: u8) -> Self {
        Self {
            row: None,
            applied: head,
            memory: Memory::Nothing,
            fill: None,
            lease: None,
            call: Call::None,
            asked: None,
            late: None,
        }
    }

    /// Whether a request that arrives now is accepted from memory.
    pub(crate) fn accepts(&self, rules: Rules) -> bool {
        self.memory == Memory::Live && (self.lease.is_some() || !rules.keep(Rule::ServesUnderALease))
    }

    /// Whether the credential is in memory, or on its way there.
    pub(crate) fn holds(&self) -> bool {
        self.memory == Memory::Live || self.fill.is_some()
    }

    /// What was under way fails, as nothing of it was done.
    pub(crate) fn lose_calls(&mut self) {
        self.rest();
        self.late = None;
    }
}
