#!/usr/bin/env python3
"""Measures everything that docs/results.md states, and writes it; the README's table too, between its markers.

    results.py [--zoo DIR] [--quick]     needs numpy, onnxruntime, Verilator, g++ and the release build of onnx2chip

Models and data come from DIR (models/, data/, golden/) where there is one, else from models/: fewer of both, and the
document says how many. --quick simulates one array shape and measures no speed. Nothing here is typed in by hand:
every number is counted, or is a ratio of two times taken on one machine. Work and inputs live in build/bench/.
Exit status 1: some byte differs where it must not, or a layer does not take its predicted cycles.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[1]
O2C = ROOT / "target/release/onnx2chip"
WORK = ROOT / "build/bench"
ARRAYS = ["2,4,8", "4,4,16", "8,4,32"]
MAIN = "4,4,16"
SPEED_MODEL = "mlperftiny_resnet8_int8_qdq"
# Model, test data, samples of it, samples simulated.
MODELS = [
    ("mlperftiny_resnet8_int8_qdq", "cifar10_test1000", 1000, 4),
    ("ort_resnet8_qdq_s8s8_perchannel", "cifar10_test1000", 1000, 4),
    ("ort_resnet8_qoperator_u8s8", "cifar10_test1000", 1000, 4),
    ("ort_resnet8_qoperator_u8u8_pertensor", "cifar10_test1000", 1000, 4),
    ("mnist_lenet_int8_qdq", "mnist_t10k", 1000, 8),
    ("mnist_lenet_int8_qoperator", "mnist_t10k", 1000, 8),
    ("mlperftiny_ad_autoencoder_int8_qdq", "ad01_normal_windows196", 196, 8),
    ("tflm_micro_speech_int8_qdq", None, 0, 8),
]
# Samples without a zoo, by the number of input values; labels where they have them.
SMALL = {3072: "photos32_16", 784: "digits_drawn16", 1960: "micro_speech_features3"}
PERTURBED = 500


def run(args, codes=(0,)):
    done = subprocess.run([str(a) for a in args], cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in codes:
        sys.exit(f"{' '.join(map(str, args))}\nexit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def cpu(args, **options):
    """CPU seconds, user and system, of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(a) for a in args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def note(text):
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- inputs

def save(name, array):
    path = WORK / "inputs" / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.ascontiguousarray(array))
    return path


def input_shape(model):
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return [d if isinstance(d, int) else 1 for d in session.get_inputs()[0].shape]


class Inputs:
    """A model's test samples, their labels, and perturbed samples, as .npy files."""

    def __init__(self, name, model, data, count, zoo):
        shape = input_shape(model)
        self.labels = None
        if zoo:
            golden = np.load(zoo / f"golden/{name}.npz")["x"].reshape(-1, *shape[1:]).astype(np.float32)
            test = golden
            if data:
                held = np.load(zoo / f"data/{data}.npz")
                test = held["x"][:count].astype(np.float32)
                test = test.transpose(0, 3, 1, 2) if test.ndim == 4 else test
                test = test.reshape(len(test), *shape[1:])
                if "y" in held:
                    self.labels = save(f"{name}_labels", held["y"][:count].astype(np.int64))
        else:
            stem = SMALL[int(np.prod(shape))]
            test = golden = np.load(ROOT / f"models/{stem}.npy").reshape(-1, *shape[1:])
            labels = ROOT / f"models/{stem}_labels.npy"
            self.labels = labels if labels.exists() else None
        self.count = len(test)
        self.test = save(f"{name}_test", test)
        # Every sample a golden one with seeded noise of up to a quarter of the input's range.
        rng = np.random.default_rng(1)
        low, high = golden.min(), golden.max()
        base = golden[np.arange(PERTURBED) % len(golden)]
        noise = rng.uniform(-.25, .25, base.shape) * (high - low) * rng.uniform(0, 1, (PERTURBED,) + (1,) * (base.ndim - 1))
        self.perturbed = save(f"{name}_perturbed", np.clip(base + noise, low, high).astype(np.float32))


# ---------------------------------------------------------------- bits

def compare(model, path, labels):
    args = [O2C, "run", model, "--input", path, "--compare", "onnxruntime", "--json"]
    out = json.loads(run(args + (["--labels", labels] if labels else []), codes=(0, 1)))
    rows = {}
    for s in out["comparison"]["settings"]:
        tensors = s["outputs"] + s["before_softmax"] + s["tensors"]
        rows[s["setting"]] = {"judged": s["judged"], "error": s["error"], "values": sum(t["elements"] for t in tensors),
                              "differing": sum(t["differing"] for t in tensors)}
    return rows, out.get("top1"), out["comparison"]


