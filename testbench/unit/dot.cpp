// o2c_dot: every sum, a set a cycle, against 64-bit arithmetic.
//
// Two sweeps over all values of some operands while the others are random: the two lanes of a pair (two x, two weights
// of each sum: the K sums take K values of the weights at a time), and two sums' factors in one lane (one or two x, two
// weights). A sweep runs if its operands have no more bits than asked for. Then random sets, half of their operands at
// the ends of their range.
// Arguments: most bits of a sweep, random sets, seed.
#include "Vtop.h"
#include "bits.h"

static const unsigned LC = P_C == 1 ? 0 : P_C == 2 ? 1 : P_C == 4 ? 2 : P_C == 8 ? 3 : P_C == 16 ? 4 : P_C == 32 ? 5 : 6;
static const unsigned SW = P_XB + P_WB + LC, LATENCY = LC + 1;

#ifndef P_BIPOLAR_X
#define P_BIPOLAR_X 0
#endif
#ifndef P_BIPOLAR_W
#define P_BIPOLAR_W 0
#endif

class Bench {
 public:
  uint32_t x[P_X][P_C] = {}, w[P_K][P_C] = {};
  uint64_t sets = 0;

  void drive() {
    for (unsigned i = 0; i < P_X; ++i)
      for (unsigned c = 0; c < P_C; ++c) x_.put((i * P_C + c) * P_XB, P_XB, x[i][c]);
    for (unsigned k = 0; k < P_K; ++k)
      for (unsigned c = 0; c < P_C; ++c) w_.put((k * P_C + c) * P_WB, P_WB, w[k][c]);
    to_port(top_.x_i, x_);
    to_port(top_.w_i, w_);
    auto& want = want_[sets % (LATENCY + 1)];
    for (unsigned i = 0; i < P_X; ++i) {
      int64_t xs[P_C];
      for (unsigned c = 0; c < P_C; ++c) xs[c] = value_of(x[i][c], P_XB, P_BIPOLAR_X);
      for (unsigned k = 0; k < P_K; ++k) {
        int64_t sum = 0;
        for (unsigned c = 0; c < P_C; ++c) sum += xs[c] * value_of(w[k][c], P_WB, P_BIPOLAR_W);
        want[i * P_K + k] = sum;
      }
    }
    top_.clk_i = 0;
    top_.eval();
    top_.clk_i = 1;
    top_.eval();
    ++sets;
    if (sets < LATENCY) return;
    of_port(sum_, top_.sum_o);
    const auto& then = want_[(sets - LATENCY) % (LATENCY + 1)];
    for (unsigned n = 0; n < P_X * P_K; ++n)
      CHECK(sum_.get(n * SW, SW) == then[n], "set %llu, sum %u: got %lld, want %lld",
            static_cast<unsigned long long>(sets - LATENCY), n, static_cast<long long>(sum_.get(n * SW, SW)),
            static_cast<long long>(then[n]));
  }

 private:
  Vtop top_;
  Packed<P_X * P_C * P_XB> x_;
  Packed<P_K * P_C * P_WB> w_;
  Packed<P_X * P_K * SW> sum_;
  int64_t want_[LATENCY + 1][P_X * P_K];
};

int main(int argc, char** argv) {
  const unsigned most = static_cast<unsigned>(argument(argc, argv, 1, 20));
  const uint64_t count = argument(argc, argv, 2, 100000);
  Random random(argument(argc, argv, 3, 1));
  const uint32_t x_mask = (1u << P_XB) - 1, w_mask = (1u << P_WB) - 1;
  static Bench bench;
  auto any = [&](uint32_t mask) {
    const uint64_t r = random.next();
    const uint32_t half = mask >> 1;
    switch (r >> 60) {
      case 0: return half + 1;  // least
      case 1: return half;      // most
      case 2: return mask;      // -1
      case 3: return half & 1;
      default: return static_cast<uint32_t>(r) & mask;
    }
  };
  auto randomize = [&] {
    for (auto& of_x : bench.x)
      for (auto& v : of_x) v = any(x_mask);
    for (auto& of_k : bench.w)
      for (auto& v : of_k) v = any(w_mask);
  };

  unsigned sweeps = 0;
  const unsigned lanes = P_C > 1 ? 2 : 1, bits = lanes * (P_XB + P_WB);
  if (bits <= most) {
    ++sweeps;
    // The first pair and the last one; what else there is stands still for a while.
    for (unsigned at = 0; at < P_C; at += P_C > 2 ? P_C - 2 : P_C) {
      for (uint64_t xs = 0; xs < uint64_t{1} << (lanes * P_XB); ++xs) {
        randomize();
        for (unsigned c = 0; c < lanes; ++c) bench.x[xs % P_X][at + c] = static_cast<uint32_t>(xs >> (c * P_XB)) & x_mask;
        for (uint64_t ws = 0; ws < uint64_t{1} << (lanes * P_WB); ws += P_K) {
          for (unsigned k = 0; k < P_K; ++k)
            for (unsigned c = 0; c < lanes; ++c) bench.w[k][at + c] = static_cast<uint32_t>((ws + k) >> (c * P_WB)) & w_mask;
          bench.drive();
        }
      }
    }
  }
  const unsigned xs = P_X > 1 ? 2 : 1, ws = P_K > 1 ? 2 : 1, shared = xs * P_XB + ws * P_WB;
  if (shared <= most) {
    ++sweeps;
    for (uint64_t i = 0; i < uint64_t{1} << shared; ++i) {
      if (i % 256 == 0) randomize();
      uint64_t rest = i;
      for (unsigned k = 0; k < ws; ++k, rest >>= P_WB) bench.w[k][0] = static_cast<uint32_t>(rest) & w_mask;
      for (unsigned n = 0; n < xs; ++n, rest >>= P_XB) bench.x[n][0] = static_cast<uint32_t>(rest) & x_mask;
      bench.drive();
    }
  }
  for (uint64_t i = 0; i < count + LATENCY; ++i) {
    randomize();
    bench.drive();
  }
  std::printf("%llu sets of %d sums of %d products, %u exhaustive sweeps\n", static_cast<unsigned long long>(bench.sets),
              P_X * P_K, P_C, sweeps);
  return 0;
}
