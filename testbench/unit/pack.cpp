// o2c_axis_pack: packets of random lengths at every pace. Arguments: packets per pace, seed.
#include "Vtop.h"
#include "bench.h"

static const unsigned N = P_DATA_W / 8;

int main(int argc, char** argv) {
  const uint64_t packets = argument(argc, argv, 1, 100);
  Random random(argument(argc, argv, 2, 1));
  uint64_t cycles = 0, beats = 0;
  for (const Pace& pace : PACES) {
    std::deque<std::pair<uint8_t, bool>> source;
    for (uint64_t i = 0; i < packets; ++i) {
      const uint64_t n = 1 + random.below(random.chance(50) ? 4 * N : N + 1);
      for (uint64_t b = 0; b < n; ++b) source.emplace_back(static_cast<uint8_t>(random.next()), b + 1 == n);
    }
    auto expect = source;
    const uint64_t total = source.size();
    Vtop top;
    top.rst_ni = 0;
    bool held = false, was = false;
    std::vector<unsigned> last_out;
    uint64_t quiet = 0, spent = 0;
    for (uint64_t t = 0; !expect.empty(); ++t, ++cycles, ++spent) {
      CHECK(++quiet < 20000, "%s: nothing moves, %zu bytes missing", pace.name, expect.size());
      if (t == 3) top.rst_ni = 1;
      if (t > 3 && !held && !source.empty() && random.chance(pace.source)) held = true;
      top.s_valid_i = held;
      top.s_data_i = held ? source.front().first : static_cast<uint8_t>(random.next());
      top.s_last_i = held ? source.front().second : random.chance(50);
      top.clk_i = 0;
      top.m_tready_i = !top.m_tready_i;
      top.eval();
      const bool ready = top.s_ready_o, valid = top.m_tvalid_o;
      top.m_tready_i = random.chance(pace.sink);
      top.eval();
      if (t > 3) {
        CHECK(top.s_ready_o == ready && top.m_tvalid_o == valid, "%s: a combinational path from m_tready_i", pace.name);
        std::vector<unsigned> out{top.m_tlast_o};
        for (unsigned i = 0; i < N; ++i) out.push_back(byte_of(top.m_tdata_o, i) | (static_cast<unsigned>(bit_of(top.m_tkeep_o, i)) << 8));
        if (was) CHECK(valid && out == last_out, "%s: a beat did not hold", pace.name);
        was = valid && !top.m_tready_i;
        last_out = out;
        if (valid && top.m_tready_i) {
          ++beats;
          quiet = 0;
          bool ended = false;
          for (unsigned i = 0; i < N; ++i) {
            const bool keep = bit_of(top.m_tkeep_o, i);
            if (ended) {
              CHECK(!keep && byte_of(top.m_tdata_o, i) == 0, "%s: lane %u lies behind the packet's end", pace.name, i);
              continue;
            }
            CHECK(!expect.empty() && keep && byte_of(top.m_tdata_o, i) == expect.front().first, "%s: lane %u: keep %d, byte %d", pace.name, i,
                  keep, byte_of(top.m_tdata_o, i));
            ended = expect.front().second;
            expect.pop_front();
          }
          CHECK(ended == static_cast<bool>(top.m_tlast_o), "%s: TLAST %d", pace.name, static_cast<int>(top.m_tlast_o));
        }
      }
      top.clk_i = 1;
      top.eval();
      if (held && ready && t > 3) {
        source.pop_front();
        held = false;
        quiet = 0;
      }
    }
    // A partial beat is handed on as fast as a full one, so short packets may cost a cycle more.
    if (pace.source == 100 && pace.sink == 100)
      CHECK(spent <= total + packets + 10, "%llu cycles for %llu bytes", static_cast<unsigned long long>(spent), static_cast<unsigned long long>(total));
  }
  std::printf("%llu beats, %llu cycles\n", static_cast<unsigned long long>(beats), static_cast<unsigned long long>(cycles));
  return 0;
}
