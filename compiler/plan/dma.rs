//! The cycles of `rtl/o2c_dma.v` on an ideal memory: when each command's data are there.
//!
//! In: the bus, and command by command where it reads and from when it may. Out: the cycle from which its load token
//! counts. Guarantees: exactly the hardware's cycles, by the recurrence in that file's header, for a memory that accepts
//! a request in every cycle, gives the first beat `latency` cycles after it and one beat a cycle from there, takes a beat
//! in every cycle and responds `latency` cycles after a burst's last one; words of the scratchpad wait for its port B.
//! Held against the RTL by `testbench/unit/dma_cases.txt`.

use std::collections::VecDeque;

/// Commands that are fetched ahead.
const QUEUE: usize = 16;
/// Cycles from a free place in the queue to the command that stands in it.
const FETCH: u64 = 5;

/// The DMA's state between two commands. Cycle 0 is any in which the first 16 commands are fetched (20 cycles after a
/// reset) and nothing is under way.
#[derive(Clone, Debug)]
pub(crate) struct Dma {
    bus_bytes: u64,
    burst: u64,
    outstanding: usize,
    latency: u64,
    /// The first cycles in which the next command is fetched, the next one starts, a request is made, a beat comes.
    next_fetch: u64,
    next_start: u64,
    next_request: u64,
    next_beat: u64,
    /// In which the last word that was loaded into the scratchpad is written.
    written: u64,
    /// In which the data side is done with the last command.
    done: u64,
    /// In which it began with the last [`QUEUE`] commands.
    begun: VecDeque<u64>,
    /// Last beats of the last `outstanding` bursts.
    ends: VecDeque<u64>,
}

impl Dma {
    /// At rest. The bus in bytes and the burst in beats are powers of two; `latency` is at least 1 cycle, from a request's
    /// acceptance to its first beat; at least one burst may be outstanding.
    pub(crate) fn new(bus_bytes: usize, burst: usize, outstanding: usize, latency: usize) -> Dma {
        let bus_bytes = bus_bytes.max(1) as u64;
        Dma {
            bus_bytes,
            burst: (burst as u64).clamp(1, (4096 / bus_bytes).max(1)),
            outstanding: outstanding.max(1),
            latency: latency as u64,
            next_fetch: 0,
            next_start: 0,
            next_request: 0,
            next_beat: 0,
            written: 0,
            done: 0,
            begun: VecDeque::new(),
            ends: VecDeque::new(),
        }
    }

    /// Runs one command that reads: `beats` from `offset_bytes` on (a multiple of the bus), 0 of them for one that moves
    /// nothing. `earliest` is the first cycle in which the step tokens suffice: the one after the last of them. Returns the
    /// first cycle in which the sequencer can issue a layer for the command's load token; without a token, the same of one.
    pub(crate) fn command(&mut self, earliest: u64, offset_bytes: u64, beats: u64) -> u64 {
        let start = self.start(earliest);
        for count in self.bursts(offset_bytes, beats) {
            let first = self.request(start);
            self.next_beat = first + count;
            self.ends.push_back(first + count - 1);
        }
        self.end(start, beats)
    }

    /// The same for words of `of_word` beats that go to the scratchpad. `free` tells the first cycle from a given one on in
    /// which its port B is free.
    pub(crate) fn load(
        &mut self,
        earliest: u64,
        offset_bytes: u64,
        [words, of_word]: [u64; 2],
        mut free: impl FnMut(u64) -> u64,
    ) -> u64 {
        let beats = words * of_word;
        let start = self.start(earliest);
        let mut place = 0;
        for count in self.bursts(offset_bytes, beats) {
            let mut beat = self.request(start);
            for n in 0..count {
                beat = if n == 0 { beat } else { self.next_beat };
                self.next_beat = beat + 1;
                place += 1;
                // No beat is taken while a whole word waits.
                if place == of_word {
                    place = 0;
                    self.written = free(beat + 1);
                    self.next_beat = self.written;
                }
            }
            self.ends.push_back(beat);
        }
        let counts = self.end(start, beats);
        if beats == 0 { counts } else { self.written + 1 }
    }

    /// Runs one command that writes `words` of `of_word` beats, else as [`Dma::load`]: its token comes when the last response
    /// has come.
    pub(crate) fn store(
        &mut self,
        earliest: u64,
        offset_bytes: u64,
        [words, of_word]: [u64; 2],
        mut free: impl FnMut(u64) -> u64,
    ) -> u64 {
        let beats = words * of_word;
        if beats == 0 {
            return self.command(earliest, offset_bytes, 0);
        }
        let start = self.start(earliest);
        let begun = self.begin(start);
        let (mut next_request, mut next_beat) = (begun + 2, 0);
        let mut responses = VecDeque::new();
        // A word is taken from the scratchpad where there is room for it: four are on their way at most.
        let (mut next_take, mut place) = ((begun + 2).max(self.written + 1), 0);
        let mut moved: VecDeque<u64> = VecDeque::new();
        for count in self.bursts(offset_bytes, beats) {
            let answered = if responses.len() == self.outstanding { responses.pop_front() } else { None };
            let request = next_request.max(answered.map_or(0, |response| response + 1));
            next_request = request + 1;
            for _ in 0..count {
                if place == 0 {
                    let room = if moved.len() == 4 { moved.pop_front() } else { None };
                    let take = free(next_take.max(room.map_or(0, |moved| moved + 1)));
                    next_take = take + 1;
                    // It moves on with the last beat of the word before.
                    let on = (take + 3).max(next_beat.max(1) - 1);
                    moved.push_back(on);
                    next_beat = next_beat.max(on + 1);
                }
                next_beat = next_beat.max(request + 1) + 1;
                place = (place + 1) % of_word;
            }
            responses.push_back(next_beat - 1 + self.latency);
        }
        self.done = next_beat - 1 + self.latency;
        // The next command starts when everything is written.
        self.next_start = self.done + 1;
        self.done + 2
    }

