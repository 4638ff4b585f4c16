// o2c_requantize against two models written apart from it: 128-bit integers for both lanes, and plain float32
// arithmetic for the exact lane. Accumulators stand next to the thresholds; small parameter sets are exhausted.
// Arguments: vectors, seed.
#include <cmath>

#include "Vtop.h"
#include "bench.h"

using i128 = __int128;

struct Vector {
  int64_t acc = 0;
  uint32_t mul = 0;
  i128 off = 0;
  unsigned shift = 0;  // total
  bool exact = false;
  int lo = -128, hi = 127;
};

struct Seen {
  uint64_t low = 0, high = 0, inner = 0, window = 0, half = 0, rounded = 0, wrapped = 0;
} seen;

static i128 clamp(i128 v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }

static int sign_extended(i128 v, unsigned bits) {
  const unsigned m = 1u << bits;
  const unsigned u = static_cast<unsigned>(v) & (m - 1);
  return u >= m / 2 ? static_cast<int>(u) - static_cast<int>(m) : static_cast<int>(u);
}

static unsigned bit_length(unsigned __int128 v) {
  unsigned n = 0;
  while (v) v >>= 1, ++n;
  return n;
}

// x rounded to 24 significant bits, nearest even.
static uint64_t round24(uint64_t x) {
  const unsigned n = bit_length(x);
  if (n <= 24) return x;
  const unsigned r = n - 24;
  const uint64_t rest = x & ((uint64_t{1} << r) - 1), half = uint64_t{1} << (r - 1);
  uint64_t q = x >> r;
  if (rest > half || (rest == half && (q & 1))) ++q;
  return q << r;
}

static int model(const Vector& v) {
  i128 wide;
  if (!v.exact) {
    wide = (static_cast<i128>(v.acc) * v.mul + v.off) >> v.shift;
  } else {
    const uint64_t magnitude = v.acc < 0 ? static_cast<uint64_t>(-v.acc) : static_cast<uint64_t>(v.acc);
    const uint64_t a = round24(magnitude);
    seen.rounded += a != magnitude;
    // Everything doubled, so that one half is an integer.
    const i128 p = static_cast<i128>(a) * v.mul, one = static_cast<i128>(1) << v.shift;
    i128 k = p >> v.shift;
    const i128 twice = 2 * (p - (k << v.shift)) - one;  // 2 * (frac - 1/2)
    const int exponent = static_cast<int>(v.shift) + static_cast<int>(bit_length(static_cast<unsigned __int128>(k))) - 1 - 24;
    const i128 window = exponent >= 0 ? static_cast<i128>(2) << exponent : 0;
    const bool tie = (twice < 0 ? -twice : twice) <= window;
    seen.window += tie && twice != 0 && k < 256;
    seen.half += tie && twice == 0 && k < 256;
    if (tie ? (k & 1) != 0 : twice > 0) ++k;
    wide = (v.acc < 0 ? -k : k) + sign_extended(v.off, 9);
  }
  if (v.lo > v.hi) {
    ++seen.wrapped;
    return sign_extended(wide & 0xFF, 8);
  }
  seen.low += wide < v.lo;
  seen.high += wide > v.hi;
  seen.inner += wide >= v.lo && wide <= v.hi;
  return static_cast<int>(clamp(wide, v.lo, v.hi));
}

// What float32 says; contraction is off in the build.
static int float_model(const Vector& v) {
  const float scale = std::ldexp(static_cast<float>(v.mul), -static_cast<int>(v.shift));
  const float product = static_cast<float>(v.acc) * scale;
  const double y = static_cast<double>(std::nearbyint(product)) + sign_extended(v.off, 9);
  return static_cast<int>(y < v.lo ? v.lo : y > v.hi ? v.hi : y);
}

static const int64_t ACC_MIN = -(int64_t{1} << (P_ACC_W - 1)), ACC_MAX = -ACC_MIN - 1;
static const uint32_t MUL_MAX = static_cast<uint32_t>((uint64_t{1} << P_MUL_W) - 1);

