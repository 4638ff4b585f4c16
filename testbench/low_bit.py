#!/usr/bin/env python3
"""Compares every QONNX and FINN model of a folder with QONNX's own execution, and writes docs/low_bit.md.

    low_bit.py DIR [PATTERN] [--samples N] [--no-rtl]     needs qonnx, Verilator, g++ and onnx2chip (O2C names another build)

DIR holds models/*.onnx with QONNX operators, and may hold data/*.npz and manifest.json (accuracies that were published).
SAMPLES inputs go through qonnx.core.onnx_exec and through `onnx2chip run`: every value of every quantized tensor that both
have, every output value, and the place of the greatest output are compared. Labelled data are counted whole. One sample is
simulated in Verilog. Nothing in the document is typed in by hand.
Exit status 1: a model all of whose scales are powers of two (so that float32 sums are exact) differs anywhere, a greatest output
lies elsewhere, or Verilog differs.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

# QONNX warns of shapes that its own inference left open.
warnings.filterwarnings("ignore", module="qonnx")
ROOT = pathlib.Path(__file__).resolve().parents[1]
O2C = os.environ.get("O2C") or ROOT / "target/release/onnx2chip"
WORK = ROOT / "build/qonnx"
QUANTIZERS = {"Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Trunc"}
SHOWN = 300  # characters of a refusal

# Labelled data by a pattern of the model's name: the file, and what its publisher says the model takes.
DATA = [
    (r"cifar10_(CNV|rn07)", "cifar10_test1000", lambda d: d["x"].astype(np.float32).transpose(0, 3, 1, 2)),
    (r"mnist_TFC", "mnist_t10k", lambda d: d["x"][:1000].astype(np.float32) / np.float32(255)),
    (r"finn_tfc", "mnist_t10k", lambda d: d["x"][:1000].astype(np.float32)),
    (r"hls4mlfinn_kws", "kws01_hls4mlfinn_mfcc_int8_1000", lambda d: d["x_int8"].astype(np.float32) * d["scale"]),
]
# Inputs that no quantizer follows: the type that is declared, as their publisher has them or (where none says) a usual one.
TYPES = [(r"rn07", "UINT8"), (r"espcn", "UINT8:0.003921569"), (r"jettagging", "INT8:0.0625")]
INTEGERS = {"BIPOLAR": [-1, 1]}


def note(text):
    print(text, file=sys.stderr, flush=True)


def run(args, codes=(0,)):
    done = subprocess.run([str(a) for a in args], cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in codes:
        raise RuntimeError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def refusal(text):
    """Diagnostics of --json, one a line, as words."""
    faults = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    words = [f"{d['code']}: {d['message']}; {d.get('node') or ''} {d['cause']}" for f in faults for d in (f.get("diagnostics") or [f])]
    more = f" (and {len(words) - 1} more)" if len(words) > 1 else ""
    return words[0] + more if words else text


def save(name, array):
    path = WORK / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.ascontiguousarray(array))
    return path


def first(pattern, table):
    return next((row[1:] for row in table if re.search(row[0], pattern)), None)


class Model:
    def __init__(self, path):
        self.path, self.name = path, path.stem
        self.proto = onnx.load(path)
        self.graph = self.proto.graph
        self.constants = {i.name: numpy_helper.to_array(i) for i in self.graph.initializer}
        self.input = next(i for i in self.graph.input if i.name not in self.constants)
        self.shape = [d.dim_value or 1 for d in self.input.type.tensor_type.shape.dim]
        annotations = {a.tensor_name: {e.key: e.value for e in a.quant_parameter_tensor_names} for a in self.graph.quantization_annotation}
        self.annotation = annotations.get(self.input.name, {}).get("finn_datatype")
        declared = first(self.name, TYPES)
        self.declared = declared[0] if declared else None

    def attributes(self, node):
        return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}

    def quantizers(self):
        return [n for n in self.graph.node if n.op_type in QUANTIZERS and n.input[0] not in self.constants]

    def exact(self):
        """Whether every scale is a power of two, so that sums of products are exact in float32."""
        scales = [self.constants.get(n.input[1]) for n in self.graph.node if n.op_type in QUANTIZERS - {"MultiThreshold"}]
        if self.declared and ":" in self.declared:
            scales.append(np.float32(self.declared.split(":")[1]))
        return all(s is not None and np.all(np.frexp(s)[0] == 0.5) for s in scales)

    def integers(self, node, value):
        """The integers that a quantizer's result stands for."""
        if node.op_type == "MultiThreshold":
            a = self.attributes(node)
            scale, bias = a.get("out_scale", 1.0), a.get("out_bias", 0.0)
            parts = next(p for p in range(1, 9) if (bias * p / scale).is_integer())
            return np.rint(value * parts / scale)
        zero = self.constants[node.input[2]] if node.op_type in ("Quant", "IntQuant") else 0
        return np.rint(value / self.constants[node.input[1]] + zero)

    def offset(self, node):
        """Our canonical integers are signed."""
        a = self.attributes(node)
        if node.op_type in ("Quant", "IntQuant") and not a["signed"]:
            high = 2 ** int(self.constants[node.input[3]].max()) - 1 - a["narrow"]
            return 2 ** (int(high).bit_length() - 1)
        return 0

    def random(self, n):
        rng = np.random.default_rng(1)
        shape = (n, *self.shape[1:])
        name, _, scale = (self.declared or self.annotation or "").partition(":")
        bits = re.fullmatch(r"(U?)INT(\d+)", name)
        if name in INTEGERS:
            x = rng.choice(INTEGERS[name], shape)
        elif bits:
            half = 2 ** (int(bits[2]) - 1)
            x = rng.integers(0, 2 * half, shape) - (0 if bits[1] else half)
        else:
            # As wide as the input's quantizer, and a little wider.
            node = next(n for n in self.quantizers())
            reach = 1.0 if node.op_type not in ("Quant", "IntQuant") else float(
                self.constants[node.input[1]].max() * 2 ** (self.constants[node.input[3]].max() - 1))
            return (rng.normal(0, 0.5, shape) * reach).astype(np.float32)
        return (x.astype(np.float32) * np.float32(scale or 1)).astype(np.float32)

    def data(self, folder):
        row = first(self.name, DATA)
        if row is None or not (folder / f"data/{row[0]}.npz").exists():
            return None
        held = np.load(folder / f"data/{row[0]}.npz")
        x = row[1](held)
        return x.reshape(-1, *self.shape[1:]), held["y"][: len(x)].astype(np.int64)


