// o2c_slide_gen against its header: random layers, one after another; every cycle's outputs. Arguments: layers, seed.
#include <algorithm>
#include <map>
#include <vector>

#include "Vtop.h"
#include "bench.h"

#ifndef P_HAS_RING
#define P_HAS_RING 0
#endif
#ifndef P_PASSES
#define P_PASSES 0
#endif
#ifndef P_IW
#define P_IW 1
#endif

struct Layer {
  int slots, out_w, out_h, blocks, wait, hold, in_h, in_w, first_h, first_w, stride_h, stride_w;
  uint64_t base, slot_step, pair_step, column_step, block_step, ring_step;
  int ring_slot;  // the slot behind which ring_step is the step
  int emit_first, emit_step, emit_wrap;  // the last two in slots, not minus 1
  uint32_t rows, cols;
  // Of passes.
  int below, beside, tile_h, tile_w, tile_slots, skip, group, group_step, hold_more;
  uint64_t tile_step, tile_first;
};

// What a cycle, counted from start_i, shows.
struct Slot {
  uint64_t addr, pair;
  uint32_t cols, rows;
  uint64_t index;
  bool emit, add, more;
};
struct Want {
  std::map<uint64_t, Slot> slots;
  std::map<uint64_t, uint32_t> weights;
  std::map<uint64_t, char> rewinds;  // one cycle before the first weights: 'g' group, 'b' block
  uint64_t end;  // the layer's last cycle
};

static const uint64_t MASK = (uint64_t{1} << P_AW) - 1;
static const int MOST = (1 << (P_CW - 1)) - 1;  // of a coordinate

// The places from `from` on that are on the map and in the kernel.
static uint32_t on_map(int from, int size, uint32_t kernel, int count) {
  uint32_t bits = 0;
  for (int i = 0; i < count; ++i)
    if ((kernel >> i & 1) && from + i >= 0 && from + i < size) bits |= 1u << i;
  return bits;
}

// False for a layer whose coordinates do not fit.
static bool expect(const Layer& l, Want& want) {
  uint64_t begin = 0;
  struct Pass {
    int block, from, below, beside;
  };
  std::vector<Pass> passes;
  for (int block = 0; block < l.blocks; ++block)
    for (int from = 0; from < l.out_w; from += l.group)
      for (int below = 0; below < l.below; ++below)
        for (int beside = 0; beside < l.beside; ++beside) passes.push_back({block, from, below, beside});
  int around = 0, ring_slot = l.ring_slot;  // of the row of tiles: whether it begins behind the ring's end
  int skip = l.skip;
  for (const Pass& pass : passes) {
    const int columns = std::min(l.group, l.out_w - pass.from);
    const bool more = pass.below + 1 < l.below || pass.beside + 1 < l.beside;
    const int hold = more ? l.hold_more : l.hold;
    if (pass.below == 0 && pass.beside == 0) {
      around = 0, ring_slot = l.ring_slot, skip = l.skip;
      if (pass.from > 0) want.rewinds[begin + 2] = 'g';
      else if (pass.block > 0) want.rewinds[begin + 2] = 'b';
    } else if (pass.beside == 0) {
      const int moved = std::max(0, l.tile_slots - skip);
      skip = std::max(0, skip - l.tile_slots);
      if (P_HAS_RING != 0 && ring_slot < moved) around += 1, ring_slot = (1 << P_CW) - 1;
      else ring_slot -= moved;
    }
    uint64_t first = l.base + static_cast<uint64_t>(pass.block) * l.block_step +
                     static_cast<uint64_t>(pass.from / l.group * l.group_step + pass.beside * l.tile_w);
    if (skip == 0)
      first += (P_PASSES != 0 ? l.tile_first : 0) + static_cast<uint64_t>(pass.below) * l.tile_step +
               static_cast<uint64_t>(around) * (l.ring_step - l.slot_step);
    for (int p = 0; p < P_P; ++p) want.weights[begin + 3 + static_cast<uint64_t>(p)] |= 1u << p;
    std::map<int, int> due;  // slot: output row
    int slot = l.emit_first + l.skip - skip;
    for (int w = 0; w < columns; ++w)
      for (int h = 0; h < l.out_h; ++h) {
        due[slot] = h;
        slot += h + 1 < l.out_h ? l.emit_step : l.emit_wrap;
      }
    const int last = due.rbegin()->first;
    uint64_t index = 0;
    for (int s = 0; s <= last; ++s) {
      const int column = s / l.slots;
      const int w = l.first_w + pass.from / l.group * l.group_step + pass.beside * l.tile_w + column * l.stride_w;
      if (w + l.stride_w > MOST) return false;
      Slot here{};
      here.addr = (first + static_cast<uint64_t>(column) * l.column_step +
                   static_cast<uint64_t>(s % l.slots) * l.slot_step) & MASK;
      if (P_HAS_RING != 0 && s % l.slots > ring_slot) here.addr = (here.addr + l.ring_step - l.slot_step) & MASK;
      here.pair = (here.addr + l.pair_step) & MASK;
      here.cols = on_map(w, l.in_w, l.cols, 4);
      const auto output = due.find(s);
      here.emit = output != due.end();
      if (here.emit) {
        const int h = l.first_h + pass.below * l.tile_h + output->second * l.stride_h;
        here.index = index++;
        here.add = pass.below + pass.beside > 0;
        here.more = more;
        if (h > MOST) return false;
        here.rows = on_map(h, l.in_h, l.rows, P_LR);
      }
      want.slots[begin + static_cast<uint64_t>(l.wait + 2 + s * hold)] = here;
    }
    const int cycles = l.wait + (last + 1) * hold;
    if (l.below * l.beside > 1 && cycles < 4) return false;
    begin += static_cast<uint64_t>(cycles);
  }
  want.end = begin;
  return true;
}

