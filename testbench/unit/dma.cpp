// o2c_dma against a memory: the cases of dma_cases.txt on an ideal one, cycle by cycle, then with random waits, errors and
// resets. Every word that is written is compared, every request is held against AXI4. Arguments: rounds of waits, seed.
#include <fstream>
#include <sstream>

#include "bench.h"

#include "Vtop.h"
#include "Vtop___024root.h"

static const unsigned BYTES = P_BUS_W / 8;
static const unsigned WORD_BITS[2] = {P_WEIGHT_W, P_PARAM_W};

struct Command {
  uint64_t offset, first, dest, words, token, wait, seen[2];
};
struct Case {
  unsigned latency = 0;
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
      unsigned v[6];
      for (unsigned& n : v) in >> n;
      mine = v[0] == P_BUS_W && v[1] == P_BURST && v[2] == P_OUTSTANDING && v[3] == P_WEIGHT_W && v[4] == P_PARAM_W;
      if (mine) cases.emplace_back(), cases.back().latency = v[5];
    } else if (mine && word == "steps") {
      for (uint64_t n; in >> n;) cases.back().steps.push_back(n);
    } else if (mine && word == "command") {
      Command c;
      in >> c.offset >> c.first >> c.dest >> c.words >> c.token >> c.wait >> c.seen[0] >> c.seen[1];
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
      word[1] = static_cast<uint32_t>(command.first | command.dest << 31);
      word[2] = static_cast<uint32_t>(command.words);
      word[3] = static_cast<uint32_t>(command.token | command.wait << 16);
    }
    top.rst_ni = 0;
    top.clear_i = 1;
    for (int i = 0; i < 4; ++i) cycle();
    top.rst_ni = 1;
    restart();
  }
  Vtop top;
  uint64_t now = 0, words = 0, tokens = 0;

  /// Commands begin again.
  void restart() {
    top.clear_i = 0;
    now = next_step_ = expected_ = 0;
    word_at_ = 0;
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
    top.clk_i = 0;
    top.eval();
    if (top.rst_ni) observe(bad);
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

  static uint8_t content(uint64_t address) {
    uint64_t z = (address + 1) * 0x9E3779B97F4A7C15ull;
    return static_cast<uint8_t>((z ^ (z >> 29)) * 0xBF58476D1CE4E5B9ull >> 56);
  }
  static bool bad_beat(uint64_t address) { return (address / BYTES) % 61 == 7; }

  void observe(bool bad) {
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
    // Data: taken always.
    CHECK(requests_.empty() || top.m_axi_rready_o, "RREADY is low with data outstanding");
    CHECK(top.drained_o == (requests_.empty() && !top.m_axi_arvalid_o), "drained");
    CHECK(static_cast<bool>(top.error_o) == error_due_, "error_o");
    error_due_ = bad && offered_;
    if (offered_) {
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
    // Words.
    CHECK(!top.we_weight_o || !top.we_param_o, "two memories are written");
    if (top.we_weight_o || top.we_param_o) {
      quiet_ = 0;
      while (command().words == 0) finish();
      const Command& c = command();
      const unsigned bits = WORD_BITS[c.dest], beats = (bits + P_BUS_W - 1) / P_BUS_W;
      CHECK(top.we_param_o == c.dest, "command %u: the wrong memory", expected_);
      CHECK(top.waddr_o == ((c.first + word_at_) & 0xFFFFFF), "command %u: word %u", expected_, static_cast<unsigned>(top.waddr_o));
      const uint64_t from = base_ + c.offset + word_at_ * beats * BYTES;
      for (unsigned i = 0; i < bits; ++i) {
        const bool got = c.dest ? bit_of(top.param_o, i) : bit_of(top.weight_o, i);
        CHECK(got == (content(from + i / 8) >> (i % 8) & 1), "command %u: bit %u of a word", expected_, i);
      }
      ++words;
      if (++word_at_ == c.words) finish();
    }
    // Tokens come with the last word; of a command without words at any time after those before it.
    if (top.load_done_o) {
      quiet_ = 0;
      ++tokens;
      token_cycles.push_back(now + 1);
    }
    while (command().words == 0 && token_count() < token_cycles.size()) finish();
    CHECK(token_cycles.size() <= token_count(), "a token before its command's end: command %u", expected_);
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
  unsigned pace_ = 50;

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
  uint64_t words = 0, tokens = 0;
  for (const Case& c : cases) {
    {
      Bench bench(c, random.next(), true);
      run(bench, c, true, "ideal memory");
      words += bench.words, tokens += bench.tokens;
    }
    for (uint64_t round = 0; round < rounds; ++round) {
      const bool ideal = round == 0;
      Bench bench(c, random.next(), ideal);
      bench.pace_ = round % 2 ? 50 : 15;
      // A reset somewhere in the middle, held until everything is here.
      const uint64_t cut = 41 + random.below(600);
      for (uint64_t i = 0; i < cut; ++i) bench.cycle();
      bench.top.clear_i = 1;
      do bench.cycle();
      while (!bench.top.drained_o);
      for (int i = 0; i < 3; ++i) bench.cycle();
      bench.restart();
      run(bench, c, ideal, "after a reset");
      words += bench.words, tokens += bench.tokens;
    }
  }
  std::printf("%zu cases, %llu words, %llu tokens\n", cases.size(), static_cast<unsigned long long>(words),
              static_cast<unsigned long long>(tokens));
  return 0;
}
