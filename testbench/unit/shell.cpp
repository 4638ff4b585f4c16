// o2c_shell around an engine written in C++: samples in, registers and interrupt, results out, errors, soft reset.
// The engine's result is a function of the input regions. Arguments: samples per pace, seed.
#include "axil.h"

#include "../onnx2chip_regs.h"
#include "Vtop.h"

#ifndef P_N_IN
#define P_N_IN 1
#endif
#ifndef P_N_OUT
#define P_N_OUT 1
#endif

// A tensor of a packet, and its region, whose words lie one behind the other.
struct Tensor {
  int base, pixels, channels, mask, words;
  int bytes() const { return pixels * channels; }
};
static int field(uint64_t of, int i) { return static_cast<int>(of >> (32 * i) & 0xFFFFFFFF); }
static Tensor tensor(int base, int pixels, int channels, int mask) { return {base, pixels, channels, mask, (channels + P_W - 1) / P_W}; }
static const std::vector<Tensor> INPUTS = [] {
  std::vector<Tensor> all;
  for (int i = 0; i < P_N_IN; ++i)
    all.push_back(tensor(field(P_IN_BASE, i), field(P_IN_H, i) * field(P_IN_W, i), field(P_IN_C, i), field(P_IN_XOR, i)));
  return all;
}();
static const std::vector<Tensor> OUTPUTS = [] {
  std::vector<Tensor> all;
  for (int i = 0; i < P_N_OUT; ++i) all.push_back(tensor(field(P_OUT_BASE, i), field(P_OUT_PIXELS, i), field(P_OUT_C, i), field(P_OUT_XOR, i)));
  return all;
}();
static int length(const std::vector<Tensor>& all) {
  int bytes = 0;
  for (const Tensor& t : all) bytes += t.bytes();
  return bytes;
}
static const int IN_BYTES = length(INPUTS), OUT_BYTES = length(OUTPUTS);
static const unsigned SN = P_S_DATA_W / 8, MN = P_M_DATA_W / 8;

// The canonical results of canonical inputs; the shell XORs on the way in and out.
static std::vector<uint8_t> result(const std::vector<uint8_t>& sample) {
  std::vector<uint8_t> bytes;
  for (int k = 0; k < OUT_BYTES; ++k) bytes.push_back(static_cast<uint8_t>(sample[static_cast<size_t>(k * 7 % IN_BYTES)] + 5 * k));
  return bytes;
}
// The bytes of a packet with each tensor's XOR.
static std::vector<uint8_t> turned(std::vector<uint8_t> bytes, const std::vector<Tensor>& all) {
  size_t at = 0;
  for (const Tensor& t : all)
    for (int n = t.bytes(); n > 0 && at < bytes.size(); --n, ++at) bytes[at] = static_cast<uint8_t>(bytes[at] ^ t.mask);
  return bytes;
}

class Bench {
 public:
  Bench(const Pace& pace, Random& random) : pace_(pace), random_(random), memory_((1u << P_AW) * P_W) {
    top.rst_ni = 0;
    top.drained_i = 1;
    top.bus_error_i = 0;
    for (int i = 0; i < 4; ++i) cycle();
    top.rst_ni = 1;
    for (int i = 0; i < 20; ++i) cycle();
  }
  Vtop top;
  std::deque<std::vector<uint8_t>> packets;                // to be sent, each with TLAST on its last byte
  std::deque<std::pair<uint8_t, bool>> expect;             // to come out
  uint64_t cycles = 0, processed = 0, irqs = 0, last_busy = 0, total_busy = 0, results = 0;

  void write(uint32_t address, uint32_t data) {
    master_.begin_write(address, data);
    while (!master_.bresp) cycle();
    last_resp = *master_.bresp;
    master_.bresp.reset();
  }
  uint32_t read(uint32_t address) {
    master_.begin_read(address);
    while (!master_.rdata) cycle();
    const auto [data, resp] = *master_.rdata;
    last_resp = resp;
    master_.rdata.reset();
    return data;
  }
  uint32_t last_resp = 0;