static i128 fit_off(i128 off) {
  const i128 top = static_cast<i128>(1) << (P_OFF_W - 1);
  return off < -top ? -top : off > top - 1 ? top - 1 : off;
}

static int64_t fit_acc(i128 acc) {
  return acc < ACC_MIN ? ACC_MIN : acc > ACC_MAX ? ACC_MAX : static_cast<int64_t>(acc);
}

static Vector random_vector(Random& r) {
  Vector v;
  v.exact = P_EXACT && r.chance(70);
  v.shift = static_cast<unsigned>(r.range(P_SHIFT_BASE, P_SHIFT_MAX));
  if (r.chance(40)) {
    const int a = static_cast<int>(r.range(-128, 127)), b = static_cast<int>(r.range(-128, 127));
    v.lo = a < b ? a : b;
    v.hi = a < b ? b : a;
  }
  // No bounds: bytes.
  if (!v.exact && r.chance(20)) {
    v.hi = static_cast<int>(r.range(-128, 126));
    v.lo = static_cast<int>(r.range(v.hi + 1, 127));
  }
  const i128 one = static_cast<i128>(1) << v.shift;
  const unsigned kind = static_cast<unsigned>(r.below(10));
  if (!v.exact) {
    v.mul = static_cast<uint32_t>(r.next()) & MUL_MAX;
    if (r.chance(20)) v.mul >>= r.below(P_MUL_W);
    if (r.chance(5)) v.mul = r.chance(50) ? MUL_MAX : 0;
    const i128 reach = one << 9;
    v.off = fit_off(static_cast<i128>(r.next() % static_cast<uint64_t>(reach < (static_cast<i128>(1) << 62) ? reach : static_cast<i128>(1) << 62)) *
                    (r.chance(50) ? 1 : -1));
    if (r.chance(5)) v.off = fit_off(static_cast<i128>(static_cast<int64_t>(r.next())) << 7);
    v.acc = kind == 0   ? r.range(ACC_MIN, ACC_MAX)
            : kind == 1 ? (r.chance(50) ? ACC_MIN : ACC_MAX)
            : v.mul     ? fit_acc(((static_cast<i128>(r.range(-140, 140)) << v.shift) - v.off) / v.mul + r.range(-2, 2))
                        : 0;
    return v;
  }
  v.off = r.range(-128, 127);
  if (P_OFF_W > 9 && r.chance(50)) v.off = (v.off & 0x1FF) | ((static_cast<i128>(r.next() >> 1) << 9) & ((static_cast<i128>(1) << (P_OFF_W - 1)) - 1));
  v.mul = static_cast<uint32_t>(0x800000 | (r.next() & 0x7FFFFF));
  if (r.chance(10)) v.mul = r.chance(50) ? 0xFFFFFF : 0x800000;
  if (r.chance(10)) v.mul &= ~((1u << r.below(23)) - 1);
  if (r.chance(1)) v.mul = 0;
  const i128 twice_tie = (2 * static_cast<i128>(r.below(r.chance(20) ? 2 : 258)) + 1) << v.shift;  // 2 * (k + 1/2) * 2^shift
  i128 acc;
  if (kind == 0) {
    acc = r.range(ACC_MIN, ACC_MAX);
  } else if (kind == 1) {
    acc = r.chance(50) ? ACC_MIN : ACC_MAX;
  } else if (kind < 7 && twice_tie / 2 < (static_cast<i128>(1) << (P_ACC_W + 23))) {
    // A mantissa that puts a random accumulator inside the tie window, or one unit beside it.
    const int64_t low = static_cast<int64_t>(twice_tie / 2 / 0xFFFFFF), high = static_cast<int64_t>(twice_tie / 2 / 0x800000);
    acc = fit_acc(r.range(low, high > low ? high : low));
    if (acc > 0) {
      const i128 m = twice_tie / 2 / acc + r.range(-1, 1);
      if (m > 0 && m <= 0xFFFFFF) v.mul = static_cast<uint32_t>(m);
    }
  } else {
    acc = v.mul ? twice_tie / 2 / v.mul + r.range(-2, 2) : r.range(-9, 9);
  }
  v.acc = fit_acc(r.chance(50) ? acc : -acc);
  return v;
}

