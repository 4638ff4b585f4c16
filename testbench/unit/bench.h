// Shared by the unit benches: random numbers, failure, byte access to ports of any width, the clock.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "verilated.h"

/// xoshiro256**: the same sequence on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) {
    for (auto& word : state_) {
      seed += 0x9E3779B97F4A7C15ull;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
      word = z ^ (z >> 31);
    }
  }
  uint64_t next() {
    const uint64_t result = rotl(state_[1] * 5, 7) * 9, t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotl(state_[3], 45);
    return result;
  }
  /// Uniform in 0 .. n-1.
  uint64_t below(uint64_t n) { return next() % n; }
  /// Uniform in lo ..= hi.
  int64_t range(int64_t lo, int64_t hi) { return lo + static_cast<int64_t>(below(static_cast<uint64_t>(hi - lo) + 1)); }
  /// True in `percent` of 100 calls.
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  uint64_t state_[4];
};

/// Ends the bench: the design is wrong.
#define FAIL(...)                                 \
  do {                                            \
    std::printf("FAIL %s:%d: ", __FILE__, __LINE__); \
    std::printf(__VA_ARGS__);                     \
    std::printf("\n");                            \
    std::exit(1);                                 \
  } while (0)
#define CHECK(condition, ...)      \
  do {                             \
    if (!(condition)) FAIL(__VA_ARGS__); \
  } while (0)

// Byte i of a port, little-endian, whatever type Verilator gave it.
template <typename T>
uint8_t byte_of(const T& port, unsigned i) {
  return static_cast<uint8_t>(static_cast<uint64_t>(port) >> (8 * i));
}
template <std::size_t N>
uint8_t byte_of(const VlWide<N>& port, unsigned i) {
  return static_cast<uint8_t>(port[i / 4] >> (8 * (i % 4)));
}
template <typename T>
void set_byte(T& port, unsigned i, uint8_t v) {
  const uint64_t mask = uint64_t{0xFF} << (8 * i);
  port = static_cast<T>((static_cast<uint64_t>(port) & ~mask) | (uint64_t{v} << (8 * i)));
}
template <std::size_t N>
void set_byte(VlWide<N>& port, unsigned i, uint8_t v) {
  const unsigned s = 8 * (i % 4);
  port[i / 4] = (port[i / 4] & ~(uint32_t{0xFF} << s)) | (uint32_t{v} << s);
}
/// A port as the low `bits` bits of a two's complement integer.
template <typename T>
void set_integer(T& port, __int128 value, unsigned bits) {
  const unsigned __int128 u = static_cast<unsigned __int128>(value) & (((static_cast<unsigned __int128>(1)) << bits) - 1);
  for (unsigned i = 0; i < (bits + 7) / 8; ++i) set_byte(port, i, static_cast<uint8_t>(u >> (8 * i)));
}
// Bit i of a port.
template <typename T>
bool bit_of(const T& port, unsigned i) {
  return (byte_of(port, i / 8) >> (i % 8)) & 1;
}

/// How a bench paces one side: percent of cycles in which it is willing.
struct Pace {
  const char* name;
  unsigned source, sink;
};
static const Pace PACES[] = {
    {"full speed", 100, 100}, {"idle source", 30, 100}, {"slow sink", 100, 30}, {"both random", 60, 60}, {"crawl", 8, 12},
};

/// Registers without a reset start at random values (Verilator's default is 0, which hides missing resets).
static const bool RANDOM_START = [] {
  Verilated::randReset(2);
  Verilated::randSeed(12345);
  return true;
}();

static inline uint64_t argument(int argc, char** argv, int i, uint64_t otherwise) {
  return argc > i ? std::strtoull(argv[i], nullptr, 0) : otherwise;
}
