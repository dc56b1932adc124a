"""All contenders for a paper epoch: the same answers first, then the clock."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from benchmarks import keras_peer, rows, turns
from benchmarks.contest import MATMUL, matmul
from benchmarks.epoch import Ours, bar, make_batches, make_weights
from benchmarks.paper import FIT, GAME, PAPER_SECONDS, PASSES, operations, per_epoch
from benchmarks.peers import Compiled, Contender, Plain, Sound
from benchmarks.turns import Reported, Times, middle, ratio, take_turns

STEPS = {
    FIT: {3: 50, 32: 25, 512: 3, 4096: 1},
    GAME: {3: 25, 32: 10, 512: 2, 4096: 1},
}  # of a call, about: the next number of whole strides is taken
ENOUGH = 40.0  # seconds for all turns: Keras takes one in a call of ours of 0.1 s
EVALUATED = 4096  # held-out windows of a call
EVALUATION = "{}, evaluation"
OURS, FLOOR = "fastgan", "sgemm"


def contenders(
    workload: str, batch: int, sound: Sound, threads: int, folder: Path, until: ExitStack
) -> tuple[dict[str, Contender], dict[str, str]]:
    """All that can be here, at the start, and why others cannot, by name.

    Args:
        workload: "fit" or "game".
        batch: windows in a step.
        sound: to train on.
        threads: of Keras; the others take torch's.
        folder: for Keras' arrays.
        until: ends Keras' process.
    """
    given = workload, batch, make_weights(), sound
    found: dict[str, Contender] = {OURS: Ours(*given), "plain": Plain(*given)}
    compiling = "compiling takes longer than all else with --brief" if turns.brief else None
    reasons = {"compiled": compiling or Compiled.why_not(), "keras": keras_peer.why_not()}
    if reasons["compiled"] is None:
        found["compiled"] = Compiled(*given)
    if reasons["keras"] is None:
        found["keras"] = until.enter_context(keras_peer.Keras(folder, *given, threads))
    return found, {name: reason for name, reason in reasons.items() if reason is not None}


def check(found: dict[str, Contender], workload: str, batch: int) -> dict[str, str]:
    """See that all train the same networks in the same way.

    Returns:
        Which peers do not, with what is off and by how much: their time would say nothing.

    Raises:
        AssertionError: we do not.
    """
    batches, reasons = make_batches(workload, batch), {}
    for name, contender in found.items():
        wanted = bar(workload, batch, rounded=name in ("compiled", "keras"), keras=name == "keras")
        wrong = wanted.wrong(contender.answer(batches))
        assert not wrong or name != OURS, f"{name}, {workload}, batch {batch}: {wrong}"
        if wrong:
            reasons[name] = f"its answer differs by more than roundings: {wrong}"
    return reasons


def calls(found: dict[str, Contender], steps: int) -> dict[str, Callable[[], object]]:
    """What takes turns: each contender's steps, its evaluation, and the floor."""
    made: dict[str, Callable[[], object]] = {FLOOR: matmul(torch.float32)}
    for name, one in found.items():
        if isinstance(one, keras_peer.Keras):
            made[name] = Reported(partial(one.train, steps))
            made[EVALUATION.format(name)] = Reported(partial(one.time_evaluation, EVALUATED))
        else:
            made[name] = partial(one.train, steps)
            made[EVALUATION.format(name)] = partial(one.evaluate, EVALUATED)
    return made


def compete(workload: str, batch: int, sound: Sound, threads: int, folder: Path) -> rows.Row:
    """Check, then time.

    Args:
        workload, batch, sound, folder: as for `contenders`.
        threads: how many torch has been told to use.

    Returns:
        The row. `epoch_seconds` are scaled, of each contender; `epoch_faster` is how many times faster we are, turn by turn, with the
        bounds of the middle 60 %. `seconds`, `faster` and `floor` are about calls of `steps` steps.
    """
    with ExitStack() as until:
        found, left_out = contenders(workload, batch, sound, threads, folder, until)
        wrong = check(found, workload, batch)
        found, left_out = {name: one for name, one in found.items() if name not in wrong}, left_out | wrong
        ours = found[OURS]
        assert isinstance(ours, Ours), "it is made above"
        steps = ours.whole(STEPS[workload][batch])
        times = take_turns(calls(found, steps), enough=ENOUGH)
        versions = getattr(found.get("keras"), "versions", {})
    work = PASSES[workload] * operations() * batch
    peers = [name for name in found if name != OURS]
    epochs: Times = {
        name: [
            per_epoch(batch, step / steps, part / EVALUATED)
            for step, part in zip(times[name], times[EVALUATION.format(name)], strict=True)
        ]
        for name in found
    }
    return {
        "table": "epoch",
        "case": f"B{batch}",
        "workload": workload,
        "threads": threads,
        **rows.measured(
            times, OURS, peers, work=work * steps, floor=FLOOR, unit="operations", floor_work=2 * MATMUL**3
        ),
        "steps": steps,
        "operations": work,
        "epoch_seconds": {name: middle(values)[0] for name, values in epochs.items()},
        "epoch_faster": {name: list(ratio(epochs, name, OURS)) for name in peers},
        "scaled": True,
        "left out": left_out,
        "peers": versions,
    }


def describe(row: rows.Row) -> str:
    """A row for whoever watches."""
    ours = row["epoch_seconds"][OURS]
    lines = [
        f"{row['case']} {row['workload']}, threads: {row['threads']}; seconds of a paper epoch, scaled from calls of {row['steps']} steps "
        f"and {EVALUATED:,} held-out windows, {row['turns']} turns",
        f"  {OURS:<10}{ours:10,.0f} s  {PAPER_SECONDS / ours:6.2f} x the paper's {PAPER_SECONDS:,} s; "
        f"{row['floor']['share']:.0%} of the speed of {FLOOR}, {row['floor']['rate'] / 1e9:.0f} GFLOP/s",
    ]
    for name, (faster, low, high) in row["epoch_faster"].items():
        seconds = row["epoch_seconds"][name]
        share = row["floor"]["share"] * row["seconds"][OURS] / row["seconds"][name]
        lines.append(
            f"  {name:<10}{seconds:10,.0f} s  {PAPER_SECONDS / seconds:6.2f} x the paper's; {share:.0%} of {FLOOR}; "
            f"we are {faster:.2f} times faster ({low:.2f} to {high:.2f})"
        )
    lines += [f"  {name:<10} left out: {reason}" for name, reason in row["left out"].items()]
    return "\n".join(lines)
