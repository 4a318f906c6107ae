//! A search through every state that can be reached, breadth first: the way to a wrong one that it finds is a shortest.

use std::{
    collections::HashSet,
    fmt::Debug,
    hash::{BuildHasherDefault, Hash, Hasher},
};

/// A system that takes one step at a time.
pub(crate) trait Model {
    /// Everything that decides what can happen next.
    type State: Copy + Eq + Hash;
    /// What can happen.
    type Step: Copy + Debug;

    /// Where it begins.
    fn start(&self) -> Self::State;
    /// All steps, possible or not.
    fn steps(&self) -> Vec<Self::Step>;
    /// The state after a step, where the step is possible.
    fn after(&self, state: &Self::State, step: Self::Step) -> Option<Self::State>;
    /// Whether this must not be.
    fn is_wrong(&self, state: &Self::State) -> bool;
    /// Whether nothing wrong can follow, so that it need not be followed.
    fn is_over(&self, state: &Self::State) -> bool;
}

/// What a search came to.
pub(crate) struct Outcome {
    /// How many states differ.
    pub(crate) states: usize,
    /// How many steps the furthest state is from the start.
    pub(crate) depth: usize,
    /// The steps of a shortest way to a state that must not be.
    pub(crate) wrong: Option<Vec<String>>,
}

/// Searches until a state is wrong, or none is left. `witness` is told of every step that was possible, with the state
/// before and the state after.
pub(crate) fn search<M: Model>(model: &M, mut witness: impl FnMut(&M::State, M::Step, &M::State)) -> Outcome {
    let steps = model.steps();
    let start = model.start();
    let mut seen: HashSet<M::State, BuildHasherDefault<Mixer>> = HashSet::from_iter([start]);
    // How each state was reached first: from which one, by which step. The start is the first, and has none.
    let mut reached: Vec<(usize, Option<M::Step>)> = vec![(0, None)];
    let mut level = vec![(0, start)];
    let mut depth = 0;
    loop {
        let mut next = Vec::new();
        for (from, state) in level {
            for &step in &steps {
                let Some(after) = model.after(&state, step) else { continue };
                witness(&state, step, &after);
                if !seen.insert(after) {
                    continue;
                }
                reached.push((from, Some(step)));
                if model.is_wrong(&after) {
                    let wrong = Some(way(&reached));
                    return Outcome { states: seen.len(), depth: depth + 1, wrong };
                }
                if !model.is_over(&after) {
                    next.push((reached.len() - 1, after));
                }
            }
        }
        if next.is_empty() {
            return Outcome { states: seen.len(), depth, wrong: None };
        }
        level = next;
        depth += 1;
    }
}

/// The steps from the start to the state that was reached last.
fn way<S: Debug>(reached: &[(usize, Option<S>)]) -> Vec<String> {
    let mut last = reached.last();
    let mut steps = Vec::new();
    while let Some((from, Some(step))) = last {
        steps.push(format!("{step:?}"));
        last = reached.get(*from);
    }
    steps.reverse();
    steps
}

/// A quick hash of a few bytes: nobody chooses states so that they collide.
#[derive(Default)]
pub(crate) struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }
    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }
    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }
    fn write_isize(&mut self, word: isize) {
        self.mix(word.unsigned_abs() as u64);
    }
}
