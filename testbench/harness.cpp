// C++ testbench of a hand-off folder, for Verilator. Run it from the folder's root.
//
// In: the model that Verilator made of the folder's RTL, tb/design.h, vectors/*.npy.
// Out: one JSON object. Exit code 0: every stage of every layer of every sample is golden; 1: it is not; 2: the
// arguments or the folder are not usable.
#include <cinttypes>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>

#include "Vtop.h"
#include "Vtop___024root.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif

#include "../include/onnx2chip_regs.h"
#include "axi.h"
#include "axi_memory.h"
#include "checker.h"
#include "design.h"
#include "npy.h"
#include "options.h"

namespace bench {

// Bits of a signal, whatever type Verilator gave it.
template <typename T>
uint32_t word(const T& v, unsigned i) {
  return static_cast<uint32_t>(static_cast<uint64_t>(v) >> (32 * i));
}
template <std::size_t N>
uint32_t word(const VlWide<N>& v, unsigned i) {
  return v[i];
}
template <typename T>
void set_word(T& v, unsigned i, uint32_t w) {
  v = static_cast<T>((static_cast<uint64_t>(v) & ~(0xffffffffull << (32 * i))) | static_cast<uint64_t>(w) << (32 * i));
}
template <std::size_t N>
void set_word(VlWide<N>& v, unsigned i, uint32_t w) {
  v[i] = w;
}
template <typename T>
uint8_t byte(const T& v, unsigned i) {
  return static_cast<uint8_t>(word(v, i / 4) >> (8 * (i % 4)));
}

// The image for external memory, and what may be written after it; empty where there is none.
const std::vector<uint8_t>& external_image() {
  static const std::vector<uint8_t> image = [] {
    std::vector<uint8_t> bytes;
    if (design::kExternalBytes > 0) {
      std::ifstream f("mem/external.bin", std::ios::binary);
      bytes.assign(std::istreambuf_iterator<char>(f), {});
      if (bytes.size() != design::kExternalBytes)
        throw std::runtime_error("mem/external.bin has " + std::to_string(bytes.size()) + " bytes, not " +
                                 std::to_string(design::kExternalBytes));
      // Reading what was never written gives wrong results.
      bytes.resize(bytes.size() + design::kSpillBytes, 0xC3);
    }
    return bytes;
  }();
  return image;
}

// Where the image lies: both base registers are used.
constexpr uint64_t kExternalBase = 0x312345000ull;

class Bench {
 public:
  Bench(const Options& options, Checker* checker)
      : options_(options), checker_(checker), source_(options.stall, options.seed), sink_(options.stall, options.seed + 1),
        lite_(options.stall, options.seed + 2),
        memory_(external_image(), design::kExternalBytes, kExternalBase, std::max(design::kExternalBusBytes, 1u),
                options.mem_latency ? options.mem_latency : design::kExternalLatency, static_cast<unsigned>(options.mem_bandwidth),
                options.mem_stall, options.seed + 10),
        top_(new Vtop(&context_, "top")) {
    if (!options.trace.empty()) {
#if VM_TRACE_FST
      context_.traceEverOn(true);
      trace_.reset(new VerilatedFstC);
      top_->trace(trace_.get(), 99);
      trace_->open(options.trace.c_str());
      if (!trace_->isOpen()) throw std::runtime_error("can't write " + options.trace);
#else
      throw std::runtime_error("this model was built without --trace-fst: make build-trace");
#endif
    }
    watchdog_ = options.watchdog;
    for (const design::Layer& l : design::kLayers)
      if (options.watchdog == 0) watchdog_ = std::max<uint64_t>(watchdog_, 4 * l.cycles);
    // Layers wait for data; at most all of the image.
    if (options.watchdog == 0 && design::kExternalBytes > 0)
      watchdog_ += (design::kExternalBytes + 2 * design::kSpillBytes) * 100 / options.mem_bandwidth + 1000 * options.mem_latency;
    if (options.watchdog == 0) watchdog_ += 100000 + 4 * (design::kInputBytes + design::kOutputBytes);
    top_->clk_i = 0;
    reset();
  }
  ~Bench() {
#if VM_TRACE_FST
    if (trace_) trace_->close();
#endif
    top_->final();
  }

