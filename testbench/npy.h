// Reads .npy arrays of int8, uint8 and int32 in C order (NumPy Enhancement Proposal 1).
#pragma once
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

struct Npy {
  std::vector<size_t> shape;
  unsigned width = 0;  // bytes of one element
  std::vector<uint8_t> bytes;

  size_t size() const { return bytes.size() / width; }
  int32_t i32(size_t i) const {
    int32_t v;
    std::memcpy(&v, &bytes[4 * i], 4);
    return v;
  }
  int8_t i8(size_t i) const { return static_cast<int8_t>(bytes[i]); }
};

inline Npy load_npy(const std::string& path, unsigned width) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + " can't be opened");
  const std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto bad = [&](const char* why) { return std::runtime_error(path + ": " + why); };
  const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(all[i])); };
  if (all.size() < 12 || all.compare(0, 6, "\x93NUMPY") != 0) throw bad("not a .npy file");
  const size_t start = byte(6) == 1 ? 10 : 12;
  const size_t length = byte(8) | byte(9) << 8 | (start == 12 ? byte(10) << 16 | byte(11) << 24 : 0);
  if (all.size() < start + length) throw bad("truncated header");
  const std::string header = all.substr(start, length);
  const char* kind = width == 4 ? "'<i4'" : "1'";
  if (header.find(kind) == std::string::npos) throw bad("unexpected element type");
  if (header.find("'fortran_order': False") == std::string::npos) throw bad("not in C order");
  Npy out;
  out.width = width;
  size_t at = header.find("'shape': (");
  if (at == std::string::npos) throw bad("no shape");
  size_t count = 1;
  for (at += 10; at < header.size() && header[at] != ')'; ++at) {
    if (header[at] < '0' || header[at] > '9') continue;
    size_t v = 0;
    for (; header[at] >= '0' && header[at] <= '9'; ++at) v = 10 * v + static_cast<size_t>(header[at] - '0');
    out.shape.push_back(v);
    count *= v;
    --at;
  }
  if (all.size() != start + length + count * width) throw bad("size and shape do not agree");
  out.bytes.assign(all.begin() + static_cast<std::ptrdiff_t>(start + length), all.end());
  return out;
}

}  // namespace bench
