#!/usr/bin/env python3
"""Synthesizes ResNet-8 on 64 multipliers (2,4,8), AXI included, and holds the figures against their bounds.

    synth.py ONNX2CHIP MODEL FOLDER

Yosys and nextpnr for ECP5 (85k, speed grade 6), Yosys for AMD 7 series. Writes docs/synthesis.md and the lines between
the synthesis markers of README.md; fails if a bound does not hold. Run from the root by `make synth`.
"""
import json
import pathlib
import re
import subprocess
import sys

LANES = 2
# LUT4 + 2 x CCU2C, MULT18X18D, routed MHz.
MOST_LUT4, MOST_MULT18, LEAST_MHZ = 12_000, 100, 75.0
# Memories up to this many bits may be made of logic.
SMALL_MEMORY = 1024


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed ({done.returncode}):\n{done.stderr}")
    return done.stdout


def memories_in_logic(log):
    """Memories above SMALL_MEMORY bits that Yosys did not map to block RAM: `mapping memory X via Y` says where."""
    text = log.read_text()
    mapped = dict(re.findall(r"mapping memory (\S+) via (\S+)", text))
    bad = [name for name, kind in mapped.items() if not re.search("16KD|BLOCKRAM", kind)]
    bad += re.findall(r"using FF mapping for memory (\S+)", text)
    return sorted(bad), len(mapped)


def latches(log):
    return re.findall(r"^Latch inferred for signal (\S+)", log.read_text(), re.M)


def main():
    binary, model, folder = sys.argv[1:]
    folder = pathlib.Path(folder)
    run(binary, "compile", model, "-o", folder, "--array", "2,4,8", "--lanes", str(LANES), "--target", "ecp5-85k",
        "--samples", "1")
    ecp5 = json.loads(run(binary, "synth", folder, "--family", "ecp5", "--json"))
    xilinx = json.loads(run(binary, "synth", folder, "--family", "xilinx", "--json"))
    report = json.loads((folder / "report.json").read_text())
    cells, amd = ecp5["cells"], xilinx["cells"]
    lut4 = cells.get("LUT4", 0) + 2 * cells.get("CCU2C", 0)
    mult = cells.get("MULT18X18D", 0)
    fmax = ecp5["fmax_mhz"] or 0.0
    faults = []
    for name, holds in {
        f"{lut4} LUT4 equivalents exceed {MOST_LUT4}": lut4 <= MOST_LUT4,
        f"{mult} multipliers exceed {MOST_MULT18}": mult <= MOST_MULT18,
        f"{fmax:.1f} MHz routed are below {LEAST_MHZ}": fmax >= LEAST_MHZ,
        "no DSP48E1 on 7 series": amd.get("DSP48E1", 0) > 0,
        "no block RAM on 7 series": amd.get("RAMB36E1", 0) + amd.get("RAMB18E1", 0) > 0,
    }.items():
        if not holds:
            faults.append(name)
    mapped = {}
    for kind in ("ecp5", "xilinx"):
        log = folder / "build" / kind / "yosys.log"
        bad, mapped[kind] = memories_in_logic(log)
        faults += [f"{kind}: memory {name} is not in block RAM" for name in bad]
        faults += [f"{kind}: latch {name}" for name in latches(log)]
        if mapped[kind] == 0:
            faults.append(f"{kind}: the log names no memory")
    carry = sum(n for name, n in amd.items() if name == "CARRY4")
    luts = sum(n for name, n in amd.items() if re.fullmatch("LUT[1-6]", name))
    cycles = report["cycles"]["predicted"] if isinstance(report.get("cycles"), dict) else report.get("cycles")
    rows = [
        "| ResNet-8, 64 multipliers (2,4,8), AXI included | ECP5-85k -6, Yosys + nextpnr | 7 series, Yosys |",
        "| --- | --- | --- |",
        f"| logic | {lut4:,} LUT4 equivalents ({cells.get('LUT4', 0):,} LUT4 + 2 x {cells.get('CCU2C', 0):,} CCU2C) | "
        f"{luts:,} LUT, {carry:,} CARRY4 |",
        f"| flip-flops | {cells.get('TRELLIS_FF', 0):,} | {sum(n for c, n in amd.items() if c.startswith('FD')):,} |",
        f"| multipliers | {mult} MULT18X18D | {amd.get('DSP48E1', 0)} DSP48E1 |",
        f"| block RAM | {cells.get('DP16KD', 0)} DP16KD | {amd.get('RAMB36E1', 0)} RAMB36E1, {amd.get('RAMB18E1', 0)} RAMB18E1 |",
        f"| clock, routed | {fmax:.1f} MHz | not routed here |",
        f"| one image | {cycles:,} cycles, {cycles / fmax / 1000 if fmax else 0:.2f} ms | |",
    ]
    table = "\n".join(rows) + "\n"
    pathlib.Path("docs/synthesis.md").write_text(
        "# Synthesis\n\nMade by `make synth`; nothing here is typed by hand. Latches: 0. Every memory above "
        f"{SMALL_MEMORY} bits is in block RAM.\n\n{table}" if not faults else
        "# Synthesis\n\nThe last `make synth` failed:\n\n" + "\n".join(f"- {f}" for f in faults) + f"\n\n{table}")
    readme = pathlib.Path("README.md")
    if readme.exists():
        text = readme.read_text()
        block = f"<!-- synthesis:begin -->\n{table}<!-- synthesis:end -->"
        new = re.sub(r"<!-- synthesis:begin -->.*<!-- synthesis:end -->", lambda _: block, text, flags=re.S)
        readme.write_text(new)
    print(table)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