  void reset() {
    top_->rst_ni = 0;
    source_.clear();
    for (int i = 0; i < 8; ++i) tick();
    top_->rst_ni = 1;
    tick();
    if (design::kExternalBytes > 0 && (write(O2C_EXT_BASE_LO, static_cast<uint32_t>(kExternalBase)) != 0 ||
                                       write(O2C_EXT_BASE_HI, static_cast<uint32_t>(kExternalBase >> 32)) != 0))
      fault("writing EXT_BASE gives an error");
  }

  // One clock cycle: drive, look at every wire just before the edge, clock.
  void tick() {
    Vtop& t = *top_;
    const bool running = t.rst_ni;
    source_.drive();
    sink_.drive();
    lite_.drive();
    t.s_axis_tvalid = source_.valid();
    set_keep(0);
    t.s_axis_tlast = 0;
    for (unsigned i = 0; i < (design::kBeat + 3) / 4; ++i) set_word(t.s_axis_tdata, i, 0xdeadbeefu);
    if (source_.valid()) {
      const Beat& b = source_.beat();
      set_keep(b.keep);
      t.s_axis_tlast = b.last;
      for (unsigned i = 0; i < design::kBeat; i += 4) {
        uint32_t w = 0;
        for (unsigned j = 0; j < 4 && i + j < design::kBeat; ++j) w |= static_cast<uint32_t>(b.data[i + j]) << (8 * j);
        set_word(t.s_axis_tdata, i / 4, w);
      }
    }
    t.m_axis_tready = sink_.ready();
    t.s_axil_awaddr = t.s_axil_araddr = lite_.address();
    t.s_axil_awprot = t.s_axil_arprot = 0;
    t.s_axil_awvalid = lite_.awvalid;
    t.s_axil_wvalid = lite_.wvalid;
    t.s_axil_wdata = lite_.data();
    t.s_axil_wstrb = lite_.strobe() & 15;
    t.s_axil_bready = lite_.bready;
    t.s_axil_arvalid = lite_.arvalid;
    t.s_axil_rready = lite_.rready;
    drive_memory(t);

    t.clk_i = 0;
    t.eval();
    dump();
    if (running) observe();
    t.clk_i = 1;
    t.eval();
    dump();
    ++cycle_;
  }

  // Writes a register and returns the response; the streams go on meanwhile.
  unsigned write(uint8_t address, uint32_t data, uint8_t strobe = 15) {
    lite_.write(address, data, strobe);
    wait("an AXI4-Lite write", [&] { return !lite_.busy(); });
    return lite_.response();
  }
  unsigned read(uint8_t address, uint32_t& data) {
    lite_.read(address);
    wait("an AXI4-Lite read", [&] { return !lite_.busy(); });
    data = lite_.data();
    return lite_.response();
  }
  uint32_t get(uint8_t address) {
    uint32_t data = 0;
    if (read(address, data) != 0) fault("reading register " + std::to_string(address) + " gives an error");
    return data;
  }

  // Ticks until the condition holds; false, with a fault, when nothing moves for too long.
  bool wait(const std::string& what, const std::function<bool()>& condition) {
    quiet_ = 0;
    while (!condition()) {
      if (stuck_) return false;
      tick();
      if (sink_.partial() > design::kOutputBytes + design::kBeat) {
        stuck_ = true;
        fault("an output packet has more than " + std::to_string(design::kOutputBytes) + " bytes and does not end");
        return false;
      }
      if (++quiet_ > watchdog_) {
        stuck_ = true;
        fault("nothing moved for " + std::to_string(watchdog_) + " cycles while waiting for " + what + ": " + state());
        return false;
      }
    }
    return true;
  }
  void run(unsigned cycles) {
    for (unsigned i = 0; i < cycles; ++i) tick();
  }

  void fault(const std::string& text) {
    if (checker_) checker_->fault(text, cycle_);
    else faults_.push_back("cycle " + std::to_string(cycle_) + ": " + text);
  }

  Source& source() { return source_; }
  Sink& sink() { return sink_; }
  Memory& memory() { return memory_; }
  uint64_t cycle() const { return cycle_; }
  bool stuck() const { return stuck_; }
  bool irq() const { return top_->irq_o; }
  const std::vector<std::string>& faults() const { return faults_; }

  // Cycle of the first and last beat of each packet.
  struct Span {
    uint64_t first = 0, last = 0;
  };
  std::vector<Span> in_spans, out_spans;

