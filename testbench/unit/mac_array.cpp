// o2c_mac_array: tiles of random length, back to back or with idle cycles, and with HAS_SLIDE depthwise sums between
// them; every value that the drain chain gives, in its cycle, against 64-bit arithmetic. Arguments: tiles, seed.
#include <map>

#include "Vtop.h"
#include "bits.h"

#ifndef P_BIPOLAR_X
#define P_BIPOLAR_X 0
#endif
#ifndef P_BIPOLAR_W
#define P_BIPOLAR_W 0
#endif
#ifndef P_BANKS
#define P_BANKS 1
#endif
static const unsigned P = P_P, C = P_C, K = P_K, R = P_R, W = P * C, XB = P_XB, WB = P_WB, SLIDE = P_HAS_SLIDE;

static unsigned log2_of(unsigned n) { return n > 1 ? 1 + log2_of(n / 2) : 0; }

/// What is driven in a cycle, and what the head has to show.
struct Cycle {
  bool shift = false, last = false, mac = false, first = false, load = false, drain = false, depthwise = false;
  bool window = false;
  Packed<P_P * P_C * P_XB> word;
  Packed<P_K * P_C * P_WB> weight;
  Packed<P_P * P_C * P_XB * P_BANKS> four;
  uint32_t rows = 0, weight_rows = 0, pad = 0;
  bool check = false;
  int64_t head[P_R] = {};
};

