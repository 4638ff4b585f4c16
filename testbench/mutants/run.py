#!/usr/bin/env python3
"""Breaks the hardware, its memory images and the compiler on purpose, one fault at a time: a test has to notice each.

    run.py [unit] [system] [source] [-j N] [PATTERN]     no stage named: all three; PATTERN selects table lines

  unit     ../unit/mutate.sh: edits of single modules, against their benches
  system   system.txt: edits of a hand-off folder's RTL or memory images, against the folder's own testbench
  source   source.txt: edits of the compiler, against its tests, or against the testbench of what it then emits

Needs the release build of onnx2chip, Verilator and g++. Works in build/mutants/. A fault that the table expects to be
noticed by one check and that another one notices counts as failed: the table says what really guards what.
Exit status 0: every fault was noticed. The last line is "N passed, N failed".
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "testbench/mutants"
WORK = ROOT / "build/mutants"
# Array and requantize lanes of each network: slices of a word; K > P*C, and a lane a value; a row alone; more slots than
# the float32 adder's loop is long; two rows at once, and weights of several array rows; slots of several cycles, and
# K > P*C again; rings of rows for layers of every kind, an input that arrives in rows, descriptors as changes, and tensors in
# external memory; passes of depthwise layers with partial sums, and the same on rings of rows; two inputs and outputs.
NETWORKS = {"one": ["--array", "4,2,4", "--lanes", "2"], "two": ["--array", "2,2,8", "--lanes", "4"],
            "three": ["--array", "1,4,8", "--lanes", "4"], "four": ["--array", "4,2,4", "--lanes", "2"],
            "five": ["--array", "2,4,8", "--lanes", "4"],
            "six": ["--array", "2,4,8", "--lanes", "4"],
            "seven": ["--array", "4,4,16", "--lanes", "16"],
            "eight": ["--array", "1,16,32", "--lanes", "4"],
            "product": ["--array", "4,2,4", "--lanes", "2"],
            "argmax": ["--array", "4,2,4"], "softmax": ["--array", "2,2,8"],
            "nine": ["--array", "4,4,16", "--lanes", "16", "--on-chip", "26"],
            "ten": ["--array", "2,4,8", "--lanes", "4", "--on-chip", "26"],
            "ends": ["--array", "2,2,8", "--lanes", "4"],
            "thirteen": ["--array", "4,4,16", "--lanes", "4", "--on-chip", "20"],
            "eleven": ["--array", "2,8,16", "--lanes", "4"],
            "twelve": ["--array", "4,4,16", "--lanes", "16", "--on-chip", "35"]}
MODEL = {"eight": "seven", "twelve": "eleven"}  # where it is not the network's own
# What a folder is run with, in this order, until one notices.
RUNS = [("none", []), ("random", ["--stall", "random", "--seed", "1"]), ("random", ["--stall", "random", "--seed", "2"]),
        ("long", ["--stall", "long", "--seed", "1"]), ("long", ["--stall", "long", "--seed", "2"]),
        ("protocol", ["--protocol"])]
# A fault's text in the testbench's report, and the check that it stands for.
CHECKS = [("claim one port", "port"), ("predicted", "cycles"), ("register", "register"), ("nothing moved", "stuck"),
          ("after the last packet", "stream"), ("never seen", "missing"), ("twice", "twice"), ("trace beat of pixel", "place"),
          ("are not those of the first", "repeat"), ("does not end", "endless")]


class Unusable(Exception):
    """The fault can't be tried: the edit does not apply, or the result does not build."""


def call(args, **options):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def lines(path):
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield [part.strip() for part in line.split(" | ", 3)]


def replace_once(path, edit):
    """FROM => TO, where FROM occurs exactly once."""
    if " => " not in edit and not edit.endswith(" =>"):
        raise Unusable("the edit is not FROM => TO")
    old, _, new = (edit + " ").partition(" => ")
    old, new = old.strip(), new.strip()
    text = path.read_text()
    if text.count(old) != 1:
        raise Unusable(f"the text to replace occurs {text.count(old)} times")
    path.write_text(text.replace(old, new))


# ---------------------------------------------------------------- memory images

