#!/usr/bin/env python3
"""Measures what a multiply-accumulate costs with each kind of multiplier, and holds the figures against their bounds.

    testbench/macs.py        writes docs/multipliers.md; exit status 1 if a bound is missed or a netlist is wrong

Each row is `o2c_mac_array` alone: P*C*K multipliers, adder trees, accumulators wide enough for TAPS products of the widths'
extremes, the staging of words and the drain chain with R = 4. Cells are those that Debian's Yosys maps; an ECP5 carry
cell counts as two LUT4, an inverter of 7 series as a LUT. What Yosys makes of each multiplier (`o2c_dot`) is simulated by
Icarus against `*`, with the cells' models that Yosys carries.
"""

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "macs"
TAPS = 576  # 3 x 3 x 64
INFER, LUT, PACKED = 0, 1, 2

# name, P, C, K, XB, WB, bipolar, style, most LUT4 (ECP5) or LUT (7 series) of a MAC, most DSPs of one
ECP5 = [
    ("8 x 8", 1, 4, 8, 8, 8, 0, LUT, 154, 0),
    ("8 x 4", 1, 4, 8, 8, 4, 0, LUT, 84, 0),
    ("4 x 4", 1, 4, 8, 4, 4, 0, LUT, 48, 0),
    ("8 x 2", 1, 4, 8, 8, 2, 0, LUT, None, 0),
    ("2 x 2", 1, 8, 8, 2, 2, 0, LUT, 13, 0),
    ("1 x 1, bipolar", 1, 16, 8, 1, 1, 1, LUT, 5.2, 0),
    ("8 x 8, `*`", 1, 4, 8, 8, 8, 0, INFER, None, 0),
    ("4 x 4, `*`", 1, 4, 8, 4, 4, 0, INFER, None, 0),
]
XILINX = [
    ("8 x 8, two in a DSP", 1, 4, 8, 8, 8, 0, PACKED, 26, 0.5),
    ("8 x 4, two in a DSP", 1, 4, 8, 8, 4, 0, PACKED, None, 0.5),
    ("4 x 4, four in a DSP", 2, 4, 8, 4, 4, 0, PACKED, 16, 0.25),
    ("8 x 8, `*`", 1, 4, 8, 8, 8, 0, INFER, None, 1),
]
SYNTH = {
    "ecp5": "synth_ecp5 -nodsp -nowidelut -top {top}",
    "xilinx": "synth_xilinx -family xc7 -noiopad -flatten -top {top}",
}
# Sets of random operands; the models of ECP5's cells are slow.
SETS = {"ecp5": 300, "xilinx": 3000}
MODELS = {"ecp5": ["ecp5/cells_sim.v"], "xilinx": ["xilinx/cells_sim.v"]}
BENCH = """
module tb;
  localparam SW = {XB} + {WB} + $clog2({C});
  reg clk = 0;
  reg [{P}*{C}*{XB}-1:0] x = 0;
  reg [{K}*{C}*{WB}-1:0] w = 0;
  wire [{P}*{K}*SW-1:0] want, got;
  integer i, j, bad = 0;
  o2c_dot #(.STYLE (0), .X ({P}), .K ({K}), .C ({C}), .XB ({XB}), .WB ({WB}), .BIPOLAR_X ({B}), .BIPOLAR_W ({B})) u_want (
    .clk_i (clk), .x_i (x), .w_i (w), .sum_o (want)
  );
  mapped u_got (.clk_i (clk), .x_i (x), .w_i (w), .sum_o (got));
  initial begin
    #200;
    for (i = 0; i < {SETS}; i = i + 1) begin
      for (j = 0; j < {P}*{C}; j = j + 1) x[j*{XB} +: {XB}] = $random % 4 == 0 ? 1 << ({XB}-1) : $random;
      for (j = 0; j < {K}*{C}; j = j + 1) w[j*{WB} +: {WB}] = $random % 4 == 0 ? 1 << ({WB}-1) : $random;
      #5 clk = 1; #5 clk = 0;
      if (i > 8 && got !== want) bad = bad + 1;
    end
    $display("%0d sets, %0d differ", i, bad);
    $finish;
  end
endmodule
"""


