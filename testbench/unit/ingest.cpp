// o2c_ingest: every packet kind (right, too short, too long) at every pace, words compared with the layout formula.
// With MORE the packet goes on behind the sample, and every TLAST comes too early.
// With RING: a reader that frees rows as it likes, each row compared when it is there and again when it is freed.
// Arguments: samples per pace, seed.
#include <algorithm>

#include "Vtop.h"
#include "bench.h"

// Parameters that a line of benches.txt may leave out: the module's defaults.
#ifndef P_FOLD_KW
#define P_FOLD_KW 1
#define P_FOLD_STRIDE 1
#define P_FOLD_PAD_L 0
#define P_FOLD_OUT_W 1
#endif
#ifndef P_FOLD_KH
#define P_FOLD_KH 1
#define P_FOLD_STRIDE_H 1
#define P_FOLD_PAD_T 0
#define P_FOLD_OUT_H 1
#endif
#ifndef P_PAD_VALUE
#define P_PAD_VALUE 0
#endif
#ifndef P_WORD_STEP
#define P_WORD_STEP 1
#endif
#ifndef P_LANES
#define P_LANES 1
#endif
#ifndef P_RING
#define P_RING 0
#endif
#ifndef P_MORE
#define P_MORE 0
#endif

// The window's walk along one axis.
struct Axis {
  int in, k, stride, pad, out;
  int first() const { return std::min(pad, k - 1); }
  int end() const { return std::max((out - 1) * stride + k, pad + in); }
  bool on(int at) const { return at >= pad && at < pad + in; }
  bool hit(int at) const { return at >= k - 1 && (at - k + 1) % stride == 0 && (at - k + 1) / stride < out; }
};
static const bool FOLDED = P_FOLD_KH > 1 || P_FOLD_KW > 1;
static const Axis ROWS = P_FOLD_KH > 1 ? Axis{P_IN_H, P_FOLD_KH, P_FOLD_STRIDE_H, P_FOLD_PAD_T, P_FOLD_OUT_H} : Axis{P_IN_H, 1, 1, 0, P_IN_H};
static const Axis COLUMNS = FOLDED ? Axis{P_IN_W, P_FOLD_KW, P_FOLD_STRIDE, P_FOLD_PAD_L, P_FOLD_OUT_W} : Axis{P_IN_W, 1, 1, 0, P_IN_W};
static const int GROUP = P_FOLD_KH * P_FOLD_KW * P_IN_C, NW = (GROUP + P_W - 1) / P_W;
static const int PIXELS = ROWS.out * COLUMNS.out, WORDS = PIXELS * NW, BYTES = P_IN_H * P_IN_W * P_IN_C;

// Takes of a pixel.
static const int TAKES = (P_IN_C + P_LANES - 1) / P_LANES;
// Pixels that the region holds at a time, words of a row.
static const int PLACES = P_RING > 0 ? P_RING * COLUMNS.out : PIXELS, ROW = COLUMNS.out * NW;

// The address of word n in ascending order of pixels and their words.
static int address(int n) { return P_BASE + n / NW % PLACES * P_PIXEL_STEP + n % NW * P_WORD_STEP; }

// The words that a sample must leave behind.
static std::vector<uint8_t> layout(const std::vector<uint8_t>& sample) {
  std::vector<uint8_t> region(static_cast<size_t>(WORDS) * P_W, 0);
  for (int i = 0; i < PIXELS; ++i)
    for (int b = 0; b < GROUP; ++b) {
      const int tap = b / P_IN_C, c = b % P_IN_C;
      const int y = i / COLUMNS.out * ROWS.stride - ROWS.pad + tap / P_FOLD_KW;
      const int x = i % COLUMNS.out * COLUMNS.stride - COLUMNS.pad + tap % P_FOLD_KW;
      const bool real = y >= 0 && y < P_IN_H && x >= 0 && x < P_IN_W;
      region[static_cast<size_t>(i * NW * P_W + b)] =
          real ? static_cast<uint8_t>(sample[static_cast<size_t>((y * P_IN_W + x) * P_IN_C + c)] ^ P_XOR) : P_PAD_VALUE;
    }
  return region;
}

// Cycles from the first take's to that in which full_o is high, nothing waiting: the headers of o2c_ingest and o2c_fold.
static uint64_t predicted() {
  if (!FOLDED) return static_cast<uint64_t>(P_IN_H * P_IN_W * TAKES + 2);
  int at = 0, busy = 1;  // when a pixel enters; how long the columns since the last one take
  bool group = false;
  for (int y = ROWS.first(); y < ROWS.end(); ++y)
    for (int x = COLUMNS.first(); x < COLUMNS.end(); ++x) {
      if (ROWS.on(y) && COLUMNS.on(x)) {
        at += std::max(TAKES, busy);
        busy = 0;
      }
      group = ROWS.hit(y) && COLUMNS.hit(x);
      busy += group ? NW : 1;
    }
  return static_cast<uint64_t>(at + busy + (group ? 2 : 1));
}

