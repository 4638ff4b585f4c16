// o2c_dma against a memory and a scratchpad: the cases of dma_cases.txt on ideal ones, cycle by cycle, then with random waits,
// errors and resets. Every word and every beat that is written is compared, every request is held against AXI4. Arguments:
// rounds of waits, seed.
#include <fstream>
#include <map>
#include <sstream>

#include "bench.h"

#include "Vtop.h"
#include "Vtop___024root.h"

static const unsigned BYTES = P_BUS_W / 8;
static const unsigned WORD_BITS[4] = {P_WEIGHT_W, P_PARAM_W, 8 * P_W, 8 * P_W};

struct Command {
  uint64_t offset, first, kind, words, token, wait, columns, planes, step, seen[2];
  unsigned bits() const { return WORD_BITS[kind]; }
  unsigned beats() const { return (bits() + P_BUS_W - 1) / P_BUS_W; }
  // Where its n-th word is.
  uint32_t word(uint64_t n) const {
    if (kind < 2) return (first + n) & 0xFFFFFF;
    const uint64_t column = n % (columns + 1), plane = n / (columns + 1) % (planes + 1), row = n / (columns + 1) / (planes + 1);
    return (first + row * (columns + 1) + plane * step + column) & 0xFFFFFF;
  }
};
struct Case {
  unsigned latency = 0;
  // The scratchpad's port is another's in the first `others` of every `period` cycles.
  unsigned period = 1, others = 0;
  std::vector<uint64_t> steps;
  std::vector<Command> commands;
};

static std::vector<Case> load() {
  std::ifstream file("testbench/unit/dma_cases.txt");
  std::vector<Case> cases;
  std::string line, word;
  bool mine = false;
  while (std::getline(file, line)) {
    std::istringstream in(line);
    in >> word;
    if (word == "case") {
      unsigned v[9];
      for (unsigned& n : v) in >> n;
      mine = v[0] == P_BUS_W && v[1] == P_BURST && v[2] == P_OUTSTANDING && v[3] == P_WEIGHT_W && v[4] == P_PARAM_W &&
             v[5] == P_SPILL * P_W;
      if (!mine) continue;
      cases.emplace_back();
      cases.back().latency = v[6], cases.back().period = v[7], cases.back().others = v[8];
    } else if (mine && word == "steps") {
      for (uint64_t n; in >> n;) cases.back().steps.push_back(n);
    } else if (mine && word == "command") {
      Command c;
      in >> c.offset >> c.first >> c.kind >> c.words >> c.token >> c.wait >> c.columns >> c.planes >> c.step >> c.seen[0] >> c.seen[1];
      CHECK(!in.fail(), "dma_cases.txt: %s", line.c_str());
      cases.back().commands.push_back(c);
    }
  }
  CHECK(!cases.empty(), "dma_cases.txt has no case for these parameters");
  for (const Case& c : cases) CHECK(c.commands.size() == P_NCMDS, "a case has %zu commands", c.commands.size());
  return cases;
}

class Bench {
 public:
  Bench(const Case& c, uint64_t seed, bool ideal) : case_(c), random_(seed), ideal_(ideal) {
    base_ = random_.below(1ull << 40) << 12;
    top.eval();
    for (unsigned i = 0; i < P_NCMDS; ++i) {
      const Command& command = c.commands[i];
      auto& word = top.rootp->o2c_dma__DOT__u_commands__DOT__mem[i];
      word[0] = static_cast<uint32_t>(command.offset);
      word[1] = static_cast<uint32_t>(command.first);
      word[1] |= static_cast<uint32_t>(command.kind << 30);
      word[2] = static_cast<uint32_t>(command.words);
      word[3] = static_cast<uint32_t>(command.token | command.wait << 16);
#if P_SPILL
      word[4] = static_cast<uint32_t>(command.columns | command.planes << 16);
      word[5] = static_cast<uint32_t>(command.step);
#endif
    }
    top.rst_ni = 0;
    top.clear_i = 1;
    for (int i = 0; i < 4; ++i) cycle();
    top.rst_ni = 1;
    restart();
  }
  Vtop top;
  uint64_t now = 0, words = 0, tokens = 0, written = 0, held = 0;

  /// Commands begin again.
  void restart() {
    top.clear_i = 0;
    now = next_step_ = expected_ = 0;
    word_at_ = beat_at_ = 0;
    token_cycles.clear();
  }
  std::vector<uint64_t> token_cycles;

