// o2c_softmax: groups of bytes at every pace, tables of exponentials and of noise, against one division in long
// integers; latency to the cycle. Arguments: groups per pace, seed.
#include <cmath>

#include "Vtop.h"
#include "bench.h"

typedef unsigned __int128 Wide;
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

static uint64_t exponentials[256], numerators[256];

// What stands in the table: exponentials of a scale, or nearly equal random numbers.
static void fill(Random& random, bool noise, double scale) {
  const double one = std::ldexp(1.0, P_EXP_W - 1);
  const uint64_t most = (uint64_t{1} << P_NUM_W) - 1;
  for (int d = 0; d < 256; ++d) {
    const double e = std::exp(-d * scale);
    exponentials[d] = static_cast<uint64_t>(std::llround(one * e));
    const double n = std::ldexp(1.0, P_NUM_W - 1) * e;
    numerators[d] = static_cast<uint64_t>(std::llround(n));
    if (noise) {
      // Small ones: quotients lie on ties in plenty.
      exponentials[d] = random.below(3) + (d == 0);
      numerators[d] = random.below(random.chance(20) ? most : 300);
      if (numerators[d] > most) numerators[d] = most;
    }
  }
  FILE* file = std::fopen(TEXT(P_INIT), "w");
  CHECK(file, "the table can't be written");
  for (int d = 0; d < 256; ++d) {
    const Wide word = static_cast<Wide>(numerators[d]) << P_EXP_W | exponentials[d];
    std::fprintf(file, "%09llx%016llx\n", static_cast<unsigned long long>(word >> 64), static_cast<unsigned long long>(word));
  }
  std::fclose(file);
}

// The least integer whose upper tie is not below the quotient; ties to even.
static int rounded(uint64_t numerator, uint64_t sum) {
  const Wide twice = 2 * static_cast<Wide>(numerator);
  const Wide q = (twice + sum) / (2 * static_cast<Wide>(sum));
  const bool tie = (twice + sum) % (2 * static_cast<Wide>(sum)) == 0;
  const Wide even = tie && q % 2 == 1 ? q - 1 : q;
  return even > P_MOST ? P_MOST : static_cast<int>(even);
}

int main(int argc, char** argv) {
  const uint64_t groups = argument(argc, argv, 1, 10);
  Random random(argument(argc, argv, 2, 1));
  uint64_t cycles = 0, ties = 0;
  for (int table = 0; table < 3; ++table)
    for (const Pace& pace : PACES) {
      fill(random, table == 2, table == 0 ? 0.07 : 0.6);
      Vtop top;
      std::deque<std::pair<uint8_t, bool>> bytes, expect;
      for (uint64_t g = 0; g < groups; ++g) {
        std::vector<int> x(P_N);
        const int kind = static_cast<int>(random.below(4)), base = static_cast<int>(random.below(256));
        int max = 0;
        for (auto& b : x) {
          b = (kind == 0 ? static_cast<int>(random.below(256)) : kind == 1 ? base : kind == 2 ? base + static_cast<int>(random.below(8)) : static_cast<int>(255 * random.below(2))) & 255;
          if (b > max) max = b;
        }
        const bool last = random.chance(30);
        uint64_t sum = 0;
        for (int b : x) sum += exponentials[max - b];
        for (int k = 0; k < P_N; ++k) {
          bytes.emplace_back(static_cast<uint8_t>(P_SIGNED ? x[k] ^ 0x80 : x[k]), k == P_N - 1 ? last : random.chance(50));
          const uint64_t n = numerators[max - x[k]];
          ties += 2 * n % sum == 0 && 2 * n / sum % 2 == 1;
          expect.emplace_back(static_cast<uint8_t>(P_ZERO + rounded(n, sum)), last && k == P_N - 1);
        }
      }
      uint64_t quiet = 0, taken = 0, sent = 0, ended = 0, previous = 0;
      bool offered = false, held = false;
      uint32_t held_byte = 0;
      const bool fast = pace.source == 100 && pace.sink == 100;
      top.rst_ni = 0;
      for (uint64_t t = 0; !expect.empty(); ++t, ++cycles) {
        if (t == 3) top.rst_ni = 1;
        CHECK(++quiet < 200000, "%s: nothing moves", pace.name);
        offered = t > 3 && !bytes.empty() && (offered || random.chance(pace.source));
        top.s_valid_i = offered;
        top.s_data_i = offered ? bytes.front().first : static_cast<uint8_t>(random.next());
        top.s_last_i = offered ? bytes.front().second : random.chance(50);
        top.m_ready_i = random.chance(pace.sink);
        top.clk_i = 0;
        top.eval();
        if (t > 3) {
          const uint32_t byte = top.m_data_o | (static_cast<uint32_t>(top.m_last_o) << 8);
          if (held) CHECK(top.m_valid_o && byte == held_byte, "%s: the byte did not hold", pace.name);
          held = top.m_valid_o && !top.m_ready_i;
          held_byte = byte;
          if (top.m_valid_o && top.m_ready_i) {
            CHECK(expect.front() == std::make_pair(top.m_data_o, static_cast<bool>(top.m_last_o)),
                  "%s, table %d: byte %llu is %d last %d, want %d last %d", pace.name, table, static_cast<unsigned long long>(sent),
                  static_cast<int>(top.m_data_o), static_cast<int>(top.m_last_o), expect.front().first, expect.front().second);
            // As the header has it: after the first group's last byte, from byte to byte, from group to group.
            if (fast && sent == 0) CHECK(t == ended + P_N + 18, "the first byte came after %d cycles", static_cast<int>(t - ended));
            if (fast && sent > 0) CHECK(t == previous + (sent % P_N == 0 ? P_N + 17 : 10), "byte %d came after %d cycles", static_cast<int>(sent), static_cast<int>(t - previous));
            previous = t;
            expect.pop_front();
            ++sent;
            quiet = 0;
          }
          if (top.s_valid_i && top.s_ready_o) {
            bytes.pop_front();
            offered = false;
            if (++taken == P_N) ended = t;
            if (fast && taken <= 2 * P_N) CHECK(t == taken + 3, "two groups were not taken at once");
            quiet = 0;
          }
        }
        top.clk_i = 1;
        top.eval();
      }
      CHECK(bytes.empty(), "%s: bytes were not taken", pace.name);
    }
  CHECK(ties > 0, "no tie");
  std::remove(TEXT(P_INIT));
  std::printf("groups of %d, %llu ties; %llu cycles\n", P_N, static_cast<unsigned long long>(ties), static_cast<unsigned long long>(cycles));
  return 0;
}