int main(int argc, char** argv) {
  const uint64_t tiles = argument(argc, argv, 1, 1000);
  Random random(argument(argc, argv, 2, 1));
  std::map<uint64_t, Cycle> plan;
  auto x_any = [&] { return static_cast<uint32_t>(random.chance(20) ? uint64_t{1} << (XB - 1) : random.next()) & ((1u << XB) - 1); };
  auto w_any = [&] { return static_cast<uint32_t>(random.chance(20) ? uint64_t{1} << (WB - 1) : random.next()) & ((1u << WB) - 1); };
  auto x_value = [&](uint32_t raw) { return value_of(raw, XB, P_BIPOLAR_X); };
  auto w_value = [&](uint32_t raw) { return value_of(raw, WB, P_BIPOLAR_W); };

  uint64_t at = 4, drained = 0, macs = 0;
  // The chain takes the sums in cycle `load`, each `sums[p*K + k]`.
  auto drain = [&](uint64_t load, const std::vector<int64_t>& sums, unsigned count) {
    plan[load].load = true;
    for (unsigned m = 0; m * R < count; ++m) {
      Cycle& c = plan[load + 1 + m];
      if ((m + 1) * R < count) c.drain = true;
      c.check = true;
      for (unsigned r = 0; r < R; ++r) c.head[r] = sums[m * R + r];
    }
    drained = load + 1 + count / R;
  };
  auto tile = [&] {
    const unsigned steps = static_cast<unsigned>(random.range(1, 6));
    const unsigned tail = P + SLIDE + log2_of(C) + 2;  // from the last word to the load, at least
    // A drain is over before the next one begins.
    const uint64_t soonest = at + steps * P + tail;
    if (soonest < drained) at += drained - soonest;
    std::vector<int64_t> sums(P * K);
    for (unsigned s = 0; s < steps; ++s) {
      std::vector<uint32_t> x(P * W);
      for (unsigned p = 0; p < P; ++p, ++at) {
        Cycle& c = plan[at];
        c.shift = true;
        c.last = p == P - 1;
        for (unsigned i = 0; i < W; ++i) c.word.put(i * XB, XB, x[p * W + i] = x_any());
      }
      for (unsigned j = 0; j < P; ++j) {
        plan[at + j + SLIDE].mac = true;
        plan[at + j + SLIDE].first = s == 0 && j == 0;
        Cycle& c = plan[at + j];
        for (unsigned k = 0; k < K; ++k)
          for (unsigned i = 0; i < C; ++i) {
            const uint32_t w = w_any();
            c.weight.put((k * C + i) * WB, WB, w);
            for (unsigned p = 0; p < P; ++p) sums[p * K + k] += x_value(x[p * W + j * C + i]) * w_value(w);
            macs += P;
          }
      }
      if (s + 1 < steps && random.chance(20)) {
        // The rows' data are used up before the next words arrive.
        at += P + static_cast<unsigned>(random.range(0, 3));
      }
    }
    drain(at + P - 1 + SLIDE + log2_of(C) + 2, sums, P * K);
  };
  auto slide = [&] {
    at += P + 8 + 2 * log2_of(C) + log2_of(P);
    if (at < drained) at = drained;
    std::vector<uint32_t> window(W * W), w(P * K * C);
    const uint64_t begin = at;
    for (unsigned p = 0; p < P; ++p, ++at) {
      plan[at].weight_rows = 1u << p;
      for (unsigned i = 0; i < K * C; ++i) plan[at].weight.put(i * WB, WB, w[p * K * C + i] = w_any());
    }
    for (unsigned n = 0; n < W; n += 4, ++at) {
      plan[at].window = true;
      for (unsigned i = 0; i < 4 * W; ++i) plan[at].four.put(i * XB, XB, window[n * W + i] = x_any());
    }
    const uint32_t rows = static_cast<uint32_t>(random.next()), pad = x_any();
    plan[at].rows = rows;
    plan[at + 1].mac = true;
    std::vector<int64_t> sums(K);
    for (unsigned k = 0; k < W; ++k)
      for (unsigned l = 0; l < W; ++l, ++macs)
        sums[k] += x_value((rows >> (l / 4)) & 1 ? window[l * W + k] : pad) * w_value(w[(l / C * K + k) * C + l % C]);
    const uint64_t load = at + 1 + log2_of(C) + log2_of(P) + 2;
    for (uint64_t t = begin; t <= load; ++t) {
      plan[t].depthwise = true;
      plan[t].pad = pad;
    }
    drain(load, sums, W);
    at = load + 1;
  };
  for (uint64_t n = 0; n < tiles; ++n) {
    if (SLIDE && random.chance(30)) slide();
    tile();
    at += random.chance(50) ? 0 : static_cast<unsigned>(random.range(1, 2 * P));
    // Words of the next tile may not come before the rows took the last ones.
  }

  Vtop top;
  uint64_t checked = 0;
  const uint64_t end = plan.rbegin()->first + 2;
  static const Cycle idle;
  Packed<P_R * P_ACC_W> head;
  for (uint64_t t = 0; t < end; ++t) {
    const auto found = plan.find(t);
    const Cycle& c = found == plan.end() ? idle : found->second;
    top.word_shift_i = c.shift;
    top.word_last_i = c.last;
    to_port(top.word_i, c.word);
    to_port(top.weight_i, c.weight);
    top.mac_valid_i = c.mac;
    top.mac_first_i = c.mac ? c.first : random.chance(50);
    top.depthwise_i = c.depthwise;
    to_port(top.window_i, c.four);
    top.window_shift_i = c.window;
    top.window_pair_i = 0;
    top.window_rows_i = c.rows & ((1u << (W > 4 ? W / 4 : 1)) - 1);
    top.pad_value_i = c.pad;
    top.weight_row_i = c.weight_rows;
    top.psum_index_i = 0;
    top.psum_add_i = 0;
    top.psum_more_i = 0;
    top.drain_load_i = c.load;
    top.drain_shift_i = c.drain;
    top.clk_i = 0;
    top.eval();
    if (c.check) {
      of_port(head, top.head_o);
      for (unsigned r = 0; r < R; ++r, ++checked) {
        const int64_t want = static_cast<int64_t>(static_cast<uint64_t>(c.head[r]) << (64 - P_ACC_W)) >> (64 - P_ACC_W);
        CHECK(head.get(r * P_ACC_W, P_ACC_W) == want, "cycle %llu value %u: got %lld, want %lld",
              static_cast<unsigned long long>(t), r, static_cast<long long>(head.get(r * P_ACC_W, P_ACC_W)),
              static_cast<long long>(want));
      }
    }
    top.clk_i = 1;
    top.eval();
  }
  std::printf("%llu cycles, %llu sums compared, %llu products\n", static_cast<unsigned long long>(end),
              static_cast<unsigned long long>(checked), static_cast<unsigned long long>(macs));
  return 0;
}