class Images:
    """A hand-off folder's memory images as numbers."""

    def __init__(self, folder):
        self.folder = folder
        self.report = json.loads((folder / "report.json").read_text())
        self.names = [layer["name"] for layer in self.report["layers"]]
        table = (ROOT / "compiler/hw/descriptor.rs").read_text()
        self.fields = {m[1]: tuple(map(int, m.groups()[1:]))
                       for m in re.finditer(r"^    (\w+): (\d+), (\d+), (\d+);", table, re.M)}
        self.words = int(re.search(r"WORDS: usize = (\d+)", table)[1])
        manifest = json.loads((folder / "manifest.json").read_text())
        top = (folder / f"rtl/{self.report['name']}.v").read_text()
        self.steps, self.changes = (int(re.search(rf"\.{name}\((\d+)\)", top)[1]) for name in ("NLAYERS", "CHANGES"))
        self.width = {pathlib.Path(f["path"]).stem: f["width"] for f in manifest["files"] if f["path"].startswith("mem/")}
        # Not where they come from external memory.
        packing = next((f["packing"] for f in manifest["files"] if f["path"] == "mem/parameters.hex"), "0")
        self.lanes = int(packing.split()[0])
        at, self.entry = 0, {}
        for name, bits in re.findall(r"(bias|multiplier|offset|shift - \d+|exact) (\d+)", packing):
            self.entry[name.split()[0]] = (at, int(bits))
            at += int(bits)
        self.entry_bits = at

    def load(self, name):
        return [int(w, 16) for w in (self.folder / f"mem/{name}.hex").read_text().split()]

    def save(self, name, words):
        digits = -(-self.width[name] // 4)
        (self.folder / f"mem/{name}.hex").write_text("".join(f"{w:0{digits}x}\n" for w in words))

    def place(self, words, layer, word):
        """Where a descriptor's word is: a layer's, or that of step N, written #N."""
        if layer.startswith("#"):
            step = int(layer[1:])
        elif self.steps == len(self.names):
            step = self.names.index(layer)
        else:
            raise Unusable("layers have several descriptors: name one by #N")
        if not self.changes:
            return step * self.words + word
        at = 0
        for _ in range(step):
            at += 1 + words[at].bit_count()
        if not words[at] >> word & 1:
            raise Unusable("the word is that of the descriptor before")
        return at + 1 + (words[at] & (1 << word) - 1).bit_count()

    def field(self, layer, name, change=None):
        """A descriptor's field; `change` maps the old value to the new one."""
        words = self.load("descriptors")
        word, low, bits = self.fields[name]
        at, mask = self.place(words, layer, word), (1 << bits) - 1
        value = words[at] >> low & mask
        if change:
            words[at] = words[at] & ~(mask << low) | (change(value) & mask) << low
            self.save("descriptors", words)
        return value

    def parameter(self, layer, channel, name, change):
        words = self.load("parameters")
        at = self.field(layer, "param_base") + channel // self.lanes
        low, bits = self.entry[name]
        low, mask = low + channel % self.lanes * self.entry_bits, (1 << bits) - 1
        value = words[at] >> low & mask
        words[at] = words[at] & ~(mask << low) | (change(value) & mask) << low
        self.save("parameters", words)

    def edit(self, text):
        before = {name: self.load(name) for name in self.width}
        what, *rest = text.split()
        if what == "descriptor":  # LAYER FIELD =|+|- N, or LAYER FIELD of OTHER; LAYER may be #N
            layer, name, how, operand = rest
            other = self.field(operand, name) if how == "of" else int(operand)
            self.field(layer, name, lambda v: {"=": other, "of": other, "+": v + other, "-": v - other}.get(how))
        elif what == "parameter":  # LAYER CHANNEL FIELD +|^ N
            layer, channel, name, how, operand = rest
            self.parameter(layer, int(channel), name, lambda v: v + int(operand) if how == "+" else v ^ int(operand))
        elif what == "channels":  # LAYER I J: two channels' parameters exchanged
            layer, i, j = rest[0], int(rest[1]), int(rest[2])
            for name in self.entry:
                got = {}
                self.parameter(layer, i, name, lambda v: got.setdefault("i", v))
                self.parameter(layer, j, name, lambda v: got.setdefault("j", v) * 0 + got["i"])
                self.parameter(layer, i, name, lambda v: got["j"])
        elif what == "weights":  # LAYER I J: two words exchanged; LAYER transposed N: the first N words, K and C exchanged
            words, base = self.load("weights"), self.field(rest[0], "weight_base")
            if rest[1] == "transposed":
                _, c, k = self.report["array"]
                bits = self.width["weights"] // (c * k)
                part = lambda w, i: w >> (i * bits) & ((1 << bits) - 1)
                for i in range(base, base + int(rest[2])):
                    words[i] = sum(part(words[i], o * c + j) << ((j * k + o) * bits) for o in range(k) for j in range(c))
            else:
                i, j = base + int(rest[1]), base + int(rest[2])
                words[i], words[j] = words[j], words[i]
            self.save("weights", words)
        elif what == "tables":  # LAYER: tables A and B exchanged
            a, b, base = self.load("table_a"), self.load("table_b"), 256 * self.field(rest[0], "table_index")
            a[base:base + 256], b[base:base + 256] = b[base:base + 256], a[base:base + 256]
            self.save("table_a", a)
            self.save("table_b", b)
        elif what == "table":  # LAYER NAME ENTRY + N
            name, at = f"table_{rest[1]}", 256 * self.field(rest[0], "table_index") + int(rest[2])
            words = self.load(name)
            words[at] = (words[at] + int(rest[4])) % (1 << self.width[name])
            self.save(name, words)
        else:
            raise Unusable(f"there is no edit {what!r}")
        if before == {name: self.load(name) for name in self.width}:
            raise Unusable("the edit changes nothing")


# ---------------------------------------------------------------- hand-off folders

def compile_folder(program, network, folder):
    shutil.rmtree(folder, ignore_errors=True)
    model = HERE / f"{MODEL.get(network, network)}.onnx"
    done = call([program, "compile", model, "-o", folder, "--name", network, "--samples", "4", *NETWORKS[network]])
    if done.returncode != 0:
        raise Unusable(done.stdout.strip())


def build(folder, network):
    """The folder's model, with the flags of its Makefile but without the C++ compiler's optimisation."""
    cache = ["OBJCACHE=ccache"] if shutil.which("ccache") else []
    rtl = re.search(r"^RTL :=((?:.*\\\n)*.*)$", (folder / "Makefile").read_text(), re.M)[1]
    files = [f.replace("$(TOP)", network) for f in rtl.replace("\\", "").split()]
    shutil.rmtree(folder / "build", ignore_errors=True)
    (folder / "build").mkdir()
    done = call(["verilator", "--cc", "--exe", "--build", "--prefix", "Vtop", "--top-module", network, "-O3", "--x-assign",
                 "fast", "--x-initial", "fast", "--noassert", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-CFLAGS",
                 "-std=c++17", "-MAKEFLAGS", " ".join(["OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0", *cache]),
                 "--Mdir", "build/sim", *files, "../../tb/harness.cpp"], cwd=folder)
    if done.returncode != 0:
        raise Unusable("it does not build: " + next((l for l in done.stdout.splitlines() if "rror" in l), "?"))


def check_of(mode, done):
    """Which check noticed: the stage that differs first, else the first fault."""
    if mode == "protocol":
        return "protocol"
    try:
        outcome = json.loads(done.stdout)
    except ValueError:
        return "crash"
    first = outcome["first_mismatch"]
    if first and first["got"] is not None:
        name = first["stage"]
    else:
        texts = outcome["faults"]
        name = next((check for text, check in CHECKS if any(text in f for f in texts)), "other: " + "; ".join(texts)[:120])
    return name if mode == "none" else f"{mode} {name}"


def notice(folder):
    """The check that notices, None if none does."""
    for mode, args in RUNS:
        try:
            done = subprocess.run(["build/sim/Vtop", *args], cwd=folder, capture_output=True, text=True, timeout=300)
        except subprocess.TimeoutExpired:
            return f"{mode} timeout"
        if done.returncode not in (0, 1):
            return f"{mode} crash"
        if done.returncode == 1:
            return check_of(mode, done)
    return None


def system(mutant, slot):
    """Network | check | rtl/FILE or image | edit."""
    network, _, place, edit = mutant
    folder = WORK / f"try{slot}"
    shutil.rmtree(folder, ignore_errors=True)
    image = place == "image"
    shutil.copytree(WORK / network, folder, ignore=None if image else shutil.ignore_patterns("build"))
    if image:
        Images(folder).edit(edit)
    else:
        replace_once(folder / place, edit)
        build(folder, network)
    return notice(folder)


# ---------------------------------------------------------------- the compiler

def source(mutant, _):
    """Check | test filter, or system | file | edit."""
    check, tests, place, edit = mutant
    tree = WORK / "source"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for part in ["compiler", "templates", "rtl", "testbench", "models", "docs"]:
        shutil.copytree(ROOT / part, tree / part)
    for part in ["Cargo.toml", "Cargo.lock", "askama.toml"]:
        shutil.copy2(ROOT / part, tree / part)
    replace_once(tree / place, edit)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(WORK / "target")}
    if tests != "system":
        nextest = call(["cargo", "nextest", "--version"], cwd=ROOT).returncode == 0
        test = ["nextest", "run", "--no-fail-fast"] if nextest else ["test", "--no-fail-fast"]
        built = call(["cargo", "test", "--lib", "--no-run"], cwd=tree, env=environment)
        if built.returncode != 0:
            raise Unusable("it does not build: " + next((l for l in built.stdout.splitlines() if "error" in l), "?"))
        done = call(["cargo", *test, "--lib", tests], cwd=tree, env=environment)
        failed = sorted(set(re.findall(r"FAIL.*onnx2chip (\S+)", done.stdout) + re.findall(r"^test (\S+) \.\.\. FAILED", done.stdout, re.M)))
        if done.returncode == 0:
            return None
        return check if check in failed else ", ".join(failed) or "no test ran"
    built = call(["cargo", "build"], cwd=tree, env=environment)
    if built.returncode != 0:
        raise Unusable("it does not build: " + next((l for l in built.stdout.splitlines() if "error" in l), "?"))
    for network in NETWORKS:
        folder = WORK / "try_source"
        try:
            compile_folder(WORK / "target/debug/onnx2chip", network, folder)
        except Unusable as refusal:
            code = re.search(r"error\[(\w+)\]", str(refusal))
            return f"{network} {code[1] if code else 'crash'}"
        build(folder, network)
        found = notice(folder)
        if found:
            return f"{network} {found}"
    return None


