// o2c_table_round against a model in 128-bit integers, and with ties of float32's width against float32 itself.
// Sums lie on ties, at both ends of their reach and one unit beyond. Arguments: vectors, seed.
#include <cmath>

#include "Vtop.h"
#include "bench.h"

using i128 = __int128;

static uint64_t ties = 0, wide = 0, low = 0, high = 0, inner = 0;

// Units of 2^-SHIFT that a tie between m - 1 and m (in the file's numbering) reaches.
static int64_t reach(int64_t m) {
  const int64_t least = m > 0 ? m - 1 : -m;
  int length = 0;
  while (length < 9 && least >> length) ++length;
  return int64_t{1} << (P_SHIFT + length - 25);
}

static int64_t rounded(int64_t sum, bool odd, bool is_unsigned) {
  if (P_SHIFT == 0) return sum;
  const int64_t q = sum >> P_SHIFT, f = sum - (q << P_SHIFT), rest = (int64_t{1} << P_SHIFT) - f;
  if ((q & 1) == odd) return q;
  const int64_t file = q + (is_unsigned ? 128 : 0);
  if (P_WINDOW ? f < reach(file) : f == 0) return ++ties, wide += f != 0, q - 1;
  if (P_WINDOW && rest <= reach(file + 1)) return ++ties, ++wide, q + 1;
  return q;
}

int main(int argc, char** argv) {
  const uint64_t vectors = argument(argc, argv, 1, 1000000);
  Random random(argument(argc, argv, 2, 1));
  Vtop top;
  const int64_t most = static_cast<int64_t>(((uint64_t{1} << (P_SUM_W - 1)) - 1)), least = -most - 1;
  for (uint64_t n = 0; n < vectors; ++n) {
    const bool odd = random.chance(50) && !P_WINDOW, is_unsigned = random.chance(50);
    int lo = -128, hi = 127;
    if (random.chance(30)) {
      const int a = static_cast<int>(random.range(-128, 127)), b = static_cast<int>(random.range(-128, 127));
      lo = a < b ? a : b;
      hi = a < b ? b : a;
    }
    const int64_t m = random.chance(20) ? random.range(lo - 1, lo + 2) : random.chance(20) ? random.range(hi - 1, hi + 2)
                                                                                           : random.range(-300, 300);
    i128 sum = static_cast<i128>(m) << P_SHIFT;
    if (P_SHIFT) {
      const int64_t edge = P_WINDOW ? reach(m + (is_unsigned ? 128 : 0)) : 0;
      switch (random.below(4)) {
        case 0: sum += random.range(-2, 2); break;
        case 1: sum += edge + random.range(-2, 2); break;
        case 2: sum -= edge + random.range(-2, 2); break;
        default: sum += static_cast<int64_t>(random.below(uint64_t{1} << P_SHIFT));
      }
    }
    if (random.chance(2)) sum = random.range(least, most);
    const int64_t value = sum > most ? most : sum < least ? least : static_cast<int64_t>(sum);
    const int64_t y = rounded(value, odd, is_unsigned);
    const int want = static_cast<int>(y < lo ? lo : y > hi ? hi : y);
    low += y < lo, high += y > hi, inner += y >= lo && y <= hi;
    // What float32 makes of the sum, away from the exact ends of a tie, where the unit takes one side.
    if (P_WINDOW && P_SHIFT <= 26 && std::llabs(value) < int64_t{1} << (P_SHIFT + 9)) {
      const int64_t half = int64_t{1} << (P_SHIFT - 1), offset = is_unsigned ? int64_t{128} << P_SHIFT : 0;
      const double exact = std::ldexp(static_cast<double>(value - half + offset), -P_SHIFT);
      const auto real = static_cast<int64_t>(std::nearbyint(static_cast<float>(exact))) - (is_unsigned ? 128 : 0);
      const int64_t q = value >> P_SHIFT, file = q + (is_unsigned ? 128 : 0), f = value - (q << P_SHIFT);
      if (f != reach(file)) CHECK(real == y, "models differ on %lld: %lld, float32 %lld", static_cast<long long>(value),
            static_cast<long long>(y), static_cast<long long>(real));
    }
    set_integer(top.sum_i, value, P_SUM_W);
    top.odd_i = odd;
    top.unsigned_i = is_unsigned;
    top.lo_i = static_cast<uint8_t>(lo);
    top.hi_i = static_cast<uint8_t>(hi);
    top.eval();
    const int got = static_cast<int8_t>(top.y_o);
    CHECK(got == want, "sum %lld odd %d unsigned %d lo %d hi %d: got %d, want %d", static_cast<long long>(value), odd, is_unsigned, lo,
          hi, got, want);
  }
  CHECK(low && high && inner, "the vectors never reached a bound or the inside");
  CHECK(P_SHIFT == 0 || ties, "no vector was a tie");
  CHECK(!P_WINDOW || wide, "no vector was inside a tie's reach");
  std::printf("%llu vectors, %llu ties, %llu of them by float32\n", static_cast<unsigned long long>(vectors),
              static_cast<unsigned long long>(ties), static_cast<unsigned long long>(wide));
  return 0;
}
