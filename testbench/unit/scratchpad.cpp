// o2c_scratchpad against an array of words: random accesses on every port, each cycle. Arguments: cycles, seed.
#include "Vtop.h"
#include "bench.h"

static const unsigned NS = P_W / P_G;
static const uint64_t NONE = ~0ull;

int main(int argc, char** argv) {
  const uint64_t cycles = argument(argc, argv, 1, 10000);
  Random random(argument(argc, argv, 2, 1));
  Vtop top;
  std::vector<std::vector<uint8_t>> memory(P_DEPTH, std::vector<uint8_t>(P_W));
  using Words = std::vector<std::pair<unsigned, std::vector<uint8_t>>>;  // of port A: place, word
  struct Due {
    Words a;
    bool b = false, out = false;
    std::vector<uint8_t> word;  // of port B
  };
  std::deque<Due> due(2);
  uint64_t reads = 0, pairs = 0, post = 0, out = 0, in = 0, written = 0, loads = 0, stores = 0;
  const auto address = [&] { return random.below(P_DEPTH); };
  top.rst_ni = 0;
  for (uint64_t t = 0; t < cycles; ++t) {
    top.rst_ni = t >= 4;
    top.a_addr_i = static_cast<uint32_t>(address());
    // The pair stands in the banks that the first four words leave; else these words are not looked at.
    const bool pair = P_BANKS == 8 && random.chance(80);
    uint64_t b = address();
    if (pair) b = (b & ~7ull) | ((top.a_addr_i + 4) & 7);
    if (b >= P_DEPTH) b = b >= 8 ? b - 8 : top.a_addr_i;
    const bool paired = pair && ((b - top.a_addr_i) & 7) == 4;
    top.a_pair_addr_i = static_cast<uint32_t>(b);
    const uint64_t kind = random.below(4);
    top.post_we_i = t >= 4 && kind == 0;
    top.post_rd_i = t >= 4 && kind == 1;
    top.spill_valid_i = t >= 4 && random.chance(30);
    top.spill_we_i = random.chance(50);
    top.out_rd_valid_i = t >= 4 && random.chance(50);
    top.in_wr_valid_i = t >= 4 && random.chance(50);
    top.post_slice_i = 0;
    for (unsigned s = 0; s < (NS + 7) / 8; ++s) set_byte(top.post_slice_i, s, static_cast<uint8_t>(random.next() & ((1u << NS) - 1)));
    top.post_waddr_i = static_cast<uint32_t>(address());
    top.post_raddr_i = static_cast<uint32_t>(address());
    top.spill_addr_i = static_cast<uint32_t>(address());
    top.out_rd_addr_i = static_cast<uint32_t>(address());
    top.in_wr_addr_i = static_cast<uint32_t>(address());
    for (unsigned i = 0; i < P_G; ++i) set_byte(top.post_wdata_i, i, static_cast<uint8_t>(random.next()));
    for (unsigned i = 0; i < P_W; ++i) set_byte(top.spill_data_i, i, static_cast<uint8_t>(random.next()));
    for (unsigned i = 0; i < P_W; ++i) set_byte(top.in_wr_data_i, i, static_cast<uint8_t>(random.next()));
    top.clk_i = 0;
    top.eval();

    const bool engine = top.post_we_i || top.post_rd_i;
    CHECK(top.spill_ready_o == !engine, "cycle %llu: external memory is %sready", static_cast<unsigned long long>(t), top.spill_ready_o ? "" : "not ");
    CHECK(top.out_rd_ready_o == (!engine && !top.spill_valid_i), "cycle %llu: the output stream is %sready", static_cast<unsigned long long>(t), top.out_rd_ready_o ? "" : "not ");
    CHECK(top.in_wr_ready_o == (!engine && !top.spill_valid_i && !top.out_rd_valid_i), "cycle %llu: the input stream is %sready", static_cast<unsigned long long>(t),
          top.in_wr_ready_o ? "" : "not ");
    const Due now = due.front();
    due.pop_front();
    for (const auto& [place, word] : now.a)
      for (unsigned i = 0; i < P_W; ++i)
        CHECK(byte_of(top.a_data_o, place * P_W + i) == word[i], "cycle %llu: word %u of port A, byte %u: got %d, want %d",
              static_cast<unsigned long long>(t), place, i, byte_of(top.a_data_o, place * P_W + i), word[i]);
    if (now.b)
      for (unsigned i = 0; i < P_W; ++i)
        CHECK(byte_of(top.b_data_o, i) == now.word[i], "cycle %llu: port B, byte %u: got %d, want %d", static_cast<unsigned long long>(t), i,
              byte_of(top.b_data_o, i), now.word[i]);
    if (t >= 8) CHECK(top.out_rd_data_valid_o == now.out, "cycle %llu: a word for the output stream: %d", static_cast<unsigned long long>(t), top.out_rd_data_valid_o);

    const bool in_take = top.in_wr_valid_i && top.in_wr_ready_o, out_take = top.out_rd_valid_i && top.out_rd_ready_o;
    const bool spill_take = top.spill_valid_i && top.spill_ready_o, load = spill_take && top.spill_we_i, store = spill_take && !top.spill_we_i;
    const uint64_t into = top.post_we_i ? top.post_waddr_i : load ? top.spill_addr_i : in_take ? top.in_wr_addr_i : NONE;
    Due later;
    for (unsigned place = 0; place < P_BANKS; ++place) {
      if (place >= 4 && !paired) break;
      const uint64_t at = (place < 4 ? top.a_addr_i : b) + place % 4;
      // Reading what is written in the same cycle is undefined.
      if (at < P_DEPTH && at != into) later.a.emplace_back(place, memory[at]), ++reads;
    }
    pairs += paired;
    if (top.post_rd_i || store || out_take) {
      later.b = true;
      later.word = memory[top.post_rd_i ? top.post_raddr_i : store ? top.spill_addr_i : top.out_rd_addr_i];
    }
    later.out = out_take;
    if (top.post_we_i)
      for (unsigned i = 0; i < P_W; ++i)
        if (bit_of(top.post_slice_i, i / P_G)) memory[into][i] = byte_of(top.post_wdata_i, i % P_G);
    if (load)
      for (unsigned i = 0; i < P_W; ++i) memory[into][i] = byte_of(top.spill_data_i, i);
    if (in_take)
      for (unsigned i = 0; i < P_W; ++i) memory[into][i] = byte_of(top.in_wr_data_i, i);
    post += top.post_rd_i, out += out_take, in += in_take, written += top.post_we_i, loads += load, stores += store;
    due.push_back(later);
    top.clk_i = 1;
    top.eval();
  }
  CHECK(reads && post && out && in && written && loads && stores && (P_BANKS != 8 || pairs), "a port was never used");
  std::printf("port A %llu words (%llu pairs), port B %llu + %llu + %llu reads, %llu + %llu + %llu writes\n", static_cast<unsigned long long>(reads),
              static_cast<unsigned long long>(pairs), static_cast<unsigned long long>(post), static_cast<unsigned long long>(stores), static_cast<unsigned long long>(out),
              static_cast<unsigned long long>(written), static_cast<unsigned long long>(loads), static_cast<unsigned long long>(in));
  return 0;
}
