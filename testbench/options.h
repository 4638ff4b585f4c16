// Command line of the testbench.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace bench {

enum class Stall { kNone, kRandom, kLong };

struct Options {
  Stall stall = Stall::kNone;
  uint64_t seed = 1;
  uint64_t samples = 0;      // 0: every golden sample
  uint64_t watchdog = 0;     // cycles without progress; 0: from the predicted cycles
  std::string vectors = "vectors";
  std::string trace;         // waveform file, FST
  std::string json;          // where the JSON object goes; empty: standard output
  uint64_t mem_latency = 0;  // external memory: cycles to the first beat; 0: those that the predicted cycles count on
  uint64_t mem_bandwidth = 100;  // likewise, share of cycles with a beat, percent
  Stall mem_stall = Stall::kNone;
  bool protocol = false;     // negative tests of streams and registers instead of golden samples
};

inline const char* stall_name(Stall s) {
  switch (s) {
    case Stall::kNone: return "none";
    case Stall::kRandom: return "random";
    case Stall::kLong: return "long";
  }
  return "?";
}

[[noreturn]] inline void usage(const char* wrong) {
  if (wrong) std::fprintf(stderr, "error: %s\n", wrong);
  std::fprintf(stderr,
               "usage: Vtop [--samples N] [--stall none|random|long] [--seed N] [--trace FILE.fst]\n"
               "            [--mem-latency CYCLES] [--mem-bandwidth PERCENT] [--mem-stall none|random|long]\n"
               "            [--vectors DIR] [--watchdog CYCLES] [--protocol] [--json FILE]\n");
  std::exit(wrong ? 2 : 0);
}

inline uint64_t number(const char* text) {
  char* end = nullptr;
  const unsigned long long v = std::strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end) usage("a number is expected");
  return v;
}

inline Stall stall(const std::string& v, const char* option) {
  if (v == "none") return Stall::kNone;
  if (v == "random") return Stall::kRandom;
  if (v == "long") return Stall::kLong;
  usage((std::string(option) + " is none, random or long").c_str());
}

inline Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    const auto value = [&]() -> const char* {
      if (i + 1 >= argc) usage((a + " needs a value").c_str());
      return argv[++i];
    };
    if (a == "--help" || a == "-h") usage(nullptr);
    else if (a == "--samples") o.samples = number(value());
    else if (a == "--seed") o.seed = number(value());
    else if (a == "--watchdog") o.watchdog = number(value());
    else if (a == "--vectors") o.vectors = value();
    else if (a == "--trace") o.trace = value();
    else if (a == "--json") o.json = value();
    else if (a == "--protocol") o.protocol = true;
    else if (a == "--stall") o.stall = stall(value(), "--stall");
    else if (a == "--mem-stall") o.mem_stall = stall(value(), "--mem-stall");
    else if (a == "--mem-latency") {
      o.mem_latency = number(value());
      if (o.mem_latency == 0) usage("--mem-latency is at least 1");
    } else if (a == "--mem-bandwidth") {
      o.mem_bandwidth = number(value());
      if (o.mem_bandwidth < 1 || o.mem_bandwidth > 100) usage("--mem-bandwidth is 1 to 100");
    } else usage(("unknown option " + a).c_str());
  }
  return o;
}

}  // namespace bench
