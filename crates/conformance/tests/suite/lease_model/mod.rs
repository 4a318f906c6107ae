//! The leases by which revocations are exact, searched through every state that can be reached within bounds.
//!
//! What must hold: once a revocation has answered, no request that arrives later is accepted from any memory. What can go
//! wrong meanwhile: calls are lost, late or out of order, replicas pause, crash and start again, notices are dropped, the
//! list of members is emptied, and clocks run apart by as much as the margin allows for.
//!
//! The model is written by hand beside the code, and nothing checks that the code does what it says: its worth is that
//! each rule has a counterexample without it. ADR 6 has them in words.

mod clocks;
mod protocol;
mod replica;
mod rules;
mod search;

use clocks::Clocks;
use protocol::{Protocol, State, Step};
use rules::{Rule, Rules};
use search::{Outcome, search};

/// So much of the protocol that no rule can be left out. Replicas meet in the list alone, where each can only make
/// revocations wait for it: what one of them does wrong, it does without the others.
const ONE: Protocol<1> = Protocol { revocations: 2, mendings: 2, late_requests: true, rules: Rules::ALL };

#[test]
fn one_replica_is_exact() {
    expect_exact(&Protocol { revocations: 3, ..ONE });
}

#[test]
fn two_replicas_are_exact() {
    let two = Protocol::<2> { revocations: 2, mendings: 0, late_requests: false, rules: Rules::ALL };
    expect_exact(&two);
    expect_exact(&Protocol { revocations: 1, mendings: 2, ..two });
    expect_exact(&Protocol { revocations: 1, late_requests: true, ..two });
}

#[test]
fn a_lease_is_over_when_a_wait_is() {
    let clocks = Clocks(Rules::ALL);
    let mut lived = false;
    let outcome = search(&clocks, |_, _, after| lived |= clocks.accepts(*after));
    println!("{clocks:?}: {} states, {} steps deep", outcome.states, outcome.depth);
    assert_eq!(outcome.wrong, None, "a lease outlived a wait");
    assert!(lived, "no lease was ever live");
}

#[test]
fn each_rule_is_needed() {
    for (rule, length) in Rule::NEEDED.into_iter().chain(Rule::ASSUMED) {
        expect_wrong(rule, length, without(rule));
    }
    for (rule, length) in Rule::OF_TIME {
        expect_wrong(rule, length, search(&Clocks(Rules::without(rule)), |_, _, _| {}));
    }
}

fn expect_wrong(rule: Rule, length: usize, outcome: Outcome) {
    let way = outcome.wrong.unwrap_or_default();
    println!("without {rule:?}: {}", way.join(", "));
    assert_eq!(way.len(), length, "the steps to what is wrong without {rule:?}");
}

#[test]
fn what_serves_speed_is_not_needed() {
    for rule in Rule::FOR_SPEED {
        let wrong = without(rule).wrong;
        assert!(wrong.is_none(), "{rule:?} is needed: {wrong:?}");
    }
}

fn without(rule: Rule) -> Outcome {
    search(&Protocol { rules: Rules::without(rule), ..ONE }, |_, _, _| {})
}

/// Nothing wrong is reached, and everything that the protocol is for is.
fn expect_exact<const REPLICAS: usize>(protocol: &Protocol<REPLICAS>) {
    let mut seen = Seen::default();
    let outcome = search(protocol, |before, step, after| seen.note(protocol, before, step, after));
    println!("{protocol:?}: {} states, {} steps deep", outcome.states, outcome.depth);
    assert_eq!(outcome.wrong, None, "an ended credential is accepted");
    let expected = Seen {
        served: true,
        early: true,
        late: true,
        together: protocol.revocations > 1,
        mended: protocol.mendings > 0,
    };
    assert_eq!(seen, expected, "what was reached");
}

/// What was reached on the way, without which a search would prove nothing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// All replicas accepted the credential from memory at once.
    served: bool,
    /// A revocation answered by acknowledgements, while all replicas were members with a lease.
    early: bool,
    /// A revocation waited until the lease of a silent member was over.
    late: bool,
    /// Two revocations waited together, while a replica served from memory.
    together: bool,
    /// A lost list was mended, and a replica served from memory again.
    mended: bool,
}

impl Seen {
    fn note<const REPLICAS: usize>(
        &mut self,
        protocol: &Protocol<REPLICAS>,
        before: &State<REPLICAS>,
        step: Step,
        after: &State<REPLICAS>,
    ) {
        self.served |= protocol.all_serve(after);
        self.together |= protocol.revocations_that_wait(after) > 1 && protocol.serves(after);
        self.mended |= protocol.serves_after_mending(after);
        match step {
            Step::AnswerEarly(_) => self.early |= protocol.members_with_a_lease(after) == REPLICAS,
            Step::AnswerLate(_) => {
                self.late |= protocol.members_with_a_lease(after) < protocol.members_with_a_lease(before);
            }
            _ => {}
        }
    }
}
