"""Windows on a GPU, against the definition on the processor. Needs torch and Triton alone; without a GPU all of this skips."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fastgan.ops import windows
from fastgan.ops.windows import Windows, point, reference

REASON = windows.why_not(torch.device("cuda")) if torch.cuda.is_available() else "no GPU that torch can use"
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"{REASON}")


def build(segment: int, hop: int, device: str, clips: int = 300, longest: int = 40_000) -> Windows:
    """Clips of all lengths up to the longest, some too short for a window."""
    lengths = np.linspace(0, longest, clips).astype(np.int64)
    first = np.cumsum(lengths) - lengths
    ends = np.cumsum(np.maximum(0, (lengths - segment) // hop + 1))
    samples = np.random.default_rng(1).integers(-(2**15), 2**15, lengths.sum()).astype(np.int16)
    return Windows.place_on(device, samples, first, ends, segment=segment, hop=hop)


def wanted(corpus: Windows, place: int, count: int, key: int, dtype: torch.dtype = torch.float32) -> Tensor:
    out = torch.full((count, corpus.segment), torch.nan, dtype=dtype)
    reference(corpus, corpus.order(place, key), out)
    return out


def same(found: Tensor, want: Tensor) -> bool:
    """Bit for bit, but for which of the numbers that are none."""
    return torch.equal(found.isnan().cpu(), want.isnan()) and torch.equal(found.cpu().nan_to_num(2), want.nan_to_num(2))


@pytest.mark.parametrize(("segment", "hop"), [(1, 1), (6, 6), (6, 1), (31, 40), (1000, 700), (8192, 4096)])
@pytest.mark.parametrize("major", ["rows", "time"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_bits_of_the_definition(segment, hop, major, dtype):
    here, there = build(segment, hop, "cpu"), build(segment, hop, "cuda")
    count = min(here.total, (1 << 20) // segment) + 5
    for place, key in ((0, 1), (here.total - count + 9, 2**64 - 1)):  # the last four are beyond the pass
        shape = (count, segment) if major == "rows" else (segment, count)
        out = torch.full(shape, torch.nan, dtype=dtype, device="cuda")
        out = out if major == "rows" else out.t()
        there.take(there.order(place, key), out)
        assert same(out, wanted(here, place, count, key, dtype))


def test_the_definition_gives_the_same_there():
    here, there = build(6, 6, "cpu"), build(6, 6, "cuda")
    out = torch.empty(1000, 6, device="cuda")
    reference(there, there.order(7, 2**63), out)
    assert same(out, wanted(here, 7, 1000, 2**63))


@pytest.mark.parametrize("place", [-(2**63), -40, 2**40, 2**63 - 1])
def test_any_place_ends(place):
    corpus = build(6, 6, "cuda")
    out = torch.zeros(33, 6, device="cuda")
    corpus.take(corpus.order(place, 3), out)
    assert out.isnan().all()


def test_a_graph_goes_through_passes():
    """Replays move on by themselves and wait for nothing; a new key takes effect between two."""
    here, corpus = build(6, 6, "cpu", clips=20), build(6, 6, "cuda", clips=20)
    count = 512
    order, out = corpus.order(0, 1), torch.full((count, 6), torch.nan, device="cuda")

    def step() -> None:
        corpus.take(order, out)
        order[:1].add_(count)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    found, keys = [], (2**63 + 8, 9)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for key in keys:
            point(order, 0, key)
            for _ in range(corpus.total // count):
                graph.replay()
                found.append(out.clone())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    whole = corpus.total // count * count
    assert same(torch.cat(found), torch.cat([wanted(here, 0, whole, key) for key in keys]))