 private:
  // The ports are there only where there is external memory.
  template <typename T>
  void drive_memory(T& t) {
    if constexpr (design::kExternalBytes > 0) {
      memory_.drive();
      t.m_axi_arready = memory_.arready;
      t.m_axi_rvalid = memory_.rvalid;
      t.m_axi_rlast = memory_.rlast;
      t.m_axi_rresp = memory_.rresp & 3;
      for (unsigned i = 0; i < design::kExternalBusBytes; i += 4) {
        uint32_t w = 0;
        for (unsigned j = 0; j < 4; ++j) w |= static_cast<uint32_t>(memory_.byte(i + j)) << (8 * j);
        set_word(t.m_axi_rdata, i / 4, w);
      }
    }
    if constexpr (design::kSpillBytes > 0) {
      t.m_axi_awready = memory_.awready;
      t.m_axi_wready = memory_.wready;
      t.m_axi_bvalid = memory_.bvalid;
      t.m_axi_bresp = memory_.bresp & 3;
    }
  }
  template <typename T>
  void sample_memory(T& t) {
    if constexpr (design::kExternalBytes > 0) {
      std::string wrong;
      const uint64_t beats = memory_.beats + memory_.written;
      if constexpr (design::kSpillBytes > 0) {
        Memory::Write w{static_cast<bool>(t.m_axi_awvalid), t.m_axi_awaddr, t.m_axi_awlen, t.m_axi_awsize, t.m_axi_awburst,
                        static_cast<bool>(t.m_axi_wvalid), static_cast<bool>(t.m_axi_wlast), 0, {}, static_cast<bool>(t.m_axi_bready)};
        w.strobe = static_cast<uint64_t>(t.m_axi_wstrb);
        w.data.resize(design::kExternalBusBytes);
        for (unsigned i = 0; i < design::kExternalBusBytes; ++i) w.data[i] = byte(t.m_axi_wdata, i);
        memory_.sample_write(w, wrong);
      }
      memory_.sample(t.m_axi_arvalid, t.m_axi_araddr, t.m_axi_arlen, t.m_axi_arsize, t.m_axi_arburst, t.m_axi_rready, wrong);
      if (memory_.beats + memory_.written != beats) quiet_ = 0;
      if (!wrong.empty()) fault("external memory: " + wrong);
    }
  }

  // One bit a byte: up to 64 of them.
  void set_keep(uint64_t keep) {
    for (unsigned i = 0; i < 2; ++i) set_word(top_->s_axis_tkeep, i, static_cast<uint32_t>(keep >> (32 * i)));
  }

  void observe() {
    Vtop& t = *top_;
    std::string wrong;
    const bool in_last = source_.valid() && source_.beat().last;
    if (source_.sample(t.s_axis_tready)) {
      span(in_spans, in_open_, in_last);
      quiet_ = 0;
    }
    Beat b;
    if (t.m_axis_tvalid) {
      b.data.resize(design::kBeat);
      for (unsigned i = 0; i < design::kBeat; ++i) b.data[i] = byte(t.m_axis_tdata, i);
      b.keep = static_cast<uint64_t>(t.m_axis_tkeep);
      b.last = t.m_axis_tlast;
    }
    if (sink_.sample(t.m_axis_tvalid, b, wrong)) {
      span(out_spans, out_open_, b.last);
      quiet_ = 0;
    }
    if (!wrong.empty()) fault("output stream: " + wrong);
    wrong.clear();
    lite_.sample(t.s_axil_awready, t.s_axil_wready, t.s_axil_bvalid, t.s_axil_bresp, t.s_axil_arready, t.s_axil_rvalid,
                 t.s_axil_rdata, t.s_axil_rresp, wrong);
    if (!wrong.empty()) fault("AXI4-Lite: " + wrong);
    sample_memory(t);
    trace();
  }

  void trace() {
    const Vtop___024root& r = *top_->rootp;
    if (r.O2C_ENGINE(trace_clash)) fault("a scratchpad write and a residual read claim one port in one cycle");
    if (r.O2C_POST(trace_valid)) {
      quiet_ = 0;
      if (checker_) {
        TraceBeat b;
        // The last vectors of a layer leave the trace registers while the next layer is being issued.
        const bool late = cycle_ < issued_at_ + kTraceDelay;
        b.step = late ? previous_ : step_;
        b.sample = (late && step_ == 0 ? samples_ - 1 : samples_) - 1;
        b.pixel = r.O2C_POST(trace_pixel);
        b.channel = r.O2C_POST(trace_channel);
        for (unsigned i = 0; i < design::kLanes; ++i) {
          b.acc[i] = static_cast<int32_t>(word(r.O2C_POST(trace_acc), i));
          b.q[i] = static_cast<int8_t>(byte(r.O2C_POST(trace_q), i));
          b.y[i] = static_cast<int8_t>(byte(r.O2C_POST(trace_y), i));
        }
        checker_->beat(b, cycle_);
      }
    }
    if (r.O2C_ENGINE(trace_issue)) {
      quiet_ = 0;
      previous_ = step_;
      step_ = r.O2C_ENGINE(trace_issue_layer);
      issued_at_ = cycle_;
      if (step_ == 0) ++samples_;
      if (checker_) checker_->issue(step_, cycle_);
    }
    if (r.O2C_ENGINE(trace_done)) {
      quiet_ = 0;
      if (checker_) checker_->done(cycle_);
    }
  }

