//! The cycles of `rtl/o2c_dma.v` on an ideal memory: when each command's data are there.
//!
//! In: the bus, and command by command where it reads and from when it may. Out: the cycle from which its load token
//! counts. Guarantees: exactly the hardware's cycles, by the recurrence in that file's header, for a memory that accepts
//! a request in every cycle, gives the first beat `latency` cycles after it and one beat a cycle from there; held
//! against the RTL by `testbench/unit/dma_cases.txt`.

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
            done: 0,
            begun: VecDeque::new(),
            ends: VecDeque::new(),
        }
    }

    /// Runs one command: `beats` from `offset_bytes` on (a multiple of the bus), 0 of them for one that moves nothing.
    /// `earliest` is the first cycle in which the step tokens suffice: the one after the last of them. Returns the first
    /// cycle in which the sequencer can issue a layer for the command's load token; without a token, the same of one.
    pub(crate) fn command(&mut self, earliest: u64, offset_bytes: u64, beats: u64) -> u64 {
        let room = if self.begun.len() == QUEUE { self.begun.pop_front() } else { None };
        let fetched = self.next_fetch.max(room.map_or(0, |begun| begun + FETCH));
        self.next_fetch = fetched + 1;
        let start = fetched.max(earliest).max(self.next_start);
        self.next_start = start + 1;

        let (mut at, mut left) = (offset_bytes / self.bus_bytes, beats);
        while left > 0 {
            let count = left.min(self.burst - at % self.burst);
            let free = if self.ends.len() == self.outstanding { self.ends.pop_front() } else { None };
            let request = (start + 1).max(self.next_request).max(free.map_or(0, |end| end + 1));
            let first = (request + 1 + self.latency).max(self.next_beat);
            self.next_request = request + 1;
            self.next_beat = first + count;
            self.ends.push_back(first + count - 1);
            // The next command starts together with the last request.
            self.next_start = request;
            at += count;
            left -= count;
        }
        let begun = self.done.max(start + 1);
        self.begun.push_back(begun);
        self.done = self.next_beat.saturating_sub(1);
        if beats == 0 {
            // The data side has to take it over before the next command starts.
            self.next_start = begun + 1;
            self.done = begun + 1;
        }
        self.done + 2
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Bits of a beat, beats of a burst, bursts outstanding, bits of a weight word and of a parameter word: the lines of
    /// `testbench/unit/benches.txt`.
    const SHAPES: [[usize; 5]; 6] = [
        [64, 16, 4, 512, 300],
        [32, 4, 1, 32, 75],
        [32, 1, 16, 8, 33],
        [128, 8, 2, 256, 128],
        [512, 256, 16, 2048, 600],
        [256, 32, 3, 200, 1000],
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
             # case: bits of a beat, beats of a burst, outstanding, weight bits, parameter bits, latency\n\
             # steps: cycles of step tokens\n\
             # command: offset, first word, destination, words, token, steps waited for, cycles of two samples' tokens\n",
        );
        let mut rng = Rng(0x0123_4567_89ab_cdef);
        for shape in SHAPES {
            let [bus, burst, outstanding, weight, param] = shape;
            let bytes = (bus / 8) as u64;
            for case in 0..6 {
                let latency = [1, 2, 7, 30, 64, 150][case];
                // How long data take, how often a command waits, how fast the steps come.
                let (longest, waits, pace) =
                    [(4, 0, 1), (40, 20, 30), (2, 50, 1), (20, 60, 200), (90, 5, 3), (1, 0, 1)][case];
                let mut offset = 0;
                let commands: Vec<[u64; 6]> = (0..COMMANDS)
                    .map(|_| {
                        let dest = rng.below(2);
                        let words = if rng.below(6) == 0 { 0 } else { 1 + rng.below(longest) };
                        let per_word = [weight, param][usize::from(dest == 1)].div_ceil(bus) as u64;
                        offset += bytes * rng.below(3) * rng.below(20);
                        let at = offset;
                        offset += words * per_word * bytes;
                        let wait = if rng.below(100) < waits { 1 + rng.below(3) } else { 0 };
                        [at, rng.below(1 << 24), dest, words, u64::from(rng.below(4) != 0), wait]
                    })
                    .collect();
                let total: u64 = commands.iter().map(|c| c[5]).sum();
                let mut steps = Vec::new();
                let mut now = ARMED - 20;
                for _ in 0..2 * total {
                    now += 1 + rng.below(pace);
                    steps.push(now);
                }
                let mut dma = Dma::new(bus / 8, burst, outstanding, latency);
                let mut used = 0;
                let mut seen = [const { Vec::new() }; 2];
                for cycles in &mut seen {
                    for &[at, _, dest, words, _, wait] in &commands {
                        used += usize::try_from(wait).unwrap();
                        let enough = used.checked_sub(1).map_or(0, |last| steps[last] + 1);
                        let per_word = [weight, param][usize::from(dest == 1)].div_ceil(bus) as u64;
                        cycles.push(dma.command(enough.max(ARMED), at, words * per_word));
                    }
                }
                let list = |v: &[u64]| v.iter().map(|n| format!(" {n}")).collect::<String>();
                writeln!(out, "case {bus} {burst} {outstanding} {weight} {param} {latency}").unwrap();
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
}
