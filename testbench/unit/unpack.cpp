// o2c_axis_unpack: packets with full, sparse and empty beats at every pace. Arguments: beats per pace, seed.
#include "Vtop.h"
#include "bench.h"

static const unsigned N = P_DATA_W / 8;

struct Beat {
  std::vector<uint8_t> data;
  uint64_t keep;
  bool last;
};

int main(int argc, char** argv) {
  const uint64_t beats = argument(argc, argv, 1, 500);
  Random random(argument(argc, argv, 2, 1));
  uint64_t cycles = 0, bytes = 0, empty_ends = 0, vanished = 0;
  const uint64_t all = N == 64 ? ~0ull : (1ull << N) - 1;
  for (const Pace& pace : PACES)
    for (const bool sparse : {false, true}) {
      std::deque<Beat> source;
      std::deque<std::pair<uint8_t, bool>> expect;
      uint64_t full_bytes = 0;
      std::vector<uint8_t> packet;
      while (source.size() < beats || !packet.empty()) {
        Beat beat{{}, all, random.chance(20)};
        if (sparse) {
          switch (random.below(4)) {
            case 0: beat.keep = random.next() & all; break;
            case 1: beat.keep = 0; break;
            case 2: beat.keep = all >> random.below(N); break;
            default: break;
          }
        } else if (beat.last) {
          beat.keep = all >> random.below(N);
        }
        for (unsigned i = 0; i < N; ++i) {
          beat.data.push_back(static_cast<uint8_t>(random.next()));
          if ((beat.keep >> i) & 1) packet.push_back(beat.data[i]);
        }
        if (beat.last) {
          empty_ends += beat.keep == 0 && !packet.empty();
          vanished += packet.empty();
          for (size_t i = 0; i < packet.size(); ++i) expect.emplace_back(packet[i], i + 1 == packet.size());
          full_bytes += packet.size();
          packet.clear();
        }
        source.push_back(std::move(beat));
      }
      bytes += full_bytes;
      Vtop top;
      top.rst_ni = 0;
      bool held = false, was = false;
      unsigned last_out = 0;
      uint64_t quiet = 0, spent = 0;
      for (uint64_t t = 0; !(source.empty() && expect.empty()); ++t, ++cycles, ++spent) {
        CHECK(++quiet < 20000, "%s: nothing moves, %zu bytes missing", pace.name, expect.size());
        if (t == 3) top.rst_ni = 1;
        if (t > 3 && !held && !source.empty() && random.chance(pace.source)) held = true;
        top.s_tvalid_i = held;
        for (unsigned i = 0; i < N; ++i) set_byte(top.s_tdata_i, i, held ? source.front().data[i] : static_cast<uint8_t>(random.next()));
        top.s_tkeep_i = static_cast<decltype(top.s_tkeep_i + 0)>(held ? source.front().keep : random.next() & all);
        top.s_tlast_i = held ? source.front().last : random.chance(50);
        top.clk_i = 0;
        top.m_ready_i = !(top.m_ready_i);
        top.eval();
        const bool ready = top.s_tready_o, valid = top.m_valid_o;
        top.m_ready_i = random.chance(pace.sink);
        top.eval();
        if (t > 3) {
          CHECK(top.s_tready_o == ready && top.m_valid_o == valid, "%s: a combinational path from m_ready_i", pace.name);
          const unsigned out = top.m_data_o | (static_cast<unsigned>(top.m_last_o) << 8);
          if (was) CHECK(valid && out == last_out, "%s: a byte did not hold", pace.name);
          was = valid && !top.m_ready_i;
          last_out = out;
          if (valid && top.m_ready_i) {
            CHECK(!expect.empty(), "%s: a byte too many", pace.name);
            CHECK(expect.front().first == top.m_data_o && expect.front().second == top.m_last_o, "%s: byte %d last %d, want %d last %d",
                  pace.name, static_cast<int>(top.m_data_o), static_cast<int>(top.m_last_o), expect.front().first, expect.front().second);
            expect.pop_front();
            quiet = 0;
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
      // At full speed and without holes a byte moves every cycle.
      if (pace.source == 100 && pace.sink == 100 && !sparse)
        CHECK(spent <= full_bytes + 10, "%llu cycles for %llu bytes", static_cast<unsigned long long>(spent), static_cast<unsigned long long>(full_bytes));
    }
  CHECK(empty_ends && (vanished || N > 1), "no packet was ended by an empty beat");
  std::printf("%llu bytes, %llu cycles, %llu packets ended by an empty beat, %llu empty packets\n", static_cast<unsigned long long>(bytes),
              static_cast<unsigned long long>(cycles), static_cast<unsigned long long>(empty_ends), static_cast<unsigned long long>(vanished));
  return 0;
}
