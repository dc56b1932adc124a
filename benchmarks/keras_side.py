"""Keras' side of `benchmarks/keras_peer.py`, run by its interpreter, which has neither torch nor fastgan."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS = 4096  # held-out windows at a time: with its default of 32 Keras takes longer
SHUFFLED = 100_000  # windows among which tf.data draws the next
FULL_SCALE = 32_768

Arrays = dict[str, NDArray[Any]]
Told = dict[str, Any]

KEYS = [
    *(f"lstm.{kind}_l{layer}" for layer in (0, 1) for kind in ("weight_ih", "weight_hh", "bias")),
    "dense.weight",
    "dense.bias",
]


class Trainer:
    """What both workloads share.

    Args:
        told: what the class `Keras` there sends at the start.
    """

    def __init__(self, told: Told):
        import keras

        self.keras, self.told, self.batch = keras, told, told["batch"]
        with np.load(told["weights"]) as weights:
            self.weights = dict(weights)
        self.samples = np.fromfile(told["samples"], np.int16)

    def network(self, name: str, *, every_step: bool) -> Any:
        """Two LSTM layers and a dense one, with the weights of one of our networks."""
        layers, own = self.keras.layers, lambda key: self.weights[f"{name}.{key}"]
        hidden = own("lstm.weight_hh_l0").shape[1]
        network = self.keras.Sequential(
            [
                self.keras.Input((self.told["window"], 1)),
                layers.LSTM(hidden, return_sequences=True),
                layers.LSTM(hidden, return_sequences=every_step),
                layers.Dense(1),
            ]
        )
        network.set_weights([own(key).T for key in KEYS])  # gates are i, f, g, o in both; matrices are transposed
        return network

    def adam(self) -> Any:
        """The optimiser, as Keras ships it."""
        return self.keras.optimizers.Adam(self.told["lr"])

    def windows(self, clips: str, segment: int) -> NDArray[np.int16]:
        """All windows of some clips, [N, segment]."""
        hop = self.told["window"]
        starts = [np.arange(start, start + length - segment + 1, hop) for start, length in self.told[clips]]
        return np.lib.stride_tricks.sliding_window_view(self.samples, segment)[np.concatenate(starts)]

    def learnt(self, name: str, network: Any) -> Arrays:
        """A network's weights by our names."""
        return {f"{name}.{key}": value.T for key, value in zip(KEYS, network.get_weights(), strict=True)}


