// External memory on AXI4 read channels: an image, a latency, a share of cycles with data, seeded waits.
//
// Like the state machines of axi.h: drive() before the clock edge, sample() with what was on the wires at the edge. With no
// waits it accepts a request in every cycle, gives the first beat `latency` cycles later (or after the beats before it) and
// then one beat a cycle. Requests that AXI4 forbids, and reads beyond the image, are faults.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "axi.h"

namespace bench {

class Memory {
 public:
  // `bandwidth` in percent: beats come in that share of the cycles, evenly.
  Memory(const std::vector<uint8_t>& image, uint64_t base, unsigned bus_bytes, uint64_t latency, unsigned bandwidth, Stall stall,
         uint64_t seed)
      : image_(image), base_(base), bus_(bus_bytes), latency_(latency), bandwidth_(bandwidth), accept_(stall, seed),
        give_(stall, seed + 1), jitter_(seed + 2), waits_(stall != Stall::kNone) {}

  void drive() {
    arready = accept_.now();
    slot_ += bandwidth_;
    const bool slot = slot_ >= 100;
    if (slot) slot_ -= 100;
    if (!rvalid) rvalid = slot && !requests_.empty() && now_ >= requests_.front().ready && give_.now();
    rlast = rvalid && requests_.front().left == 1;
    rresp = rvalid && (!inside(requests_.front().address) || broken) ? 2 : 0;
  }
  // A byte of the beat that is offered.
  uint8_t byte(unsigned i) const {
    if (!rvalid || !inside(requests_.front().address)) return 0xa5;
    return image_[static_cast<size_t>(requests_.front().address - base_ + i)];
  }
  void sample(bool arvalid, uint64_t address, unsigned length, unsigned size, unsigned burst, bool rready, std::string& fault) {
    if (waiting_) {
      if (!arvalid) fault = "ARVALID fell before ARREADY";
      else if (address != held_.address || length + 1 != held_.left) fault = "the request changed before ARREADY";
    }
    waiting_ = arvalid && !arready;
    held_ = {address, 0, length + 1};
    if (rvalid && rready) {
      ++beats;
      last_beat = now_;
      if (beats == 1) first_beat = now_;
      requests_.front().address += bus_;
      if (--requests_.front().left == 0) requests_.pop_front();
      rvalid = false;
    }
    if (arvalid && arready) {
      const uint64_t bytes = uint64_t{length + 1} * bus_;
      if (1u << size != bus_) fault = "ARSIZE is not the width of the bus";
      else if (burst != 1) fault = "ARBURST is not INCR";
      else if (address % bus_ != 0) fault = "ARADDR is not a multiple of the bus";
      else if (address / 4096 != (address + bytes - 1) / 4096) fault = "a burst crosses 4 KiB";
      else if (!inside(address) || !inside(address + bytes - bus_)) fault = "a read beyond the image";
      requests_.push_back({address, now_ + latency_ + (waits_ ? jitter_.below(64) : 0), length + 1});
    }
    quiet = idle() ? quiet + 1 : 0;
    ++now_;
  }
  bool idle() const { return requests_.empty() && !waiting_; }

  bool arready = false, rvalid = false, rlast = false;
  unsigned rresp = 0;
  bool broken = false;  // every response is an error
  uint64_t beats = 0, first_beat = 0, last_beat = 0;
  uint64_t quiet = 0;   // cycles since the last request or beat

 private:
  struct Request {
    uint64_t address, ready;
    unsigned left;
  };
  bool inside(uint64_t address) const { return address >= base_ && address - base_ + bus_ <= image_.size(); }

  const std::vector<uint8_t>& image_;
  uint64_t base_;
  unsigned bus_;
  uint64_t latency_;
  unsigned bandwidth_, slot_ = 0;
  Willing accept_, give_;
  Rng jitter_;
  bool waits_, waiting_ = false;
  Request held_{};
  std::deque<Request> requests_;
  uint64_t now_ = 0;
};

}  // namespace bench
