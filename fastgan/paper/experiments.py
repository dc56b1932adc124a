"""The experiments, one function each: what it needs is on disk or in the setup, what it gives can be saved as JSON.

Runs of the trainer and sounds made with them are commands that anybody can type; they go on where they were stopped.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from fastgan.audio.files import read_sound, write_sound
from fastgan.audio.plots import draw
from fastgan.gan.batches import Batches
from fastgan.gan.checkpoint import load_checkpoint
from fastgan.gan.game import Game
from fastgan.gan.sample import from_noise, joined
from fastgan.gan.seeds import noise
from fastgan.gan.stages import FitStage
from fastgan.nn.by_hand import ByHand
from fastgan.ops.machine import choose_device
from fastgan.paper.bars import linear_bar
from fastgan.paper.commands import generate, train
from fastgan.paper.failures.feedback import fixed_points
from fastgan.paper.failures.provoked import FAILURES
from fastgan.paper.figures.cell_diagram import draw_cell
from fastgan.paper.figures.diagrams import draw_gan, draw_network
from fastgan.paper.figures.layers import count, dense_of, layers_of
from fastgan.paper.peers.crnngan import CRnnGan
from fastgan.paper.peers.markov import MarkovChain
from fastgan.paper.peers.yields import describe
from fastgan.paper.reported import SIGNAL
from fastgan.paper.setup import BATCH, CPU, HIDDEN, RATE, WINDOW, WINDOWS, Setup

Result = dict[str, Any]

SEQUENCES = 3
"""m, the paper's Table 1."""
HELD_OUT = 8_192
"""Windows that a length of window is measured on."""
LR = 1e-3
"""Keras' learning rate of Adam."""
CHAINS = ((1, 256), (4, 32))
"""Order and levels of the Markov chains."""

_NETWORKS: dict[str, Any] = {"hidden": HIDDEN, "device": CPU, "dtype": torch.float32}


@torch.no_grad()
def structure(setup: Setup) -> Result:
    """Tables 1, 2 and 4: the shapes, the signal and the layers of what runs here."""
    game = Game.build(**_NETWORKS, encoder=False, seed=setup.seed)
    real = noise((SEQUENCES, WINDOW, 1), setup.seed, 0, CPU, torch.float32)
    fake = game.generator(real)
    both = torch.cat((real, fake)).transpose(0, 1).contiguous()
    valid, wrong = ByHand(game.discriminator).forward(both).out.chunk(2)  # as the trainer judges them, one label each
    path = setup.sound("signal.wav")
    made = joined(from_noise(game, SIGNAL["length, samples"], window=WINDOW, seed=setup.seed))
    write_sound(path, made, RATE)
    signal = soundfile.info(str(path))
    *lstms, _ = layers_of(game.generator, WINDOW)
    dense = dense_of(game.generator, game.generator.next_value, WINDOW)
    layers = [*lstms, dense]
    shapes = [*(layer.given for layer in lstms[:-1]), dense.taken, dense.given]  # of the last LSTM, what is read of it
    learning = sum(weight.numel() for weight in game.generator.parameters() if weight.requires_grad)
    return {
        "valid label": list(valid.shape),
        "fake label": list(wrong.shape),
        "true": list(real.shape),
        "fake": list(fake.shape),
        "signal": [signal.samplerate, signal.frames, signal.subtype],
        "layers": [
            [layer.name, [None, *shape[1:]], layer.parameters] for layer, shape in zip(layers, shapes, strict=True)
        ],
        "parameters": {"total": count(game.generator), "trainable": learning},
    }


