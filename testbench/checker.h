// Compares every traced value of every layer with the golden vectors, and measures cycles.
//
// A layer's beats are counted by themselves, so that layers and samples may overlap; each (pixel, channel) of the
// layer must be seen exactly once a sample. Values of channels beyond the layer's are alignment and are skipped.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "design.h"
#include "npy.h"

namespace bench {

struct Mismatch {
  bool set = false;
  std::string layer, stage;
  uint64_t sample = 0, index = 0, cycle = 0;
  unsigned channel = 0, row = 0, column = 0;
  int64_t expected = 0, got = 0;
  bool missing = false;  // nothing was seen; `got` means nothing
};

// One trace beat: kLanes consecutive channels of one pixel.
struct TraceBeat {
  unsigned step = 0, channel = 0;
  uint64_t sample = 0;
  uint32_t pixel = 0;
  int32_t acc[design::kLanes];
  int8_t q[design::kLanes], y[design::kLanes];
};

class Checker {
 public:
  Checker(const std::string& folder, uint64_t wanted) {
    for (size_t i = 0; i < design::kLayerCount; ++i) {
      const design::Layer& d = design::kLayers[i];
      char stem[32];
      std::snprintf(stem, sizeof stem, "/l%03zu_", i);
      State s;
      s.pixels = size_t{d.rows} * d.columns;
      s.values = s.pixels * d.channels;
      s.seen.assign(s.values, false);
      s.y = load_npy(folder + stem + "y.npy", 1);
      if (d.accumulator) {
        s.acc = load_npy(folder + stem + "acc.npy", 4);
        s.q = load_npy(folder + stem + "q.npy", 1);
        if (s.acc.size() != s.y.size() || s.q.size() != s.y.size())
          throw std::runtime_error(std::string("golden vectors of ") + d.name + " differ in size");
      }
      if (s.y.size() < wanted * s.values) throw std::runtime_error(std::string("too few golden values of ") + d.name);
      layers_.push_back(std::move(s));
    }
    samples_ = wanted;
  }

  void beat(const TraceBeat& b, uint64_t cycle) {
    if (b.step >= design::kStepCount) return fault("a trace beat of step " + std::to_string(b.step), cycle);
    const design::Step& step = design::kSteps[b.step];
    const unsigned layer = step.layer, place = step.place + b.channel;
    const design::Layer& d = design::kLayers[layer];
    State& s = layers_[layer];
    unsigned channel;
    if (!channel_at(d, place, channel)) return;
    if (b.pixel >= step.rows * d.columns)
      return fault(std::string(d.name) + ": a trace beat of pixel " + std::to_string(b.pixel), cycle);
    if (b.sample >= samples_) return fault(std::string(d.name) + ": a trace beat after the last sample", cycle);
    while (s.sample < b.sample) close(layer, cycle);
    for (unsigned lane = 0; lane < design::kLanes; ++lane) {
      if (!channel_at(d, place + lane, channel)) continue;
      const size_t of_step = d.column_major ? size_t{b.pixel % step.rows} * d.columns + b.pixel / step.rows : b.pixel;
      const size_t pixel = size_t{step.row} * d.columns + of_step;
      const size_t index = size_t{channel} * s.pixels + pixel;
      const size_t at = s.sample * s.values + index;
      if (s.sample != b.sample || s.seen[index]) {
        ++s.mismatches;
        fault(std::string(d.name) + ": value " + std::to_string(index) + " is written twice", cycle);
        continue;
      }
      s.seen[index] = true;
      ++s.count;
      if (d.accumulator) {
        compare(layer, "accumulator", index, s.acc.i32(at), b.acc[lane], cycle);
        compare(layer, "requantized", index, s.q.i8(at), b.q[lane], cycle);
      }
      compare(layer, "output", index, s.y.i8(at), b.y[lane], cycle);
    }
  }

