"""The paper's networks and both its workloads in Keras 3 on TensorFlow, which live in an environment and a process of their own.

FASTGAN_KERAS_PYTHON names an interpreter that has both packages. It runs `benchmarks/keras_side.py`, which is asked on stdin and
answers on stdout, a line of JSON each; arrays go through .npz files. Only that side's seconds count, and it is idle while others
take their turn.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import ADVERSARIAL_WEIGHT, LR, MSE_WEIGHT, Answer, Batches, Sound, Weights

VARIABLE = "FASTGAN_KERAS_PYTHON"

Told = dict[str, Any]


def why_not() -> str | None:
    """Why there is no Keras here, or None."""
    python = os.environ.get(VARIABLE)
    if not python:
        return f"{VARIABLE} names no interpreter that has Keras and TensorFlow"
    if shutil.which(python) is None:
        return f"{VARIABLE} is {python}, which is not an interpreter"
    seek = (
        "import sys, importlib.util as u; print(*[n for n in ('keras', 'tensorflow', 'numpy') if not u.find_spec(n)])"
    )
    missing = subprocess.run([python, "-c", seek], check=True, capture_output=True, text=True).stdout.split()
    return f"the interpreter of {VARIABLE} lacks {', '.join(missing)}" if missing else None


class Keras:
    """Keras' networks in their process.

    Args:
        folder: for arrays, and for what the process says on stderr.
        workload: "fit" or "game".
        batch: windows in a step.
        weights: to start from, by our names.
        sound: to train on.
        threads: of TensorFlow, within an operation and between operations.

    Attributes:
        versions: of Keras and TensorFlow.
    """

    def __init__(self, folder: Path, workload: str, batch: int, weights: Weights, sound: Sound, threads: int):
        self.folder = folder
        self.log = folder / "keras.log"
        environment = os.environ | {
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "CUDA_VISIBLE_DEVICES": "-1",
            "OMP_NUM_THREADS": str(threads),
        }
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [os.environ[VARIABLE], "-m", "benchmarks.keras_side"],
                cwd=Path(__file__).parent.parent,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        np.savez(folder / "weights.npz", **weights)
        np.array(sound.corpus.samples).tofile(folder / "samples.i16")
        told = {
            "workload": workload,
            "batch": batch,
            "window": sound.window,
            "threads": threads,
            "lr": LR,
            "mse_weight": MSE_WEIGHT,
            "adversarial_weight": ADVERSARIAL_WEIGHT,
            "weights": str(folder / "weights.npz"),
            "samples": str(folder / "samples.i16"),
            "train": [(clip.start, clip.length) for clip in sound.train],
            "held_out": [(clip.start, clip.length) for clip in sound.held_out],
        }
        self.versions = self.ask("start", **told)["versions"]

    def __enter__(self) -> "Keras":
        return self

    def __exit__(self, *error: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def ask(self, action: str, **told: Any) -> Told:
        """One question and its answer.

        Raises:
            RuntimeError: the process has ended; shows the end of what it said.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": action, **told}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            said = self.log.read_text(encoding="utf-8")[-2000:]
            raise RuntimeError(f"Keras' process ended with {self.process.wait()} when asked to {action}:\n{said}")
        return json.loads(line)

    def answer(self, batches: Batches) -> Answer:
        """Losses of these batches, one step each, and the weights after them."""
        given, found = self.folder / "batches.npz", self.folder / "found.npz"
        np.savez(given, **batches)
        losses = self.ask("answer", batches=str(given), weights=str(found))["losses"]
        with np.load(found) as weights:
            return Answer({name: np.array(values) for name, values in losses.items()}, dict(weights))

    def train(self, steps: int) -> float:
        """Do so many steps; gives the process' own seconds."""
        return self.ask("train", steps=steps)["seconds"]

    def evaluate(self, windows: int) -> dict[str, float]:
        """Losses and accuracies over held-out windows, see `time_evaluation`."""
        return self.ask("evaluate", windows=windows)["measured"]

    def time_evaluation(self, windows: int) -> float:
        """The process' own seconds for so many held-out windows."""
        return self.ask("evaluate", windows=windows)["seconds"]
