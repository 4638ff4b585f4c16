// o2c_axil_regs: random accesses against a model of the map; then writes and reads at the same time.
// Arguments: accesses per pace, seed.
#include "axil.h"

#include "../onnx2chip_regs.h"
#include "Vtop.h"

static bool mapped(uint32_t a) {
  a &= 0xFC;
  return (a <= O2C_TOTAL_CYCLES_HI && a != 0x2C) || a == O2C_EXT_BASE_LO || a == O2C_EXT_BASE_HI;
}
static bool writable(uint32_t a) {
  a &= 0xFC;
  return a == O2C_CTRL || a == O2C_IRQ_ENABLE || a == O2C_IRQ_STATUS || a == O2C_ERROR || a == O2C_EXT_BASE_LO ||
         a == O2C_EXT_BASE_HI;
}

int main(int argc, char** argv) {
  const uint64_t accesses = argument(argc, argv, 1, 2000);
  Random random(argument(argc, argv, 2, 1));
  uint64_t cycles = 0, bad = 0, pulses = 0;
  for (const unsigned pace : {100u, 50u, 10u}) {
    Vtop top;
    AxilMaster master;
    AxilPins pins;
    uint32_t ctrl = 0, enable = 0, status = 0, error = 0, base_lo = 0, base_hi = 0;                      // the model
    uint32_t caps = 0, state = 0, cyc = 0, layers = 0, samples = 0, lo = 0, hi = 0;  // what the hardware shows
    uint32_t want_start = 0, got_start = 0, want_reset = 0, got_reset = 0, want_bad = 0, got_bad = 0, serial_got = 0, serial_want = 0;
    std::optional<AxilMaster::Write> wrote;
    std::optional<uint32_t> asked;
    uint64_t rest = 0;
    top.rst_ni = 0;
    for (uint64_t t = 0, done = 0; done < accesses || !master.idle() || rest; ++t, ++cycles) {
      CHECK(t < 1000000, "nothing moves");
      if (t == 3) top.rst_ni = 1;
      const bool serial = done < accesses / 2;
      if (t > 3 && master.idle() && rest == 0 && serial) {
        // Between accesses: events, and new values in the read-only fields.
        top.irq_status_done_set_i = random.chance(20);
        top.irq_status_error_set_i = random.chance(20);
        top.error_short_packet_set_i = random.chance(20);
        top.error_long_packet_set_i = random.chance(20);
        top.error_bad_access_set_i = random.chance(20);
        top.error_bus_set_i = random.chance(20);
        status |= top.irq_status_done_set_i | (top.irq_status_error_set_i << 1);
        error |= top.error_short_packet_set_i | (top.error_long_packet_set_i << 1) | (top.error_bad_access_set_i << 2) |
                 (top.error_bus_set_i << 3);
        caps = random.next() & 0xFFF;
        top.caps_log2_p_i = caps & 15, top.caps_log2_c_i = (caps >> 4) & 15, top.caps_log2_k_i = caps >> 8;
        state = random.next() & 31;
        top.status_busy_i = state & 1, top.status_input_full_i = (state >> 1) & 1, top.status_output_full_i = (state >> 2) & 1;
        top.status_start_pending_i = (state >> 3) & 1, top.status_resetting_i = state >> 4;
        top.cycles_i = cyc = static_cast<uint32_t>(random.next());
        top.layers_i = layers = random.next() & 0xFFFF;
        top.samples_i = samples = static_cast<uint32_t>(random.next());
        top.total_cycles_lo_i = lo = static_cast<uint32_t>(random.next());
        top.total_cycles_hi_i = hi = static_cast<uint32_t>(random.next());
        rest = 2;
      } else {
        top.irq_status_done_set_i = top.irq_status_error_set_i = 0;
        top.error_short_packet_set_i = top.error_long_packet_set_i = top.error_bad_access_set_i = top.error_bus_set_i = 0;
        if (t > 3 && rest == 1) {
          const auto address = static_cast<uint32_t>(random.chance(90) ? random.below(0x50) : random.below(0x100));
          if (random.chance(50)) master.begin_read(*(asked = address));
          else {
            wrote = AxilMaster::Write{address, static_cast<uint32_t>(random.next()), static_cast<uint32_t>(random.chance(70) ? 15 : random.below(16))};
            master.begin_write(wrote->address, wrote->data, wrote->strobe);
          }
          ++done;
        } else if (t > 3 && !serial) {
          // Both at once, wherever.
          if (!master.write && done < accesses) ++done, wrote = {static_cast<uint32_t>(random.below(256)), 0, 0}, master.begin_write(wrote->address, 0, 0);
          if (!master.read && done < accesses) ++done, master.begin_read(*(asked = static_cast<uint32_t>(random.below(256))));
        }
        if (rest) --rest;
      }
      master.drive(pins, random, pace);
      AXIL_DRIVE(top, s_, pins);
      top.clk_i = 0;
      top.eval();
      AXIL_SAMPLE(top, s_, pins);
      if (t > 3) {
        master.observe(pins);
        got_start += top.ctrl_start_o;
        got_reset += top.ctrl_soft_reset_o;
        got_bad += top.bad_access_o;
        if (serial) serial_got = got_bad, serial_want = want_bad;
      }
      if (master.bresp) {
        const auto w = *wrote;
        CHECK(*master.bresp == (writable(w.address) ? 0u : 2u), "BRESP %u to a write at 0x%02X", *master.bresp, w.address);
        want_bad += !writable(w.address);
        master.bresp.reset();
        uint32_t mask = 0;
        for (unsigned i = 0; i < 4; ++i) mask |= (w.strobe >> i & 1) * (0xFFu << (8 * i));
        const uint32_t ones = w.data & mask;
        switch (w.address & 0xFC) {
          case O2C_CTRL:
            ctrl = ((ctrl & ~mask) | ones) & O2C_CTRL_AUTO_MASK;
            want_start += ones & 1;
            want_reset += (ones >> 2) & 1;
            break;
          case O2C_IRQ_ENABLE: enable = ((enable & ~mask) | ones) & 3; break;
          case O2C_IRQ_STATUS: status &= ~ones; break;
          case O2C_ERROR: error &= ~ones; break;
          case O2C_EXT_BASE_LO: base_lo = ((base_lo & ~mask) | ones) & 0xFFFFF000u; break;
          case O2C_EXT_BASE_HI: base_hi = (base_hi & ~mask) | ones; break;
          default: break;
        }
      }
      if (master.rdata) {
        const uint32_t a = *asked & 0xFC;
        const auto [data, resp] = *master.rdata;
        master.rdata.reset();
        CHECK(resp == (mapped(a) ? 0u : 2u), "RRESP %u to a read at 0x%02X", resp, a);
        want_bad += !mapped(a);
        const uint32_t want = a == O2C_ID             ? O2C_ID_VALUE
                              : a == O2C_VERSION      ? (O2C_VERSION_MAJOR_VALUE << O2C_VERSION_MAJOR_SHIFT) + O2C_VERSION_MINOR_VALUE
                              : a == O2C_CAPS         ? caps
                              : a == O2C_CTRL         ? ctrl
                              : a == O2C_STATUS       ? state
                              : a == O2C_IRQ_ENABLE   ? enable
                              : a == O2C_IRQ_STATUS   ? status
                              : a == O2C_ERROR        ? error
                              : a == O2C_CYCLES       ? cyc
                              : a == O2C_LAYERS       ? layers
                              : a == O2C_SAMPLES      ? samples
                              : a == O2C_TOTAL_CYCLES_LO ? lo
                              : a == O2C_TOTAL_CYCLES_HI ? hi
                              : a == O2C_EXT_BASE_LO  ? base_lo
                              : a == O2C_EXT_BASE_HI  ? base_hi
                                                      : 0;
        CHECK(top.ext_base_lo_o == base_lo >> 12 && top.ext_base_hi_o == base_hi, "ext_base");
        CHECK(data == want, "0x%02X reads 0x%08X, want 0x%08X", a, data, want);
      }
      top.clk_i = 1;
      top.eval();
    }
    CHECK(got_start == want_start && got_reset == want_reset, "pulses: start %u of %u, reset %u of %u", got_start, want_start, got_reset, want_reset);
    // A read and a write that fail in the same cycle give one pulse; serial counts lag by the access under way.
    CHECK(got_bad <= want_bad && serial_want > 0 && serial_got - serial_want <= 1, "bad accesses: %u of %u, one by one %u of %u", got_bad,
          want_bad, serial_got, serial_want);
    CHECK(want_start > 0 && want_reset > 0, "no command was written");
    bad += got_bad;
    pulses += got_start + got_reset;
  }
  std::printf("%llu accesses, %llu answered with SLVERR, %llu command pulses, %llu cycles\n", static_cast<unsigned long long>(3 * accesses),
              static_cast<unsigned long long>(bad), static_cast<unsigned long long>(pulses), static_cast<unsigned long long>(cycles));
  return 0;
}