enum Kind { GOOD, SHORT, LONG };
struct Packet {
  Kind kind;
  std::vector<uint8_t> bytes;
};

// The region as a ring of rows, and who reads it.
class Ring {
 public:
  explicit Ring(const char* pace) : pace_(pace), memory_(static_cast<size_t>(PLACES * NW) * P_W, 0xEE) {}
  std::vector<std::vector<uint8_t>> samples;  // the words of each packet's sample, as far as it has come, in their order
  int freed = 0;
  int rows() const { return writing_ == loading_ ? next_ / ROW : 0; }  // of the sample that is being taken
  bool complete() const { return writing_ == loading_ && next_ == WORDS; }

  // The sample is dropped, or its region is free: the next one follows. Words of a dropped one may still be on their way.
  void follow(Random& random) {
    ++loading_;
    freed = 0;
    mood_ = random.below(3);
  }
  void write(int to, const std::vector<uint8_t>& data) {
    if (!matches(writing_, next_, to, data)) {
      next_ = 0;
      do {
        CHECK(++writing_ <= loading_, "%s: address %d is not the next word's, or it holds something else", pace_, to);
      } while (!matches(writing_, 0, to, data));
    }
    if (writing_ == loading_) CHECK(next_ / ROW < free_before_ + P_RING, "%s: row %d over one that is not free", pace_, next_ / ROW);
    std::copy(data.begin(), data.end(), memory_.begin() + static_cast<long>(next_ % (PLACES * NW)) * P_W);
    ++next_;
  }
  // The reader: frees what is there at once, now and then some rows, or everything when no place is left.
  void read(int rows, bool full, Random& random) {
    // The last row counts when the region is full: behind it there may be bytes that no window has.
    const int want = this->rows() - (this->rows() == ROWS.out && !full);
    CHECK(rows == want, "%s: rows_o is %d, want %d", pace_, rows, want);
    if (rows > seen_) compare(rows - 1);
    seen_ = rows;
    free_before_ = freed;
    int to = freed;
    if (mood_ == 0) to = rows;
    else if (mood_ == 1 && random.chance(10)) to = static_cast<int>(random.range(freed, rows));
    else if (mood_ == 2 && (rows == freed + P_RING || rows == ROWS.out)) to = rows;
    while (freed < to) compare(freed++);
  }

 private:
  bool matches(size_t sample, int word, int to, const std::vector<uint8_t>& data) const {
    return word < WORDS && to == address(word) && std::equal(data.begin(), data.end(), samples[sample].begin() + static_cast<long>(word) * P_W);
  }
  void compare(int row) const {
    for (int n = row * ROW; n < (row + 1) * ROW; ++n)
      CHECK(std::equal(&memory_[static_cast<size_t>(n % (PLACES * NW) * P_W)], &memory_[static_cast<size_t>(n % (PLACES * NW) * P_W)] + P_W,
                       &samples[loading_][static_cast<size_t>(n * P_W)]),
            "%s: word %d of row %d is not there", pace_, n % ROW, row);
  }
  const char* pace_;
  std::vector<uint8_t> memory_;
  size_t loading_ = 0, writing_ = 0;  // the sample that is being taken, the one whose word was written last
  int next_ = 0, seen_ = 0, free_before_ = 0;
  uint64_t mood_ = 0;
};

