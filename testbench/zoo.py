#!/usr/bin/env python3
"""Tries every model of a folder and writes docs/zoo.md: what compiles, whether the bits are right, cycles, accuracy.

    zoo.py DIR [PATTERN]     needs numpy, onnxruntime, Verilator, g++ and the release build of onnx2chip

DIR holds models/*.onnx, and may hold golden/NAME.npz (`x`: samples), data/*.npz and manifest.json (names, licences).
It gets the fastest array of MACS multipliers and BUDGET KiB of memory on the chip, ARRAY and what it needs at least where that
does not do; what does not fit of weights and parameters is loaded from external memory over BUS bits.
A model is compared with ONNX Runtime on SAMPLES inputs (its golden samples with seeded noise, else seeded noise
alone) and on its labelled data, and simulated on one of them. Nothing in the document is typed in by hand.
Exit status 1: some byte differs where it must not, or a layer does not take its predicted cycles.
"""
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnxruntime

import results
from results import O2C, ROOT, add, compare, differing, note, number, percent, run, table

MACS, ARRAY, BUDGET, BUS = "256", "1,16,16", "512", "128"
SAMPLES = 100
# Labelled data by a pattern of the model's name: the file, and the input that its publisher says the model takes.
MEAN, STD = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in ((.485, .456, .406), (.229, .224, .225)))
DATA = [
    (r"^cifar10_resnet20", "cifar10_test1000", lambda x: (x / np.float32(255) - MEAN) / STD),
    (r"resnet8", "cifar10_test1000", lambda x: x),
    (r"mnist_lenet", "mnist_t10k", lambda x: x),
    (r"dscnn_kws", "kws01_hls4mlfinn_mfcc_int8_1000", lambda x: x * np.float32(.33674246)),
    (r"_vww_", "vww_smoke14_96", lambda x: x / np.float32(255)),
]