def add(a, b):
    return {k: {**a[k], "values": a[k]["values"] + b[k]["values"], "differing": a[k]["differing"] + b[k]["differing"]} for k in a}


# ---------------------------------------------------------------- hardware

def simulate(name, model, array, inputs, samples):
    """Compiles and simulates; returns the testbench's object and the folder."""
    folder = WORK / f"{name}_{array.replace(',', '_')}"
    run([O2C, "compile", model, "-o", folder, "--array", array, "--input", inputs.test, "--samples", samples])
    return json.loads(run([O2C, "simulate", folder, "--json"], codes=(0, 1))), folder


# ---------------------------------------------------------------- speed

def speed(model, inputs, folder):
    x = np.load(inputs.test)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0].name
    batch = input_shape(model)[0]
    environment = {**os.environ, "RAYON_NUM_THREADS": "2"}
    ours, theirs = [], []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([O2C, "run", model, "--input", inputs.test], check=True, env=environment, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        for i in range(0, len(x), batch):
            session.run(None, {feed: x[i:i + batch]})
        theirs.append(time.perf_counter() - start)
    ratios = sorted(t / o for o, t in zip(ours, theirs))
    target = WORK / "speed"
    compile_cpu = statistics.median(cpu([O2C, "compile", model, "-o", target, "--samples", "1"]) for _ in range(3))
    plain = {**os.environ, "CCACHE_DISABLE": "1"}
    build_cpu = cpu(["make", "-B", "-C", folder, "build"], env=plain)
    one = statistics.median(cpu(["build/sim/Vtop", "--samples", "1"], cwd=folder) for _ in range(3))
    return {"ratio": statistics.median(ratios), "least": ratios[0], "most": ratios[-1], "images": len(x),
            "compile": compile_cpu, "build": build_cpu, "simulate": one}


# ---------------------------------------------------------------- words

def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
                     + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]) + "\n"


def number(n):
    return f"{n:,}"


def percent(value):
    return f"{100 * value:.1f}%"


def differing(row):
    return f"failed: {row['error']}" if row["error"] else f"{number(row['differing'])} of {number(row['values'])}"


def document(found, info):
    out = ["# Results", "",
           "Written by `make bench` (`testbench/results.py`); do not edit. Counts are exact. "
           f"{info['runtime']}; CPU {info['cpu']}{' with' if info['vnni'] else ' without'} VNNI; {info['verilator']}.", "",
           "## Bits", "",
           "Hardware against executor: every accumulator, requantized byte and written byte of every layer, and the output stream. "
           "Executor against ONNX Runtime: test samples and "
           f"{PERTURBED} seeded perturbations of the golden inputs; two forms must agree in every byte. The canonical form "
           "counts every intermediate tensor, the full int8 session the outputs alone.", ""]
    rows = []
    for f in found:
        sim, bits = f["simulations"][MAIN], f["bits"]
        top1 = f["top1"]
        rows.append([f"`{f['name']}`", f["samples"] + PERTURBED,
                     differing(bits["full-int8"]), differing(bits["canonical"]),
                     f"{number(sim['mismatches'])} of {number(sim['values_compared'])}", sim["samples"],
                     f"{top1['correct']} of {number(top1['of'])}" if top1 else "-"])
    out += [table(["model", "samples", "differing, full int8", "differing, canonical", "RTL differing", "simulated", "top-1"], rows)]
    out += ["For information, what other settings of ONNX Runtime give: they run parts of some graphs in float.", ""]
    out += [table(["model", "default session", "optimisation disabled"],
                  [[f"`{f['name']}`", differing(f["bits"]["default"]), differing(f["bits"]["disabled"])] for f in found])]
    out += ["## Cycles", "",
            "One sample from the issue of its first layer to its last byte in the scratchpad. Measured in Verilator; predicted by "
            "the planner before. Efficiency: multiply-accumulates of the network / (cycles x multipliers).", ""]
    rows = []
    for f in found:
        for array in ARRAYS:
            if array not in f["simulations"]:
                continue
            sim = f["simulations"][array]
            rows.append([f"`{f['name']}`", array, number(sim["macs"]), number(sim["cycles"]["predicted"]),
                         number(sim["cycles"]["measured"]), percent(sim["efficiency"]), number(sim["mismatches"])])
    out += [table(["model", "array P,C,K", "MACs", "predicted", "measured", "efficiency", "RTL differing"], rows)]
    detail = next(f for f in found if f["name"] == SPEED_MODEL)
    sim = detail["simulations"][MAIN]
    multipliers = int(np.prod([int(n) for n in MAIN.split(",")]))
    out += [f"`{SPEED_MODEL}` at {MAIN}, layer by layer:", ""]
    out += [table(["layer", "MACs", "predicted", "measured", "efficiency"],
                  [[f"`{l['name']}` {l['op']}", number(l["macs"]), number(l["cycles_predicted"]), number(l["cycles_measured"]),
                    percent(l["macs"] / (l["cycles_measured"] * multipliers)) if l["macs"] else "-"] for l in sim["layers"]])]
    if "speed" in info:
        s = info["speed"]
        out += ["## Speed", "",
                "Ratios of two things measured in turn on one machine; seconds are CPU seconds, user and system, on the machine that "
                "made this table.", "",
                table(["what", "value"], [
                    [f"`run` against ONNX Runtime's full int8 session, images a second, 2 threads each, {number(s['images'])} images, "
                     "median of 5 (least to most)", f"{s['ratio']:.2f} ({s['least']:.2f} to {s['most']:.2f})"],
                    ["`compile` of ResNet-8", f"{s['compile']:.2f} s"],
                    ["Verilator and C++ build at 256 MACs, no compiler cache", f"{s['build']:.1f} s"],
                    ["simulation of one image at 256 MACs", f"{s['simulate']:.2f} s"],
                    ["simulation of one image / build", f"{s['simulate'] / s['build']:.2f}"]]),
                "`run` counts the whole process, model and samples read included; ONNX Runtime counts its session's runs alone.", ""]
    return "\n".join(out).rstrip() + "\n"