  void issue(unsigned step, uint64_t cycle) {
    if (step != issued_ % design::kStepCount)
      return fault("step " + std::to_string(step) + " is issued out of order", cycle);
    if (step == 0) issues_.emplace_back();
    issues_.back().push_back(cycle);
    ++issued_;
  }

  void done(uint64_t cycle) {
    if (issues_.size() != done_.size() + 1) return fault("a sample ends that was not begun", cycle);
    done_.push_back(cycle);
  }

  // The bytes of one output packet.
  void output(const std::vector<uint8_t>& got, const Npy& golden, uint64_t sample, uint64_t cycle) {
    if (got.size() != design::kOutputBytes)
      fault("output packet of " + std::to_string(got.size()) + " bytes, not " + std::to_string(design::kOutputBytes), cycle);
    for (size_t i = 0; i < got.size() && i < design::kOutputBytes; ++i) {
      const uint8_t expected = golden.bytes[sample * design::kOutputBytes + i];
      if (got[i] == expected) continue;
      ++stream_mismatches_;
      if (first_.set) continue;
      const design::Tensor* t = design::kOutputs;
      while (i >= t->offset + t->bytes) ++t;
      const auto of_type = [t](uint8_t byte) { return t->is_signed ? static_cast<int8_t>(byte) : static_cast<int>(byte); };
      const unsigned pixel = static_cast<unsigned>((i - t->offset) / t->channels);
      set_first(t->name, "stream", sample, i, of_type(expected), of_type(got[i]), cycle);
      first_.channel = static_cast<unsigned>((i - t->offset) % t->channels);
      first_.row = pixel / t->columns;
      first_.column = pixel % t->columns;
    }
  }

  // Whatever was not seen counts as a mismatch, here and when the next sample's first value comes.
  void finish(uint64_t cycle) {
    // In the order in which the values were due, so that the first one missing is the first in time.
    for (uint64_t sample = 0; sample < samples_; ++sample)
      for (size_t i = 0; i < layers_.size(); ++i)
        if (layers_[i].sample == sample) close(i, cycle);
    if (issues_.size() != samples_ || done_.size() != samples_)
      fault(std::to_string(issues_.size()) + " samples begun, " + std::to_string(done_.size()) + " ended, of " +
                std::to_string(samples_), cycle);
  }

  void fault(const std::string& text, uint64_t cycle) {
    ++fault_count_;
    if (faults_.size() < 20) faults_.push_back("cycle " + std::to_string(cycle) + ": " + text);
  }

  // Cycles of one sample: per layer, then the total. Empty when the sample did not run to its end.
  std::vector<uint64_t> cycles(size_t sample) const {
    std::vector<uint64_t> out;
    if (sample >= done_.size() || issues_[sample].size() != design::kStepCount) return out;
    const std::vector<uint64_t>& at = issues_[sample];
    out.assign(design::kLayerCount, 0);
    for (size_t i = 0; i < at.size(); ++i)
      out[design::kSteps[i].layer] += (i + 1 < at.size() ? at[i + 1] : done_[sample] + 1) - at[i];
    out.push_back(done_[sample] + 1 - at[0]);
    return out;
  }
  // Cycle of a sample's first issue; 0 when there is none.
  uint64_t start(size_t sample) const { return sample < issues_.size() ? issues_[sample][0] : 0; }
  // Cycles from one sample's start to the next one's; 0 when there is none.
  uint64_t interval(size_t sample) const {
    return sample + 1 < issues_.size() ? issues_[sample + 1][0] - issues_[sample][0] : 0;
  }

  uint64_t mismatches() const {
    uint64_t n = stream_mismatches_;
    for (const State& s : layers_) n += s.mismatches;
    return n;
  }
  uint64_t mismatches(size_t layer) const { return layers_[layer].mismatches; }
  uint64_t stream_mismatches() const { return stream_mismatches_; }
  uint64_t fault_count() const { return fault_count_; }
  const std::vector<std::string>& faults() const { return faults_; }
  const Mismatch& first() const { return first_; }
  size_t done_count() const { return done_.size(); }
  uint64_t compared() const { return compared_; }

