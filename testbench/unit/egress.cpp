// o2c_egress: several results in a row at every pace and every read latency; the region is spoilt as soon as empty_o
// says so. Arguments: samples per pace, seed.
#include "Vtop.h"
#include "bench.h"

#ifndef P_WORD_STEP  // the module's default
#define P_WORD_STEP 1
#endif
static const int NW = (P_OUT_C + P_W - 1) / P_W;
static const int WORDS = (P_OUT_PIXELS - 1) * P_PIXEL_STEP + (NW - 1) * P_WORD_STEP + 1;  // from the first to the last

int main(int argc, char** argv) {
  const uint64_t samples = argument(argc, argv, 1, 20);
  Random random(argument(argc, argv, 2, 1));
  uint64_t cycles = 0, fastest = ~0ull;
  for (const Pace& pace : PACES)
    for (unsigned latency = 1; latency <= 4; ++latency) {
      Vtop top;
      std::vector<uint8_t> memory(static_cast<size_t>(WORDS) * P_W);
      std::deque<std::pair<uint8_t, bool>> expect;                // bytes and last flags to come
      std::deque<std::pair<uint64_t, int>> reads;  // when which word comes back
      uint64_t started = 0, quiet = 0, finished = 0, began = 0;
      bool held_read = false, held_byte = false;
      uint32_t last_addr = 0, last_byte = 0;
      top.rst_ni = 0;
      for (uint64_t t = 0; finished < samples; ++t, ++cycles) {
        if (t == 3) top.rst_ni = 1;
        CHECK(++quiet < 100000, "%s: nothing moves", pace.name);
        top.start_i = 0;
        if (t > 3 && top.empty_o) {
          for (auto& b : memory) b = static_cast<uint8_t>(random.next());
          if (started < samples && random.chance(pace.source == 100 ? 100 : 10)) {
            top.start_i = 1;
            ++started;
            for (int i = 0; i < P_OUT_PIXELS; ++i)
              for (int c = 0; c < P_OUT_C; ++c)
                expect.emplace_back(static_cast<uint8_t>(memory[static_cast<size_t>((i * P_PIXEL_STEP + c / P_W * P_WORD_STEP) * P_W + c % P_W)] ^ P_XOR),
                                    i == P_OUT_PIXELS - 1 && c == P_OUT_C - 1);
            if (expect.size() == static_cast<size_t>(P_OUT_PIXELS * P_OUT_C)) began = t;
          }
        }
        top.rd_ready_i = random.chance(pace.source);
        top.m_ready_i = random.chance(pace.sink);
        top.rd_data_valid_i = !reads.empty() && reads.front().first == t;
        for (unsigned b = 0; b < P_W; ++b)
          set_byte(top.rd_data_i, b, top.rd_data_valid_i ? memory[static_cast<size_t>(reads.front().second) * P_W + b] : static_cast<uint8_t>(random.next()));
        if (top.rd_data_valid_i) reads.pop_front();
        top.clk_i = 0;
        top.eval();
        if (t > 3) {
          if (held_read) CHECK(top.rd_valid_o && top.rd_addr_o == last_addr, "%s: the read did not hold", pace.name);
          const uint32_t byte = top.m_data_o | (static_cast<uint32_t>(top.m_last_o) << 8);
          if (held_byte) CHECK(top.m_valid_o && byte == last_byte, "%s: the byte did not hold", pace.name);
          held_read = top.rd_valid_o && !top.rd_ready_i;
          last_addr = top.rd_addr_o;
          held_byte = top.m_valid_o && !top.m_ready_i;
          last_byte = byte;
          if (top.rd_valid_o && top.rd_ready_i) {
            CHECK(!top.empty_o && reads.empty(), "%s: a read out of turn", pace.name);
            const int word = static_cast<int>(top.rd_addr_o) - P_BASE;
            CHECK(word >= 0 && word < WORDS, "%s: address %u is outside the region", pace.name, static_cast<unsigned>(top.rd_addr_o));
            reads.emplace_back(t + latency, word);
            quiet = 0;
          }
          if (top.m_valid_o && top.m_ready_i) {
            CHECK(!expect.empty(), "%s: a byte too many", pace.name);
            CHECK(expect.front().first == top.m_data_o && expect.front().second == top.m_last_o,
                  "%s, latency %u: byte %d last %d, want %d last %d", pace.name, latency, static_cast<int>(top.m_data_o),
                  static_cast<int>(top.m_last_o), expect.front().first, expect.front().second);
            if (expect.front().second) {
              ++finished;
              if (latency == 1 && t - began < fastest) fastest = t - began;
            }
            expect.pop_front();
            quiet = 0;
          }
        }
        top.clk_i = 1;
        top.eval();
      }
      CHECK(expect.empty() && started == samples, "%s: bytes are missing", pace.name);
    }
  std::printf("%d bytes from %d words, fastest %llu cycles; %llu cycles\n", P_OUT_PIXELS * P_OUT_C, WORDS,
              static_cast<unsigned long long>(fastest), static_cast<unsigned long long>(cycles));
  return 0;
}