  void cycle() {
    top.run_i = now == 40;
    for (unsigned b = 0; b < 8; ++b) set_byte(top.base_i, b, static_cast<uint8_t>(base_ >> (8 * b)));
    top.step_i = !top.clear_i && next_step_ < case_.steps.size() && case_.steps[next_step_] <= now;
    next_step_ += top.step_i;
    // Memory. A beat that is offered stays.
    top.m_axi_arready_i = ideal_ || random_.chance(pace_);
    if (!offered_) offered_ = !requests_.empty() && time_ >= requests_.front().ready && (ideal_ || random_.chance(pace_));
    top.m_axi_rvalid_i = offered_;
    top.m_axi_rlast_i = offered_ && requests_.front().left == 1;
    for (unsigned b = 0; b < BYTES; ++b)
      set_byte(top.m_axi_rdata_i, b, offered_ ? content(requests_.front().address + b) : static_cast<uint8_t>(random_.next()));
    const bool bad = offered_ && !ideal_ && bad_beat(requests_.front().address);
    top.m_axi_rresp_i = bad ? 2 + (requests_.front().left & 1) : 0;
    top.m_axi_awready_i = ideal_ || random_.chance(pace_);
    top.m_axi_wready_i = ideal_ || random_.chance(pace_);
    if (!responds_) responds_ = !responses_.empty() && time_ >= responses_.front() && (ideal_ || random_.chance(pace_));
    const bool bad_write = responds_ && !top.m_axi_bvalid_i ? !ideal_ && random_.chance(20) : responds_ && top.m_axi_bresp_i > 1;
    top.m_axi_bvalid_i = responds_;
    top.m_axi_bresp_i = bad_write ? 2 + (words & 1) : 0;
    // Scratchpad.
    top.spill_ready_i = ideal_ ? now % case_.period >= case_.others : random_.chance(port_pace_);
    const auto& read = reads_[time_ % 2];
    for (unsigned b = 0; b < P_W; ++b)
      set_byte(top.spill_data_i, b, read.empty() ? static_cast<uint8_t>(random_.next()) : read[b]);
    top.clk_i = 0;
    top.eval();
    reads_[time_ % 2].clear();
    if (top.rst_ni) observe(bad, bad_write);
    top.clk_i = 1;
    top.eval();
    ++now;
    ++time_;
    CHECK(++quiet_ < 20000, "nothing moves: command %u", expected_);
  }

 private:
  struct Request {
    uint64_t address, ready;
    unsigned left;
  };

  static uint8_t mixed(uint64_t n) {
    uint64_t z = (n + 1) * 0x9E3779B97F4A7C15ull;
    return static_cast<uint8_t>((z ^ (z >> 29)) * 0xBF58476D1CE4E5B9ull >> 56);
  }
  uint8_t content(uint64_t address) const {
    const auto found = stored_.find(address);
    return found != stored_.end() ? found->second : mixed(address);
  }
  uint8_t scratchpad(uint32_t word, unsigned byte) const {
    const auto found = loaded_.find(word);
    return found != loaded_.end() ? found->second[byte] : mixed((1ull << 50) + word * 512ull + byte);
  }
  static bool bad_beat(uint64_t address) { return (address / BYTES) % 61 == 7; }

