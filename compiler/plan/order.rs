//! The order of commands to the DMA, and the cycles of the steps that wait for them.
//!
//! In: commands in three queues (weights and parameters, stores, loads of the scratchpad), each with the steps that must have
//! ended before it and the step that waits for it. Out: one list, and the steps' cycles. Guarantees: nothing waits in a
//! circle; the cycles are those of `rtl/o2c_dma.v` on a memory of fixed latency, exactly.
//!
//! Whenever the DMA can start a command, the list goes on with the one that is needed first of those that can start; if
//! none can, with the one that can start first.

use std::collections::VecDeque;

use super::dma::Dma;
use super::external::{Command, Kind, Network, Options};
use super::port::Port;
use super::steps::Step;
use crate::hw::descriptor;

/// A command, and between what it has to run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) command: Command,
    /// Steps that must have ended.
    pub(super) after: usize,
    /// The step that waits for it; the number of all steps if none does.
    pub(super) by: usize,
    /// Stores that must stand before it.
    pub(super) stores: usize,
}

/// The queues of weights and parameters, stores, loads.
pub(super) type Queues = [VecDeque<Wanted>; 3];
const STORES: usize = 1;

/// Steps and commands so far.
struct Timeline<'n, 'a> {
    network: &'n Network<'n, 'a>,
    options: Options,
    dma: Dma,
    port: Port,
    /// The last issue, and when the ends of the steps that have been issued can be seen.
    issue: u64,
    ends: Vec<u64>,
    /// When what each step waits for is there.
    loaded: Vec<u64>,
    commands: Vec<Command>,
    /// The last command that each step waits for.
    last: Vec<Option<usize>>,
    /// Steps whose end commands have waited for.
    ended: usize,
}

/// The list of all commands in the queues. Sets the steps' cycles, and what they wait for: each begins when the one before has
/// ended and its words are there. At the first step's issue everything is loaded that needs no step to end.
pub(super) fn order(
    network: &Network<'_, '_>,
    steps: &mut [Step],
    mut queues: Queues,
    options: Options,
) -> Vec<Command> {
    // In each queue those behind a command are not needed sooner.
    for queue in &mut queues {
        let mut by = usize::MAX;
        for wanted in queue.iter_mut().rev() {
            by = by.min(wanted.by);
            wanted.by = by;
        }
    }
    let Options { bus_bits, burst, outstanding, latency, .. } = options;
    let mut time = Timeline {
        network,
        options,
        dma: Dma::new(bus_bits / 8, burst, outstanding, latency),
        port: Port::default(),
        issue: 0,
        ends: Vec::with_capacity(steps.len()),
        loaded: vec![0; steps.len()],
        commands: Vec::new(),
        last: vec![None; steps.len()],
        ended: 0,
    };
    let mut stored = 0;
    loop {
        let awaited = queues.iter().filter_map(|q| q.front()).map(|w| w.by).min().unwrap_or(usize::MAX);
        while time.ends.len() < steps.len().min(awaited) {
            time.issue(steps);
        }
        let heads = queues.iter().enumerate().filter_map(|(i, q)| q.front().map(|w| (i, w)));
        let next = heads.filter(|(_, w)| w.stores <= stored).min_by_key(|(_, w)| time.urgency(w));
        let Some((queue, _)) = next else { break };
        stored += usize::from(queue == STORES);
        if let Some(wanted) = queues[queue].pop_front() {
            time.run(&wanted);
        }
    }
    // A step waits for a token where its last command is behind those of all steps before.
    let mut reached = None;
    for (step, last) in steps.iter_mut().zip(&time.last) {
        step.loads = 0;
        if *last > reached {
            reached = *last;
            step.loads = 1;
            if let Some(command) = last.and_then(|at| time.commands.get_mut(at)) {
                command.releases = true;
            }
        }
    }
    time.commands
}

impl Timeline<'_, '_> {
    /// When all commands before one can have run: from when on its steps have ended, if that is known.
    fn ready(&self, wanted: &Wanted) -> Option<u64> {
        wanted.after.checked_sub(1).map_or(Some(0), |step| self.ends.get(step).copied())
    }

    /// The less, the sooner it is this command's turn.
    fn urgency(&self, wanted: &Wanted) -> (u64, u64, usize) {
        match self.ready(wanted) {
            Some(ready) if ready <= self.dma.next_start() => (0, wanted.by as u64, wanted.after),
            Some(ready) => (1, ready, wanted.by),
            None => (2, wanted.after as u64, wanted.by),
        }
    }

    /// Puts a command behind the others.
    fn run(&mut self, wanted: &Wanted) {
        let steps = wanted.after.saturating_sub(self.ended);
        self.ended += steps;
        let command = Command { steps, ..wanted.command };
        if self.ended > 0 {
            let earliest = self.ended.checked_sub(1).and_then(|step| self.ends.get(step)).copied();
            let counts = self.move_words(&command, earliest.unwrap_or(0));
            if let Some(loaded) = self.loaded.get_mut(wanted.by) {
                *loaded = counts;
            }
        }
        if let Some(last) = self.last.get_mut(wanted.by) {
            *last = Some(self.commands.len());
        }
        self.commands.push(command);
    }

    /// Runs a command that may start in `earliest`; when its token counts.
    fn move_words(&mut self, command: &Command, earliest: u64) -> u64 {
        let sizes = self.network.sizes;
        let beats = |bits: usize| bits.div_ceil(self.options.bus_bits) as u64;
        let (offset, words) = (command.offset as u64, command.words as u64);
        let of_word = [words, beats(sizes.word)];
        let port = &mut self.port;
        match command.kind {
            Kind::Weights => self.dma.command(earliest, offset, words * beats(sizes.bits[0])),
            Kind::Parameters => self.dma.command(earliest, offset, words * beats(sizes.bits[1])),
            Kind::Load(_) => self.dma.load(earliest, offset, of_word, |t| port.free_from(t)),
            Kind::Store(_) => self.dma.store(earliest, offset, of_word, |t| port.free_from(t)),
        }
    }

    /// Issues the next step, all of whose commands are in the list.
    fn issue(&mut self, steps: &mut [Step]) {
        let i = self.ends.len();
        if let Some(&ended) = self.ends.last() {
            let fetched = self.issue + descriptor::WORDS as u64 + 3;
            let next = ended.max(fetched).max(self.loaded[i]);
            steps[i - 1].cycles = usize::try_from(next - self.issue).unwrap_or(usize::MAX);
            self.issue = next;
        }
        let step = &mut steps[i];
        step.cycles = step.strip.loops.of_blocks(step.blocks.len());
        self.ends.push(self.issue + step.cycles as u64);
        self.port.issue(self.issue, step, &self.network.layers[step.strip.layer], self.network.array);
    }
}