  // Cycles between an issue and the first value of that layer in the trace: never fewer than the array's latency.
  static constexpr uint64_t kTraceDelay = 8;

  void span(std::vector<Span>& spans, bool& open, bool last) {
    if (!open) spans.push_back({cycle_, cycle_});
    spans.back().last = cycle_;
    open = !last;
  }

  std::string state() const {
    const Vtop& t = *top_;
    return (checker_ ? checker_->where() : std::string("engine not followed")) + "; input stream TVALID " +
           std::to_string(t.s_axis_tvalid) + " TREADY " + std::to_string(t.s_axis_tready) + ", " +
           std::to_string(source_.left()) + " beats left; output stream TVALID " + std::to_string(t.m_axis_tvalid) +
           " TREADY " + std::to_string(t.m_axis_tready) + ", " + std::to_string(sink_.partial()) +
           " bytes of a packet; engine " + (t.rootp->O2C_ENGINE(trace_busy) ? "busy" : "idle");
  }

  void dump() {
#if VM_TRACE_FST
    if (trace_) trace_->dump(time_);
#endif
    ++time_;
  }

  Options options_;
  Checker* checker_;
  Source source_;
  Sink sink_;
  Lite lite_;
  Memory memory_;
  VerilatedContext context_;
  std::unique_ptr<Vtop> top_;
#if VM_TRACE_FST
  std::unique_ptr<VerilatedFstC> trace_;
#endif
  std::vector<std::string> faults_;
  uint64_t cycle_ = 0, time_ = 0, watchdog_ = 0, quiet_ = 0, issued_at_ = 0, samples_ = 0;
  unsigned step_ = 0, previous_ = 0;
  bool stuck_ = false, in_open_ = false, out_open_ = false;
};

std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (const char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += std::string("\\") + c;
    else if (u < 32 || u == 127) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\u%04x", u);
      out += hex;
    } else out += c;
  }
  return out + "\"";
}

std::string list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); ++i) out += (i ? ", " : "") + quoted(items[i]);
  return out + "]";
}

std::string decimal(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", v);
  return text;
}

void emit(const Options& o, const std::string& json) {
  if (o.json.empty()) {
    std::fputs(json.c_str(), stdout);
    return;
  }
  std::FILE* f = std::fopen(o.json.c_str(), "w");
  if (!f || std::fputs(json.c_str(), f) < 0 || std::fclose(f) != 0) throw std::runtime_error(o.json + " can't be written");
}

