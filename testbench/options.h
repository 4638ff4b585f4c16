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
               "            [--vectors DIR] [--watchdog CYCLES] [--protocol] [--json FILE]\n");
  std::exit(wrong ? 2 : 0);
}

inline uint64_t number(const char* text) {
  char* end = nullptr;
  const unsigned long long v = std::strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end) usage("a number is expected");
  return v;
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
    else if (a == "--stall") {
      const std::string v = value();
      if (v == "none") o.stall = Stall::kNone;
      else if (v == "random") o.stall = Stall::kRandom;
      else if (v == "long") o.stall = Stall::kLong;
      else usage("--stall is none, random or long");
    } else usage(("unknown option " + a).c_str());
  }
  return o;
}

}  // namespace bench
