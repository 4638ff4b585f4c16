// o2c_sequencer against its header, cycle by cycle: random descriptors in their ROM, in full or as changes, and everything
// that a layer waits for at random. Arguments: cycles, seed.
#include "bench.h"

#include "Vtop.h"
#include "Vtop___024root.h"

using Descriptor = std::vector<uint32_t>;

static bool releases(const Descriptor& d) { return d[0] >> 4 & 1; }
static bool writes(const Descriptor& d) { return d[0] >> 5 & 1; }
static bool completes(const Descriptor& d) { return d[1] >> 19 & 1; }
static unsigned needs(const Descriptor& d) { return d[12] >> 24; }
static unsigned rows(const Descriptor& d) { return d[29] & 0xFFFF; }
static unsigned freed(const Descriptor& d) { return d[29] >> 16; }

// A word of a layer's; the first layer's flags are set, counts are such that they are waited for, and not for long.
static uint32_t word(int layer, int n, Random& random) {
  auto any = static_cast<uint32_t>(random.next());
  if (layer == 0 && n == 0) any |= 3 << 4;
  if (layer == 0 && n == 1) any |= 1 << 19;
  if (n == 12) return (any & 0xFFFFFF) | static_cast<uint32_t>(random.range(layer == 0, 3)) << 24;
  if (n == 29) return (any & 0xFFFF0000) | static_cast<uint32_t>(random.range(layer == 0, 20));
  return any;
}

// The descriptors, and the ROM that holds them in exactly P_NROM words.
static std::vector<Descriptor> descriptors(std::vector<uint32_t>& rom, Random& random) {
  int spare = P_NROM - P_NLAYERS - P_NWORDS;  // words that change, all together
  std::vector<int> changes(P_NLAYERS, 0);
  while (P_CHANGES != 0 && spare > 0) {
    auto& of_layer = changes[static_cast<size_t>(random.range(1, P_NLAYERS - 1))];
    if (of_layer < P_NWORDS) ++of_layer, --spare;
  }
  std::vector<Descriptor> all;
  for (int layer = 0; layer < P_NLAYERS; ++layer) {
    std::vector<bool> changed(P_NWORDS, P_CHANGES == 0 || layer == 0);
    for (int left = changes[static_cast<size_t>(layer)]; left > 0;) {
      const size_t n = random.below(P_NWORDS);
      if (!changed[n]) changed[n] = true, --left;
    }
    Descriptor d = layer == 0 ? Descriptor(P_NWORDS, 0) : all.back();
    uint32_t which = 0;
    std::vector<uint32_t> values;
    for (int n = 0; n < P_NWORDS; ++n)
      if (changed[static_cast<size_t>(n)]) {
        values.push_back(d[static_cast<size_t>(n)] = word(layer, n, random));
        which |= 1u << n;
      }
    if (P_CHANGES != 0) rom.push_back(which);
    rom.insert(rom.end(), values.begin(), values.end());
    all.push_back(d);
  }
  CHECK(rom.size() == P_NROM, "%zu words of the ROM", rom.size());
  return all;
}

