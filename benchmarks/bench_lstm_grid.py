"""Claim: FusedLSTM on a CPU is nowhere slower than torch.nn.LSTM.

A grid of sizes from 1 up, odd ones included, one layer, two, and both directions; training asks for the gradients of the
input too. What takes more than 20 billion operations a call or more memory than a small machine has is left out;
`benchmarks/RESULTS.md` says how much. Few turns each: the whole takes most of an hour.

    python -m pytest benchmarks/bench_lstm_grid.py --benchmark-only -q
"""

import pytest

from benchmarks.cases import GRID
from benchmarks.contest import compete

QUICK = [pair for pair in GRID.rows if pair[0].hidden < 1024 and pair[0].operations(pair[1]) < 1e8]
BRIEFLY = QUICK[:: len(QUICK) // 4]
CASES = [
    pytest.param(case, workload, id=f"{case}-{workload}", marks=() if (case, workload) in BRIEFLY else pytest.mark.long)
    for case, workload in GRID.rows
]


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(("case", "workload"), CASES)
def test_grid(case, workload, threads, record):
    row, call = compete(case, workload, threads, turns=5, seconds=0.02)
    record({"table": "grid"} | row, call)
