//! What is good once.

use super::{MINUTE, pick};
use auth_core::port::{NewOneTime, Purpose, Stores};
use conformance::contract::Fixture;
use proptest::{prelude::*, sample::Index};

/// What is done.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Keep { purpose: Index, minutes: u8 },
    Take { one: Index, purpose: Option<Index> },
    Purge,
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), 1..40_u8).prop_map(|(purpose, minutes)| Command::Keep { purpose, minutes }),
        4 => (index(), prop::option::weighted(0.2, index()))
            .prop_map(|(one, purpose)| Command::Take { one, purpose }),
        1 => Just(Command::Purge),
    ]
}

/// All that was kept, and whether it was taken.
#[derive(Default)]
pub(super) struct Kept(Vec<(NewOneTime, bool)>);

pub(super) async fn step(
    fixture: &Fixture,
    stores: &Stores,
    kept: &mut Kept,
    command: Command,
) -> Option<()> {
    match command {
        Command::Keep { purpose, minutes } => {
            let new = fixture.new_one_time(Purpose::ALL[pick(&Purpose::ALL, purpose)?]);
            let new = NewOneTime { expires_at: new.at + MINUTE * minutes.into(), ..new };
            stores.one_time.keep(new.clone()).await.unwrap();
            kept.0.push((new, false));
        }
        Command::Take { one, purpose } => {
            let index = pick(&kept.0, one)?;
            let (one, taken) = &mut kept.0[index];
            let purpose = purpose.map_or(one.purpose, |other| Purpose::ALL[other.index(Purpose::ALL.len())]);
            let at = fixture.at();
            let answer = stores.one_time.take(purpose, &one.digest, at).await.unwrap();
            let is_good = !*taken && purpose == one.purpose && at < one.expires_at;
            assert_eq!(answer, is_good.then(|| one.content.clone()));
            *taken |= is_good;
        }
        Command::Purge => stores.one_time.purge(fixture.at()).await.unwrap(),
    }
    Some(())
}
