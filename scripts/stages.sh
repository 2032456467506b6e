# stages → what they have in common: a preset built, its tests run, and how far that is. Read by the files of scripts/stages/, from the root.
jobs=$(nproc)
mkdir -p build

# ninja's or ctest's lines → one for each tenth of the way, with the seconds so far; whatever else they print passes.
tenths() {
  awk -v what="$1" -v start="$(date +%s)" '
    function tell(done, all) {
      if (int(10 * done / all) <= last) return
      last = int(10 * done / all)
      printf "  %s: %3d %%, %d s\n", what, 10 * last, systime() - start
      fflush()
    }
    match($0, /^\[[0-9]+\/[0-9]+\]/) { split(substr($0, 2, RLENGTH - 2), at, "/"); tell(at[1], at[2]); next }
    match($0, /^ *[0-9]+\/[0-9]+ Test +#/) { split($1, at, "/"); tell(at[1], at[2]); if (/ Passed /) next }
    /^ *Start / { next }
    { print; fflush() }'
}

# build PRESET TARGET…
build() {
  cmake --preset "$1" >build/"$1".configure.log 2>&1 || { cat build/"$1".configure.log; return 1; }
  cmake --build build/"$1" -j "$jobs" -t "${@:2}" | tenths "building $1"
}

# tests PRESET CTEST-ARGUMENT…: what ctest says in the end is kept for the closing line of scripts/test.
tests() {
  ctest --test-dir build/"$1" -j "$jobs" --output-on-failure --no-tests=error "${@:2}" | tee build/"$1".tests.log | tenths "testing $1"
}
