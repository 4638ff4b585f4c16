// Negative tests: packets of wrong length, wrong register accesses, starts by hand, interrupts, soft reset.
//
// After each the accelerator must still give a golden sample. Included by harness.cpp, after Bench.
#pragma once

namespace bench {

class Protocol {
 public:
  explicit Protocol(const Options& options)
      : options_(options), input_(load_npy(options.vectors + "/input.npy", 1)),
        output_(load_npy(options.vectors + "/output.npy", 1)) {}

  int run() {
    test("identity", [&](Bench& b) {
      b.run(40);  // the engine's own reset lasts a little longer
      check(b, b.get(O2C_ID) == O2C_ID_VALUE, "ID");
      check(b, b.get(O2C_LAYERS) == design::kStepCount, "LAYERS");
      const uint32_t caps = b.get(O2C_CAPS);
      for (const design::Param& p : design::kParams) {
        const std::string name = p.name;
        if (name == "P") check(b, 1ll << (caps >> O2C_CAPS_LOG2_P_SHIFT & 15) == p.value, "CAPS.log2_p");
        if (name == "C") check(b, 1ll << (caps >> O2C_CAPS_LOG2_C_SHIFT & 15) == p.value, "CAPS.log2_c");
        if (name == "K") check(b, 1ll << (caps >> O2C_CAPS_LOG2_K_SHIFT & 15) == p.value, "CAPS.log2_k");
      }
      check(b, b.get(O2C_STATUS) == 0 && b.get(O2C_ERROR) == 0, "STATUS and ERROR are 0 after reset");
    });
    test("bad accesses", [&](Bench& b) {
      uint32_t data = 0;
      check(b, b.read(0xfc, data) == 2, "reading where no register is gives SLVERR");
      check(b, b.get(O2C_ERROR) == O2C_ERROR_BAD_ACCESS_MASK, "ERROR.bad_access after the read");
      check(b, b.write(O2C_ERROR, O2C_ERROR_BAD_ACCESS_MASK) == 0 && b.get(O2C_ERROR) == 0, "it is cleared by writing 1");
      check(b, b.write(O2C_ID, 1) == 2, "writing a read-only register gives SLVERR");
      check(b, b.write(0xfc, 1) == 2, "writing where no register is gives SLVERR");
      check(b, b.get(O2C_ERROR) == O2C_ERROR_BAD_ACCESS_MASK, "ERROR.bad_access after the write");
      check(b, b.get(O2C_IRQ_STATUS) & O2C_IRQ_STATUS_ERROR_MASK, "IRQ_STATUS.error");
      check(b, b.write(O2C_IRQ_ENABLE, 3, 14) == 0 && b.get(O2C_IRQ_ENABLE) == 0, "WSTRB 0 leaves the byte");
      check(b, !b.irq(), "no interrupt that is not enabled");
      check(b, b.write(O2C_IRQ_ENABLE, 3) == 0 && b.get(O2C_IRQ_ENABLE) == 3, "IRQ_ENABLE holds what was written");
      b.run(4);
      check(b, b.irq(), "the error raises the interrupt");
      b.write(O2C_ERROR, ~0u);
      b.write(O2C_IRQ_STATUS, ~0u);
      b.run(4);
      check(b, !b.irq(), "writing 1 clears it");
    });
    test("start by hand", [&](Bench& b) {
      send(b, 0);
      send(b, 0);
      b.run(200);
      check(b, b.get(O2C_SAMPLES) == 0 && b.sink().packets().empty(), "nothing runs without a start");
      b.write(O2C_IRQ_ENABLE, O2C_IRQ_ENABLE_DONE_MASK);
      b.write(O2C_CTRL, O2C_CTRL_START_MASK);
      receive(b, 0);
      check(b, b.irq(), "the interrupt is raised");
      b.write(O2C_IRQ_STATUS, O2C_IRQ_STATUS_DONE_MASK);
      b.run(500);
      check(b, !b.irq() && b.sink().packets().empty() && b.get(O2C_SAMPLES) == 1, "one start is one sample");
      b.write(O2C_CTRL, O2C_CTRL_START_MASK);
      receive(b, 0);
    });
    test("short packet", [&](Bench& b) {
      b.write(O2C_CTRL, O2C_CTRL_AUTO_MASK);
      std::vector<size_t> lengths = {design::kInputBytes - 1, (design::kInputBytes + 1) / 2};
      // At the end of a tensor that others follow, and a byte later.
      for (const design::Tensor& t : design::kInputs)
        if (t.offset > 0) lengths.insert(lengths.end(), {t.offset, t.offset + 1});
      for (const size_t bytes : lengths) {
        if (bytes == 0 || bytes >= design::kInputBytes) continue;
        // None of its bytes is the next sample's.
        std::vector<uint8_t> other(&input_.bytes[0], &input_.bytes[0] + bytes);
        for (uint8_t& byte : other) byte ^= 0x55;
        b.source().send(packet(other.data(), bytes, design::kBeat));
        b.wait("the short packet to be taken", [&] { return b.source().idle(); });
        b.run(256 * design::kBeat + 64);  // bytes on their way, each of which may complete a window of many words
        check(b, b.get(O2C_ERROR) == O2C_ERROR_SHORT_PACKET_MASK, "ERROR.short_packet");
        b.write(O2C_ERROR, ~0u);
        send(b, 0);
        receive(b, 0);
        check(b, b.get(O2C_ERROR) == 0, "no further error");
      }
      check(b, b.sink().packets().empty(), "no output of the short packets");
    });
    test("long packet", [&](Bench& b) {
      b.write(O2C_CTRL, O2C_CTRL_AUTO_MASK);
      for (const size_t extra : {size_t{1}, size_t{3} * design::kBeat}) {
        std::vector<uint8_t> bytes(&input_.bytes[0], &input_.bytes[0] + design::kInputBytes);
        bytes.resize(bytes.size() + extra, 0x55);
        b.source().send(packet(bytes.data(), bytes.size(), design::kBeat));
        receive(b, 0);  // the sample itself is taken
        b.wait("the long packet to be taken", [&] { return b.source().idle(); });
        b.run(256 * design::kBeat + 64);  // bytes on their way, each of which may complete a window of many words
        check(b, b.get(O2C_ERROR) == O2C_ERROR_LONG_PACKET_MASK, "ERROR.long_packet");
        b.write(O2C_ERROR, ~0u);
        send(b, 0);
        receive(b, 0);
        check(b, b.get(O2C_ERROR) == 0, "no further error");
      }
    });
    test("soft reset", [&](Bench& b) {
      b.write(O2C_CTRL, O2C_CTRL_AUTO_MASK);
      send(b, 0);
      b.wait("the packet to be taken", [&] { return b.source().idle(); });
      b.run(static_cast<unsigned>(design::kCycles / 2));
      b.write(O2C_CTRL, O2C_CTRL_SOFT_RESET_MASK);
      b.wait("the reset", [&] { return (b.get(O2C_STATUS) & O2C_STATUS_RESETTING_MASK) == 0 || b.stuck(); });
      b.sink().forget();
      check(b, b.get(O2C_SAMPLES) == 0, "SAMPLES is 0 again");
      b.write(O2C_CTRL, O2C_CTRL_AUTO_MASK);
      send(b, 0);
      receive(b, 0);
      check(b, b.get(O2C_SAMPLES) == 1, "the next sample runs");
    });
    if (design::kExternalBytes > 0)
      test("external memory", [&](Bench& b) {
        check(b, b.get(O2C_EXT_BASE_LO) == static_cast<uint32_t>(kExternalBase), "EXT_BASE_LO holds what was written");
        check(b, b.get(O2C_EXT_BASE_HI) == static_cast<uint32_t>(kExternalBase >> 32), "EXT_BASE_HI likewise");
        b.memory().broken = true;
        b.write(O2C_CTRL, O2C_CTRL_AUTO_MASK);
        b.wait("a beat", [&] { return b.memory().beats != 0; });
        b.run(4);
        check(b, b.get(O2C_ERROR) == O2C_ERROR_BUS_MASK, "ERROR.bus");
        check(b, b.get(O2C_IRQ_STATUS) & O2C_IRQ_STATUS_ERROR_MASK, "IRQ_STATUS.error");
        b.write(O2C_CTRL, O2C_CTRL_SOFT_RESET_MASK);
        b.wait("the reset", [&] { return (b.get(O2C_STATUS) & O2C_STATUS_RESETTING_MASK) == 0 || b.stuck(); });
        check(b, b.memory().idle(), "the reset waits for what is under way");
        b.memory().broken = false;
        b.write(O2C_ERROR, ~0u);
        b.write(O2C_CTRL, O2C_CTRL_AUTO_MASK);
        send(b, 0);
        receive(b, 0);
        check(b, b.get(O2C_ERROR) == 0, "no further error");
      });

    std::string j = "{\n  \"tests\": " + std::to_string(tests_) + ",\n  \"checks\": " + std::to_string(checks_) +
                    ",\n  \"stall\": " + quoted(stall_name(options_.stall)) + ",\n  \"results\": [" + results_ +
                    "],\n  \"failures\": " + list(failures_) + "\n}\n";
    emit(options_, j);
    for (const std::string& f : failures_) std::fprintf(stderr, "failure: %s\n", f.c_str());
    return failures_.empty() ? 0 : 1;
  }