  void observe(bool bad, bool bad_write) {
    // Requests.
    if (waiting_)
      CHECK(top.m_axi_arvalid_o && top.m_axi_araddr_o == held_address_ && top.m_axi_arlen_o == held_length_,
            "the request changed before it was accepted");
    waiting_ = top.m_axi_arvalid_o && !top.m_axi_arready_i;
    held_address_ = top.m_axi_araddr_o;
    held_length_ = top.m_axi_arlen_o;
    if (top.m_axi_arvalid_o) {
      const uint64_t address = top.m_axi_araddr_o, length = (top.m_axi_arlen_o + 1u) * BYTES;
      CHECK(1u << top.m_axi_arsize_o == BYTES && top.m_axi_arburst_o == 1, "arsize or arburst");
      CHECK(address % BYTES == 0 && address / 4096 == (address + length - 1) / 4096, "a burst crosses 4 KiB");
      CHECK(top.m_axi_arlen_o < P_BURST, "a burst is too long");
    }
    // Data: taken always, unless a word waits for the scratchpad.
    const bool full = top.spill_valid_o && top.spill_we_o && !top.spill_ready_i;
    CHECK(requests_.empty() || top.m_axi_rready_o == !full, "RREADY is %d with data outstanding", top.m_axi_rready_o);
    held += full;
    CHECK(top.drained_o == (requests_.empty() && !top.m_axi_arvalid_o && write_state() == 0), "drained");
    CHECK(static_cast<bool>(top.error_o) == error_due_, "error_o");
    error_due_ = (bad && offered_ && top.m_axi_rready_o) || (bad_write && responds_ && top.m_axi_bready_o);
    // Words, before the beats of this cycle change the memory.
    observe_words();
    if (offered_ && top.m_axi_rready_o) {
      Request& r = requests_.front();
      r.address += BYTES;
      if (--r.left == 0) requests_.pop_front();
      offered_ = false;
    }
    if (top.m_axi_arvalid_o && top.m_axi_arready_i) {
      const uint64_t ready = time_ + case_.latency + (ideal_ ? 0 : random_.below(20));
      requests_.push_back({top.m_axi_araddr_o, ready, top.m_axi_arlen_o + 1u});
      CHECK(requests_.size() <= P_OUTSTANDING, "too many bursts are outstanding");
    }
    observe_writes();
    // Tokens come with the last word; of a command without words at any time after those before it.
    if (top.load_done_o) {
      quiet_ = 0;
      ++tokens;
      token_cycles.push_back(now + 1);
    }
    while (command().words == 0 && token_count() < token_cycles.size()) finish();
    CHECK(token_cycles.size() <= token_count(), "a token before its command's end: command %u", expected_);
  }
  /// Words into the memories, and out of the scratchpad.
  void observe_words() {
    CHECK(!top.we_weight_o || !top.we_param_o, "two memories are written");
    const bool into = top.spill_valid_o && top.spill_we_o && top.spill_ready_i;
    if (spill_waiting_ && !top.clear_i)
      CHECK(top.spill_valid_o && top.spill_we_o == spill_we_ && top.spill_addr_o == spill_addr_, "a word was withdrawn");
    spill_waiting_ = top.spill_valid_o && !top.spill_ready_i;
    spill_we_ = top.spill_we_o;
    spill_addr_ = top.spill_addr_o;
    if (top.we_weight_o || top.we_param_o || into) {
      quiet_ = 0;
      CHECK(top.we_weight_o + top.we_param_o + into == 1, "two memories are written");
      while (command().words == 0) finish();
      const Command& c = command();
      const uint64_t kind = into ? 2 : top.we_param_o;
      CHECK(kind == c.kind, "command %u: the wrong memory", expected_);
      const uint32_t to = into ? top.spill_addr_o : top.waddr_o;
      CHECK(to == c.word(word_at_), "command %u: word %u", expected_, to);
      const uint64_t from = base_ + c.offset + word_at_ * c.beats() * BYTES;
      std::vector<uint8_t> word(P_W);
      for (unsigned i = 0; i < c.bits(); ++i) {
        const bool got = into ? bit_of(top.spill_data_o, i) : kind ? bit_of(top.param_o, i) : bit_of(top.weight_o, i);
        CHECK(got == (content(from + i / 8) >> (i % 8) & 1), "command %u: bit %u of a word", expected_, i);
        if (into) word[i / 8] |= static_cast<uint8_t>(got << (i % 8));
      }
      if (into) loaded_[to] = word;
      ++words;
      if (++word_at_ == c.words) finish();
    }
    if (top.spill_valid_o && !top.spill_we_o && top.spill_ready_i && !top.clear_i) {
      while (command().words == 0) finish();
      const Command& c = command();
      CHECK(c.kind == 3 && word_at_ < c.words && top.spill_addr_o == c.word(word_at_), "command %u: reads word %u", expected_,
            static_cast<unsigned>(top.spill_addr_o));
      auto& read = reads_[time_ % 2];
      read.resize(P_W);
      for (unsigned i = 0; i < P_W; ++i) read[i] = scratchpad(top.spill_addr_o, i);
      ++word_at_;
      quiet_ = 0;
    }
  }

  /// Bursts that are written and have no response yet, the one on the bus among them.
  size_t write_state() const { return responses_.size() + writes_.size() + top.m_axi_awvalid_o; }