def run(*command):
    done = subprocess.run([str(c) for c in command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def accumulator_bits(xb, wb, bipolar):
    """Signed bits of the sum of TAPS products."""
    most = TAPS * (1 if bipolar else 1 << (xb + wb - 2))
    return most.bit_length() + 1


def synthesize(family, top, parameters, tail):
    sources = [str(p) for p in sorted((ROOT / "rtl").glob("o2c_dot*.v"))]
    sources += ["rtl/o2c_tree.v", "rtl/o2c_mac_array.v", "rtl/o2c_ram_sdp.v"]
    sets = " ".join(f"-set {name} {value}" for name, value in parameters.items())
    script = f"read_verilog -DSYNTHESIS {' '.join(sources)}; chparam {sets} {top}; {SYNTH[family].format(top=top)}; {tail}"
    run("yosys", "-q", "-p", script)


def cells(family, row):
    _, p, c, k, xb, wb, bipolar, style, _, _ = row
    stat = BUILD / "stat.txt"
    parameters = dict(P=p, C=c, K=k, R=4, XB=xb, WB=wb, BIPOLAR_X=bipolar, BIPOLAR_W=bipolar, MUL_STYLE=style,
                      ACC_W=accumulator_bits(xb, wb, bipolar))
    if not bipolar and style == INFER:
        del parameters["BIPOLAR_X"], parameters["BIPOLAR_W"]
    synthesize(family, "o2c_mac_array", parameters, f"flatten; tee -q -o {stat} stat")
    found = {}
    for name, count in re.findall(r"^\s+(\w+)\s+(\d+)$", stat.read_text(), re.M):
        found[name] = int(count)
    return found


def simulated(family, row):
    """How many of a multiplier's sums differ after mapping."""
    _, p, c, _, xb, wb, bipolar, style, _, _ = row
    k = 2  # as many as share a factor
    netlist, bench, program = BUILD / "mapped.v", BUILD / "tb.v", BUILD / "tb"
    parameters = dict(STYLE=style, X=p, C=c, K=k, XB=xb, WB=wb, BIPOLAR_X=bipolar, BIPOLAR_W=bipolar)
    synthesize(family, "o2c_dot", parameters, f"rename o2c_dot mapped; write_verilog -noattr {netlist}")
    bench.write_text(BENCH.format(SETS=SETS[family], P=p, C=c, K=k, XB=xb, WB=wb, B=bipolar))
    share = pathlib.Path(shutil.which("yosys")).resolve().parent.parent / "share" / "yosys"
    models = [share / m for m in MODELS[family]]
    run("iverilog", "-g2012", f"-I{share / family}", "-o", program, "-s", "tb", "-y", "rtl", bench, netlist, *models)
    sets, differ = map(int, re.search(r"(\d+) sets, (\d+) differ", run("vvp", program)).groups())
    return sets, differ


def main():
    BUILD.mkdir(parents=True, exist_ok=True)
    faults, tables, checked = [], [], 0
    for family, rows in (("ecp5", ECP5), ("xilinx", XILINX)):
        lut = "LUT4" if family == "ecp5" else "LUT"
        table = [f"| activation x weight | P, C, K | accumulator | {lut} a MAC | bound | DSP a MAC | flip-flops a MAC |",
                 "| --- | --- | --- | --- | --- | --- | --- |"]
        for row in rows:
            name, p, c, k, xb, wb, bipolar, _, most, most_dsp = row
            found = cells(family, row)
            macs = p * c * k
            if family == "ecp5":
                luts = found.get("LUT4", 0) + 2 * found.get("CCU2C", 0)
                flops, dsps = found.get("TRELLIS_FF", 0), found.get("MULT18X18D", 0)
            else:
                luts = sum(n for cell, n in found.items() if re.fullmatch("LUT[1-6]|INV|SRL.*", cell))
                flops, dsps = sum(n for cell, n in found.items() if cell.startswith("FD")), found.get("DSP48E1", 0)
            if luts == 0:
                faults.append(f"{family} {name}: no cells")
            if most is not None and luts > most * macs:
                faults.append(f"{family} {name}: {luts / macs:.2f} {lut} a MAC exceed {most}")
            if dsps > most_dsp * macs:
                faults.append(f"{family} {name}: {dsps} DSPs exceed {most_dsp} a MAC")
            sets, differ = simulated(family, row)
            checked += sets * p * 2
            if differ:
                faults.append(f"{family} {name}: {differ} of {sets} sets differ after mapping")
            bits = accumulator_bits(xb, wb, bipolar)
            table.append(f"| {name} | {p}, {c}, {k} | {bits} bits | {luts / macs:.1f} | {most or ''} | "
                         f"{dsps / macs:.3g} | {flops / macs:.1f} |")
            print(table[-1], flush=True)
        tables.append("\n".join(table))
    version = run("yosys", "-V").split(" (")[0].strip()
    text = f"""# Multipliers

Made by `make macs`; nothing here is typed by hand. `o2c_mac_array` alone, mapped by {version}: multipliers, adder trees,
accumulators for {TAPS} products of the widths' extremes, staging of words, drain chain of 4 values a cycle. All of it divided
by P*C*K.

LUTs alone, ECP5 (`synth_ecp5 -nodsp -nowidelut`; a carry cell, CCU2C, counts as two LUT4):

{tables[0]}

DSPs, 7 series (`synth_xilinx`; LUT1 to LUT6, inverters and shift registers counted alike, carry cells beside them):

{tables[1]}

Every multiplier of the tables was simulated as mapped, cell by cell, against `*`: {checked:,} sums, """
    text += "0 differ.\n" if not faults else "and the last run failed:\n\n" + "".join(f"- {f}\n" for f in faults)
    (ROOT / "docs" / "multipliers.md").write_text(text)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