def ours(model, x, dump=None):
    args = [O2C, "run", model.path, "--input", save(f"{model.name}_x", x), "--output", WORK / f"{model.name}_y.npy", "--json"]
    if model.declared:
        args += ["--input-type", f"{model.input.name}={model.declared}"]
    if dump:
        args += ["--dump", dump]
    written = json.loads(run(args))["written"]
    return np.load(WORK / f"{model.name}_y.npy"), written


def reference(model, x, tensors):
    proto = onnx.load(model.path)
    for node in proto.graph.node:
        # Exported without a domain; QONNX runs its operators in its own alone.
        if node.op_type in QUANTIZERS and not node.domain:
            node.domain = "qonnx.custom_op.general"
    wrapper = ModelWrapper(proto).transform(InferShapes())
    tensors = list(dict.fromkeys(tensors))
    out = {t: [] for t in tensors}
    for sample in x:
        context = execute_onnx(wrapper, {model.input.name: sample[None]}, return_full_exec_context=True)
        for t in tensors:
            out[t].append(np.asarray(context[t]))
    return {t: np.stack(v) for t, v in out.items()}


def measure(folder, model, published, options):
    result = {"name": model.name, "exact": model.exact(), "declared": model.declared}
    data = model.data(folder)
    x = data[0][: options.samples] if data else model.random(options.samples)
    dump = WORK / f"{model.name}_dump"
    try:
        y, written = ours(model, x, dump)
    except RuntimeError as e:
        return {**result, "refused": refusal(str(e))}
    output = model.graph.output[0].name
    nodes = {n.output[0]: n for n in model.quantizers()}
    want = reference(model, x, [*nodes, output])
    held = {w["tensor"]: np.load(w["path"]) for w in written if w["dtype"] == "int8"}
    # An input's bytes are those of its quantizer, named after the input.
    compared = values = differing = far = 0
    for name, node in nodes.items():
        got = held.get(f"{name}_quantized", held.get(model.input.name) if node is model.quantizers()[0] else None)
        if got is None or got.size != want[name].size:
            continue
        got = got.reshape(len(x), -1).astype(np.int64) + model.offset(node)
        expect = model.integers(node, want[name].astype(np.float32)).reshape(len(x), -1)
        compared, values, differing = compared + 1, values + got.size, differing + int((got != expect).sum())
        far = max(far, int(np.abs(got - expect).max()))
    last = want[output].reshape(y.shape)
    flat, expect = y.reshape(len(x), -1), last.reshape(len(x), -1)
    result |= {"samples": len(x), "source": "data" if data else "seeded", "tensors": compared, "of": len(nodes), "values": values,
               "differing": differing, "far": far, "outputs": int(y.size), "outputs_differing": int((y != last).sum()),
               "largest": float(np.abs(y.astype(np.float64) - last).max()),
               "magnitude": float(np.abs(last.astype(np.float64)).max()),
               "places": int((flat.argmax(1) != expect.argmax(1)).sum())}
    if data:
        whole, _ = ours(model, data[0])
        whole = whole.reshape(len(data[0]), -1)
        # TopK gives the class itself.
        guess = whole[:, 0] if whole.shape[1] == 1 else whole.argmax(1)
        result |= {"correct": int((guess == data[1]).sum()), "labelled": len(data[1])}
        published = published.get("accuracy") or {}
        result["published"] = (published.get("top1"), published.get("dataset"))
        said = re.search(r"first (\d+)", published.get("dataset", ""))
        if said and int(said[1]) < len(guess):
            n = int(said[1])
            result |= {"first": n, "first_correct": int((guess[:n] == data[1][:n]).sum())}
    if options.rtl:
        result["rtl"] = simulated(model, x[:1])
    return result