  // Where the engine stands, for the watchdog.
  std::string where() const {
    if (issued_ == 0) return "no descriptor was issued";
    const size_t layer = design::kSteps[(issued_ - 1) % design::kStepCount].layer;
    const State& s = layers_[layer];
    return "sample " + std::to_string(issues_.size() - 1) + ", layer " + std::to_string(layer) + " (" +
           design::kLayers[layer].name + ") was issued at cycle " + std::to_string(issues_.back().back()) + ", " +
           std::to_string(s.count) + " of its " + std::to_string(s.values) + " values were seen" +
           (done_.size() == issues_.size() ? ", the sample is done" : "");
  }

 private:
  // The layer's channel at a place among its words; false where there is none.
  static bool channel_at(const design::Layer& d, unsigned at, unsigned& channel) {
    unsigned from = 0;
    channel = 0;
    for (const unsigned* segment = d.segments; channel < d.channels; channel += *segment++) {
      const unsigned end = from + (*segment + design::kWord - 1) / design::kWord * design::kWord;
      if (at < end) {
        channel += at - from;
        return at - from < *segment;
      }
      from = end;
    }
    return false;
  }

  // Ends a layer's sample: what was not seen of it is missing.
  void close(size_t layer, uint64_t cycle) {
    const design::Layer& d = design::kLayers[layer];
    State& s = layers_[layer];
    const uint64_t missing = s.values - s.count;
    if (missing != 0) {
      s.mismatches += missing;
      const size_t index = static_cast<size_t>(std::find(s.seen.begin(), s.seen.end(), false) - s.seen.begin());
      if (!first_.set) {
        set_first(d.name, "output", s.sample, index, s.y.i8(s.sample * s.values + index), 0, cycle);
        place(d, index);
        first_.missing = true;
      }
      fault(std::string(d.name) + ": " + std::to_string(missing) + " values of sample " + std::to_string(s.sample) +
                " were never seen", cycle);
    }
    std::fill(s.seen.begin(), s.seen.end(), false);
    s.count = 0;
    ++s.sample;
  }

  struct State {
    size_t pixels = 0, values = 0, count = 0;
    uint64_t sample = 0, mismatches = 0;
    std::vector<bool> seen;
    Npy acc, q, y;
  };

  void compare(unsigned layer, const char* stage, size_t index, int64_t expected, int64_t got, uint64_t cycle) {
    ++compared_;
    if (expected == got) return;
    ++layers_[layer].mismatches;
    if (first_.set) return;
    set_first(design::kLayers[layer].name, stage, layers_[layer].sample, index, expected, got, cycle);
    place(design::kLayers[layer], index);
  }
  void set_first(const char* name, const char* stage, uint64_t sample, size_t index, int64_t expected,
                 int64_t got, uint64_t cycle) {
    first_.set = true;
    first_.layer = name;
    first_.stage = stage;
    first_.sample = sample;
    first_.index = index;
    first_.expected = expected;
    first_.got = got;
    first_.cycle = cycle;
  }
  void place(const design::Layer& d, size_t index) {
    const size_t pixels = size_t{d.rows} * d.columns;
    first_.channel = static_cast<unsigned>(index / pixels);
    first_.row = static_cast<unsigned>(index % pixels / d.columns);
    first_.column = static_cast<unsigned>(index % d.columns);
  }

  std::vector<State> layers_;
  uint64_t samples_ = 0, issued_ = 0, stream_mismatches_ = 0, fault_count_ = 0, compared_ = 0;
  std::vector<std::vector<uint64_t>> issues_;  // by sample, by layer: cycle of the issue
  std::vector<uint64_t> done_;
  std::vector<std::string> faults_;
  Mismatch first_;
};

}  // namespace bench
