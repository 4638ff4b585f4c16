// o2c_delay: words come out LENGTH pushes after they went in, at every pace of pushes. Arguments: pushes per pace, seed.
#include "Vtop.h"
#include "bench.h"

int main(int argc, char** argv) {
  const uint64_t pushes = argument(argc, argv, 1, 1000);
  Random random(argument(argc, argv, 2, 1));
  const unsigned bytes = (P_WIDTH + 7) / 8;
  const uint8_t top_mask = static_cast<uint8_t>(0xFF >> (8 * bytes - P_WIDTH));
  uint64_t cycles = 0, compared = 0;
  for (const Pace& pace : PACES) {
    Vtop top;
    std::deque<std::vector<uint8_t>> inside;
    top.rst_ni = 0;
    for (uint64_t t = 0, n = 0; n < pushes; ++t, ++cycles) {
      top.rst_ni = t >= 3;
      top.push_i = t >= 3 && random.chance(pace.source);
      std::vector<uint8_t> word(bytes);
      for (unsigned b = 0; b < bytes; ++b) {
        word[b] = static_cast<uint8_t>(random.next()) & (b + 1 == bytes ? top_mask : 0xFF);
        set_byte(top.data_i, b, word[b]);
      }
      top.clk_i = 0;
      top.eval();
      if (t >= 3 && inside.size() == P_LENGTH) {
        // The word stands there before it is asked for, and until then.
        for (unsigned b = 0; b < bytes; ++b)
          CHECK(byte_of(top.data_o, b) == inside.front()[b], "%s: push %llu byte %u: got %d, want %d", pace.name,
                static_cast<unsigned long long>(n), b, byte_of(top.data_o, b), inside.front()[b]);
        ++compared;
        if (top.push_i) inside.pop_front();
      }
      if (top.push_i) {
        inside.push_back(word);
        ++n;
      }
      top.clk_i = 1;
      top.eval();
    }
  }
  std::printf("%llu cycles, %llu words compared\n", static_cast<unsigned long long>(cycles), static_cast<unsigned long long>(compared));
  return 0;
}