int main(int argc, char** argv) {
  const uint64_t cycles = argument(argc, argv, 1, 200000);
  Random random(argument(argc, argv, 2, 1));
  std::vector<uint32_t> rom;
  const std::vector<Descriptor> all = descriptors(rom, random);
  Vtop top;
  top.rst_ni = 0;
  top.clk_i = 0;
  top.eval();
  for (size_t i = 0; i < rom.size(); ++i) top.rootp->o2c_sequencer__DOT__u_desc__DOT__mem[i] = rom[i];

  // The model: what the header says of each cycle.
  bool running = false, first = true, started = false;
  size_t layer = 0, under_way = 0;  // the next one to be issued, the last one that was
  uint64_t full = 0, loads = 0, left = 0, reset = 5, issues = 0, samples = 0, waits[5] = {};
  unsigned free_rows = 0, there = 0;
  bool configured = false;  // desc_o has been written
  bool eager = true;        // nothing but the descriptor is waited for
  for (uint64_t t = 0; t < cycles; ++t) {
    if (reset == 0 && random.chance(1) && random.chance(5)) reset = static_cast<uint64_t>(random.range(1, 6));
    top.rst_ni = reset == 0;
    if (random.chance(1)) eager = !eager;
    top.run_i = eager || random.chance(30);
    top.sample_ready_i = eager || random.chance(30);
    top.out_ready_i = eager || random.chance(30);
    top.load_i = loads < 12 && random.chance(eager ? 50 : 4);
    if (eager) there = 20;
    else if (random.chance(20)) there = static_cast<unsigned>(random.below(24));
    top.in_rows_i = static_cast<uint16_t>(there);
    top.done_i = reset == 0 && running && left == 0;
    top.clk_i = 0;
    top.eval();

    const Descriptor& d = all[layer];
    const bool may[5] = {!first || (top.run_i && top.sample_ready_i), !writes(d) || top.out_ready_i,
                         P_EXT == 0 || loads >= needs(d), P_IN_RING == 0 || there >= rows(d), t >= full};
    bool issue = reset == 0 && !running;
    for (int i = 0; i < 5; ++i) {
      waits[i] += issue && !may[i];
      issue = issue && may[i];
    }
    const auto at = static_cast<unsigned long long>(t);
    CHECK(top.issue_o == issue, "cycle %llu: issue_o is %d", at, top.issue_o);
    if (reset == 0) {
      CHECK(!issue || top.layer_o == layer, "cycle %llu: layer_o is %d, want %zu", at, top.layer_o, layer);
      CHECK(top.start_o == started, "cycle %llu: start_o is %d", at, top.start_o);
      CHECK(top.sample_start_o == (issue && first), "cycle %llu: sample_start_o is %d", at, top.sample_start_o);
      CHECK(top.busy_o == (running || !first || issue), "cycle %llu: busy_o is %d", at, top.busy_o);
      CHECK(top.in_free_o == (top.done_i && releases(all[under_way])), "cycle %llu: in_free_o is %d", at, top.in_free_o);
      CHECK(top.out_done_o == (top.done_i && completes(all[under_way])), "cycle %llu: out_done_o is %d", at, top.out_done_o);
      CHECK(top.in_freed_o == (P_IN_RING != 0 ? free_rows : 0), "cycle %llu: in_freed_o is %d, want %u", at, top.in_freed_o, free_rows);
    }
    for (size_t n = 0; configured && n < P_NWORDS; ++n)
      CHECK(top.desc_o[n] == all[under_way][n], "cycle %llu: layer %zu, word %zu is %08x, want %08x", at, under_way, n, top.desc_o[n],
            all[under_way][n]);

    // The next cycle.
    if (top.done_i) {
      free_rows = releases(all[under_way]) ? 0 : freed(all[under_way]);
      running = false;
      first = layer == 0;
    } else if (left > 0) {
      --left;
    }
    started = issue;
    loads += top.load_i;
    if (issue) {
      if (P_EXT != 0) loads -= needs(d);
      under_way = layer;
      layer = (layer + 1) % P_NLAYERS;
      running = configured = true;
      first = false;
      full = t + P_NWORDS + 3;
      left = random.chance(50) ? random.below(5) : random.below(2 * P_NWORDS);
      ++issues;
      samples += layer == 0;
    }
    if (reset > 0) {
      running = started = false;
      first = true;
      layer = 0;
      loads = 0;
      free_rows = 0;
      full = t + 3 + P_NWORDS + 3;  // in the reset's last cycle: the first word needs two cycles more
      --reset;
    }
    top.clk_i = 1;
    top.eval();
  }
  CHECK(samples > 20, "only %llu samples", static_cast<unsigned long long>(samples));
  CHECK(waits[0] && waits[1] && (P_EXT == 0 || waits[2]) && (P_IN_RING == 0 || waits[3]) && waits[4], "something was never waited for");
  std::printf("%llu descriptors, %llu samples\n", static_cast<unsigned long long>(issues), static_cast<unsigned long long>(samples));
  return 0;
}