def simulated(model, x):
    out = WORK / f"{model.name}_design"
    args = [O2C, "compile", model.path, "-o", out, "--force", "--input", save(f"{model.name}_one", x), "--json"]
    if model.declared:
        args += ["--input-type", f"{model.input.name}={model.declared}"]
    try:
        run(args)
        sim = json.loads(run([O2C, "simulate", out, "--json"], codes=(0, 1)))
    except RuntimeError as e:
        return {"refused": refusal(str(e))}
    return {k: sim[k] for k in ("values_compared", "mismatches", "cycles")}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def document(found, samples):
    number = lambda n: f"{n:,}"
    of = lambda a, b: f"{number(a)} of {number(b)}"
    rows, accuracies, refused, rtl = [], [], [], []
    for f in found:
        name = f"`{f['name']}`"
        if "refused" in f:
            refused.append([name, f["refused"].replace("\n", " ").replace("|", "\\|")[:SHOWN]])
            continue
        rows.append([name, "yes" if f["exact"] else "no", f"{number(f['samples'])} {f['source']}", f"{f['tensors']} of {f['of']}",
                     of(f["differing"], f["values"]) + (f", by at most {f['far']}" if f["far"] else ""), of(f["outputs_differing"], f["outputs"]),
                     f"{f['largest']:.3g} of {f['magnitude']:.3g}", of(f["places"], f["samples"]), f["declared"] or "-"])
        if "correct" in f:
            top1, dataset = f["published"]
            own = f"{of(f['first_correct'], f['first'])} first; " if "first" in f else ""
            accuracies.append([name, own + of(f["correct"], f["labelled"]), f"{top1} ({dataset})" if top1 else "-"])
        r = f.get("rtl")
        if r:
            rtl.append([name, r["refused"].replace("\n", " ").replace("|", "\\|")[:SHOWN], "-"] if "refused" in r else
                       [name, of(r["mismatches"], r["values_compared"]), f"{number(r['cycles']['predicted'])} / {number(r['cycles']['measured'])}"])
    out = ["# Networks of few bits", "",
           "Written by `make qonnx` (`testbench/low_bit.py`); do not edit. Counts are exact.",
           f"Reference: the Python package qonnx {version()}, `qonnx.core.onnx_exec`, which runs "
           "QONNX's own operators in NumPy and ONNX's in ONNX Runtime, in float32.", "",
           "The executor computes what the file says with exact sums of products: acc * (scale of x * scale of w), rounded once to float32, then "
           "every further operator in float32 in its order. Where all scales are powers of two the reference's sums are exact as well, and every "
           "value has to be equal. Where they are not, the reference's float32 sums carry rounding noise, which shows in the last bits of float "
           "outputs (largest difference, beside the largest output), and could move a quantized value that lies within that noise of a threshold; "
           "such values are counted too.", "",
           table(["model", "scales powers of two", "inputs", "quantized tensors", "their values differing", "outputs differing", "largest difference",
                  "greatest output elsewhere", "declared input"], rows)]
    if accuracies:
        out += ["Labelled data, all of it through the executor:", "", table(["model", "right", "published"], accuracies)]
    if rtl:
        out += ["One sample in Verilog, every value of every stage against the executor:", "",
                table(["model", "differing", "cycles predicted / measured"], rtl)]
    if refused:
        out += ["Refused:", "", table(["model", "diagnostics"], refused)]
    return "\n".join(out).rstrip() + "\n"


def version():
    from importlib.metadata import version as of
    return of("qonnx")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--no-rtl", dest="rtl", action="store_false")
    options = parser.parse_args()
    folder = options.folder.resolve()
    manifest = folder / "manifest.json"
    published = {m["name"]: m for m in json.loads(manifest.read_text())["models"]} if manifest.exists() else {}
    found = []
    for path in sorted(folder.glob("models/*.onnx")):
        if not re.search(options.pattern, path.stem):
            continue
        model = Model(path)
        if any(n.op_type in QUANTIZERS for n in model.graph.node):
            note(path.stem)
            found.append(measure(folder, model, published.get(path.stem, {}), options))
            note(json.dumps(found[-1]))
    if not options.pattern:
        (ROOT / "docs/low_bit.md").write_text(document(found, options.samples))
    wrong = [f["name"] for f in found if "refused" not in f and (
        f["places"] or (f["exact"] and (f["differing"] or f["outputs_differing"]))
        or ("rtl" in f and f["rtl"].get("mismatches")))]
    if wrong:
        sys.exit(f"not right: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
