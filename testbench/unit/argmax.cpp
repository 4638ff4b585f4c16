// o2c_argmax: groups of bytes at every pace, with many equal ones; the place by sorting. Arguments: groups per pace, seed.
#include <algorithm>

#include "Vtop.h"
#include "bench.h"

static const int INDEX = P_N > 256 ? 2 : 1;
static const int BYTES = INDEX + (P_FLAGS >> 2 & 1);

// The place of the byte that stands first when they are sorted.
static int place(const std::vector<uint8_t>& x) {
  std::vector<std::pair<int, int>> order;
  for (int k = 0; k < P_N; ++k) {
    const int value = P_SIGNED ? static_cast<int8_t>(x[k]) : x[k];
    order.emplace_back(P_FLAGS & 2 ? value : -value, P_FLAGS & 1 ? -k : k);
  }
  std::sort(order.begin(), order.end());
  return std::abs(order.front().second);
}

int main(int argc, char** argv) {
  const uint64_t groups = argument(argc, argv, 1, 50);
  Random random(argument(argc, argv, 2, 1));
  uint64_t cycles = 0;
  for (const Pace& pace : PACES) {
    Vtop top;
    std::deque<std::pair<uint8_t, bool>> bytes, expect;
    for (uint64_t g = 0; g < groups; ++g) {
      std::vector<uint8_t> x(P_N);
      const int kind = static_cast<int>(random.below(4)), base = static_cast<int>(random.below(256));
      for (auto& b : x)
        b = static_cast<uint8_t>(kind == 0 ? random.next() : kind == 1 ? base : kind == 2 ? base + static_cast<int>(random.below(2)) : 127 + static_cast<int>(random.below(2)));
      const bool last = random.chance(30);
      for (int k = 0; k < P_N; ++k) bytes.emplace_back(x[k], k == P_N - 1 ? last : random.chance(50));
      const int at = place(x);
      if (P_FLAGS & 4) expect.emplace_back(x[at], false);
      for (int i = 0; i < INDEX; ++i) expect.emplace_back(static_cast<uint8_t>(at >> (8 * i)), false);
      expect.back().second = last;
    }
    const uint64_t total = bytes.size();
    uint64_t quiet = 0, taken = 0, first = 0, end = 0, ended = 0;
    bool offered = false, held = false;
    uint32_t held_byte = 0;
    top.rst_ni = 0;
    for (uint64_t t = 0; !expect.empty(); ++t, ++cycles) {
      if (t == 3) top.rst_ni = 1;
      CHECK(++quiet < 10000, "%s: nothing moves", pace.name);
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
                "%s: byte %d last %d, want %d last %d", pace.name, static_cast<int>(top.m_data_o),
                static_cast<int>(top.m_last_o), expect.front().first, expect.front().second);
          expect.pop_front();
          CHECK(taken >= P_N, "%s: a byte before its group", pace.name);
          if (ended != 0) CHECK(pace.sink != 100 || t == ended + 1, "%s: the result came %d cycles late", pace.name, static_cast<int>(t - ended - 1));
          ended = 0;
          quiet = 0;
        }
        if (top.s_valid_i && top.s_ready_o) {
          bytes.pop_front();
          offered = false;
          if (taken++ == 0) first = t;
          end = t;
          if (taken % P_N == 0) ended = t;
          quiet = 0;
        }
      }
      top.clk_i = 1;
      top.eval();
    }
    CHECK(bytes.empty(), "%s: bytes were not taken", pace.name);
    if (pace.source == 100 && pace.sink == 100 && P_N > BYTES)
      CHECK(end - first + 1 == total, "%d bytes took %d cycles", static_cast<int>(total), static_cast<int>(end - first + 1));
  }
  std::printf("%d bytes of each %d; %llu cycles\n", BYTES, P_N, static_cast<unsigned long long>(cycles));
  return 0;
}