    /// When the next command can start, as far as the commands before it are concerned.
    pub(crate) fn next_start(&self) -> u64 {
        self.next_start
    }

    /// Makes the next request of a command that started in `start`; the cycle of its first beat.
    fn request(&mut self, start: u64) -> u64 {
        let free = if self.ends.len() == self.outstanding { self.ends.pop_front() } else { None };
        let request = (start + 1).max(self.next_request).max(free.map_or(0, |end| end + 1));
        self.next_request = request + 1;
        // The next command starts together with the last request.
        self.next_start = request;
        (request + 1 + self.latency).max(self.next_beat)
    }

    /// The data side of a command that reads and started in `start`; when its token counts.
    fn end(&mut self, start: u64, beats: u64) -> u64 {
        let begun = self.begin(start);
        self.done = self.ends.back().copied().unwrap_or(0);
        if beats == 0 {
            // The data side has to take it over before the next command starts.
            self.next_start = begun + 1;
            self.done = (begun + 1).max(self.written);
        }
        self.done + 2
    }

    /// The cycle in which the next command starts.
    fn start(&mut self, earliest: u64) -> u64 {
        let room = if self.begun.len() == QUEUE { self.begun.pop_front() } else { None };
        let fetched = self.next_fetch.max(room.map_or(0, |begun| begun + FETCH));
        self.next_fetch = fetched + 1;
        let start = fetched.max(earliest).max(self.next_start);
        self.next_start = start + 1;
        start
    }

    /// The cycle in which the data side begins with a command that starts in `start`.
    fn begin(&mut self, start: u64) -> u64 {
        let begun = self.done.max(start + 1);
        self.begun.push_back(begun);
        begun
    }

