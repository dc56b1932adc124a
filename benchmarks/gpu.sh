#!/usr/bin/env bash
# On a machine with an Nvidia GPU: build what can be built, test the kernels on the device, look for stray memory accesses, then
# times against torch.nn.LSTM, a short table last. Takes at most ten minutes; what fails is named, fails the command, and does not
# stop the rest. Options go to `python -m benchmarks.lstm_gpu` (--brief).
#
# Rows go to benchmarks/results/lstm-gpu.jsonl, epoch-gpu.jsonl and generate-gpu.jsonl, and from there into benchmarks/RESULTS.md. Needs torch, triton, numpy and pytest,
# of nvcc, pybind11 and compute-sanitizer what there is, and no network.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
unset TRITON_INTERPRET FASTGAN_BACKEND
export CUBLAS_WORKSPACE_CONFIG=:4096:8 # the tests ask torch for reproducible products
export PYTHONUNBUFFERED=1              # the name of a test that hangs is to be seen
export OMP_NUM_THREADS=2               # many processes at once, and the work is the GPU's
PYTHON=${PYTHON:-python3}
TESTS=tests/ops/lstm
END=590 # seconds
wrong=()

part() { printf '\n=== %s (%d s)\n' "$1" "$SECONDS"; }
# Run a part for at most so many seconds; what it fails of is listed at the end.
try() { # NAME SECONDS COMMAND...
  local name=$1 limit=$2 code=0
  shift 2
  timeout --kill-after=5 "$limit" "$@" || code=$?
  case $code in
    0) return 0 ;;
    124 | 137) wrong+=("$name: not done within $limit s") ;;
    *) wrong+=("$name: ended with $code") ;;
  esac
  return 1
}
has() { command -v "$1" >/dev/null; }

if ! "$PYTHON" -c 'import sys, torch
if not torch.cuda.is_available(): sys.exit(f"torch {torch.__version__} sees no GPU: nothing to test or measure here")
print(torch.cuda.get_device_name())'; then
  exit 1
fi

part "CUDA kernels: build"
if ! has nvcc; then
  echo "no nvcc here: Triton alone"
elif ! "$PYTHON" -c 'import pybind11, setuptools'; then
  echo "pybind11 or setuptools is not here: Triton alone"
else
  FASTGAN_NATIVE=cuda try "build of the CUDA kernels" 180 "$PYTHON" setup.py --quiet build_ext --inplace --parallel 2 ||
    echo "the CUDA kernels are not built: Triton alone"
fi

part "tests on the device"
# Most of their time goes into compiling kernels on the processor, so their parts run side by side.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
parts=(
  "test_triton.py|no_worse or tiles"
  "test_triton.py|short"
  "test_triton.py|not (no_worse or tiles or short)"
  "test_on_device.py|no_worse and float32"
  "test_on_device.py|no_worse and tf32"
  "test_on_device.py|no_worse and bfloat16"
  "test_on_device.py|no_worse and float16 and not bfloat16"
  "test_on_device.py|bits or graph"
  "test_on_device.py|not (no_worse or bits or graph)"
  "../test_windows_on_device.py|test"
)
for number in "${!parts[@]}"; do
  {
    timeout --kill-after=5 200 "$PYTHON" -m pytest --noconftest -p no:cacheprovider -vv "$TESTS/${parts[number]%%|*}" \
      -k "${parts[number]#*|}" >"$logs/$number" 2>&1
    echo $? >"$logs/$number.code"
  } &
done
wait
for number in "${!parts[@]}"; do
  code=$(cat "$logs/$number.code")
  if [ "$code" != 0 ]; then
    wrong+=("${parts[number]}: ended with $code (124 and 137: not done within 200 s)")
    grep -v PASSED "$logs/$number"
  fi
  printf '%s: ' "${parts[number]}"
  tail -n 1 "$logs/$number"
done

part "compute-sanitizer"
sanitize() { # TOOL SECONDS EXPRESSION
  PYTORCH_NO_CUDA_MEMORY_CACHING=1 try "compute-sanitizer --tool $1" "$2" compute-sanitizer --tool "$1" --error-exitcode 9 \
    --target-processes all --report-api-errors no "$PYTHON" -m pytest --noconftest -p no:cacheprovider \
    "$TESTS/test_on_device.py" -k "$3"
}
if ! has compute-sanitizer; then
  echo "compute-sanitizer is not here"
elif ! compute-sanitizer "$PYTHON" -c 'import torch; torch.ones(1).cuda().cpu()' >"$logs/sanitizer" 2>&1; then
  echo "compute-sanitizer does not work here:"
  tail -n 5 "$logs/sanitizer"
else
  sanitize memcheck 50 'any_backward and T6B5'
  sanitize racecheck 30 'any_backward and T3B2'
fi

part "times"
try "paper epochs" 150 "$PYTHON" -m benchmarks.epoch_gpu --record
try "sound fed back" 90 "$PYTHON" -m benchmarks.generate_gpu --record
left=$((END - SECONDS))
"$PYTHON" -m benchmarks.lstm_gpu --record --seconds "$((left - 10))" "$@" || wrong+=("times: ended with $?")
"$PYTHON" -m benchmarks.report >/dev/null || wrong+=("report: ended with $?") # RESULTS.md, from all rows

if [ ${#wrong[@]} -gt 0 ]; then
  printf '\nWRONG after %d s:\n' "$SECONDS"
  printf '  %s\n' "${wrong[@]}"
  exit 1
fi
printf '\nAll right, in %d s.\n' "$SECONDS"
