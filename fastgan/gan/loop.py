"""One stage of training: epochs of steps, each closed by a held-out measure, a sound, a row of the log and a checkpoint."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from torch import Tensor

from fastgan.base.command import Interrupted
from fastgan.gan.checkpoint import Checkpoint
from fastgan.gan.clock import Clock
from fastgan.gan.progress import Bar, Screen
from fastgan.gan.run import Run, finite
from fastgan.gan.stage import Stage, Tick


@dataclass
class Position:
    """How far a run is: plain numbers, part of every checkpoint.

    Attributes:
        stage: the one that is on.
        stage_epoch: epochs of it that are closed.
        stage_step: optimiser steps of it that are done.
        epoch_step: those of the epoch that is open.
        epoch: closed epochs of all stages.
        seconds: spent on the open epoch.
        best: lowest measure of those that `judged_by` names, of this stage and of those before it that are judged likewise.
        least: lowest measure of this stage alone.
        before: the measure of what the stage began with, where the stage has measured it anew.
        eased: how often the stage went back to its best checkpoint.
    """

    stage: str = ""
    stage_epoch: int = 0
    stage_step: int = 0
    epoch_step: int = 0
    epoch: int = 0
    seconds: float = 0.0
    best: float | None = None
    least: float | None = None
    before: float | None = None
    eased: int = 0


class Moment(NamedTuple):
    """When so many steps were done, by `time.monotonic`."""

    step: int
    time: float


class Loop:
    """Trains stage after stage and can be stopped after any stride.

    Args:
        run: where results go.
        screen: what a person sees.
        clock: when to stop.
        keep: what every checkpoint says beside the position: settings, rate, scale.
        sample_length: samples of sound per epoch.
        save_every: seconds between checkpoints within an epoch.

    Attributes:
        position: how far the run is.
        sums: losses of the open epoch, added up.
    """

    def __init__(
        self,
        run: Run,
        screen: Screen,
        clock: Clock,
        *,
        keep: dict[str, Any],
        sample_length: int,
        save_every: float,
    ):
        self.run, self.screen, self.clock, self.keep = run, screen, clock, keep
        self.position, self.sums = Position(), dict[str, Tensor]()
        self.sample_length, self.save_every = sample_length, save_every
        self._saved, self._saved_at = "", time.monotonic()

    def train(self, stage: Stage, *, epochs: int, steps: int) -> None:
        """Train one stage until its epochs or its time are over.

        Args:
            stage: what to train.
            epochs: how many in all, those of a resumed run counted in.
            steps: optimiser steps in an epoch.

        Raises:
            Interrupted: somebody asked for the end; all is saved to the step.
        """
        at = self.position
        if at.stage_epoch >= epochs:
            return
        self.screen.say(f"{stage.name}: {epochs:,} epochs of {steps:,} steps of {stage.batch:,} windows")
        try:
            with self.screen.bar(f"{stage.name}: getting ready", 1) as bar:
                constants = stage.begin(self._watch(bar))
                if at.stage_step == 0 and at.best is not None:
                    at.before = stage.measure_before(self._watch(bar))
                    at.best = at.best if at.before is None else at.before
            while at.stage_epoch < epochs:
                began, warm = time.monotonic() - at.seconds, None
                with self.screen.bar(
                    f"{stage.name} {at.stage_epoch + 1}/{epochs}", steps, at.epoch_step, "windows"
                ) as bar:
                    while at.epoch_step < steps and not self._late(stage, warm):
                        count = min(stage.stride, steps - at.epoch_step)
                        stage.eased, stage.progress = (
                            at.eased,
                            max(at.stage_step / (epochs * steps), self.clock.share()),
                        )
                        for name, value in stage.advance(at.stage_step, count).items():
                            self.sums[name] = (
                                self.sums[name] + value if name in self.sums else value.clone()
                            )  # is overwritten
                        at.stage_step, at.epoch_step = at.stage_step + count, at.epoch_step + count
                        at.seconds = time.monotonic() - began
                        warm = warm or Moment(at.epoch_step, time.monotonic())
                        bar.update(at.epoch_step, per_part=stage.batch)
                        if time.monotonic() - self._saved_at > self.save_every:
                            self._save(stage)
                        self.clock.check()
                self._close(stage, constants, early=at.epoch_step < steps)
                if self.clock.over(0.0):
                    break
        except Interrupted:
            self._save(stage)
            raise

    def _late(self, stage: Stage, warm: Moment | None) -> bool:
        """Whether what is left is only just enough to close the epoch; `warm` is when its first stride here was done."""
        done = self.position.epoch_step - warm.step if warm else 0
        if not warm or not done:  # every stage gets two strides, and so a sound to judge it by
            return False
        step = (time.monotonic() - warm.time) / done
        return self.clock.over(stage.closing_s(step, self.sample_length))

    def _close(self, stage: Stage, constants: dict[str, float | None], *, early: bool) -> None:
        """End an epoch: measure, make a sound, log, save."""
        at, began = self.position, time.monotonic()
        trained = {name: float(value) / at.epoch_step for name, value in self.sums.items()}  # waits for the device
        train_seconds = at.seconds + time.monotonic() - began
        with self.screen.bar(f"{stage.name} {at.stage_epoch + 1}: held-out clips", 1) as bar:
            measured = stage.evaluate(self._watch(bar))
        seconds = at.seconds + time.monotonic() - began
        with self.screen.bar(f"{stage.name} {at.stage_epoch + 1}: sound", 1) as bar:
            sound = stage.sample(self.sample_length, self._watch(bar))
        epoch = at.epoch + 1
        row = {
            "epoch": epoch,
            "stage": stage.name,
            "stage_epoch": at.stage_epoch + 1,
            "steps": at.epoch_step,
            "seconds": round(seconds, 3),
            "windows_per_s": round(at.epoch_step * stage.batch / max(train_seconds, 1e-9), 1),
            **finite(trained | measured | constants),
            **({} if at.before is None else {f"{stage.judged_by}_before": at.before}),
            **({"stopped_early": True} if early else {}),
            **({"alarm": ", ".join(stage.problems)} if stage.problems else {}),
            **self.run.keep_sound(epoch, sound, self.keep["rate"], f"epoch {epoch}, {stage.name}"),
        }
        judged = row[stage.judged_by]
        score = math.inf if judged is None or stage.problems else judged
        best, best_here = (score < (math.inf if least is None else least) for least in (at.best, at.least))
        # What a stage begins with may be worse than what the stage before ended with: it gets its time to learn.
        lost = score == math.inf or (at.least is not None and score > at.least + stage.margin)
        at.stage_epoch, at.epoch, at.epoch_step, at.seconds = at.stage_epoch + 1, epoch, 0, 0.0
        at.best, at.least = score if best else at.best, score if best_here else at.least
        self.sums.clear()
        if stage.guards and lost and at.best is not None:
            self._step_back(stage)
            row["stepped_back"] = True
        self.run.log(row)
        self._save(stage, known_as=["best"] * best + [stage.name] * (best_here and stage.goes_on))
        self.screen.row(row)
        self.clock.closing = time.monotonic() - began

    def _step_back(self, stage: Stage) -> None:
        """Go on from the best checkpoint, more carefully: what was learnt since leads away from music."""
        of_this = stage.goes_on and self.position.least is not None
        best = self.run.load(stage.name if of_this else "best")
        assert best is not None, "a best measure has a checkpoint"
        stage.game.load(best.tensors, stage.guards)
        self.position.eased += 1

    def _watch(self, bar: Bar) -> Tick:
        def tick(share: float) -> None:
            self.clock.check()
            bar.update(share)

        return tick

    def _save(self, stage: Stage, known_as: Sequence[str] = ()) -> None:
        at = self.position
        name = f"{at.stage}-{at.epoch:04d}-{at.stage_step:09d}"
        if name != self._saved:
            sums = {f"sum.{key}": value.cpu() for key, value in self.sums.items()}
            tensors = stage.game.tensors() | sums | stage.kept()
            state = {"position": asdict(at), "sums": list(self.sums), **self.keep}
            self.run.save(name, Checkpoint(tensors, state), known_as=known_as)
        self._saved, self._saved_at = name, time.monotonic()