    /// Beats of each burst.
    fn bursts(&self, offset_bytes: u64, beats: u64) -> impl Iterator<Item = u64> + use<> {
        let (burst, mut at, mut left) = (self.burst, offset_bytes / self.bus_bytes, beats);
        std::iter::from_fn(move || {
            let count = left.min(burst - at % burst);
            at += count;
            left -= count;
            (count > 0).then_some(count)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Bits of a beat, beats of a burst, bursts outstanding, bits of a weight word and of a parameter word, bytes of a
    /// scratchpad word or 0 where it is not moved: the lines of `testbench/unit/benches.txt`.
    const SHAPES: [[usize; 6]; 8] = [
        [64, 16, 4, 512, 300, 0],
        [32, 4, 1, 32, 75, 4],
        [32, 1, 16, 8, 33, 1],
        [128, 8, 2, 256, 128, 0],
        [512, 256, 16, 2048, 600, 64],
        [256, 32, 3, 200, 1000, 128],
        [64, 16, 4, 512, 300, 16],
        [128, 64, 5, 64, 200, 16],
    ];
    const COMMANDS: usize = 24;
    /// The DMA is set running in this cycle of the bench.
    const ARMED: u64 = 41;

    struct Rng(u64);
    impl Rng {
        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 16) % n
        }
    }

    /// Random commands and step tokens, and the cycles in which load tokens count, over two samples.
    fn cases() -> String {
        let mut out = String::from(
            "# Written by the tests of compiler/plan/dma.rs: what o2c_dma has to do, and when.\n\
             # case: bits of a beat, beats of a burst, outstanding, weight bits, parameter bits, scratchpad bytes, latency,\n\
             #   period in cycles, and how many of its first cycles the scratchpad's port is not free in\n\
             # steps: cycles of step tokens\n\
             # command: offset, first word, kind, words, token, steps waited for, columns - 1, planes - 1, plane step,\n\
             #   cycles of two samples' tokens\n",
        );
        let mut rng = Rng(0x0123_4567_89ab_cdef);
        for shape in SHAPES {
            let [bus, burst, outstanding, weight, param, scratchpad] = shape;
            let bytes = (bus / 8) as u64;
            let per_word = |kind: u64| {
                let bits = if kind >= 2 { 8 * scratchpad } else { [weight, param][usize::from(kind == 1)] };
                bits.div_ceil(bus) as u64
            };
            for case in 0..6 {
                let latency = [1, 2, 7, 30, 64, 150][case];
                // How long data take, how often a command waits, how fast the steps come.
                let (longest, waits, pace) =
                    [(4, 0, 1), (40, 20, 30), (2, 50, 1), (20, 60, 200), (90, 5, 3), (1, 0, 1)][case];
                let mut offset = 0;
                // What is stored is loaded again, in part.
                let mut stored = None;
                let commands: Vec<[u64; 9]> = (0..COMMANDS)
                    .map(|_| {
                        let kind = rng.below(if scratchpad > 0 { 4 } else { 2 });
                        let words = if rng.below(6) == 0 { 0 } else { 1 + rng.below(longest) };
                        offset += bytes * rng.below(3) * rng.below(20);
                        let mut at = offset;
                        match (kind, stored) {
                            (3, _) => stored = Some(offset),
                            (2, Some(before)) if rng.below(2) == 0 => at = before + bytes * rng.below(3),
                            _ => {}
                        }
                        offset += words * per_word(kind) * bytes;
                        let wait = if rng.below(100) < waits { 1 + rng.below(3) } else { 0 };
                        // A small memory, so that words are read again.
                        let first =
                            if kind < 2 { rng.below(1 << 24) } else { (1 << 24) - 32 + rng.below(64) };
                        let walk = match (kind, rng.below(3)) {
                            (0 | 1, _) => [0, 0, 0],
                            (_, 0) => [rng.below(1 << 16), 0, rng.below(1 << 24)],
                            (_, 1) => [rng.below(3), rng.below(4), rng.below(1 << 24)],
                            _ => [rng.below(6), rng.below(3), 16 + rng.below(16)],
                        };
                        let [columns, planes, step] = walk;
                        [at, first, kind, words, u64::from(rng.below(4) != 0), wait, columns, planes, step]
                    })
                    .collect();
                let total: u64 = commands.iter().map(|c| c[5]).sum();
                let mut steps = Vec::new();
                let mut now = ARMED - 20;
                for _ in 0..2 * total {
                    now += 1 + rng.below(pace);
                    steps.push(now);
                }
                let (period, others) = [(1, 0), (4, 1), (7, 5), (2, 1), (33, 20), (16, 15)][case];
                let free = |t: u64| if t % period < others { t - t % period + others } else { t };
                let mut dma = Dma::new(bus / 8, burst, outstanding, latency);
                let mut used = 0;
                let mut seen = [const { Vec::new() }; 2];
                for cycles in &mut seen {
                    for &[at, _, kind, words, _, wait, ..] in &commands {
                        used += usize::try_from(wait).unwrap();
                        let enough = used.checked_sub(1).map_or(0, |last| steps[last] + 1);
                        let (words, from) = ([words, per_word(kind)], enough.max(ARMED));
                        cycles.push(match kind {
                            3 => dma.store(from, at, words, free),
                            2 => dma.load(from, at, words, free),
                            _ => dma.command(from, at, words[0] * words[1]),
                        });
                    }
                }
                let list = |v: &[u64]| v.iter().map(|n| format!(" {n}")).collect::<String>();
                let shape = shape.map(|n| n.to_string()).join(" ");
                writeln!(out, "case {shape} {latency} {period} {others}").unwrap();
                writeln!(out, "steps{}", list(&steps)).unwrap();
                for ((c, first), second) in commands.iter().zip(&seen[0]).zip(&seen[1]) {
                    writeln!(out, "command{} {first} {second}", list(c)).unwrap();
                }
            }
        }
        out
    }

    /// The committed cases, which `testbench/unit/dma.cpp` runs on the RTL, are what the recurrence says.
    #[test]
    fn dma_cases_have_not_drifted() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testbench/unit/dma_cases.txt");
        let want = cases();
        if std::env::var_os("O2C_BLESS").is_some() {
            std::fs::write(&path, &want).expect("writable tree");
        }
        assert!(std::fs::read_to_string(&path).unwrap_or_default() == want, "O2C_BLESS=1 rewrites the cases");
    }

    /// By hand: 20 beats of 8 bytes from beat 10 on, in bursts that end at multiples of 16; then nothing.
    #[test]
    fn two_commands() {
        let mut dma = Dma::new(8, 16, 2, 30);
        // Starts in 100; requests 101, 102; beats 132..=137, 138..=151; the last one counts two cycles later.
        assert_eq!(dma.command(100, 80, 20), 153);
        // Starts with the second request; the data side takes it over in 151 and is done in 152.
        assert_eq!(dma.command(0, 0, 0), 154);
    }

    /// By hand: a store of 20 beats in bursts of 6 and 14, then a load.
    #[test]
    fn a_store() {
        let mut dma = Dma::new(8, 16, 1, 30);
        // Starts in 100, the data side in 101, the bursts' own part in 102. The first request in 103, but data from 107 on:
        // 107..=112, its response in 142; the second one's request in 143, data 144..=157, response in 187.
        assert_eq!(dma.store(100, 80, [10, 2], |t| t), 189);
        // Starts in 188; requested in 189, the beat comes in 220.
        assert_eq!(dma.command(0, 0, 1), 222);
    }
}
