//! Measuring in rounds, and the lines that are printed.

use rustix::time::{ClockId, clock_gettime};
use std::fmt;

/// Nanoseconds of CPU time that this thread has used.
pub fn thread_nanos() -> f64 {
    nanos(ClockId::ThreadCPUTime)
}

/// Nanoseconds of CPU time that this process has used.
pub fn process_nanos() -> f64 {
    nanos(ClockId::ProcessCPUTime)
}

/// Nanoseconds on a clock that never goes back.
pub fn wall_nanos() -> f64 {
    nanos(ClockId::Monotonic)
}

fn nanos(clock: ClockId) -> f64 {
    let reading = clock_gettime(clock);
    reading.tv_sec as f64 * 1e9 + reading.tv_nsec as f64
}

/// This thread's CPU time for one of `count` calls that `pass` makes.
pub fn each(count: usize, pass: impl FnOnce()) -> f64 {
    let before = thread_nanos();
    pass();
    (thread_nanos() - before) / count as f64
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What was measured round by round: ours and its floor, one shortly after the other.
#[derive(Debug, Clone, Default)]
pub struct Rounds(Vec<(f64, f64)>);

impl Rounds {
    /// Notes a round.
    pub fn note(&mut self, ours: f64, floor: f64) {
        self.0.push((ours, floor));
    }
    /// Adds other rounds.
    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
    /// The median of something of each round.
    fn median(&self, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
        median(self.0.iter().map(of).collect())
    }
}

/// The most that a figure may be.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// So many times its floor.
    Times(f64),
    /// So much more than its floor.
    Plus(f64),
    /// So much, whatever the floor is: bytes, which are the same on every machine.
    Most(f64),
    /// It is shown, not judged.
    None,
}

/// One line: what it is, ours, its floor, and whether it is within its limit.
#[derive(Debug)]
pub struct Figure {
    name: String,
    ours: f64,
    floor: f64,
    /// The median of the rounds' ratios.
    ratio: f64,
    /// The median of the rounds' differences.
    added: f64,
    limit: Limit,
}

impl Figure {
    /// The figure of some rounds.
    pub fn of(name: impl Into<String>, rounds: &Rounds, limit: Limit) -> Self {
        Self {
            name: name.into(),
            ours: rounds.median(|(ours, _)| *ours),
            floor: rounds.median(|(_, floor)| *floor),
            ratio: rounds.median(|(ours, floor)| ours / floor),
            added: rounds.median(|(ours, floor)| ours - floor),
            limit,
        }
    }
    /// Whether it is beyond its limit.
    pub fn is_missed(&self) -> bool {
        match self.limit {
            Limit::Times(most) => self.ratio.is_nan() || self.ratio > most,
            Limit::Plus(most) => self.added.is_nan() || self.added > most,
            Limit::Most(most) => self.ours.is_nan() || self.ours > most,
            Limit::None => false,
        }
    }
    /// The line above all figures.
    pub fn head() -> String {
        format!(
            "| {:<58} | {:>8} | {:>8} | {:>6} | {:>8} | {:>7} |        |\n|{:-<60}|{:->10}|{:->10}|{:->8}|{:->10}|{:->9}|--------|",
            "figure", "ours", "floor", "ratio", "added", "limit", "", ":", ":", ":", ":", ":"
        )
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, ours, floor, ratio, added, limit } = self;
        let (limit, verdict) = match limit {
            Limit::Times(most) => (format!("x {most:.2}"), if self.is_missed() { "missed" } else { "ok" }),
            Limit::Plus(most) => (format!("+ {most:.0}"), if self.is_missed() { "missed" } else { "ok" }),
            Limit::Most(most) => (format!("{most:.0}"), if self.is_missed() { "missed" } else { "ok" }),
            Limit::None => (String::new(), ""),
        };
        write!(
            f,
            "| {name:<58} | {ours:>8.1} | {floor:>8.1} | {ratio:>6.2} | {added:>+8.1} | {limit:>7} | {verdict:<6} |"
        )
    }
}
