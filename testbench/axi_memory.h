// External memory on AXI4: an image, its end writable, a latency, a share of cycles with data, seeded waits.
//
// Like the state machines of axi.h: drive() before the clock edge, sample() with what was on the wires at the edge. With no
// waits it accepts a request in every cycle, gives the first beat `latency` cycles later (or after the beats before it) and
// then one beat a cycle; it takes written beats in every cycle and responds `latency` cycles after a burst's last one. Data
// written may come before their address. What AXI4 forbids, reads beyond the image, and writes below its writable part or
// beyond it are faults.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "axi.h"

namespace bench {

class Memory {
 public:
  // `bandwidth` in percent: beats come, and go, in that share of the cycles, evenly. Bytes from `first_writable` on may be
  // written.
  Memory(std::vector<uint8_t> image, size_t first_writable, uint64_t base, unsigned bus_bytes, uint64_t latency,
         unsigned bandwidth, Stall stall, uint64_t seed)
      : image_(std::move(image)), writable_(first_writable), base_(base), bus_(bus_bytes), latency_(latency),
        bandwidth_(bandwidth), accept_(stall, seed), give_(stall, seed + 1), jitter_(seed + 2), accept_write_(stall, seed + 3),
        take_(stall, seed + 4), respond_(stall, seed + 5), waits_(stall != Stall::kNone) {}

  void drive() {
    arready = accept_.now();
    slot_ += bandwidth_;
    const bool slot = slot_ >= 100;
    if (slot) slot_ -= 100;
    if (!rvalid) rvalid = slot && !requests_.empty() && now_ >= requests_.front().ready && give_.now();
    rlast = rvalid && requests_.front().left == 1;
    rresp = rvalid && (!inside(requests_.front().address) || broken) ? 2 : 0;
    awready = accept_write_.now();
    write_slot_ += bandwidth_;
    const bool write_slot = write_slot_ >= 100;
    if (write_slot) write_slot_ -= 100;
    wready = write_slot && take_.now();
    if (!bvalid) bvalid = !responses_.empty() && now_ >= responses_.front() && respond_.now();
    bresp = bvalid && broken ? 2 : 0;
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
  // The write channels, in the same cycle before sample().
  struct Write {
    bool awvalid;
    uint64_t address;
    unsigned length, size, burst;
    bool wvalid, wlast;
    uint64_t strobe;
    std::vector<uint8_t> data;
    bool bready;
  };
  void sample_write(const Write& w, std::string& fault) {
    if (aw_waiting_) {
      if (!w.awvalid) fault = "AWVALID fell before AWREADY";
      else if (w.address != aw_held_.address || w.length + 1 != aw_held_.left) fault = "the write changed before AWREADY";
    }
    aw_waiting_ = w.awvalid && !awready;
    aw_held_ = {w.address, 0, w.length + 1};
    if (w_waiting_ && (!w.wvalid || w.wlast != w_held_.last || w.data != w_held_.data)) fault = "WVALID or data changed before WREADY";
    w_waiting_ = w.wvalid && !wready;
    w_held_ = {w.wlast, w.data};
    if (bvalid && w.bready) {
      responses_.pop_front();
      bvalid = false;
    }
    if (w.awvalid && awready) {
      const uint64_t bytes = uint64_t{w.length + 1} * bus_;
      if (1u << w.size != bus_) fault = "AWSIZE is not the width of the bus";
      else if (w.burst != 1) fault = "AWBURST is not INCR";
      else if (w.address % bus_ != 0) fault = "AWADDR is not a multiple of the bus";
      else if (w.address / 4096 != (w.address + bytes - 1) / 4096) fault = "a written burst crosses 4 KiB";
      else if (!inside(w.address) || !inside(w.address + bytes - bus_) || w.address - base_ < writable_)
        fault = "a write outside the writable part of the image";
      writes_.push_back({w.address, 0, w.length + 1});
    }
    if (w.wvalid && wready) {
      if (w.strobe != (bus_ < 64 ? (1ull << bus_) - 1 : ~0ull)) fault = "WSTRB is not all ones";
      ++written;
      taken_.push_back({w.wlast, w.data});
    }
    while (!taken_.empty() && !writes_.empty()) {
      Request& to = writes_.front();
      if (taken_.front().last != (to.left == 1)) fault = "WLAST is not with the burst's last beat";
      if (inside(to.address) && to.address - base_ >= writable_)
        for (unsigned i = 0; i < bus_; ++i) image_[static_cast<size_t>(to.address - base_ + i)] = taken_.front().data[i];
      taken_.pop_front();
      to.address += bus_;
      if (--to.left == 0) {
        writes_.pop_front();
        responses_.push_back(now_ + latency_ + (waits_ ? jitter_.below(64) : 0));
      }
    }
  }
  bool idle() const {
    return requests_.empty() && !waiting_ && writes_.empty() && taken_.empty() && responses_.empty() && !aw_waiting_ && !w_waiting_;
  }

  bool arready = false, rvalid = false, rlast = false;
  unsigned rresp = 0;
  bool broken = false;  // every response is an error
  bool awready = false, wready = false, bvalid = false;
  unsigned bresp = 0;
  uint64_t beats = 0, first_beat = 0, last_beat = 0;
  uint64_t written = 0;  // beats
  uint64_t quiet = 0;   // cycles since the last request or beat

 private:
  struct Request {
    uint64_t address, ready;
    unsigned left;
  };
  bool inside(uint64_t address) const { return address >= base_ && address - base_ + bus_ <= image_.size(); }

  struct Data {
    bool last = false;
    std::vector<uint8_t> data;
  };

  std::vector<uint8_t> image_;
  size_t writable_;
  uint64_t base_;
  unsigned bus_;
  uint64_t latency_;
  unsigned bandwidth_, slot_ = 0, write_slot_ = 0;
  Willing accept_, give_;
  Rng jitter_;
  Willing accept_write_, take_, respond_;
  bool waits_, waiting_ = false, aw_waiting_ = false, w_waiting_ = false;
  Request held_{}, aw_held_{};
  Data w_held_;
  std::deque<Request> requests_, writes_;
  std::deque<Data> taken_;
  std::deque<uint64_t> responses_;  // when they are due
  uint64_t now_ = 0;
};

}  // namespace bench
