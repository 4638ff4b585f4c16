// An AXI4-Lite master for the benches: a write and a read at a time, every channel at its own random pace, all hold
// rules checked. Port names are given by a macro prefix, so that it serves any top module.
#pragma once
#include <optional>

#include "bench.h"

/// The master's view of the ports in one cycle; the bench copies it to and from the model.
struct AxilPins {
  bool awvalid = false, awready = false, wvalid = false, wready = false, bvalid = false, bready = false;
  bool arvalid = false, arready = false, rvalid = false, rready = false;
  uint32_t awaddr = 0, wdata = 0, wstrb = 0, bresp = 0, araddr = 0, rdata = 0, rresp = 0;
};

class AxilMaster {
 public:
  struct Write { uint32_t address, data, strobe; };
  std::optional<Write> write;      // under way
  std::optional<uint32_t> read;    // under way: address
  std::optional<uint32_t> bresp;   // the answer, taken by the bench
  std::optional<std::pair<uint32_t, uint32_t>> rdata;  // data, response
  uint64_t writes = 0, reads = 0;

  void begin_write(uint32_t address, uint32_t data, uint32_t strobe = 15) {
    write = Write{address, data, strobe};
    aw_left_ = w_left_ = true;
    aw_ = w_ = false;
  }
  void begin_read(uint32_t address) {
    read = address;
    ar_left_ = true;
    ar_ = false;
  }
  bool idle() const { return !write && !read; }

  /// Before the clock: what to drive. `pace` is the chance of each channel in percent.
  void drive(AxilPins& p, Random& random, unsigned pace) {
    if (write && aw_left_ && !aw_) aw_ = random.chance(pace);
    if (write && w_left_ && !w_) w_ = random.chance(pace);
    if (read && ar_left_ && !ar_) ar_ = random.chance(pace);
    p.awvalid = aw_;
    p.wvalid = w_;
    p.arvalid = ar_;
    p.awaddr = aw_ ? write->address : static_cast<uint32_t>(random.next());
    p.wdata = w_ ? write->data : static_cast<uint32_t>(random.next());
    p.wstrb = w_ ? write->strobe : static_cast<uint32_t>(random.next());
    p.araddr = ar_ ? *read : static_cast<uint32_t>(random.next());
    p.bready = random.chance(pace);
    p.rready = random.chance(pace);
  }
  /// With the slave's outputs settled: rules, then what the coming clock edge does.
  void observe(const AxilPins& p) {
    CHECK(!p.bvalid || (write && !aw_left_ && !w_left_), "BVALID without AW and W");
    CHECK(!p.rvalid || (read && !ar_left_), "RVALID without AR");
    if (b_held_) CHECK(p.bvalid && p.bresp == held_bresp_, "B did not hold");
    if (r_held_) CHECK(p.rvalid && p.rdata == held_rdata_ && p.rresp == held_rresp_, "R did not hold");
    b_held_ = p.bvalid && !p.bready;
    r_held_ = p.rvalid && !p.rready;
    held_bresp_ = p.bresp;
    held_rdata_ = p.rdata;
    held_rresp_ = p.rresp;
    if (p.awvalid && p.awready) aw_ = aw_left_ = false;
    if (p.wvalid && p.wready) w_ = w_left_ = false;
    if (p.arvalid && p.arready) ar_ = ar_left_ = false;
    if (p.bvalid && p.bready) {
      bresp = p.bresp;
      write.reset();
      ++writes;
    }
    if (p.rvalid && p.rready) {
      rdata = {p.rdata, p.rresp};
      read.reset();
      ++reads;
    }
  }

 private:
  bool aw_left_ = false, w_left_ = false, ar_left_ = false, aw_ = false, w_ = false, ar_ = false, b_held_ = false, r_held_ = false;
  uint32_t held_bresp_ = 0, held_rdata_ = 0, held_rresp_ = 0;
};

// Copies between pins and a model whose ports start with PREFIX, e.g. s_ or s_axil_.
#define AXIL_DRIVE(top, PREFIX, p)                                                                                        \
  (top.PREFIX##awvalid_i = p.awvalid, top.PREFIX##awaddr_i = static_cast<uint8_t>(p.awaddr), top.PREFIX##wvalid_i = p.wvalid, \
   top.PREFIX##wdata_i = p.wdata, top.PREFIX##wstrb_i = p.wstrb & 15, top.PREFIX##bready_i = p.bready,                     \
   top.PREFIX##arvalid_i = p.arvalid, top.PREFIX##araddr_i = static_cast<uint8_t>(p.araddr), top.PREFIX##rready_i = p.rready)
#define AXIL_SAMPLE(top, PREFIX, p)                                                                             \
  (p.awready = top.PREFIX##awready_o, p.wready = top.PREFIX##wready_o, p.bvalid = top.PREFIX##bvalid_o,          \
   p.bresp = top.PREFIX##bresp_o, p.arready = top.PREFIX##arready_o, p.rvalid = top.PREFIX##rvalid_o,            \
   p.rdata = top.PREFIX##rdata_o, p.rresp = top.PREFIX##rresp_o)