# ---------------------------------------------------------------- all

def judge(attempt, mutant, slot, expected):
    try:
        found = attempt(mutant, slot)
    except Unusable as why:
        return f"FAIL  {why}"
    if found is None:
        return "FAIL  not noticed"
    return "pass " if found == expected else f"FAIL  noticed by {found}, not by {expected}"


def stage(table, attempt, expected_at, jobs, pattern):
    mutants = [m for m in lines(HERE / table) if pattern in " | ".join(m)]
    slots = list(range(jobs))

    def one(mutant):
        slot = slots.pop()
        verdict = judge(attempt, mutant, slot, mutant[expected_at])
        slots.append(slot)
        print(f"{verdict} {' | '.join(mutant)}", flush=True)
        return verdict.startswith("pass")

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(one, mutants))
    return sum(results), len(results) - sum(results)


def main():
    args = sys.argv[1:]
    jobs = int(args.pop(args.index("-j") + 1)) if "-j" in args else 2
    args = [a for a in args if a != "-j"]
    stages = [a for a in args if a in ("unit", "system", "source")] or ["unit", "system", "source"]
    pattern = "".join(a for a in args if a not in ("unit", "system", "source"))
    passed = failed = 0
    if "unit" in stages:
        unit = subprocess.Popen([ROOT / "testbench/unit/mutate.sh", pattern], stdout=subprocess.PIPE, text=True)
        for line in unit.stdout:
            count = re.match(r"(\d+) passed, (\d+) failed", line)
            if count:
                passed, failed = passed + int(count[1]), failed + int(count[2])
            else:
                print(line, end="", flush=True)
        unit.wait()
    if "system" in stages:
        used = {m[0] for m in lines(HERE / "system.txt") if pattern in " | ".join(m)}
        for network in (n for n in NETWORKS if n in used):
            compile_folder(ROOT / "target/release/onnx2chip", network, WORK / network)
            build(WORK / network, network)
            found = notice(WORK / network)
            if found:
                sys.exit(f"{network} is wrong without a fault: {found}")
        result = stage("system.txt", system, 1, jobs, pattern)
        passed, failed = passed + result[0], failed + result[1]
    if "source" in stages:
        result = stage("source.txt", source, 0, 1, pattern)
        passed, failed = passed + result[0], failed + result[1]
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0 or passed == 0)


if __name__ == "__main__":
    main()