def summary(found):
    """The README's table."""
    rows = []
    for f in found:
        sim, bits = f["simulations"][MAIN], f["bits"]
        judged = [r for r in bits.values() if r["judged"]]
        rows.append([f"`{f['name']}`", f"{sum(r['differing'] for r in judged)} of {number(sum(r['values'] for r in judged))}",
                     f"{number(sim['mismatches'])} of {number(sim['values_compared'])}", number(sim["cycles"]["predicted"]),
                     number(sim["cycles"]["measured"]), percent(sim["efficiency"]) if sim["macs"] else "-"])
    head = ["model", "bytes unlike ONNX Runtime", "RTL values unlike executor", "cycles predicted", "measured", f"efficiency at {MAIN}"]
    return table(head, rows)


def insert(path, text):
    """Between the markers, where the file has them."""
    begin, end = "<!-- results:begin -->", "<!-- results:end -->"
    if not path.exists() or begin not in path.read_text() or end not in path.read_text():
        note(f"{path.name}: no markers, left alone")
        return
    before, rest = path.read_text().split(begin, 1)
    path.write_text(before + begin + "\n" + text + end + rest.split(end, 1)[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zoo", type=pathlib.Path, default=ROOT.parent / "shared/zoo")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    zoo = args.zoo if (args.zoo / "models").is_dir() else None
    library = sorted((pathlib.Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if library:
        os.environ.setdefault("ORT_DYLIB_PATH", str(library[0]))
    shutil.rmtree(WORK / "inputs", ignore_errors=True)
    found, wrong = [], []
    info = {"verilator": run(["verilator", "--version"]).strip()}
    for name, data, count, simulated in MODELS:
        model = (zoo or ROOT) / f"models/{name}.onnx"
        if not model.exists():
            note(f"{name}: not here, left out")
            continue
        note(f"{name}: bits")
        inputs = Inputs(name, model, data, count, zoo)
        bits, top1, comparison = compare(model, inputs.test, inputs.labels)
        bits = add(bits, compare(model, inputs.perturbed, None)[0])
        wrong += [f"{name}: {k}" for k, r in bits.items() if r["judged"] and (r["differing"] or r["error"])]
        info |= {"runtime": f"ONNX Runtime {onnxruntime.__version__}", "cpu": comparison["cpu"]["name"], "vnni": comparison["cpu"]["vnni"]}
        found.append({"name": name, "model": model, "inputs": inputs, "simulated": simulated, "samples": inputs.count, "bits": bits,
                      "top1": top1, "simulations": {}})
    for array in [MAIN] if args.quick else [MAIN, *(a for a in ARRAYS if a != MAIN)]:
        for f in found:
            note(f"{f['name']}: {array}")
            samples = min(f["simulated"] if array == MAIN else 2, f["samples"])
            sim, folder = simulate(f["name"], f["model"], array, f["inputs"], samples)
            f["simulations"][array] = sim
            if sim["mismatches"] or sim["faults"] or sim["cycles"]["predicted"] != sim["cycles"]["measured"]:
                wrong.append(f"{f['name']} at {array}")
            if f["name"] == SPEED_MODEL and array == MAIN and not args.quick:
                note(f"{f['name']}: speed")
                info["speed"] = speed(f["model"], f["inputs"], folder)
        (ROOT / "docs/results.md").write_text(document(found, info))
        insert(ROOT / "README.md", summary(found))
    for text in wrong:
        note(f"wrong: {text}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
