#!/usr/bin/env bash
# Breaks the RTL on purpose, one edit of mutants.txt at a time, and sees that the unit benches notice.
#
#   testbench/unit/mutate.sh [PATTERN]      PATTERN selects lines of mutants.txt that contain it
#
# Exit status 0: every mutant was caught. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${O2C_BUILD:-build}
passed=0 failed=0
trim() { local s=$1; s=${s#"${s%%[![:space:]]*}"}; echo "${s%"${s##*[![:space:]]}"}"; }
while IFS= read -r line; do
  case $line in '#'* | '') continue ;; esac
  case $line in *"${1:-}"*) ;; *) continue ;; esac
  # The edit may hold a bar of its own: cut at the first two only.
  pattern=$(trim "${line%%|*}") rest=${line#*|}
  module=$(trim "${rest%%|*}") edit=$(trim "${rest#*|}")
  rm -rf "$build/mutant"
  mkdir -p "$build/mutant"
  cp -r rtl "$build/mutant/rtl"
  sed -i "$edit" "$build/mutant/rtl/$module.v"
  if cmp -s "rtl/$module.v" "$build/mutant/rtl/$module.v"; then
    verdict="FAIL  the edit matches nothing"
  elif O2C_LINT="-Wno-lint -Wno-style" O2C_RTL=$build/mutant/rtl O2C_BUILD=$build/mutant testbench/unit/run.sh "$pattern" > "$build/mutant.log" 2>&1; then
    verdict="FAIL  not noticed"
  elif grep -q ": build, see" "$build/mutant.log"; then
    verdict="FAIL  does not build"
  else
    verdict="pass "
  fi
  case $verdict in pass*) passed=$((passed + 1)) ;; *) failed=$((failed + 1)) ;; esac
  echo "$verdict $module: $edit"
done < testbench/unit/mutants.txt
rm -rf "$build/mutant"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
