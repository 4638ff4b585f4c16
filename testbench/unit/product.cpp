// o2c_product against products of integers, every cycle with operands and zero points at random or at their ends.
// Arguments: cycles, seed.
#include "Vtop.h"
#include "bench.h"

// Sets `bits` bits of a port from bit `at` on.
template <typename T>
static void set_field(T& port, unsigned at, uint64_t value, unsigned bits) {
  for (unsigned i = 0; i < bits; ++i) {
    const unsigned bit = at + i, shift = bit % 8;
    const unsigned others = byte_of(port, bit / 8) & ~(1u << shift);
    set_byte(port, bit / 8, static_cast<uint8_t>(others | ((value >> i & 1) << shift)));
  }
}

// A signed field.
template <typename T>
static int64_t field(const T& port, unsigned at, unsigned bits) {
  int64_t value = 0;
  for (unsigned i = 0; i < bits; ++i) value |= int64_t{bit_of(port, at + i)} << i;
  return value >> (bits - 1) & 1 ? value - (int64_t{1} << bits) : value;
}

struct Beat {
  int a[P_R], b[P_R];
  int zero_a, zero_b;  // of the cycle after
  bool by_b;
};

int main(int argc, char** argv) {
  const uint64_t cycles = argument(argc, argv, 1, 100000);
  Random random(argument(argc, argv, 2, 1));
  Vtop top;
  std::vector<Beat> beats;
  uint64_t largest = 0, smallest = 0;
  const auto byte = [&] {
    return static_cast<int>(random.chance(30) ? (random.chance(50) ? -128 : 127) : random.range(-128, 127));
  };
  for (uint64_t t = 0; t < cycles; ++t) {
    Beat beat;
    // Zero points are a layer's; they act on the values that stand at the head with them.
    const bool fresh = beats.empty() || random.chance(2);
    beat.zero_a = fresh ? byte() : beats.back().zero_a;
    beat.zero_b = fresh ? byte() : beats.back().zero_b;
    beat.by_b = fresh ? random.chance(50) : beats.back().by_b;
    for (unsigned r = 0; r < P_R; ++r) {
      beat.a[r] = byte();
      beat.b[r] = byte();
      set_field(top.head_i, r * P_POOL_W, static_cast<uint8_t>(beat.a[r]), 8);
      set_field(top.head_i, r * P_POOL_W + 8, static_cast<uint8_t>(beat.b[r]), 8);
      set_field(top.head_i, r * P_POOL_W + 16, random.next(), P_POOL_W - 16);
    }
    top.zero_a_i = static_cast<uint8_t>(beat.zero_a);
    top.zero_b_i = static_cast<uint8_t>(beat.zero_b);
    top.by_b_i = beat.by_b;
    beats.push_back(beat);
    top.clk_i = 0;
    top.eval();
    const auto product = [&](unsigned ago, unsigned r) {
      const Beat& of = beats[t - ago];
      return int64_t{of.a[r] - of.zero_a} * (of.b[r] - of.zero_b);
    };
    for (unsigned r = 0; r < P_R && t >= 12; ++r) {
      const int64_t want = product(2, r), got = field(top.product_o, r * P_POOL_W, P_POOL_W);
      CHECK(got == want, "cycle %llu lane %u: got %lld, want %lld", static_cast<unsigned long long>(t), r,
            static_cast<long long>(got), static_cast<long long>(want));
      largest += want == 255 * 255, smallest += want == -255 * 255;
      if (!P_KEY) continue;
      const int64_t key = 256 * product(11, r), got_key = field(top.key_o, r * 25, 25);
      CHECK(got_key == key, "cycle %llu lane %u: key %lld, want %lld", static_cast<unsigned long long>(t), r,
            static_cast<long long>(got_key), static_cast<long long>(key));
      const Beat& of = beats[t - 9];
      const int factor = of.by_b ? of.b[r] : of.a[r], got_factor = static_cast<int8_t>(byte_of(top.factor_o, r));
      CHECK(got_factor == factor, "cycle %llu lane %u: factor %d, want %d", static_cast<unsigned long long>(t), r, got_factor, factor);
    }
    top.clk_i = 1;
    top.eval();
  }
  CHECK(largest && smallest, "the ends were never reached");
  std::printf("%llu cycles, %llu products at the ends\n", static_cast<unsigned long long>(cycles),
              static_cast<unsigned long long>(largest + smallest));
  return 0;
}