// Every golden sample, back to back, with the accelerator starting by itself.
int golden(const Options& o) {
  const Npy input = load_npy(o.vectors + "/input.npy", 1);
  const Npy output = load_npy(o.vectors + "/output.npy", 1);
  const uint64_t have = input.size() / design::kInputBytes;
  const uint64_t samples = o.samples == 0 ? have : o.samples;
  if (samples == 0 || samples > have || output.size() < samples * design::kOutputBytes)
    throw std::runtime_error("there are " + std::to_string(have) + " golden samples, not " + std::to_string(samples));
  Checker checker(o.vectors, samples);
  Bench bench(o, &checker);

  const auto send = [&] {
    for (uint64_t s = 0; s < samples; ++s)
      bench.source().send(packet(&input.bytes[s * design::kInputBytes], design::kInputBytes, design::kBeat));
  };
  // With external memory the first loads come first, so that the first sample waits only for those that wait for its layers.
  constexpr bool kExternal = design::kExternalBytes > 0;
  if (!kExternal) send();
  if (bench.write(O2C_CTRL, O2C_CTRL_AUTO_MASK) != 0) bench.fault("writing CTRL gives an error");
  if (kExternal) {
    bench.wait("the first loads", [&] { return bench.memory().beats != 0 && bench.memory().quiet > 64; });
    send();
  }
  // Whether external memory is as the predicted cycles count on.
  const bool ideal = o.mem_stall == Stall::kNone && o.mem_bandwidth == 100 &&
                     (o.mem_latency == 0 || o.mem_latency == design::kExternalLatency);
  for (uint64_t s = 0; s < samples; ++s) {
    if (!bench.wait("output packet " + std::to_string(s), [&] { return !bench.sink().packets().empty(); })) break;
    checker.output(bench.sink().packets().front(), output, s, bench.cycle());
    bench.sink().packets().pop_front();
  }
  if (!bench.stuck()) bench.wait("the last sample's end", [&] { return checker.done_count() >= samples; });
  if (!bench.stuck()) bench.run(100);
  if (!bench.sink().packets().empty() || bench.sink().partial() != 0) bench.fault("output after the last packet");
  checker.finish(bench.cycle());

  const std::vector<uint64_t> first = checker.cycles(0);
  // Without stalls every sample repeats the first, but for one in which a layer has to wait until the output region of
  // the sample before it has been sent. With external memory later samples may have to wait for their first loads.
  uint64_t before_output = 0;
  for (size_t i = 0; i < design::kLayerCount && !design::kLayers[i].writes_output; ++i)
    before_output += design::kLayers[i].cycles;
  for (uint64_t s = 1; s < samples && o.stall == Stall::kNone && !kExternal && !bench.stuck(); ++s) {
    const bool waits = bench.out_spans.size() < s || bench.out_spans[s - 1].last + 64 >= checker.start(s) + before_output;
    if (!waits && checker.cycles(s) != first)
      checker.fault("without stalls the cycles of sample " + std::to_string(s) + " are not those of the first", bench.cycle());
  }
  // Nothing waits in the first sample, so its layers take what the planner predicts.
  for (size_t i = 0; i < design::kLayerCount && !first.empty() && o.stall == Stall::kNone && ideal; ++i)
    if (first[i] != design::kLayers[i].cycles)
      checker.fault(std::string(design::kLayers[i].name) + ": " + std::to_string(first[i]) + " cycles where " +
                        std::to_string(design::kLayers[i].cycles) + " are predicted", bench.cycle());
  // The first sample is issued when it is complete. Below kStart cycles the first descriptor's fetch may be what it waits for.
  constexpr uint64_t kUnpack = 2, kStart = 64;
  const uint64_t taken = !bench.in_spans.empty() ? checker.start(0) - bench.in_spans[0].first - kUnpack : 0;
  if (!first.empty() && o.stall == Stall::kNone && design::kInputCycles >= kStart && taken != design::kInputCycles)
    checker.fault("input: " + std::to_string(taken) + " cycles where " + std::to_string(design::kInputCycles) +
                      " are predicted", bench.cycle());
  uint32_t counter = 0;
  if (!bench.stuck() && !first.empty()) {
    counter = bench.get(O2C_CYCLES);
    const std::vector<uint64_t> last = checker.cycles(samples - 1);
    if (!last.empty() && counter != last.back())
      checker.fault("register CYCLES holds " + std::to_string(counter) + " where the trace counts " +
                        std::to_string(last.back()), bench.cycle());
    const uint32_t errors = bench.get(O2C_ERROR);
    if (errors != 0) checker.fault("register ERROR holds " + std::to_string(errors), bench.cycle());
    const uint32_t count = bench.get(O2C_SAMPLES);
    if (count != samples) checker.fault("register SAMPLES holds " + std::to_string(count), bench.cycle());
  }

  uint64_t macs = 0;
  for (const design::Layer& l : design::kLayers) macs += l.macs;
  const uint64_t measured = first.empty() ? 0 : first.back();
  const uint64_t interval = samples > 1 ? checker.interval(samples - 2) : 0;
  const auto length = [](const std::vector<Bench::Span>& s) { return s.empty() ? 0 : s[0].last - s[0].first + 1; };
  const auto optional = [](uint64_t v) { return v ? std::to_string(v) : std::string("null"); };

  std::string j = "{\n  \"samples\": " + std::to_string(samples);
  j += ",\n  \"mismatches\": " + std::to_string(checker.mismatches());
  const Mismatch& m = checker.first();
  if (!m.set) j += ",\n  \"first_mismatch\": null";
  else {
    j += ",\n  \"first_mismatch\": {\"layer\": " + quoted(m.layer) + ", \"index\": " + std::to_string(m.index) +
         ", \"expected\": " + std::to_string(m.expected) + ", \"got\": " +
         (m.missing ? std::string("null") : std::to_string(m.got)) + ", \"cycle\": " + std::to_string(m.cycle) +
         ", \"sample\": " + std::to_string(m.sample) + ", \"stage\": " + quoted(m.stage) +
         ", \"channel\": " + std::to_string(m.channel) + ", \"row\": " + std::to_string(m.row) +
         ", \"column\": " + std::to_string(m.column) + "}";
  }
  j += ",\n  \"cycles\": {\"predicted\": " + std::to_string(design::kCycles) + ", \"measured\": " + optional(measured) + "}";
  j += ",\n  \"macs\": " + std::to_string(macs);
  j += ",\n  \"macs_per_cycle\": " + decimal(measured ? static_cast<double>(macs) / static_cast<double>(measured) : 0);
  j += ",\n  \"efficiency\": " +
       decimal(measured ? static_cast<double>(macs) / static_cast<double>(measured) / design::kMultipliers : 0);
  j += ",\n  \"layers\": [";
  for (size_t i = 0; i < design::kLayerCount; ++i) {
    const design::Layer& l = design::kLayers[i];
    j += std::string(i ? "," : "") + "\n    {\"name\": " + quoted(l.name) + ", \"op\": " + quoted(l.op) +
         ", \"macs\": " + std::to_string(l.macs) + ", \"cycles_predicted\": " + std::to_string(l.cycles) +
         ", \"cycles_measured\": " + (i < first.size() ? std::to_string(first[i]) : std::string("null")) +
         ", \"mismatches\": " + std::to_string(checker.mismatches(i)) + "}";
  }
  j += "\n  ],\n  \"stream_mismatches\": " + std::to_string(checker.stream_mismatches());
  j += ",\n  \"values_compared\": " + std::to_string(checker.compared());
  j += ",\n  \"faults\": " + list(checker.faults());
  j += ",\n  \"stall\": " + quoted(stall_name(o.stall)) + ",\n  \"seed\": " + std::to_string(o.seed);
  j += ",\n  \"transfer_cycles\": {\"input\": " + optional(length(bench.in_spans)) +
       ", \"output\": " + optional(length(bench.out_spans)) + "}";
  if (kExternal) {
    const Memory& m = bench.memory();
    const uint64_t span = m.beats ? m.last_beat - m.first_beat + 1 : 0;
    j += ",\n  \"external\": {\"beats\": " + std::to_string(m.beats) + ", \"beats_written\": " + std::to_string(m.written) +
         ", \"bytes\": " +
         std::to_string(m.beats * design::kExternalBusBytes) + ", \"busy\": " +
         decimal(span ? static_cast<double>(m.beats) / static_cast<double>(span) : 0) + ", \"latency\": " +
         std::to_string(o.mem_latency ? o.mem_latency : design::kExternalLatency) + ", \"bandwidth\": " +
         std::to_string(o.mem_bandwidth) + ", \"stall\": " + quoted(stall_name(o.mem_stall)) + "}";
  }
  j += ",\n  \"interval\": " + optional(interval) + ",\n  \"cycles_register\": " + optional(counter);
  j += ",\n  \"cycles_simulated\": " + std::to_string(bench.cycle()) + "\n}\n";
  emit(o, j);

  if (m.set) {
    std::fprintf(stderr, "first difference: layer %s, channel %u, row %u, column %u (%s): expected %" PRId64 ", ",
                 m.layer.c_str(), m.channel, m.row, m.column, m.stage.c_str(), m.expected);
    if (m.missing) std::fprintf(stderr, "never seen");
    else std::fprintf(stderr, "got %" PRId64 " in cycle %" PRIu64, m.got, m.cycle);
    std::fprintf(stderr, ", sample %" PRIu64 "\n", m.sample);
  }
  for (const std::string& f : checker.faults()) std::fprintf(stderr, "fault: %s\n", f.c_str());
  return m.set || checker.mismatches() != 0 || checker.fault_count() != 0 ? 1 : 0;
}

}  // namespace bench

#include "protocol.h"

int main(int argc, char** argv) {
  const bench::Options options = bench::parse(argc, argv);
  try {
    for (const char* path : design::kMemories)
      if (!std::ifstream(path)) throw std::runtime_error(std::string(path) + " can't be opened; run from the folder's root");
    return options.protocol ? bench::protocol(options) : bench::golden(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 2;
  }
}
