//! placeholder until the DMA's own model
use std::collections::VecDeque;
pub(crate) struct Dma { bus: usize, burst: usize, outstanding: usize, latency: u64, address: u64, data: u64, flight: VecDeque<u64> }
impl Dma {
    pub(crate) fn new(bus: usize, burst: usize, outstanding: usize, latency: usize) -> Dma {
        Dma { bus, burst, outstanding, latency: latency as u64, address: 0, data: 0, flight: VecDeque::new() }
    }
    pub(crate) fn command(&mut self, earliest: u64, offset: usize, beats: usize) -> u64 {
        self.address = self.address.max(earliest);
        let (mut at, mut left) = (offset / self.bus, beats);
        let page = 4096 / self.bus;
        while left > 0 {
            let n = left.min(self.burst).min(page - at % page);
            if self.flight.len() == self.outstanding {
                let free = self.flight.pop_front().unwrap_or(0);
                self.address = self.address.max(free + 1);
            }
            let first = (self.address + self.latency).max(self.data + 1);
            self.data = first + n as u64 - 1;
            self.flight.push_back(self.data);
            self.address += 1;
            at += n;
            left -= n;
        }
        self.data.max(self.address) + 2
    }
}
