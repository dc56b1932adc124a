"""Options of the benchmarks, and what they share."""

import os
from collections.abc import Callable, Iterator

import pytest
import torch

from benchmarks import rows, turns
from fastgan.ops.lstm import backends

Record = Callable[[rows.Row, Callable[[], object]], None]
Keep = Callable[[rows.Row], None]

_PLENTY = 0.02  # seconds of a round of pytest-benchmark, at least


def pytest_addoption(parser: pytest.Parser) -> None:
    """--brief and --record."""
    group = parser.getgroup("fastgan")
    group.addoption("--brief", action="store_true", help="a handful of cases, one turn each: shows that they run")
    group.addoption(
        "--record",
        action="store_true",
        default=os.environ.get("FASTGAN_RECORD") == "1",
        help="append a row for each case that passed to benchmarks/results (FASTGAN_RECORD=1 does the same)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the options known to those who cannot ask for them."""
    turns.brief = config.getoption("brief")
    if turns.brief and config.getoption("record"):
        raise pytest.UsageError("--brief measures nothing worth recording; leave out --record (or FASTGAN_RECORD)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --brief leave out what is long. Nothing is too slow to finish: a case that hangs is for its tests to find."""
    if turns.brief:
        left = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    elif config.pluginmanager.hasplugin("timeout"):
        for item in items:
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(params=[pytest.param(1, id="1thread"), pytest.param(2, id="2threads", marks=pytest.mark.long)])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Threads that torch and the kernels use."""
    if request.param > (os.cpu_count() or 1):
        pytest.skip(f"this machine has fewer than {request.param} cores")
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def native() -> None:
    """Skip where the kernels cannot run."""
    reason = dict(backends())["cpu"]
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Keep:
    """Take a row of the suite; with --record it is appended to its file."""

    def take(row: rows.Row) -> None:
        if request.config.getoption("record"):
            rows.append(rows.SUITE, rows.stamp(row))

    return take


@pytest.fixture
def record(benchmark, request: pytest.FixtureRequest) -> Record:
    """Take a row of a finished contest, and the call that pytest-benchmark shows in its own table."""

    def take(row: rows.Row, call: Callable[[], object]) -> None:
        stamped = rows.stamp(row)
        benchmark.extra_info.update(stamped)
        if request.config.getoption("record"):
            rows.append(rows.LSTM_CPU, stamped)
        middle, low, high = row["ratio"]
        threads = f"{row['threads']} thread{'s' * (row['threads'] > 1)}"
        print(f"\n{row['case']} {row['workload']}, {threads}: {middle:.2f} x torch ({low:.2f} to {high:.2f})")
        each = 1 if turns.brief else max(1, round(_PLENTY / row["seconds"]["fastgan"]))
        benchmark.pedantic(call, rounds=min(turns.FEWEST, row["turns"]), iterations=each)

    return take
