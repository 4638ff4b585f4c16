// Ports of any width as bits: fields of up to 32 bits put in, of up to 64 taken out.
#pragma once
#include "bench.h"

/// BITS bits, least significant first.
template <unsigned BITS>
struct Packed {
  uint32_t words[(BITS + 31) / 32 + 1] = {};
  void put(unsigned at, unsigned bits, uint32_t value) {
    const uint64_t mask = ((uint64_t{1} << bits) - 1) << (at % 32);
    uint64_t two = words[at / 32] | uint64_t{words[at / 32 + 1]} << 32;
    two = (two & ~mask) | ((uint64_t{value} << (at % 32)) & mask);
    words[at / 32] = static_cast<uint32_t>(two);
    words[at / 32 + 1] = static_cast<uint32_t>(two >> 32);
  }
  int64_t get(unsigned at, unsigned bits) const {
    const uint64_t two = (words[at / 32] | uint64_t{words[at / 32 + 1]} << 32) >> (at % 32);
    return static_cast<int64_t>(two << (64 - bits)) >> (64 - bits);
  }
};
template <unsigned BITS, typename T>
void to_port(T& port, const Packed<BITS>& from) {
  port = static_cast<T>(from.words[0] | uint64_t{from.words[1]} << 32);
}
template <unsigned BITS, std::size_t N>
void to_port(VlWide<N>& port, const Packed<BITS>& from) {
  for (unsigned i = 0; i < N; ++i) port[i] = from.words[i];
}
template <unsigned BITS, typename T>
void of_port(Packed<BITS>& to, const T& port) {
  to.words[0] = static_cast<uint32_t>(port);
  to.words[1] = static_cast<uint32_t>(static_cast<uint64_t>(port) >> 32);
}
template <unsigned BITS, std::size_t N>
void of_port(Packed<BITS>& to, const VlWide<N>& port) {
  for (unsigned i = 0; i < N; ++i) to.words[i] = port[i];
}

/// The integer that `bits` bits stand for, two's complement or bipolar.
static inline int64_t value_of(uint32_t raw, unsigned bits, bool bipolar) {
  raw &= (1u << bits) - 1;
  if (bipolar) return raw ? 1 : -1;
  return raw >> (bits - 1) ? static_cast<int64_t>(raw) - (int64_t{1} << bits) : raw;
}
