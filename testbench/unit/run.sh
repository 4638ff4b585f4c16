#!/usr/bin/env bash
# Builds and runs the unit benches listed in benches.txt.
#
#   testbench/unit/run.sh [-j N] [PATTERN...]     PATTERN selects lines of benches.txt that contain it
#
# O2C_BENCHES=FILE takes another list. A bench is built once for each content of its sources and parameters; builds live in build/unit/.
# Exit status 0: every bench passed. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."
jobs=2
if [ "${1:-}" = "-j" ]; then jobs=$2; shift 2; fi
rtl=${O2C_RTL:-rtl}
cache=${O2C_BUILD:-build}/unit
mkdir -p "$cache"
version=$(verilator --version)

# The module and everything it instantiates, as files.
sources() {
  local todo=("$1") seen=" " name
  while [ "${#todo[@]}" -gt 0 ]; do
    name=${todo[0]}
    todo=("${todo[@]:1}")
    case $seen in *" $name "*) continue ;; esac
    [ -f "$rtl/$name.v" ] || continue
    seen="$seen$name "
    echo "$rtl/$name.v"
    # shellcheck disable=SC2207
    todo+=($(grep -oE '\bo2c_[a-z0-9_]+' "$rtl/$name.v" | sort -u))
  done
}

# One line of benches.txt: bench top "parameters" "arguments"
one() {
  local bench=$1 top=$2 parameters=$3 arguments=$4
  local flags=() defines=() p
  for p in $parameters; do
    flags+=("-G$p")
    # A Verilog literal of 64 bits as one of C++.
    case $p in *"'h"*) p=${p%%=*}=0x${p#*"'h"}ull ;; esac
    defines+=(-CFLAGS "-DP_$p")
  done
  local key
  key=$( { echo "$version $bench $top $parameters"; cat $(sources "$top") testbench/*.h testbench/unit/*.h "testbench/unit/$bench.cpp"; } | sha256sum | cut -c1-16)
  local dir=$cache/$bench-$key
  local log=$dir.log
  if [ ! -x "$dir/Vtop" ]; then
    rm -rf "$dir"
    if ! OBJCACHE=$(command -v ccache || true) verilator --cc --exe --build ${O2C_LINT:--Wall} -O3 --x-assign unique --x-initial unique \
        --assert -y "$rtl" --top-module "$top" --prefix Vtop --Mdir "$dir" "${flags[@]}" \
        -CFLAGS "-O2 -std=c++17 -ffp-contract=off -Wall -Wextra -I$PWD/testbench/unit" "${defines[@]}" \
        "$rtl/$top.v" "$PWD/testbench/unit/$bench.cpp" >"$log" 2>&1; then
      echo "FAIL  $bench [$parameters]: build, see $log"; grep -m 8 -iE "error|warning" "$log" | cut -c1-240; rm -f "$dir/Vtop"; return 1
    fi
  fi
  # shellcheck disable=SC2086
  if "$dir/Vtop" $arguments >"$log" 2>&1; then
    echo "pass  $bench [$parameters] $(tail -1 "$log")"
  else
    echo "FAIL  $bench [$parameters] $arguments"; tail -5 "$log"; return 1
  fi
}

passed=0 failed=0
declare -a running=()
settle() {
  local pid=${running[0]}
  running=("${running[@]:1}")
  if wait "$pid"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}
while IFS='|' read -r bench top parameters arguments; do
  line="$bench|$top|$parameters|$arguments"
  case $line in '#'* | '|'*) continue ;; esac
  if [ $# -gt 0 ]; then
    hit=no
    for pattern in "$@"; do case $line in *"$pattern"*) hit=yes ;; esac; done
    [ $hit = yes ] || continue
  fi
  [ "${#running[@]}" -lt "$jobs" ] || settle
  one $bench $top "$(echo $parameters)" "$(echo $arguments)" &
  running+=($!)
done < "${O2C_BENCHES:-testbench/unit/benches.txt}"
while [ "${#running[@]}" -gt 0 ]; do settle; done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