int main(int argc, char** argv) {
  const uint64_t vectors = argument(argc, argv, 1, 1000000);
  Random random(argument(argc, argv, 2, 1));
  Vtop top;
  std::deque<std::pair<Vector, int>> flight;
  uint64_t done = 0, compared = 0;

  const unsigned total_bits = P_ACC_W + P_MUL_W + P_OFF_W + P_SHIFT_W;
  const bool exhaustive = total_bits <= 24 && !P_EXACT;
  const uint64_t count = exhaustive ? uint64_t{1} << total_bits : vectors;

  while (compared < count) {
    Vector v;
    if (exhaustive) {
      unsigned __int128 n = done & (count - 1);
      const auto take = [&n](unsigned bits) {
        const auto field = static_cast<int64_t>(n & ((static_cast<unsigned __int128>(1) << bits) - 1));
        n >>= bits;
        return field;
      };
      v.acc = take(P_ACC_W) + ACC_MIN;
      v.mul = static_cast<uint32_t>(take(P_MUL_W));
      v.off = sign_extended(take(P_OFF_W), P_OFF_W < 31 ? P_OFF_W : 31);
      v.shift = static_cast<unsigned>(take(P_SHIFT_W)) + P_SHIFT_BASE;
      if (random.chance(20)) v.lo = static_cast<int>(random.range(-128, 0)), v.hi = static_cast<int>(random.range(0, 127));
      if (random.chance(20)) v.lo = 127, v.hi = -128;
    } else {
      v = random_vector(random);
    }
    ++done;
    const int want = model(v);
    if (v.exact) {
      const int real = float_model(v);
      CHECK(real == want, "models differ: acc %lld mul %u shift %u: integer %d, float32 %d", static_cast<long long>(v.acc), v.mul,
            v.shift, want, real);
    }
    flight.emplace_back(v, want);

    set_integer(top.acc_i, v.acc, P_ACC_W);
    set_integer(top.mul_i, v.mul, P_MUL_W);
    set_integer(top.off_i, v.off, P_OFF_W);
    top.shift_i = static_cast<uint8_t>(v.shift - P_SHIFT_BASE);
    top.exact_i = v.exact;
    top.lo_i = static_cast<uint8_t>(v.lo);
    top.hi_i = static_cast<uint8_t>(v.hi);
    top.clk_i = 0;
    top.eval();
    top.clk_i = 1;
    top.eval();
    // Six register stages: the input of five edges ago has just arrived.
    if (flight.size() == 6) {
      const auto& [u, expect] = flight.front();
      const int got = static_cast<int8_t>(top.q_o);
      CHECK(got == expect, "vector %llu: acc %lld mul %u off %lld shift %u exact %d lo %d hi %d: got %d, want %d",
            static_cast<unsigned long long>(compared), static_cast<long long>(u.acc), u.mul, static_cast<long long>(u.off), u.shift,
            u.exact, u.lo, u.hi, got, expect);
      flight.pop_front();
      ++compared;
    }
  }
  CHECK(seen.wrapped, "no vector was without bounds");
  CHECK(seen.inner && seen.low && seen.high, "the vectors never reached a bound or the inside");
  if (P_EXACT && P_SHIFT_MAX >= 26) CHECK(seen.window && seen.half, "the vectors never hit a tie window (%llu) or a half (%llu)",
        static_cast<unsigned long long>(seen.window), static_cast<unsigned long long>(seen.half));
  if (P_EXACT && P_ACC_W > 25) CHECK(seen.rounded, "no accumulator was rounded to 24 bits");
  std::printf("%llu vectors%s, %llu clamped, %llu in a tie window, %llu exact halves, %llu rounded accumulators\n",
              static_cast<unsigned long long>(compared), exhaustive ? " (exhaustive)" : "",
              static_cast<unsigned long long>(seen.low + seen.high), static_cast<unsigned long long>(seen.window),
              static_cast<unsigned long long>(seen.half), static_cast<unsigned long long>(seen.rounded));
  return 0;
}
