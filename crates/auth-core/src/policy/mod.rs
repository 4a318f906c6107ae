//! Who may do what: one decision function, and the proofs that only it can make.

mod ceiling;
mod decide;
mod given;
mod grant;
mod networks;
mod permission;
mod proof;
mod role;
mod rule;

pub use ceiling::{Bounded, Ceiling, Excess, Rights};
pub use decide::{Verdict, decide, judge};
pub use given::{GivenRole, give};
pub use grant::{
    Action, Allows, Granted, Installation, OpenAction, OwnPerson, OwnTarget, Owned, Scope, Within, grant,
    grant_to_page, grant_to_schedule,
};
pub use networks::Networks;
pub use permission::{Permission, Permissions};
pub use proof::{Nobody, Proof, Requirement, Subject};
pub use role::Role;
pub use rule::{Assurance, Need, Rule};