class Fit(Trainer):
    """`compile` and `fit`, as in Keras' own examples."""

    def __init__(self, told: Told):
        super().__init__(told)
        self.model = self.network("generator", every_step=False)
        self.model.compile(self.adam(), "mse", metrics=["accuracy"])
        self.data: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def answer(self, batches: Arrays) -> tuple[dict[str, list[float]], Arrays]:
        """Losses and weights, by calls of `fit` with one step."""
        pairs = zip(batches["window"], batches["target"], strict=True)
        losses = [self.fit(*pair).history["loss"][0] for pair in pairs]
        return {"loss": losses}, self.learnt("generator", self.model)

    def fit(self, window: NDArray[np.float32], target: NDArray[np.float32]) -> Any:
        """One epoch of these arrays."""
        return self.model.fit(window, target, batch_size=self.batch, shuffle=True, verbose=0)

    def train(self, steps: int) -> float:
        """Seconds of so many steps within an epoch: of a call with one window more, less one with that alone."""
        x, y = self.pairs("train", steps * self.batch + 1)
        return clock(lambda: self.fit(x, y)) - clock(lambda: self.fit(x[:1], y[:1]))

    def evaluate(self, windows: int) -> tuple[float, dict[str, float]]:
        """Seconds likewise, and what `evaluate` gives for the windows and one more."""
        x, y = self.pairs("held_out", windows + 1)
        measured: dict[str, float] = {}
        whole = clock(lambda: measured.update(self.measure(x, y)))
        return whole - clock(lambda: self.measure(x[:1], y[:1])), measured

    def measure(self, window: NDArray[np.float32], target: NDArray[np.float32]) -> dict[str, float]:
        """Loss and accuracy."""
        found = self.model.evaluate(window, target, batch_size=ROWS, verbose=0, return_dict=True)
        return {name: float(value) for name, value in found.items()}

    def pairs(self, clips: str, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Some windows with the values after them, normalised before any clock runs."""
        if clips not in self.data or len(self.data[clips][0]) != count:
            rows = self.windows(clips, self.told["window"] + 1)
            order = np.random.default_rng(0).permutation(len(rows))[:count]
            values = rows[order].astype(np.float32) / FULL_SCALE
            self.data[clips] = values[:, :-1, None], values[:, -1:]
        return self.data[clips]


class Game(Trainer):
    """Steps as one graph, fed by a pipeline of tf.data."""

    def __init__(self, told: Told):
        import tensorflow as tf

        super().__init__(told)
        self.tf = tf
        self.networks = {
            "generator": self.network("generator", every_step=True),
            "discriminator": self.network("discriminator", every_step=False),
        }
        self.optimisers = {name: self.adam() for name in self.networks}
        for name, network in self.networks.items():
            self.optimisers[name].build(network.trainable_variables)
        self.entropy = self.keras.losses.BinaryCrossentropy(from_logits=True)
        self.mse = self.keras.losses.MeanSquaredError()
        self.given = tf.function(self.play)
        self.step = tf.function(lambda real: self.play(real, tf.random.normal(tf.shape(real))))
        self.measured = tf.function(lambda real: self.measure(real, tf.random.normal(tf.shape(real))))
        self.feed: Iterator[Any] | None = None
        self.held_out: Any = None
        self.sums = [0.0, 0.0, 0.0]

    def play(self, real: Any, noise: Any) -> tuple[Any, Any, Any]:
        """Generate once; a step of the discriminator, then one of the generator against what it has become."""
        tf = self.tf
        generator, discriminator = self.networks["generator"], self.networks["discriminator"]
        with tf.GradientTape() as tape:
            fake = generator(noise, training=True)
        # The generator's gradient goes through the discriminator's input, so no weight of the latter is on its tape.
        with tf.GradientTape() as own:
            verdict = discriminator(tf.concat([real, fake], 0), training=True)
            d_loss = self.entropy(self.labels(verdict), verdict)
        self.descend("discriminator", own, d_loss)
        with tf.GradientTape(watch_accessed_variables=False) as through:
            through.watch(fake)
            verdict = discriminator(fake, training=True)
            mse, adversarial = self.mse(real, fake), self.entropy(tf.ones_like(verdict), verdict)
            g_loss = self.told["mse_weight"] * mse + self.told["adversarial_weight"] * adversarial
        weights = generator.trainable_variables
        slope = through.gradient(g_loss, fake)
        gradients = tape.gradient(fake, weights, output_gradients=slope)
        self.optimisers["generator"].apply(gradients, weights)
        return d_loss, mse, adversarial

    def descend(self, name: str, tape: Any, loss: Any) -> None:
        """One step of an optimiser."""
        weights = self.networks[name].trainable_variables
        self.optimisers[name].apply(tape.gradient(loss, weights), weights)

    def labels(self, verdict: Any) -> Any:
        """1 for the first half of the logits [2 B, 1], 0 for the second."""
        real, fake = self.tf.split(verdict, 2)
        return self.tf.concat([self.tf.ones_like(real), self.tf.zeros_like(fake)], 0)

    def answer(self, batches: Arrays) -> tuple[dict[str, list[float]], Arrays]:
        """Losses and weights."""
        steps = [self.given(*pair) for pair in zip(batches["real"], batches["noise"], strict=True)]
        losses = zip(*([float(loss) for loss in step] for step in steps), strict=True)
        named = {name: list(one) for name, one in zip(("d_loss", "g_mse", "g_adversarial"), losses, strict=True)}
        return named, {k: v for name, net in self.networks.items() for k, v in self.learnt(name, net).items()}

    def pipeline(self, clips: str) -> Any:
        """Windows of some clips, int16 [n], one by one."""
        options = self.tf.data.Options()
        options.threading.private_threadpool_size = self.told["threads"]
        return self.tf.data.Dataset.from_tensor_slices(self.windows(clips, self.told["window"])).with_options(options)

    def normalised(self, batches: Any) -> Any:
        """Batches [B, n, 1] within [-1, 1), made while the step before runs."""
        tf = self.tf
        return batches.map(lambda rows: tf.cast(rows, tf.float32)[..., None] / FULL_SCALE).prefetch(tf.data.AUTOTUNE)

    def train(self, steps: int) -> float:
        """Seconds of so many steps."""
        if self.feed is None:
            endless = self.pipeline("train").shuffle(SHUFFLED).repeat().batch(self.batch, drop_remainder=True)
            self.feed = iter(self.normalised(endless))
        feed = self.feed

        def steps_and_sums() -> None:
            for _ in range(steps):
                self.sums = [total + loss for total, loss in zip(self.sums, self.step(next(feed)), strict=True)]
            float(self.sums[0])  # waits

        return clock(steps_and_sums)

    def evaluate(self, windows: int) -> tuple[float, dict[str, float]]:
        """Seconds for so many held-out windows, whole batches while there are; losses and accuracies."""
        if self.held_out is None:
            self.held_out = self.normalised(self.pipeline("held_out").batch(ROWS))
        sums: dict[str, float] = {}

        def batches() -> None:
            count = 0
            for real in self.held_out.take(-(-windows // ROWS)):
                count += len(real)
                for name, value in self.measured(real).items():
                    sums[name] = sums.get(name, 0.0) + float(value) * len(real)
            sums.update({name: total / count for name, total in sums.items()})

        return clock(batches), sums

    def measure(self, real: Any, noise: Any) -> dict[str, Any]:
        """Losses and accuracies of a batch."""
        tf = self.tf
        fake = self.networks["generator"](noise)
        verdict = self.networks["discriminator"](tf.concat([real, fake], 0))
        of_real, of_fake = tf.split(verdict, 2)
        g_loss = self.told["mse_weight"] * self.mse(real, fake)
        return {
            "d_loss": self.entropy(self.labels(verdict), verdict),
            "g_loss": g_loss + self.told["adversarial_weight"] * self.entropy(tf.ones_like(of_fake), of_fake),
            "accuracy_real": tf.reduce_mean(tf.cast(of_real > 0, tf.float32)),
            "accuracy_fake": tf.reduce_mean(tf.cast(of_fake <= 0, tf.float32)),
        }


def clock(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Answer questions until there are no more."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed goes to the log
    trainer: Any = None
    for line in sys.stdin:
        told = json.loads(line)
        action = told.pop("do")
        if action == "start":
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(told["threads"])
            tf.config.threading.set_inter_op_parallelism_threads(told["threads"])
            trainer = {"fit": Fit, "game": Game}[told["workload"]](told)
            reply: Told = {"versions": {"keras": trainer.keras.__version__, "tensorflow": tf.__version__}}
        elif action == "answer":
            with np.load(told["batches"]) as batches:
                losses, weights = trainer.answer(dict(batches))
            np.savez(told["weights"], **weights)
            reply = {"losses": losses}
        elif action == "train":
            reply = {"seconds": trainer.train(told["steps"])}
        else:
            seconds, measured = trainer.evaluate(told["windows"])
            reply = {"seconds": seconds, "measured": measured}
        out.write(json.dumps(reply) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