int main(int argc, char** argv) {
  const uint64_t layers = argument(argc, argv, 1, 100);
  Random random(argument(argc, argv, 2, 1));
  Vtop top;
  uint64_t cycles = 0, slots = 0, emits = 0, masked = 0, resets = 0, groups = 0;
  const auto tick = [&] {
    top.clk_i = 1;
    top.eval();
    top.clk_i = 0;
    top.eval();
    ++cycles;
  };
  const auto quiet = [&](unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      tick();
      CHECK(!top.s1_valid_o && !top.s1_emit_o && !top.weight_row_o, "something moves though nothing was started");
    }
  };
  top.start_i = 0;
  top.rst_ni = 0;
  top.clk_i = 0;
  for (int i = 0; i < P_P + 4; ++i) tick();
  top.rst_ni = 1;
  quiet(20);
  const auto pick = [&](int lo, int hi) { return static_cast<int>(random.range(lo, hi)); };
  for (uint64_t n = 0; n < layers;) {
    Layer l{};
    const bool large = random.chance(20);  // coordinates near the end of their range
    l.slots = pick(1, large ? 20 : 7);
    l.out_w = pick(1, 5);
    l.out_h = pick(1, 5);
    l.blocks = pick(1, 4);
    l.wait = random.chance(40) ? 0 : random.chance(5) ? pick(250, 600) : pick(1, 6);
    l.hold = random.chance(50) ? 1 : random.chance(5) ? 256 : pick(2, 5);
    l.in_h = large ? pick(1, MOST) : pick(1, 9);
    l.in_w = large ? pick(1, MOST) : pick(1, 9);
    l.first_h = large && random.chance(50) ? pick(-MOST, MOST) : pick(-P_LR, 3);
    l.first_w = large && random.chance(50) ? pick(-MOST, MOST) : pick(-3, 3);
    l.stride_h = pick(1, large ? 20 : 3);
    l.stride_w = pick(1, large ? 20 : 3);
    for (uint64_t* address : {&l.base, &l.slot_step, &l.pair_step, &l.column_step, &l.block_step, &l.ring_step}) *address = random.next() & MASK;
    l.emit_first = pick(0, 4);
    l.emit_step = pick(1, 3);
    l.emit_wrap = pick(1, large ? 20 : 6);
    l.rows = static_cast<uint32_t>(random.next()) & ((1u << P_LR) - 1);
    l.cols = static_cast<uint32_t>(random.next()) & 15;
    if (random.chance(10)) l.emit_first = pick(5, 255);
    l.ring_slot = random.chance(10) ? (1 << P_CW) - 1 : pick(0, l.slots);
    // One pass of one group, or a kernel of several tiles.
    l.below = l.beside = l.hold_more = 1;
    l.group = l.out_w;
    l.skip = l.tile_h = l.tile_w = l.tile_slots = l.group_step = 0;
    l.tile_step = l.tile_first = 0;
    const bool several = P_PASSES != 0 && random.chance(70);
    l.hold_more = several ? pick(1, 3) : l.hold;
    if (several) {
      l.emit_first = std::min(l.emit_first, 250);
      l.below = pick(1, 3);
      l.beside = pick(l.below == 1 ? 2 : 1, 3);
      l.tile_h = pick(0, 6);
      l.tile_w = pick(0, 6);
      l.tile_slots = pick(1, 4);
      l.group = pick(1, l.out_w);
      l.group_step = pick(0, 9);
      l.tile_step = random.next() & MASK;
      // Only what stands above the map has another address.
      l.skip = random.chance(50) ? 0 : pick(1, 5);
      l.tile_first = l.skip > 0 ? random.next() & MASK : 0;
    }
    Want want;
    if (!expect(l, want) || want.end > 20000) continue;
    ++n;

    set_integer(top.slot_last_i, l.slots - 1, P_CW);
    set_integer(top.out_w_last_i, l.out_w - 1, P_CW);
    set_integer(top.out_h_last_i, l.out_h - 1, P_CW);
    set_integer(top.block_last_i, l.blocks - 1, P_NW);
    set_integer(top.wait_i, l.wait, 16);
    set_integer(top.hold_last_i, l.hold - 1, 8);
    set_integer(top.in_h_i, l.in_h, P_CW);
    set_integer(top.in_w_i, l.in_w, P_CW);
    set_integer(top.first_h_i, l.first_h, P_CW);
    set_integer(top.first_w_i, l.first_w, P_CW);
    set_integer(top.stride_h_i, l.stride_h, P_CW);
    set_integer(top.stride_w_i, l.stride_w, P_CW);
    set_integer(top.base_i, l.base, P_AW);
    set_integer(top.slot_step_i, l.slot_step, P_AW);
    set_integer(top.pair_step_i, l.pair_step, P_AW);
    set_integer(top.column_step_i, l.column_step, P_AW);
    set_integer(top.block_step_i, l.block_step, P_AW);
    set_integer(top.ring_slot_i, l.ring_slot, P_CW);
    set_integer(top.ring_step_i, l.ring_step, P_AW);
    set_integer(top.emit_first_i, l.emit_first, 8);
    set_integer(top.emit_step_i, l.emit_step - 1, 8);
    set_integer(top.emit_wrap_i, l.emit_wrap - 1, 8);
    set_integer(top.rows_i, l.rows, P_LR);
    set_integer(top.cols_i, l.cols, 4);
    set_integer(top.tile_row_last_i, l.below - 1, 8);
    set_integer(top.tile_col_last_i, l.beside - 1, 8);
    set_integer(top.tile_h_i, l.tile_h, P_CW);
    set_integer(top.tile_w_i, l.tile_w, P_CW);
    set_integer(top.tile_slots_i, l.tile_slots, P_CW);
    set_integer(top.tile_step_i, l.tile_step, P_AW);
    set_integer(top.tile_first_i, l.tile_first, P_AW);
    set_integer(top.skip_i, l.skip, P_CW);
    set_integer(top.group_last_i, l.group - 1, P_CW);
    set_integer(top.group_step_i, l.group_step, P_CW);
    set_integer(top.hold_more_i, l.hold_more - 1, 8);
    top.start_i = 1;
    const bool stopped = random.chance(5);
    const uint64_t stop = stopped ? random.below(want.end) : want.end + 6 + P_P;
    for (uint64_t t = 1; t <= stop; ++t) {
      tick();
      top.start_i = 0;
      const auto slot = want.slots.find(t);
      const bool valid = slot != want.slots.end();
      const auto at = static_cast<unsigned long long>(t), layer = static_cast<unsigned long long>(n);
      CHECK(top.s1_valid_o == valid, "layer %llu cycle %llu: valid %d", layer, at, top.s1_valid_o);
      CHECK(top.s1_emit_o == (valid && slot->second.emit), "layer %llu cycle %llu: emit %d", layer, at, top.s1_emit_o);
      const auto weight = want.weights.find(t);
      const uint32_t row = weight == want.weights.end() ? 0 : weight->second;
      CHECK(top.weight_row_o == row, "layer %llu cycle %llu: weight rows %x, want %x", layer, at, static_cast<unsigned>(top.weight_row_o), row);
      if (P_PASSES != 0) {
        const auto rewind = want.rewinds.find(t);
        const char kind = rewind == want.rewinds.end() ? ' ' : rewind->second;
        CHECK(top.weight_again_o == (kind == 'g') && top.weight_block_o == (kind == 'b'), "layer %llu cycle %llu: weights again %d, block %d, want %c",
              layer, at, top.weight_again_o, top.weight_block_o, kind);
        groups += kind == 'g';
      }
      if (!valid) continue;
      const Slot& here = slot->second;
      CHECK(top.s1_addr_o == here.addr, "layer %llu cycle %llu: address %llu, want %llu", layer, at, static_cast<unsigned long long>(top.s1_addr_o),
            static_cast<unsigned long long>(here.addr));
      CHECK(top.s1_pair_addr_o == here.pair, "layer %llu cycle %llu: second row at %llu, want %llu", layer, at,
            static_cast<unsigned long long>(top.s1_pair_addr_o), static_cast<unsigned long long>(here.pair));
      CHECK(top.s1_cols_o == here.cols, "layer %llu cycle %llu: columns %x, want %x", layer, at, static_cast<unsigned>(top.s1_cols_o), here.cols);
      if (here.emit) {
        CHECK(top.s1_rows_o == here.rows, "layer %llu cycle %llu: rows %x, want %x", layer, at, static_cast<unsigned>(top.s1_rows_o), here.rows);
        if (P_PASSES != 0)
          CHECK(top.s1_index_o == here.index && top.s1_add_o == here.add && top.s1_more_o == here.more,
                "layer %llu cycle %llu: sum %llu, add %d, more %d", layer, at, static_cast<unsigned long long>(top.s1_index_o), top.s1_add_o,
                top.s1_more_o);
        masked += here.rows != l.rows;
        ++emits;
      }
      ++slots;
    }
    if (stopped) {
      ++resets;
      top.start_i = 0;
      top.rst_ni = 0;
      for (int i = 0; i < P_P + 4; ++i) tick();
      top.rst_ni = 1;
      quiet(20);
    }
  }
  CHECK(emits && masked && resets, "the layers never reached an edge or a reset");
  CHECK(groups || P_PASSES == 0, "no block had several groups");
  std::printf("%llu layers, %llu slots, %llu outputs (%llu at an edge), %llu cycles\n", static_cast<unsigned long long>(layers),
              static_cast<unsigned long long>(slots), static_cast<unsigned long long>(emits), static_cast<unsigned long long>(masked),
              static_cast<unsigned long long>(cycles));
  return 0;
}
