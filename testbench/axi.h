// AXI4-Stream source and sink, AXI4-Lite master: state machines stepped once a cycle, with seeded stalls.
//
// Each has drive() before the clock edge, which sets its outputs, and sample() with what was on the wires at the edge.
// Valid never waits for ready, and holds with its data until ready, whatever the stall mode.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "options.h"

namespace bench {

// xorshift64*: the same stalls on every machine.
class Rng {
 public:
  explicit Rng(uint64_t seed) : s_(seed * 0x9e3779b97f4a7c15ull + 0x1234567ull) {
    if (s_ == 0) s_ = 1;
  }
  uint32_t next() {
    s_ ^= s_ >> 12;
    s_ ^= s_ << 25;
    s_ ^= s_ >> 27;
    return static_cast<uint32_t>((s_ * 0x2545f4914f6cdd1dull) >> 32);
  }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>((static_cast<uint64_t>(next()) * n) >> 32); }

 private:
  uint64_t s_;
};

// Whether a side is willing in this cycle: always, half of the time, or in runs of up to 300 cycles.
class Willing {
 public:
  Willing(Stall mode, uint64_t seed) : mode_(mode), rng_(seed) {}
  bool now() {
    switch (mode_) {
      case Stall::kNone: return true;
      case Stall::kRandom: return rng_.next() & 1;
      case Stall::kLong:
        if (left_ == 0) {
          on_ = !on_;
          left_ = 1 + rng_.below(300);
        }
        --left_;
        return on_;
    }
    return true;
  }

 private:
  Stall mode_;
  Rng rng_;
  bool on_ = false;
  uint32_t left_ = 0;
};

// One beat of a stream.
struct Beat {
  std::vector<uint8_t> data;
  uint64_t keep = 0;  // one bit a byte
  bool last = false;
};

// A packet as beats of `width` bytes, the last one filled with zeros and marked.
inline std::vector<Beat> packet(const uint8_t* bytes, size_t count, unsigned width) {
  std::vector<Beat> out;
  for (size_t at = 0; at < count; at += width) {
    Beat b;
    b.data.assign(width, 0);
    for (unsigned i = 0; i < width && at + i < count; ++i) {
      b.data[i] = bytes[at + i];
      b.keep |= 1ull << i;
    }
    b.last = at + width >= count;
    out.push_back(b);
  }
  return out;
}

class Source {
 public:
  Source(Stall mode, uint64_t seed) : willing_(mode, seed) {}
  void send(const std::vector<Beat>& beats) { queue_.insert(queue_.end(), beats.begin(), beats.end()); }
  void clear() {
    queue_.clear();
    valid_ = false;
  }
  bool idle() const { return queue_.empty(); }
  size_t left() const { return queue_.size(); }
  void drive() {
    if (!valid_ && !queue_.empty() && willing_.now()) valid_ = true;
  }
  bool valid() const { return valid_; }
  const Beat& beat() const { return queue_.front(); }
  bool sample(bool ready) {
    if (!valid_ || !ready) return false;
    queue_.pop_front();
    valid_ = false;
    return true;
  }

 private:
  Willing willing_;
  std::deque<Beat> queue_;
  bool valid_ = false;
};

class Sink {
 public:
  Sink(Stall mode, uint64_t seed) : late_(mode == Stall::kLong), willing_(mode, seed) {}
  // With long stalls ready comes only after valid, so that a valid that waits for ready never moves.
  void drive() { ready_ = willing_.now() && (!late_ || waiting_); }
  bool ready() const { return ready_; }
  // Returns whether a beat was taken; sets `fault` when the sender breaks a rule.
  bool sample(bool valid, const Beat& beat, std::string& fault) {
    if (waiting_) {
      if (!valid) fault = "TVALID fell before TREADY";
      else if (beat.data != held_.data || beat.keep != held_.keep || beat.last != held_.last)
        fault = "the beat changed before TREADY";
    }
    waiting_ = valid && !ready_;
    if (waiting_) held_ = beat;
    if (!valid || !ready_) return false;
    const uint64_t full = beat.data.size() == 64 ? ~0ull : (1ull << beat.data.size()) - 1;
    if (!beat.last && beat.keep != full) fault = "TKEEP has holes before TLAST";
    if (beat.keep == 0 || (beat.keep & (beat.keep + 1)) != 0) fault = "TKEEP is not a run of ones from bit 0";
    for (size_t i = 0; i < beat.data.size(); ++i)
      if (beat.keep >> i & 1) bytes_.push_back(beat.data[i]);
    if (beat.last) {
      packets_.push_back(bytes_);
      bytes_.clear();
    }
    return true;
  }
  std::deque<std::vector<uint8_t>>& packets() { return packets_; }
  size_t partial() const { return bytes_.size(); }
  // Drops what was received, e.g. a packet that a reset cut.
  void forget() {
    bytes_.clear();
    packets_.clear();
    waiting_ = false;
  }

 private:
  bool late_;
  Willing willing_;
  bool ready_ = false, waiting_ = false;
  Beat held_;
  std::vector<uint8_t> bytes_;
  std::deque<std::vector<uint8_t>> packets_;
};

// One access at a time; address and data may come in either order when stalls are on.
class Lite {
 public:
  Lite(Stall mode, uint64_t seed)
      : aw_(mode, seed), w_(mode, seed + 1), b_(mode, seed + 2), ar_(mode, seed + 3), r_(mode, seed + 4) {}
  void write(uint8_t address, uint32_t data, uint8_t strobe) {
    address_ = address;
    data_ = data;
    strobe_ = strobe;
    need_aw_ = need_w_ = need_b_ = true;
  }
  void read(uint8_t address) {
    address_ = address;
    need_ar_ = need_r_ = true;
  }
  bool busy() const { return need_b_ || need_r_; }
  uint32_t data() const { return data_; }
  unsigned response() const { return response_; }
  uint8_t address() const { return address_; }
  uint8_t strobe() const { return strobe_; }

  void drive() {
    awvalid = need_aw_ && (awvalid || aw_.now());
    wvalid = need_w_ && (wvalid || w_.now());
    bready = need_b_ && b_.now();
    arvalid = need_ar_ && (arvalid || ar_.now());
    rready = need_r_ && r_.now();
  }
  void sample(bool awready, bool wready, bool bvalid, unsigned bresp, bool arready, bool rvalid, uint32_t rdata,
              unsigned rresp, std::string& fault) {
    if (bvalid && (!need_b_ || need_aw_ || need_w_)) fault = "BVALID without a complete write";
    if (rvalid && (!need_r_ || need_ar_)) fault = "RVALID without a read";
    if (awvalid && awready) need_aw_ = awvalid = false;
    if (wvalid && wready) need_w_ = wvalid = false;
    if (arvalid && arready) need_ar_ = arvalid = false;
    if (bvalid && bready) {
      need_b_ = false;
      response_ = bresp;
    }
    if (rvalid && rready) {
      need_r_ = false;
      response_ = rresp;
      data_ = rdata;
    }
  }

  bool awvalid = false, wvalid = false, bready = false, arvalid = false, rready = false;

 private:
  Willing aw_, w_, b_, ar_, r_;
  bool need_aw_ = false, need_w_ = false, need_b_ = false, need_ar_ = false, need_r_ = false;
  uint8_t address_ = 0, strobe_ = 15;
  uint32_t data_ = 0;
  unsigned response_ = 0;
};

}  // namespace bench
