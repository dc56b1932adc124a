"""Claim: FusedLSTM on a CPU is faster than torch.nn.LSTM, by the factors in `benchmarks.cases.AIMS`.

Inference, training and a gradient penalty, with one thread and two. Both run in one process and take turns, so that whatever
else the machine does falls on both; so does a square matrix product, of whose speed each reaches a share. Their answers are
compared before anything is timed. The table's own times are those of FusedLSTM, `extra_info` holds everything else.

    python -m pytest benchmarks/bench_lstm.py --benchmark-only --benchmark-columns=median,iqr,rounds -s
"""

import pytest

from benchmarks.cases import AIMS, PAPER, SHORT_PACKED, Case
from benchmarks.contest import compete

BRIEFLY = {PAPER, SHORT_PACKED, Case(1, 1, 1, 128, 2, states=True), Case(6, 3, 1, 128, 2, dtype="float64")}
CASES = [
    pytest.param(case, workload, id=f"{case}-{workload}", marks=() if case in BRIEFLY else pytest.mark.long)
    for case, workload in AIMS
]


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(("case", "workload"), CASES)
def test_lstm(case, workload, threads, record):
    row, call = compete(case, workload, threads)
    record({"table": "lstm"} | row, call)
