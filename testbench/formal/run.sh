#!/usr/bin/env bash
# Proves the properties under `ifdef FORMAL with Yosys by induction, and shows that broken copies of each module are
# refuted, so that the properties are known to bite. A mutant may be of a module below: `o2c_x: s/.../.../`.
#
#   testbench/formal/run.sh [PATTERN]      PATTERN selects lines of proofs.txt that contain it
#
# Exit status 0: everything proved, every mutant refuted. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."
work=${O2C_BUILD:-build}/formal
mkdir -p "$work"
passed=0 failed=0

trim() { local s=$1; s=${s#"${s%%[![:space:]]*}"}; echo "${s%"${s##*[![:space:]]}"}"; }
verdict() { # what, log, status
  if [ "$3" = 0 ]; then passed=$((passed + 1)); echo "pass  $1"
  else failed=$((failed + 1)); echo "FAIL  $1, see $2"; fi
}
# sat over module $1 with file $3 in the place of module $2's, parameters $4, then the sat options
check() {
  local top=$1 file=rtl/$1.v parameters=$4 others="" set="" p
  for p in rtl/*.v; do
    case $p in "rtl/$1.v") [ "$1" != "$2" ] || file=$3 ;; "rtl/$2.v") others="$others $3" ;; *) others="$others $p" ;; esac
  done
  shift 4
  for p in $parameters; do set="$set -set ${p/=/ }"; done
  # Only the module under proof has its properties on.
  yosys -Q -T -p "read_verilog $others; read_verilog -formal $file; chparam $set $top; hierarchy -check -top $top;
    prep -flatten -top $top; async2sync; dffunmap; sat -prove-asserts -set-assumes $* $top"
}

while IFS='|' read -r top parameters depth mutants; do
  case $top in '#'* | '') continue ;; esac
  top=$(trim "$top") parameters=$(trim "$parameters") depth=$(trim "$depth") mutants=$(trim "$mutants")
  case "$top $parameters" in *"${1:-}"*) ;; *) continue ;; esac
  name=$work/$top-${parameters//[ =]/-}
  status=0
  check "$top" "$top" "rtl/$top.v" "$parameters" "-tempinduct -maxsteps $depth -verify" > "$name.log" 2>&1 || status=1
  verdict "$top [$parameters] proved" "$name.log" $status
  n=0
  while [ -n "$mutants" ]; do
    edit=$(trim "${mutants%%;;*}")
    case $mutants in *';;'*) mutants=${mutants#*;;} ;; *) mutants= ;; esac
    n=$((n + 1))
    of=$top
    case $edit in o2c_*': '*) of=${edit%%: *} edit=${edit#*: } ;; esac
    sed "$edit" "rtl/$of.v" > "$name-mutant$n.v"
    status=0
    if cmp -s "rtl/$of.v" "$name-mutant$n.v"; then
      echo "the edit matches nothing" > "$name-mutant$n.log"
      status=1
    else
      check "$top" "$of" "$name-mutant$n.v" "$parameters" "-tempinduct-baseonly -maxsteps 12 -falsify" > "$name-mutant$n.log" 2>&1 || status=1
    fi
    verdict "$top [$parameters] refuted: $of: $edit" "$name-mutant$n.log" $status
  done
done < testbench/formal/proofs.txt
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