  void cycle() {
    ++cycles;
    CHECK(++quiet_ < 60000, "%s: nothing moves, %zu bytes missing", pace_.name, expect.size());
    const bool up = top.rst_ni && top.engine_rst_no;
    // Stream in.
    if (up && !held_ && !packets.empty() && random_.chance(pace_.source)) {
      held_ = true;
      // Full beats, and now and then one with holes, or none of the packet's bytes.
      const size_t left = packets.front().size() - sent_;
      const bool holes = random_.chance(10);
      beat_ = 0;
      top.s_axis_tkeep_i = 0;
      uint64_t keep = 0;
      for (unsigned i = 0; i < SN; ++i) {
        const bool kept = beat_ < left && (!holes || random_.chance(60));
        set_byte(top.s_axis_tdata_i, i, kept ? packets.front()[sent_ + beat_] : 0xAA);
        keep |= static_cast<uint64_t>(kept) << i;
        beat_ += kept;
      }
      top.s_axis_tkeep_i = static_cast<decltype(top.s_axis_tkeep_i + 0)>(keep);
      // The packet's end may come behind its last byte.
      top.s_axis_tlast_i = beat_ == left && (left == 0 || !random_.chance(10));
    }
    top.s_axis_tvalid_i = held_;
    top.m_axis_tready_i = random_.chance(pace_.sink);
    // Engine: one step a cycle.
    top.sample_start_i = top.in_free_i = top.out_done_i = 0;
    if (!up) work_ = 0, reads_.clear();
    else if (work_ == 0 && top.run_o && top.sample_ready_o && top.out_ready_o && random_.chance(50)) {
      top.sample_start_i = 1;
      work_ = length_ = 4 + random_.below(30);
      busy_ = 0;
    } else if (work_ == 1) {
      CHECK(top.out_ready_o, "%s: the output region is not free", pace_.name);
      each(OUTPUTS, [&](uint8_t& byte, size_t k) { byte = outcome_[k]; });
      top.out_done_i = 1;
    }
    if (up && work_ == length_ / 2 && work_ > 1) {
      // The last look at the input.
      std::vector<uint8_t> sample;
      each(INPUTS, [&](const uint8_t& byte, size_t) { sample.push_back(byte); });
      outcome_ = result(sample);
      top.in_free_i = 1;
    }
    top.busy_i = work_ != 0;
    if (top.busy_i) ++busy_, ++total_busy;
    // Scratchpad.
    // Now and then the engine has it for a while.
    blocked_ = blocked_ > 0 ? blocked_ - 1 : random_.chance(3) ? static_cast<int>(random_.below(20)) : 0;
    top.wr_ready_i = blocked_ == 0 && random_.chance(70);
    top.rd_ready_i = blocked_ == 0 && random_.chance(70);
    top.rd_data_valid_i = !reads_.empty() && reads_.front().first == cycles;
    for (unsigned b = 0; b < P_W; ++b) set_byte(top.rd_data_i, b, top.rd_data_valid_i ? memory_[reads_.front().second * P_W + b] : 0x55);
    if (top.rd_data_valid_i) reads_.pop_front();
    // Registers.
    master_.drive(pins_, random_, 60);
    AXIL_DRIVE(top, s_axil_, pins_);
    top.clk_i = 0;
    top.eval();
    AXIL_SAMPLE(top, s_axil_, pins_);
    if (top.rst_ni) master_.observe(pins_);
    if (up) {
      if (top.wr_valid_o && top.wr_ready_i)
        for (unsigned b = 0; b < P_W; ++b) memory_[top.wr_addr_o * P_W + b] = byte_of(top.wr_data_o, b);
      if (top.rd_valid_o && top.rd_ready_i) reads_.emplace_back(cycles + 2, top.rd_addr_o);
      if (top.m_axis_tvalid_o && top.m_axis_tready_i) {
        quiet_ = 0;
        for (unsigned i = 0; i < MN; ++i)
          if (bit_of(top.m_axis_tkeep_o, i)) {
            CHECK(!expect.empty() && byte_of(top.m_axis_tdata_o, i) == expect.front().first, "%s: a wrong result byte", pace_.name);
            results += expect.front().second;
            const bool last = expect.front().second;
            CHECK(!last || top.m_axis_tlast_o, "%s: TLAST is missing", pace_.name);
            CHECK(last || !top.m_axis_tlast_o || (i + 1 < MN && bit_of(top.m_axis_tkeep_o, i + 1)), "%s: TLAST too early", pace_.name);
            expect.pop_front();
          }
      }
    }
    const bool taken = held_ && top.s_axis_tready_o && top.rst_ni;
    if (top.out_done_i) ++processed, last_busy = busy_;
    irqs += top.irq_o;
    top.clk_i = 1;
    top.eval();
    if (work_) --work_;
    if (taken) {
      quiet_ = 0;
      held_ = false;
      sent_ += beat_;
      if (top.s_axis_tlast_i) packets.pop_front(), sent_ = 0;
    }
  }
  /// Queues a sample and what must come of it.
  void sample(int extra = 0) {
    std::vector<uint8_t> bytes;
    for (int i = 0; i < IN_BYTES + extra; ++i) bytes.push_back(static_cast<uint8_t>(random_.next()));
    if (extra >= 0)
      for (const uint8_t byte : turned(result(turned(bytes, INPUTS)), OUTPUTS)) expect.emplace_back(byte, false);
    if (extra >= 0) expect.back().second = true;
    packets.push_back(std::move(bytes));
  }
  void drain() {
    while (!expect.empty() || !packets.empty() || work_) cycle();
    for (int i = 0; i < 30; ++i) cycle();
  }
  /// Forgets what is on its way, as the host does around a soft reset.
  void forget() {
    packets.clear();
    expect.clear();
    held_ = false;
    sent_ = 0;
  }