def inputs(folder, name, model):
    """Seeded inputs of a model, and its labelled data if there are any: arrays."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    first = session.get_inputs()[0]
    shape = [d if isinstance(d, int) else 1 for d in first.shape[1:]]
    rng = np.random.default_rng(1)
    golden = folder / f"golden/{name}.npz"
    held = np.load(golden) if golden.exists() else {}
    if "x" in held:
        base = held["x"].reshape(-1, *shape).astype(np.float32)
        noise = rng.uniform(-.25, .25, (SAMPLES, *shape)) * (base.max() - base.min())
        x = np.clip(base[np.arange(SAMPLES) % len(base)] + noise, base.min(), base.max()).astype(np.float32)
    else:
        x = rng.normal(0, 1, (SAMPLES, *shape)).astype(np.float32)
    labelled = None
    for pattern, data, transform in DATA:
        path = folder / f"data/{data}.npz"
        if re.search(pattern, name) and path.exists():
            held = np.load(path)
            images = held["x" if "x" in held else "x_int8"][:1000].astype(np.float32)
            # Channels last, and frames last.
            axes = {4: (0, 3, 1, 2), 3: (0, 2, 1) if "x_int8" in held else (0, 1, 2)}[images.ndim]
            images = images.transpose(axes)
            if images[0].size == np.prod(shape):
                labelled = transform(images.reshape(-1, *shape)).astype(np.float32), held["y"][:1000].astype(np.int64)
            break
    return x, labelled


def refusal(text):
    faults = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    flat = [d for f in faults for d in (f.get("diagnostics") or [f])]
    return "; ".join(dict.fromkeys(f"{d['code']}: {d['message']}" for d in flat)) or "refused"


def measure(folder, name, model):
    out = results.WORK / f"zoo_{name}"
    args = [O2C, "compile", model, "-o", out, "--samples", "1", "--json", "--bus-bits", BUS]

    def attempt(array, budget):
        more = [*array, "--on-chip", budget]
        done = subprocess.run([str(a) for a in [*args, *more]], cwd=ROOT, capture_output=True, text=True)
        least = re.search(r"give --on-chip (\d+) or more", done.stderr)
        return done, more, least and least[1]

    done, more, least = attempt(["--macs", MACS], BUDGET)
    if done.returncode == 2 and least:
        # The least of any array is that of a tiny one.
        _, _, least = attempt(["--array", ARRAY], BUDGET)
        done, more, _ = attempt(["--array", ARRAY], least)
    if done.returncode == 2:
        return {"name": name, "refused": refusal(done.stderr)}
    args += more
    try:
        x, labelled = inputs(folder, name, model)
    except Exception as fault:  # one class for each of the runtime's codes, and no common one
        if "onnxruntime" not in type(fault).__module__:
            raise
        return {"name": name, "foreign": True}
    path = results.save(f"zoo_{name}", x)
    run([*args, "--input", path])
    bits, _, _ = compare(model, path, None)
    count, top1 = len(x), None
    if labelled:
        images, labels = results.save(f"zoo_{name}_images", labelled[0]), results.save(f"zoo_{name}_labels", labelled[1])
        more, top1, _ = compare(model, images, labels)
        bits, count = {k: v if k not in more else add(bits, more)[k] for k, v in bits.items()}, count + len(labelled[0])
    sim = json.loads(run([O2C, "simulate", out, "--json"], codes=(0, 1)))
    report = json.loads((out / "report.json").read_text())
    return {"name": name, "bits": bits, "samples": count, "top1": top1, "sim": sim, "report": report}


def document(found, info):
    head = ["model", "inputs", "differing, int8 session", "differing, canonical", "RTL differing", "cycles predicted", "measured", "efficiency", "array",
            "on chip, KiB", "moved, bytes", "top-1"]
    rows = []
    for f in found:
        if "bits" not in f:
            continue
        bits, sim, report = f["bits"], f["sim"], f["report"]
        memory = sum(m["bits"] for m in report["memories"]) / 8192
        external = report["external"]
        moved = sum(external[k] for k in ("bytes_loaded", "activation_bytes_loaded", "activation_bytes_stored")) if external else 0
        full = next((bits[k] for k in ("full-int8", "full-int8-moved") if k in bits and bits[k]["judged"]), None)
        rows.append([f"`{f['name']}`", number(f["samples"]), differing(full) if full else "no integer session", differing(bits["canonical"]),
                     f"{number(sim['mismatches'])} of {number(sim['values_compared'])}", number(sim["cycles"]["predicted"]),
                     number(sim["cycles"]["measured"]), percent(sim["efficiency"]), ",".join(map(str, report["array"])),
                     f"{memory:,.1f}", number(moved),
                     f"{f['top1']['correct']} of {number(f['top1']['of'])}" if f["top1"] else "-"])
    foreign = [f"`{f['name']}`" for f in found if "foreign" in f]
    refused = [[f"`{f['name']}`", f["refused"].replace("|", "\\|")] for f in found if "refused" in f]
    out = ["# Models tried", "",
           "Written by `make zoo` (`testbench/zoo.py`); do not edit. Counts are exact. "
           f"{info['runtime']}; CPU {info['cpu']}{' with' if info['vnni'] else ' without'} VNNI; the fastest array of {MACS} multipliers, "
           f"{BUDGET} KiB on the chip or, where that is too little, what {ARRAY} needs at least; what has no place there moves over {BUS} bits from and to "
           "external memory. One image simulated in Verilator. The int8 session runs the user's file, the canonical form every intermediate tensor.", "",
           table(head, rows)]
    if foreign:
        out += ["They compile, but ONNX Runtime does not know their operators, so [low_bit.md](low_bit.md) judges them: " + ", ".join(foreign) + ".", ""]
    if refused:
        out += ["Refused, with what is missing:", "", table(["model", "diagnostics"], refused)]
    return "\n".join(out).rstrip() + "\n"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1]).resolve()
    pattern = re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
    found = []
    for model in sorted(folder.glob("models/*.onnx")):
        if pattern.search(model.stem):
            note(model.stem)
            found.append(measure(folder, model.stem, model))
    one = next((f for f in found if "bits" in f), None)
    if one is None:
        sys.exit(f"{folder}/models has no model that compiles and that ONNX Runtime knows")
    details = compare(folder / f"models/{one['name']}.onnx", results.WORK / f"inputs/zoo_{one['name']}.npy", None)[2]
    info = {"runtime": f"ONNX Runtime {details['version'] or details['runtime']}", **{k: details["cpu"][k] for k in ("vnni",)},
            "cpu": details["cpu"]["name"]}
    (ROOT / "docs/zoo.md").write_text(document(found, info))
    judged = lambda f: [b for b in f["bits"].values() if b["judged"]]
    wrong = [f["name"] for f in found if "bits" in f
             and (any(b["error"] or b["differing"] for b in judged(f)) or f["sim"]["mismatches"]
                  or any(l["cycles_predicted"] != l["cycles_measured"] for l in f["sim"]["layers"]))]
    if wrong:
        sys.exit(f"not right: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
