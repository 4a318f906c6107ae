//! The rules of the protocol, each of which can be left out, and what is taken for granted.

/// One rule. The name of each says what holds while it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    // The lease.
    /// Without a lease the store is asked for each request.
    ServesUnderALease,
    /// A lease is counted from before its renewal was asked for, not from the answer.
    CountsFromTheAsking,
    /// The lease is compared with a reading of the clock from after the request arrived.
    ReadsTheClockOnArrival,
    /// A renewal counts once every notice up to the head that it told was applied.
    CountsOnceCaughtUp,
    /// A renewal counts once the store knows what was applied.
    CountsOnceAcknowledged,
    /// A renewal counts for members only: whoever is none has to join.
    CountsForMembers,
    /// A renewal reads the list before it reads the head.
    ReadsTheListFirst,
    /// Notices are applied before they are acknowledged.
    AppliesBeforeItAcknowledges,
    /// The answer to an acknowledgement says whether it is a member still: if not, the renewal does not count.
    HeedsTheAnswer,
    /// Whoever has joined asks anew: what it was told before it was a member does not count.
    AsksAgainOnceJoined,
    /// Each joining is under a new name, so that one which lands late concerns nobody. Without it, even one that takes no
    /// number back is too much: it hides that its sender was struck.
    JoinsUnderANewName,
    /// A process that stops ends its lease before it leaves the list.
    LeavesWithoutALease,

    // Memory.
    /// What was read of the store is put into memory only if no notice that touches it was applied since.
    ChecksAFill,
    /// What was read before memory began anew is not put into it.
    ForgetsOldFills,
    /// A missing number ends the lease and everything in memory.
    SeesAGap,

    // Revocations.
    /// A credential ends in the commit that gives its end a number.
    EndsWithItsNumber,
    /// A revocation answers early only once every member has acknowledged it.
    AsksAllMembers,
    /// A revocation that not all have acknowledged waits until leases from before it are over.
    WaitsForLeases,
    /// It waits longer than a lease, for clocks that run apart.
    WaitsWithAMargin,

    // A lost list.
    /// An emptied list is seen to be lost.
    SeesALoss,
    /// While the list is lost, no revocation answers early.
    AnswersLateWhileLost,
    /// While the list is lost, no renewal counts.
    CountsForNobodyWhileLost,
    /// A lost list is mended once leases from before the loss are over.
    MendsAfterLeases,
    /// A list is mended only if it still has the number that was seen to be lost.
    MendsWhatItSaw,
    /// The number of the list is read before the list: a list that is mended between the two is not taken for a loss of
    /// the new one, from which the time would then be counted when that is lost in its turn.
    ReadsTheNumberFirst,

    // For speed.
    /// What ended is overwritten in memory with a terminal state, not taken out.
    KeepsWhatEnded,
    /// Whoever is told to be no member ends its lease at once.
    StrangersEndTheirLease,
    /// Whoever is told that the list is lost ends its lease at once.
    LossEndsLeases,
    /// Whoever did not acknowledge while a revocation waited is struck from the list.
    StrikesTheSilent,
    /// Who joined while the list was lost is a member of the list that is begun anew.
    KeepsWhoJoinedMeanwhile,

    // Taken for granted.
    /// The clock of a process goes on while it is paused.
    ClocksNeverStop,
    /// The store never forgets an acknowledgement while it remembers the list.
    RemembersAcknowledgements,
    /// The list is lost as a whole, or not at all.
    LosesTheListWhole,
    /// The store never forgets a revocation.
    RemembersRevocations,
    /// The store answers from its newest state: a primary that another has replaced answers nothing.
    AnswersFromTheNewest,
}

impl Rule {
    /// Without any one of these, an ended credential is accepted; with the length of the shortest way there.
    pub(crate) const NEEDED: [(Self, usize); 23] = [
        (Self::ServesUnderALease, 4),
        (Self::CountsFromTheAsking, 11),
        (Self::CountsOnceCaughtUp, 11),
        (Self::CountsOnceAcknowledged, 14),
        (Self::CountsForMembers, 7),
        (Self::ReadsTheListFirst, 12),
        (Self::AppliesBeforeItAcknowledges, 15),
        (Self::HeedsTheAnswer, 15),
        (Self::AsksAgainOnceJoined, 8),
        (Self::JoinsUnderANewName, 20),
        (Self::LeavesWithoutALease, 12),
        (Self::ChecksAFill, 12),
        (Self::ForgetsOldFills, 14),
        (Self::SeesAGap, 12),
        (Self::EndsWithItsNumber, 12),
        (Self::AsksAllMembers, 11),
        (Self::WaitsForLeases, 11),
        (Self::SeesALoss, 12),
        (Self::AnswersLateWhileLost, 12),
        (Self::CountsForNobodyWhileLost, 14),
        (Self::MendsAfterLeases, 13),
        (Self::MendsWhatItSaw, 15),
        (Self::ReadsTheNumberFirst, 15),
    ];

    /// The same of what is taken for granted: no process can see to it by itself.
    pub(crate) const ASSUMED: [(Self, usize); 4] = [
        (Self::RemembersAcknowledgements, 15),
        (Self::LosesTheListWhole, 12),
        (Self::RemembersRevocations, 14),
        (Self::AnswersFromTheNewest, 11),
    ];

    /// The same of time, where a lease that should be over is taken for live: see `clocks`.
    pub(crate) const OF_TIME: [(Self, usize); 4] = [
        (Self::CountsFromTheAsking, 9),
        (Self::ReadsTheClockOnArrival, 10),
        (Self::WaitsWithAMargin, 8),
        (Self::ClocksNeverStop, 9),
    ];

    /// Without these all is still exact, and only slower or more to read. An ended entry that is taken out is read again,
    /// and the check of a fill keeps the old one out. A lease that is not ended early runs out before any revocation
    /// answers without it. A silent member that is not struck is waited for each time, and one that has to join again
    /// only loses a round.
    pub(crate) const FOR_SPEED: [Self; 5] = [
        Self::KeepsWhatEnded,
        Self::StrangersEndTheirLease,
        Self::LossEndsLeases,
        Self::StrikesTheSilent,
        Self::KeepsWhoJoinedMeanwhile,
    ];
}

/// Which rules are kept: all, or all but one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    without: Option<Rule>,
}

impl Rules {
    /// All of them.
    pub(crate) const ALL: Self = Self { without: None };

    /// All but one.
    pub(crate) const fn without(rule: Rule) -> Self {
        Self { without: Some(rule) }
    }
    /// Whether this one is kept.
    pub(crate) fn keep(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