def figures(setup: Setup) -> Result:
    """Figures 1 to 4, drawn from the networks."""
    game, encoded = (Game.build(**_NETWORKS, encoder=encoder, seed=setup.seed) for encoder in (False, True))
    draw_gan(game, setup.picture("figure-1.svg"), window=WINDOW)
    draw_gan(encoded, setup.picture("figure-1-encoder.svg"), window=WINDOW)
    draw_network(game.generator, setup.picture("figure-2.svg"), window=WINDOW, title="Generator")
    draw_network(game.discriminator, setup.picture("figure-3.svg"), window=WINDOW, title="Discriminator")
    draw_cell(game.generator.lstm, setup.picture("figure-4.svg"))
    return {}


def few(setup: Setup) -> Result:
    """Table 5's first column, and Table 3 for few clips: the fit stage alone."""
    return {
        "rows": train(
            setup.run("few"), setup.options(setup.few, fit_epochs=max(setup.sizes.epochs), epochs=0), setup.clock
        )
    }


def many(setup: Setup) -> Result:
    """Tables 3 and 5 for many clips, then as many epochs of the game: what Figure 5's second column is made with."""
    epochs = max(setup.sizes.epochs)
    return {"rows": train(setup.run("many"), setup.options(setup.many, fit_epochs=epochs, epochs=epochs), setup.clock)}


def short(setup: Setup) -> Result:
    """What Figure 5's first column is made with."""
    epochs = setup.sizes.short
    return {"rows": train(setup.run("short"), setup.options(setup.few, fit_epochs=epochs, epochs=epochs), setup.clock)}


def window_of(setup: Setup, window: int) -> Result:
    """The fit stage on many clips with windows of another length, for as long as all lengths get."""
    game = Game.build(**_NETWORKS | {"device": choose_device(setup.device)}, encoder=False, seed=setup.seed)
    game.optimise(("generator",), LR)
    clips = setup.clips(setup.many)
    stage = FitStage(game, setup.corpus, clips, window=window, batch=BATCH, seed=setup.seed, held_out=HELD_OUT)
    steps, began = 0, time.monotonic()
    while time.monotonic() - began < setup.sizes.equal_seconds:
        loss = float(stage.advance(steps, stage.stride)["loss"]) / stage.stride  # waits for the device
        steps += stage.stride
        setup.clock.check()
    seconds = time.monotonic() - began
    return {"seconds": seconds, "windows": steps * BATCH, "loss": loss, **stage.evaluate(setup.clock.check)}


def bars(setup: Setup) -> Result:
    """Linear predictors: of order n on the clips of both experiments, and of the orders of longer windows."""
    orders = {f"many {window}": asdict(linear_bar(setup, window, setup.many)) for window in WINDOWS}
    return orders | {f"few {WINDOW}": asdict(linear_bar(setup, WINDOW, setup.few))}


def free_run(setup: Setup) -> Result:
    """What the fitted generator does when it is fed its own output."""
    checkpoint = load_checkpoint(setup.run("few") / "checkpoint")
    game = Game.build(**_NETWORKS, encoder=False, seed=setup.seed)
    game.load({name: value for name, value in checkpoint.tensors.items() if not name.startswith("sum.")})
    found = fixed_points(game, checkpoint.tensors["starts"], steps=setup.sizes.free_steps)
    return {
        "sentence": found.sentence(),
        "points": len(found.points),
        "attracting": sum(p.attracts for p in found.points),
    }


def failures(setup: Setup) -> Result:
    """Every failure that the paper tells of, provoked."""
    found = {}
    for failure in FAILURES:
        evidence = failure.provoke(setup.folder / "failures")
        setup.clock.check()
        found[failure.name] = {
            "failed": evidence.failed,
            "cured": evidence.cured,
            "files": [path.name for path in evidence.files],
        }
    return found


def sounds(setup: Setup) -> Result:
    """Figure 5: sound of few clips and few epochs, of many, and real music; and of the fit stage fed its own output."""
    seconds = setup.sizes.sound_seconds
    for name in ("short", "many", "few"):
        generate(setup.run(name), setup.sound(f"{name}.wav"), {"seconds": seconds, "seed": setup.seed}, setup.clock)
    real = _held_out(setup, 0)
    write_sound(setup.sound("real.wav"), real, RATE)
    for name in ("short", "many", "few", "real"):
        _picture(setup, name)
    return {name: _described(setup, name, real) for name in ("short", "many", "few", "real")}


