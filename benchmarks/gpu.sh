#!/usr/bin/env bash
# On a machine with an Nvidia GPU: the kernels' tests on the device, then times against torch.nn.LSTM, a short table last.
# Rows go to benchmarks/results/lstm-gpu.jsonl. Needs torch, triton and pytest; no network.
set -euo pipefail
cd "$(dirname "$0")/.."
unset TRITON_INTERPRET
export CUBLAS_WORKSPACE_CONFIG=:4096:8 # the tests ask torch for reproducible products
PYTHON=${PYTHON:-python3}
"$PYTHON" -c 'import torch; assert torch.cuda.is_available(), "torch sees no GPU"; print(torch.cuda.get_device_name())'
"$PYTHON" -m pytest --noconftest -p no:cacheprovider tests/ops/lstm/test_triton.py tests/ops/lstm/test_on_device.py
"$PYTHON" -m benchmarks.lstm_gpu --record "$@"