  void observe_writes() {
    if (aw_waiting_)
      CHECK(top.m_axi_awvalid_o && top.m_axi_awaddr_o == aw_address_ && top.m_axi_awlen_o == aw_length_,
            "the written burst changed before it was accepted");
    aw_waiting_ = top.m_axi_awvalid_o && !top.m_axi_awready_i;
    aw_address_ = top.m_axi_awaddr_o;
    aw_length_ = top.m_axi_awlen_o;
    if (top.m_axi_awvalid_o) {
      const uint64_t address = top.m_axi_awaddr_o, length = (top.m_axi_awlen_o + 1u) * BYTES;
      CHECK(1u << top.m_axi_awsize_o == BYTES && top.m_axi_awburst_o == 1, "awsize or awburst");
      CHECK(address % BYTES == 0 && address / 4096 == (address + length - 1) / 4096, "a written burst crosses 4 KiB");
      CHECK(top.m_axi_awlen_o < P_BURST, "a written burst is too long");
      const bool at_end = (address / BYTES + top.m_axi_awlen_o + 1) % P_BURST == 0 || (address + length) % 4096 == 0;
      CHECK(top.clear_i || at_end || address + length == end_of_store(), "a written burst ends too early");
    }
    std::vector<uint8_t> data(BYTES);
    for (unsigned i = 0; i < BYTES; ++i) data[i] = byte_of(top.m_axi_wdata_o, i);
    if (w_waiting_)
      CHECK(top.m_axi_wvalid_o && top.m_axi_wlast_o == w_last_ && data == w_data_, "data changed before they were accepted");
    w_waiting_ = top.m_axi_wvalid_o && !top.m_axi_wready_i;
    w_last_ = top.m_axi_wlast_o;
    w_data_ = data;
    for (unsigned i = 0; i < BYTES; ++i) CHECK(bit_of(top.m_axi_wstrb_o, i), "wstrb");
    // No response before the address, whose burst's data may have come.
    if (responds_) {
      CHECK(top.m_axi_bready_o, "BREADY is low with a response due");
      responses_.pop_front();
      responds_ = false;
      quiet_ = 0;
      if (!top.clear_i && responses_.empty() && writes_.empty() && !top.m_axi_awvalid_o && beat_at_ == command().words * command().beats()) {
        beat_at_ = 0;
        finish();
      }
    }
    if (top.m_axi_awvalid_o && top.m_axi_awready_i) {
      writes_.push_back({top.m_axi_awaddr_o, 0, top.m_axi_awlen_o + 1u});
      CHECK(writes_.size() + responses_.size() <= P_OUTSTANDING, "too many written bursts are outstanding");
    }
    if (top.m_axi_wvalid_o && top.m_axi_wready_i) {
      ++written;
      quiet_ = 0;
      if (!top.clear_i) {
        const Command& c = command();
        CHECK(c.kind == 3 && beat_at_ < c.words * c.beats(), "command %u: a beat too many", expected_);
        const uint32_t word = c.word(beat_at_ / c.beats());
        const unsigned part = static_cast<unsigned>(beat_at_ % c.beats()) * BYTES;
        for (unsigned i = 0; i < BYTES; ++i)
          CHECK(data[i] == (part + i < P_W ? scratchpad(word, part + i) : 0), "command %u: byte %u of beat %u", expected_, i,
                static_cast<unsigned>(beat_at_));
        ++beat_at_;
      }
      taken_.push_back({data, static_cast<bool>(top.m_axi_wlast_o)});
    }
    while (!taken_.empty() && !writes_.empty()) {
      Request& r = writes_.front();
      CHECK(taken_.front().last == (r.left == 1), "wlast");
      if (!top.clear_i) {
        const uint64_t index = beat_at_ - taken_.size();
        CHECK(r.address == base_ + command().offset + index * BYTES, "command %u: a beat's address", expected_);
      }
      for (unsigned i = 0; i < BYTES; ++i) stored_[r.address + i] = taken_.front().data[i];
      taken_.pop_front();
      r.address += BYTES;
      if (--r.left == 0) {
        writes_.pop_front();
        responses_.push_back(time_ + case_.latency + (ideal_ ? 0 : random_.below(20)));
      }
    }
    CHECK(taken_.empty() || top.m_axi_awvalid_o, "data before their burst's address is on the bus");
  }
  /// Of the next store: a word of the load before it may still wait when its first address is out.
  uint64_t end_of_store() const {
    unsigned i = expected_;
    while (case_.commands[i % P_NCMDS].kind != 3 || case_.commands[i % P_NCMDS].words == 0) ++i;
    const Command& c = case_.commands[i % P_NCMDS];
    return base_ + c.offset + c.words * c.beats() * BYTES;
  }

