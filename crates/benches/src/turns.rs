//! Rounds in which two things take turns to be first, with their progress.

use crate::figure::Figure;
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;

/// Rounds of one program.
pub struct Turns {
    rounds: usize,
    bar: ProgressBar,
}

impl Turns {
    /// Begins, and prints the line above all figures.
    pub fn begin(rounds: usize) -> Self {
        let bar = ProgressBar::new(0);
        let style = "{elapsed_precise} {msg} {wide_bar} {pos}/{len}";
        bar.set_style(ProgressStyle::with_template(style).unwrap());
        println!("Nanoseconds, bytes or allocations; medians of {rounds} rounds.\n\n{}", Figure::head());
        Self { rounds, bar }
    }
    /// Says what is done between.
    pub fn say(&self, what: &'static str) {
        self.bar.set_message(what);
    }
    /// Runs the rounds of one subject; each is told whether its floor goes first.
    pub fn run(&self, what: &'static str, mut round: impl FnMut(bool)) {
        self.bar.set_message(what);
        self.bar.set_length(self.rounds as u64);
        self.bar.set_position(0);
        for number in 0..self.rounds {
            round(number % 2 == 0);
            self.bar.inc(1);
        }
    }
    /// Prints figures above the bar.
    pub fn tell(&self, figures: Vec<Figure>) -> Vec<Figure> {
        self.bar.suspend(|| figures.iter().for_each(|figure| println!("{figure}")));
        figures
    }
    /// Ends the program: with 1 if one of its figures is beyond its limit.
    pub fn end<'a>(self, figures: impl Iterator<Item = &'a Figure>) -> ExitCode {
        self.bar.finish_and_clear();
        let missed = figures.filter(|figure| figure.is_missed()).count();
        println!("\n{missed} missed");
        if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs both, the second one first if told so.
pub fn both(ours: impl FnOnce() -> f64, floor: impl FnOnce() -> f64, floor_first: bool) -> (f64, f64) {
    if floor_first {
        let floor = floor();
        (ours(), floor)
    } else {
        let ours = ours();
        (ours, floor())
    }
}