 private:
  template <typename F>
  void test(const std::string& name, F body) {
    const unsigned checks = checks_;
    const size_t failures = failures_.size();
    now_ = name;
    Bench bench(options_, nullptr);
    body(bench);
    for (const std::string& f : bench.faults()) failures_.push_back(name + ": " + f);
    results_ += std::string(tests_ ? "," : "") + "\n    {\"name\": " + quoted(name) +
                ", \"checks\": " + std::to_string(checks_ - checks) +
                ", \"failures\": " + std::to_string(failures_.size() - failures) + "}";
    ++tests_;
  }
  void check(Bench& b, bool good, const std::string& what) {
    ++checks_;
    if (!good) failures_.push_back(now_ + ": cycle " + std::to_string(b.cycle()) + ": not true: " + what);
  }
  void send(Bench& b, size_t sample) {
    b.source().send(packet(&input_.bytes[sample * design::kInputBytes], design::kInputBytes, design::kBeat));
  }
  void receive(Bench& b, size_t sample) {
    if (!b.wait("an output packet", [&] { return !b.sink().packets().empty(); })) return;
    const std::vector<uint8_t>& got = b.sink().packets().front();
    const auto from = output_.bytes.begin() + static_cast<std::ptrdiff_t>(sample * design::kOutputBytes);
    check(b, got.size() == design::kOutputBytes && std::equal(got.begin(), got.end(), from), "the output is golden");
    b.sink().packets().pop_front();
  }

  Options options_;
  Npy input_, output_;
  std::string now_, results_;
  unsigned tests_ = 0, checks_ = 0;
  std::vector<std::string> failures_;
};

inline int protocol(const Options& o) { return Protocol(o).run(); }

}  // namespace bench
