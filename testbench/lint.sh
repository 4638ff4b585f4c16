#!/usr/bin/env bash
# Every module of lint.txt through Verilator -Wall, Icarus -Wall and Yosys, with its defaults and with each parameter
# set; and sees that parameters outside their ranges are refused by all three.
#
#   testbench/lint.sh [PATTERN]      PATTERN selects lines of lint.txt that contain it
#
# Exit status 0: all as it should be. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0
trim() { local s=$1; s=${s#"${s%%[![:space:]]*}"}; echo "${s%"${s##*[![:space:]]}"}"; }

verilator_reads() { # module parameters
  local flags=() p
  for p in $2; do flags+=("-G$p"); done
  verilator --lint-only -Wall -y rtl --top-module "$1" "${flags[@]}" "rtl/$1.v"
}
icarus_reads() {
  local flags=() p
  for p in $2; do flags+=(-P "$1.$p"); done
  iverilog -g2005-sv -Wall -y rtl -s "$1" "${flags[@]}" -o /dev/null "rtl/$1.v" 2>&1 | tee /dev/stderr | (! grep -q .)
}
yosys_reads() {
  local set="" p
  for p in $2; do set="$set -set ${p/=/ }"; done
  [ -z "$set" ] || set="chparam $set $1;"
  yosys -q -e 'implicitly declared' \
    -p "read_verilog rtl/o2c_*.v; $set hierarchy -check -top $1; proc; check -assert"
}
expect() { # pass or refuse, module, parameters
  local tool verdict
  for tool in verilator icarus yosys; do
    verdict=pass
    "${tool}_reads" "$2" "$3" > "$log" 2>&1 || verdict=refuse
    if [ $verdict = "$1" ]; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      echo "FAIL  $tool: $2 [$3] should $1"
      head -5 "$log"
    fi
  done
}
while IFS='|' read -r module good bad; do
  case $module in '#'* | '') continue ;; esac
  case "$module $good $bad" in *"${1:-}"*) ;; *) continue ;; esac
  module=$(trim "$module")
  expect pass "$module" ""
  while IFS= read -r -d ';' set; do [ -z "$(trim "$set")" ] || expect pass "$module" "$(trim "$set")"; done <<< "$good;"
  while IFS= read -r -d ';' set; do [ -z "$(trim "$set")" ] || expect refuse "$module" "$(trim "$set")"; done <<< "$bad;"
done < testbench/lint.txt
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