def peers(setup: Setup) -> Result:
    """The methods that the paper names, on the same clips: Markov chains and C-RNN-GAN; and a second real clip beside them."""
    length, real = round(setup.sizes.sound_seconds * RATE), _held_out(setup, 0)
    found: Result = {}
    training, held_out = setup.clips(setup.many)
    for order, levels in CHAINS:
        name = f"markov-{order}-{levels}"
        chain, seconds = _timed(partial(MarkovChain.fit, setup.corpus, training, order=order, levels=levels))
        found[name] = {"seconds": seconds, "bits": chain.bits(setup.corpus, held_out)}
        found[name] |= _made(setup, name, partial(chain.generate, length, setup.seed), real)
        setup.clock.check()
    place = {"segment": WINDOW, "hop": WINDOW, "device": CPU, "dtype": torch.float32}
    batches = Batches(setup.corpus, training, **place, batch=BATCH, seed=setup.seed)  # type: ignore[arg-type]
    peer = CRnnGan.build(hidden=HIDDEN, seed=setup.seed, device=CPU)
    before, seconds = _timed(partial(peer.pretrain, batches, setup.sizes.pretraining, setup.clock.check))
    after, more = _timed(lambda: peer.play(batches, setup.sizes.pretraining, setup.sizes.playing, setup.clock.check))
    found["c-rnn-gan"] = {"seconds": seconds + more, **before, **after}
    found["c-rnn-gan"] |= _made(setup, "c-rnn-gan", partial(peer.generate, length, setup.seed), real)
    return found | {"real": _made(setup, "another", partial(_held_out, setup, 1), real)}


def _made(setup: Setup, name: str, make: Callable[[], NDArray[np.int16]], real: NDArray[np.int16]) -> Result:
    """Make a sound, write and draw it, and say what it is."""
    made, seconds = _timed(make)
    write_sound(setup.sound(f"{name}.wav"), made, RATE)
    _picture(setup, name)
    return {"making": seconds, **_described(setup, name, real)}


def _picture(setup: Setup, name: str) -> None:
    draw(read_sound(setup.sound(f"{name}.wav"), RATE), RATE, setup.picture(f"{name}.png"))


def _described(setup: Setup, name: str, real: NDArray[np.int16]) -> Result:
    return asdict(describe(read_sound(setup.sound(f"{name}.wav"), RATE), RATE, real))


def _held_out(setup: Setup, which: int) -> NDArray[np.int16]:
    """The middle of a held-out clip: beginnings may be silent."""
    held_out = setup.clips(setup.many)[1]
    clip = held_out[which % len(held_out)]
    length = min(clip.length, round(setup.sizes.sound_seconds * RATE))
    start = clip.start + (clip.length - length) // 2
    return np.array(setup.corpus.samples[start : start + length])


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.monotonic()
    return work(), time.monotonic() - began


EXPERIMENTS: dict[str, tuple[str, Callable[[Setup], Result]]] = {
    "structure": ("Tables 1, 2 and 4: shapes, signal, layers", structure),
    "figures": ("Figures 1 to 4: the networks as they are", figures),
    "few": ("fit on few clips", few),
    "many": ("fit and game on many clips", many),
    "short": ("a short run on few clips", short),
    **{f"window {n}": (f"fit on windows of {n} values", partial(window_of, window=n)) for n in WINDOWS},
    "bars": ("linear predictors", bars),
    "free run": ("the generator fed its own output", free_run),
    "failures": ("the failures, provoked", failures),
    "sounds": ("Figure 5: sounds", sounds),
    "peers": ("Markov chains and C-RNN-GAN", peers),
}
"""By name, in the order in which they run: what it is in words, and how."""