int main(int argc, char** argv) {
  const uint64_t samples = argument(argc, argv, 1, 20);
  Random random(argument(argc, argv, 2, 1));
  uint64_t cycles = 0, shorts = 0, longs = 0, want_spoilt = 0;
  for (const Pace& pace : PACES) {
    Vtop top;
    std::deque<Packet> packets;
    std::deque<std::vector<uint8_t>> regions;
    Ring ring(pace.name);
    bool spoilt = false;  // a cycle ago
    uint64_t want_short = 0, want_long = 0, got_short = 0, got_long = 0;
    for (uint64_t i = 0; i < samples || packets.empty() || packets.back().kind != GOOD; ++i) {
      Packet p{pace.source == 100 && P_RING == 0 ? GOOD : static_cast<Kind>(random.below(3)), {}};
      if (p.kind == LONG && P_MORE) p.kind = GOOD;
      if (p.kind == SHORT && BYTES == 1 && !P_MORE) p.kind = GOOD;
      size_t n = p.kind == GOOD    ? static_cast<size_t>(BYTES)
                       : p.kind == SHORT ? static_cast<size_t>(random.chance(P_MORE ? 40 : 0) ? BYTES : random.range(1, BYTES - !P_MORE))
                                         : static_cast<size_t>(BYTES + random.range(1, 2 * P_W));
      // The end of a packet near that of a row: the words of both are on their way.
      if (P_RING > 0 && p.kind == SHORT && random.chance(40)) n = static_cast<size_t>(random.range(1, P_IN_H - 1) * P_IN_W * P_IN_C + random.range(0, 2));
      for (size_t b = 0; b < n; ++b) p.bytes.push_back(static_cast<uint8_t>(random.next()));
      want_short += p.kind == SHORT;
      want_long += p.kind == LONG;
      if (p.kind != SHORT) regions.push_back(layout(p.bytes));
      if (P_RING > 0) {
        std::vector<uint8_t> sample = p.bytes;
        sample.resize(static_cast<size_t>(BYTES), P_XOR);  // canonical zeros
        ring.samples.push_back(layout(sample));
      }
      packets.push_back(std::move(p));
    }
    std::vector<uint8_t> memory(static_cast<size_t>(WORDS) * P_W, 0xEE);
    size_t at = 0;
    bool held = false, held_write = false;
    uint64_t hold = 0, began = 0, stuck = 0;
    bool begun = false;    // somebody computes on the sample that is being taken
    bool checked = false;  // this full region has been compared
    int next_word = 0;
    std::vector<uint8_t> last_write;
    top.rst_ni = 0;
    for (uint64_t t = 0; !(packets.empty() && regions.empty()); ++t, ++cycles) {
      if (t == 3) top.rst_ni = 1;
      CHECK(++stuck < 100000 + 1000 * static_cast<uint64_t>(WORDS), "%s: nothing moves", pace.name);
      // Source: once valid, valid and data stay.
      if (t > 3 && !held && !packets.empty() && random.chance(pace.source)) held = true;
      top.s_valid_i = held;
      // What is wanted, and what of it the packet still has; more may be offered.
      const size_t want = top.s_want_o, left = packets.empty() ? 0 : packets.front().bytes.size() - at, n = std::min(want, left);
      const bool goes_on = P_MORE && !packets.empty() && packets.front().kind == GOOD;
      if (t > 3 && held && top.s_ready_o && at < static_cast<size_t>(BYTES))
        CHECK(want == static_cast<size_t>(std::min<int>(P_LANES, P_IN_C - static_cast<int>(at) % P_IN_C)), "%s: wants %zu bytes at byte %zu", pace.name, want, at);
      const size_t offered = std::min<size_t>(std::max(n, static_cast<size_t>(random.range(1, P_LANES))), goes_on ? P_LANES : left);
      for (unsigned i = 0; i < P_LANES; ++i)
        set_byte(top.s_data_i, i, held && i < n ? packets.front().bytes[at + i] : static_cast<uint8_t>(random.next()));
      for (unsigned i = 0; i < (P_LANES + 7) / 8; ++i) {
        const uint64_t keep = held ? (offered >= 64 ? ~0ull : (1ull << offered) - 1) : random.next();
        set_byte(top.s_keep_i, i, static_cast<uint8_t>((keep & (P_LANES == 64 ? ~0ull : (1ull << P_LANES) - 1)) >> (8 * i)));
      }
      top.s_last_i = held ? n == left && !goes_on : random.chance(50);
      top.wr_ready_i = random.chance(pace.sink);
      top.free_i = t > 3 && checked && hold == 0;
      top.freed_i = static_cast<uint16_t>(ring.freed);
      top.begun_i = begun;
      want_spoilt += spoilt;
      CHECK(t <= 3 || top.spoilt_o == spoilt, "%s: spoilt_o is %d", pace.name, top.spoilt_o);
      top.clk_i = 0;
      top.eval();
      const bool ready = top.s_ready_o;
      // Ready must not depend on valid, valid not on ready.
      const bool write = top.wr_valid_o;
      top.s_valid_i = !top.s_valid_i, top.wr_ready_i = !top.wr_ready_i;
      top.eval();
      CHECK(top.s_ready_o == ready && top.wr_valid_o == write, "%s: a combinational path between handshakes", pace.name);
      top.s_valid_i = !top.s_valid_i, top.wr_ready_i = !top.wr_ready_i;
      top.eval();

      if (t > 3 && held_write) {
        CHECK(top.wr_valid_o, "%s: wr_valid_o fell without wr_ready_i", pace.name);
        for (int b = 0; b < P_W; ++b) CHECK(byte_of(top.wr_data_o, static_cast<unsigned>(b)) == last_write[static_cast<size_t>(b)], "%s: wr_data_o moved", pace.name);
      }
      held_write = false;
      bool written = false;  // into a ring
      if (t > 3 && top.wr_valid_o) {
        last_write.assign(P_W, 0);
        for (int b = 0; b < P_W; ++b) last_write[static_cast<size_t>(b)] = byte_of(top.wr_data_o, static_cast<unsigned>(b));
        held_write = !top.wr_ready_i;
        if (top.wr_ready_i) {
          CHECK(!top.full_o, "%s: written while the region is full", pace.name);
          const int to = static_cast<int>(top.wr_addr_o);
          if (P_RING > 0) {
            written = true;
          } else {
            const int word = next_word < WORDS && to == address(next_word) ? next_word : 0;
            CHECK(to == address(word), "%s: address %d after %d words", pace.name, to, next_word);
            next_word = word + 1;
            std::copy(last_write.begin(), last_write.end(), memory.begin() + static_cast<long>(word) * P_W);
          }
          stuck = 0;
        }
      }
      if (t > 3 && P_RING > 0) ring.read(top.rows_o, top.full_o, random);
      if (written) ring.write(static_cast<int>(top.wr_addr_o), last_write);
      if (P_RING == 0) CHECK(top.rows_o == 0, "%s: rows_o without a ring", pace.name);
      if (t > 3) {
        got_short += top.err_short_o;
        got_long += top.err_long_o;
        if (top.full_o && !checked) {
          CHECK(!regions.empty(), "%s: full without a sample", pace.name);
          const auto& region = regions.front();
          CHECK(P_RING == 0 || ring.complete(), "%s: full before the last word", pace.name);
          for (size_t i = 0; i < (P_RING > 0 ? 0 : region.size()); ++i)
            CHECK(memory[i] == region[i], "%s: word %zu byte %zu: got %d, want %d", pace.name, i / P_W, i % P_W, memory[i], region[i]);
          regions.pop_front();
          if (pace.source == 100 && pace.sink == 100 && P_RING == 0)
            CHECK(t - began == predicted(), "%s: %llu cycles, want %llu", pace.name, static_cast<unsigned long long>(t - began),
                  static_cast<unsigned long long>(predicted()));
          memory.assign(memory.size(), 0xEE);
          next_word = 0;
          checked = true;
          hold = random.below(20);
          stuck = 0;
        } else if (top.free_i) {
          checked = false;
        } else if (checked) {
          CHECK(top.full_o, "%s: full_o fell without free_i", pace.name);
          if (hold > 0) --hold;
        }
      }
      const bool taken = held && ready && t > 3;
      const bool early = taken && packets.front().kind == SHORT && n == left;
      const bool dropped = early && !begun;
      const bool thrown = !packets.empty() && packets.front().kind == LONG && at >= static_cast<size_t>(BYTES);
      CHECK(t <= 3 || (top.drop_o == dropped && top.discard_o == thrown), "%s: drop_o is %d, discard_o is %d", pace.name, top.drop_o, top.discard_o);
      spoilt = early && begun;
      if (spoilt) regions.emplace_front();  // zeros complete it
      if (P_RING > 0 && (dropped || top.free_i)) ring.follow(random);
      if (dropped || top.free_i) begun = false;
      else if (P_RING > 0 && top.rows_o >= P_RING && random.chance(2)) begun = true;
      if (taken && at == 0) began = t;
      top.clk_i = 1;
      top.eval();
      if (taken) {
        held = false;
        stuck = 0;
        if ((at += n) == packets.front().bytes.size()) {
          packets.pop_front();
          at = 0;
        }
      }
    }
    CHECK(got_short == want_short && got_long == want_long, "%s: errors short %llu of %llu, long %llu of %llu", pace.name,
          static_cast<unsigned long long>(got_short), static_cast<unsigned long long>(want_short),
          static_cast<unsigned long long>(got_long), static_cast<unsigned long long>(want_long));
    shorts += got_short;
    longs += got_long;
  }
  CHECK(P_RING == 0 || want_spoilt > 0, "no sample was spoilt");
  std::printf("%d bytes to %d words in %llu cycles; %llu cycles, %llu short, %llu long packets\n", BYTES, WORDS,
              static_cast<unsigned long long>(predicted()), static_cast<unsigned long long>(cycles),
              static_cast<unsigned long long>(shorts), static_cast<unsigned long long>(longs));
  return 0;
}