 private:
  // Every byte of the tensors in the scratchpad, and its place in the packet.
  template <typename F>
  void each(const std::vector<Tensor>& all, F visit) {
    size_t k = 0;
    for (const Tensor& t : all)
      for (int i = 0; i < t.pixels; ++i)
        for (int c = 0; c < t.channels; ++c) visit(memory_[static_cast<size_t>((t.base + i * t.words + c / P_W) * P_W + c % P_W)], k++);
  }
  const Pace& pace_;
  Random& random_;
  std::vector<uint8_t> memory_, outcome_;
  std::deque<std::pair<uint64_t, uint32_t>> reads_;
  AxilMaster master_;
  AxilPins pins_;
  bool held_ = false;
  size_t sent_ = 0, beat_ = 0;  // bytes of the packet that have gone, and of the beat
  int blocked_ = 0;
  uint64_t work_ = 0, length_ = 0, busy_ = 0, quiet_ = 0;
};

int main(int argc, char** argv) {
  const auto samples = static_cast<unsigned>(argument(argc, argv, 1, 10));
  Random random(argument(argc, argv, 2, 1));
  uint64_t cycles = 0, processed = 0;
  for (const Pace& pace : PACES) {
    Bench b(pace, random);
    CHECK(b.read(O2C_ID) == O2C_ID_VALUE, "ID");
    CHECK(b.read(O2C_CAPS) == ((2u << 0) | (3u << 4) | (4u << 8)) && b.read(O2C_LAYERS) == 9, "CAPS or LAYERS");
    // One by one: nothing happens without a start; two starts are remembered.
    b.sample();
    for (int i = 0; i < 3000 && !(b.read(O2C_STATUS) & O2C_STATUS_INPUT_FULL_MASK); ++i) {}
    CHECK(b.processed == 0 && b.read(O2C_STATUS) == O2C_STATUS_INPUT_FULL_MASK, "a sample ran without a start, or STATUS 0x%X", b.read(O2C_STATUS));
    b.write(O2C_IRQ_ENABLE, O2C_IRQ_ENABLE_DONE_MASK);
    b.write(O2C_CTRL, O2C_CTRL_START_MASK);
    b.write(O2C_CTRL, O2C_CTRL_START_MASK);
    b.drain();
    CHECK(b.processed == 1 && (b.read(O2C_STATUS) & O2C_STATUS_START_PENDING_MASK), "the second start was not remembered");
    CHECK(b.read(O2C_CYCLES) == b.last_busy, "CYCLES %u, want %llu", b.read(O2C_CYCLES), static_cast<unsigned long long>(b.last_busy));
    CHECK(b.top.irq_o && b.read(O2C_IRQ_STATUS) == O2C_IRQ_STATUS_DONE_MASK, "no interrupt");
    b.write(O2C_IRQ_STATUS, O2C_IRQ_STATUS_DONE_MASK);
    for (int i = 0; i < 3; ++i) b.cycle();
    CHECK(!b.top.irq_o && b.read(O2C_IRQ_STATUS) == 0, "the interrupt stays");
    b.sample();
    b.drain();
    CHECK(b.processed == 2 && !(b.read(O2C_STATUS) & O2C_STATUS_START_PENDING_MASK), "the remembered start was not used");
    // As they come, with broken packets between.
    b.write(O2C_CTRL, O2C_CTRL_AUTO_MASK | O2C_CTRL_START_MASK);
    unsigned good = 0;
    bool is_short = false, is_long = false;
    for (unsigned i = 0; i < samples; ++i) {
      const uint64_t kind = random.below(4);
      // Some end with a tensor that is not the last, or a byte later.
      const bool at_end = P_N_IN > 1 && random.chance(50);
      const int early = at_end ? IN_BYTES - INPUTS[0].bytes() - static_cast<int>(random.below(2)) : static_cast<int>(random.range(1, IN_BYTES - 1));
      const int extra = kind == 0 ? -early : kind == 1 ? static_cast<int>(random.range(1, 40)) : 0;
      is_short = is_short || extra < 0;
      is_long = is_long || extra > 0;
      good += extra >= 0;
      b.sample(extra);
    }
    b.drain();
    CHECK(b.processed == 2 + good && b.results == b.processed, "%llu samples processed", static_cast<unsigned long long>(b.processed));
    CHECK(b.read(O2C_STATUS) == O2C_STATUS_START_PENDING_MASK, "a start was used up in spite of auto: STATUS 0x%X", b.read(O2C_STATUS));
    CHECK(b.read(O2C_CYCLES) == b.last_busy, "CYCLES of a later sample");
    CHECK(b.read(O2C_SAMPLES) == b.processed && b.read(O2C_TOTAL_CYCLES_LO) == b.total_busy && b.read(O2C_TOTAL_CYCLES_HI) == 0, "counters");
    CHECK(b.read(O2C_ERROR) == (is_short ? O2C_ERROR_SHORT_PACKET_MASK : 0) + (is_long ? O2C_ERROR_LONG_PACKET_MASK : 0), "ERROR 0x%X", b.read(O2C_ERROR));
    b.write(0x2C, 1);
    CHECK(b.last_resp == 2 && (b.read(O2C_ERROR) & O2C_ERROR_BAD_ACCESS_MASK) && (b.read(O2C_IRQ_STATUS) & O2C_IRQ_STATUS_ERROR_MASK), "a bad access");
    b.top.bus_error_i = 1;
    b.cycle();
    b.top.bus_error_i = 0;
    CHECK(b.read(O2C_ERROR) & O2C_ERROR_BUS_MASK, "an error of external memory");
    b.write(O2C_EXT_BASE_LO, 0x89ABCDEF);
    b.write(O2C_EXT_BASE_HI, 0x01234567);
    CHECK(b.top.ext_base_o == 0x0123456789ABC000ull, "EXT_BASE");
    b.write(O2C_ERROR, 15);
    b.write(O2C_IRQ_STATUS, 3);
    CHECK(b.read(O2C_ERROR) == 0 && b.read(O2C_IRQ_STATUS) == 0, "events stay");
    // Soft reset in the midst of things; afterwards all is as new.
    for (int i = 0; i < 3; ++i) b.sample();
    const uint64_t wait = random.below(3 * static_cast<uint64_t>(IN_BYTES));
    for (uint64_t i = 0; i < wait; ++i) b.cycle();
    b.write(O2C_CTRL, O2C_CTRL_SOFT_RESET_MASK);  // clears auto as well
    while (b.top.engine_rst_no) b.cycle();
    b.forget();
    // It waits until no read of external memory is under way.
    b.top.drained_i = 0;
    for (int i = 0; i < 40; ++i) b.cycle();
    CHECK(!b.top.engine_rst_no, "the soft reset does not wait");
    b.top.drained_i = 1;
    CHECK(b.read(O2C_STATUS) & O2C_STATUS_RESETTING_MASK || b.top.engine_rst_no, "STATUS does not tell of the reset");
    while (!b.top.engine_rst_no) b.cycle();
    CHECK((b.read(O2C_STATUS) & ~O2C_STATUS_BUSY_MASK) == 0 && b.read(O2C_SAMPLES) == 0 && b.read(O2C_CYCLES) == 0 && b.top.ext_base_o != 0, "the reset left something, or took EXT_BASE");
    processed += b.processed;
    b.processed = 0;
    b.write(O2C_CTRL, O2C_CTRL_AUTO_MASK);
    for (int i = 0; i < 3; ++i) b.sample();
    b.drain();
    CHECK(b.processed == 3 && b.read(O2C_SAMPLES) == 3, "not usable after a soft reset");
    cycles += b.cycles;
    processed += 3;
  }
  std::printf("%llu samples processed, %llu cycles\n", static_cast<unsigned long long>(processed), static_cast<unsigned long long>(cycles));
  return 0;
}