  const Command& command() const { return case_.commands[expected_ % P_NCMDS]; }
  void finish() {
    ++expected_;
    word_at_ = 0;
  }
  /// Tokens of the commands that have ended.
  size_t token_count() const {
    size_t n = 0;
    for (unsigned i = 0; i < expected_; ++i) n += case_.commands[i % P_NCMDS].token;
    return n;
  }

 public:
  unsigned pace_ = 50, port_pace_ = 50;

 private:
  const Case& case_;
  Random random_;
  bool ideal_;
  uint64_t base_ = 0, time_ = 0, quiet_ = 0, held_address_ = 0;
  unsigned held_length_ = 0;
  size_t next_step_ = 0;
  unsigned expected_ = 0;
  uint64_t word_at_ = 0;
  std::deque<Request> requests_;
  bool offered_ = false, waiting_ = false, error_due_ = false;
  // Written: bursts whose address is accepted, beats before it, responses and when they are due.
  struct Data {
    std::vector<uint8_t> data;
    bool last;
  };
  std::deque<Request> writes_;
  std::deque<Data> taken_;
  std::deque<uint64_t> responses_;
  std::map<uint64_t, uint8_t> stored_;
  bool responds_ = false, aw_waiting_ = false, w_waiting_ = false, w_last_ = false;
  uint64_t aw_address_ = 0, beat_at_ = 0;
  unsigned aw_length_ = 0;
  std::vector<uint8_t> w_data_;
  // The scratchpad's words that were loaded, and those on their way out.
  std::map<uint32_t, std::vector<uint8_t>> loaded_;
  std::vector<uint8_t> reads_[2];
  bool spill_waiting_ = false, spill_we_ = false;
  uint32_t spill_addr_ = 0;
};

/// Both samples; every token is there and, if asked for, in its cycle.
static void run(Bench& bench, const Case& c, bool timed, const char* what) {
  std::vector<uint64_t> want;
  for (int sample = 0; sample < 2; ++sample)
    for (const Command& command : c.commands)
      if (command.token) want.push_back(command.seen[sample]);
  while (bench.token_cycles.size() < want.size()) bench.cycle();
  for (int i = 0; i < 3; ++i) bench.cycle();
  for (size_t i = 0; timed && i < want.size(); ++i)
    CHECK(bench.token_cycles[i] == want[i], "%s: token %zu in cycle %llu where %llu is predicted", what, i,
          static_cast<unsigned long long>(bench.token_cycles[i]), static_cast<unsigned long long>(want[i]));
}

int main(int argc, char** argv) {
  const uint64_t rounds = argument(argc, argv, 1, 3), seed = argument(argc, argv, 2, 1);
  const std::vector<Case> cases = load();
  Random random(seed);
  uint64_t words = 0, tokens = 0, written = 0, held = 0;
  for (const Case& c : cases) {
    {
      Bench bench(c, random.next(), true);
      run(bench, c, true, "ideal memory");
      words += bench.words, tokens += bench.tokens, written += bench.written, held += bench.held;
    }
    for (uint64_t round = 0; round < rounds; ++round) {
      const bool ideal = round == 0;
      Bench bench(c, random.next(), ideal);
      bench.pace_ = round % 2 ? 50 : 15;
      bench.port_pace_ = round % 3 ? 30 : 80;
      // A reset somewhere in the middle, held until everything is here.
      const uint64_t cut = 41 + random.below(600);
      for (uint64_t i = 0; i < cut; ++i) bench.cycle();
      bench.top.clear_i = 1;
      do bench.cycle();
      while (!bench.top.drained_o);
      for (int i = 0; i < 3; ++i) bench.cycle();
      bench.restart();
      run(bench, c, ideal, "after a reset");
      words += bench.words, tokens += bench.tokens, written += bench.written, held += bench.held;
    }
  }
  CHECK(!P_SPILL || (written && held), "nothing was stored, or no word had to wait");
  std::printf("%zu cases, %llu words, %llu beats written, %llu tokens\n", cases.size(), static_cast<unsigned long long>(words),
              static_cast<unsigned long long>(written), static_cast<unsigned long long>(tokens));
  return 0;
}
