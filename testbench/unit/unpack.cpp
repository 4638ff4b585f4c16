// o2c_axis_unpack: packets with full, sparse and empty beats at every pace, taken by as many bytes each time or by any
// number of them. Arguments: beats per pace, seed.
#include <algorithm>

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
    for (const unsigned run : {0u, 1u, 2u, 3u}) {
      const bool sparse = run % 2 != 0, even = run < 2;  // as many bytes each time
      const auto some = [&] { return static_cast<unsigned>(random.range(1, P_LANES)); };
      unsigned want = run == 0 ? P_LANES : some();
      std::deque<Beat> source;
      std::deque<std::pair<uint8_t, bool>> expect;
      uint64_t full_bytes = 0, takes = 0;
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
          // Behind a packet whose last bytes went past the register it is empty for a cycle.
          takes += (packet.size() + want - 1) / want + (P_LANES > 1);
          packet.clear();
        }
        source.push_back(std::move(beat));
      }
      bytes += full_bytes;
      Vtop top;
      top.rst_ni = 0;
      bool held = false;
      std::vector<uint8_t> offered;   // and not taken, in the cycle before
      int closed = 0;                 // they were the packet's last
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
        if (!even && random.chance(30)) want = some();
        top.m_want_i = static_cast<decltype(top.m_want_i + 0)>(want);
        top.eval();
        const bool ready = top.s_tready_o, valid = top.m_valid_o;
        top.m_ready_i = random.chance(pace.sink);
        top.eval();
        if (t > 3) {
          CHECK(top.s_tready_o == ready && top.m_valid_o == valid, "%s: a combinational path from m_ready_i", pace.name);
          unsigned there = 0;
          while (there < P_LANES && bit_of(top.m_keep_o, there)) ++there;
          for (unsigned i = there; i < P_LANES; ++i) CHECK(!bit_of(top.m_keep_o, i), "%s: byte %u is not behind the others", pace.name, i);
          for (unsigned i = 0; i < offered.size(); ++i)
            CHECK(i < there && byte_of(top.m_data_o, i) == offered[i], "%s: a byte did not hold", pace.name);
          CHECK(there <= expect.size(), "%s: a byte too many", pace.name);
          bool ends = false;
          offered.clear();
          for (unsigned i = 0; i < there; ++i) {
            CHECK(!ends, "%s: bytes of two packets", pace.name);
            const uint8_t byte = byte_of(top.m_data_o, i);
            CHECK(expect[i].first == byte, "%s: byte %d, want %d", pace.name, byte, expect[i].first);
            ends = expect[i].second;
            offered.push_back(byte);
          }
          CHECK(valid == (ends || there >= want), "%s: valid is %d with %u of %u bytes", pace.name, valid, there, want);
          CHECK(!closed || ends, "%s: the packet's end did not hold", pace.name);
          if (valid) CHECK(top.m_last_o == (ends && there <= want), "%s: last is %d", pace.name, static_cast<int>(top.m_last_o));
          closed = ends && !(valid && top.m_ready_i);
          if (valid && top.m_ready_i) {
            expect.erase(expect.begin(), expect.begin() + std::min(want, there));
            offered.clear();
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
      // At full speed and without holes bytes move every cycle.
      if (pace.source == 100 && pace.sink == 100 && !sparse && even)
        CHECK(spent <= takes + 10, "%llu cycles for %llu takes", static_cast<unsigned long long>(spent), static_cast<unsigned long long>(takes));
    }
  CHECK(empty_ends && (vanished || N > 1), "no packet was ended by an empty beat");
  std::printf("%llu bytes, %llu cycles, %llu packets ended by an empty beat, %llu empty packets\n", static_cast<unsigned long long>(bytes),
              static_cast<unsigned long long>(cycles), static_cast<unsigned long long>(empty_ends), static_cast<unsigned long long>(vanished));
  return 0;
}
