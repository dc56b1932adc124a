"""`python -m fastgan.train`: from a folder of music to a trained LSTM-GAN, with sounds, pictures and a page on the way."""

import math
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fastgan.audio.corpus import Corpus, open_demo, open_folder
from fastgan.audio.scale import FULL_SCALE
from fastgan.audio.store import Clip
from fastgan.base.atomic import write_json
from fastgan.base.command import Interrupted, finish
from fastgan.base.errors import BadInput, printable
from fastgan.config import AUTO, PRESETS, TrainConfig, changed_fields, known_fields, parser_of
from fastgan.gan.clock import Clock
from fastgan.gan.game import Game
from fastgan.gan.loop import Loop, Position
from fastgan.gan.music import finale
from fastgan.gan.music.excerpts import Excerpts, Music
from fastgan.gan.music.game import MusicGame
from fastgan.gan.music.stages import MUSIC_STAGES, MusicStage
from fastgan.gan.progress import Screen
from fastgan.gan.report import write_report
from fastgan.gan.run import Run, check_unused, next_folder, read_config
from fastgan.gan.selection import Selection, genres_of, select
from fastgan.gan.stage import Stage
from fastgan.gan.stages import STAGES, SequenceStage
from fastgan.gan.tuning import choose_batch, largest_batch, scaled_lr, time_stage
from fastgan.measure.judge import open_judge
from fastgan.nn.summary import outline, summarise
from fastgan.ops.machine import check_backend, choose_device, describe, use_threads
from fastgan.version import VERSION

DEMO_CLIPS = 100  # as many as the paper trained on
_TUNING, _TUNING_SHARE = (
    60.0,
    0.1,
)  # seconds that looking for the best batch may take, and of the minutes, where they count
_TIMED_HELD_OUT = 1 << 13  # held-out windows measured at most when minutes count: an epoch must close in seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    started = time.monotonic()
    return finish("fastgan.train", lambda: train(vars(_parser().parse_args(argv)), started))


def train(told: dict[str, Any], started: float) -> int:
    """Train as told.

    Args:
        told: fields of `TrainConfig` that differ from the preset.
        started: when the minutes began to count, by `time.monotonic`.
    """
    if told.get("data"):
        told = told | {"data": os.path.abspath(told["data"])}  # a run may be resumed from another folder
    config = TrainConfig(**_resumed(told) if told.get("resume") else PRESETS[told.get("preset", "music")] | told)
    screen, clock = Screen(), Clock(config.minutes, started)
    device = choose_device(config.device)
    check_backend(config.backend)
    if config.summary:
        screen.say(_summary(_build(config, device, []), config.window))
        return 0
    folder = Path(config.out) if config.out else next_folder(Path("runs"), config.preset)
    if not config.resume:
        check_unused(folder)
    corpus = _open_corpus(config, screen)
    selection = select(corpus, asdict(config))
    split = selection.train, selection.held_out
    game = _build(config, device, sorted({clip.genre for clip in split[0] + split[1]}))
    if config.batch == AUTO:
        config = _with_best_batch(config, corpus, split, device, screen, "lr" in told)
    together = config.window if config.encoder == "spectral" else 1  # steps that most of a network takes at once
    use_threads(config.threads, config.batch * together, config.hidden)
    description = _describe_run(config, corpus, selection)
    quarantine = {
        "skipped": corpus.index.skipped + selection.left_out,
        "noted": corpus.index.noted + selection.noted,
        "ignored": corpus.ignored,
    }
    run = Run.reopen(folder) if config.resume else Run.start(folder, description)
    try:
        _check_same_music(run, description)
        write_json(folder / "quarantine.json", quarantine)
        _greet(screen, folder, split, corpus, quarantine)
        with clock.listening():
            try:
                last = _play(config, game, corpus, split, run, screen, clock)
                if isinstance(last, MusicStage):
                    finale.finish(last, run, seed=config.seed, screen=screen, clock=clock)
            finally:
                page = write_report(folder)
        screen.say(f"done: {printable(page)}")
        screen.say(f"more music: python -m fastgan.generate {printable(shlex.quote(str(folder)))}")
    except Interrupted:
        resume = f"python -m fastgan.train --resume --out {shlex.quote(str(folder))}"
        raise Interrupted(f"stopped, all saved; go on with: {resume}") from None
    except BadInput:
        if not config.resume and run.load() is None:  # nothing was learnt: the folder is free for another try
            run.discard()
        raise
    finally:
        run.close()
    return 0


def _build(config: TrainConfig, device: torch.device, genres: list[str]) -> Game | MusicGame:
    same: dict[str, Any] = {
        "hidden": config.hidden,
        "seed": config.seed,
        "device": device,
        "dtype": getattr(torch, config.dtype),
        "backend": config.backend,
    }
    if config.encoder == "spectral":
        return MusicGame.build(rate=config.rate, genres=genres, latents=config.latents, group=config.group, **same)
    return Game.build(encoder=config.encoder == "conv", **same)


def _summary(game: Game | MusicGame, window: int) -> str:
    if isinstance(game, Game):
        return f"{summarise(game.generator, window)}\n\n{summarise(game.discriminator, window)}"
    return "\n\n".join(outline(network) for network in (game.encoder, game.generator, game.critic))


def _with_best_batch(
    config: TrainConfig,
    corpus: Corpus,
    split: tuple[list[Clip], list[Clip]],
    device: torch.device,
    screen: Screen,
    lr_given: bool,
) -> TrainConfig:
    """Time the run's longest stage with batch after batch, on a game that is thrown away."""
    name = "game" if config.epochs else "fit"
    game = _build(config, device, [])
    if not isinstance(game, Game):
        raise BadInput("--batch auto times networks on samples; give --encoder spectral a number")
    game.optimise(STAGES[name].trains, config.lr)

    def stage(batch: int) -> SequenceStage:
        return _sequence_stage(name, game, corpus, split, replace(config, batch=batch))

    def speed(batch: int) -> float | None:
        use_threads(config.threads, batch, config.hidden)
        return time_stage(stage(batch))

    # Gates, cells, outputs and their gradients of two layers, for real and generated sequences.
    kept = 2 * 14 * config.hidden * config.window
    largest = largest_batch(len(stage(1).train.plan), kept, device)
    seconds = min(_TUNING, config.minutes * 60 * _TUNING_SHARE) if config.minutes else _TUNING
    choice = choose_batch(speed, largest, seconds)
    lr = config.lr if lr_given else scaled_lr(config.lr, choice.batch)
    screen.say(f"{choice}; learning rate {lr:.4g}")
    return replace(config, batch=choice.batch, lr=lr)


def _play(
    config: TrainConfig,
    game: Game | MusicGame,
    corpus: Corpus,
    split: tuple[list[Clip], list[Clip]],
    run: Run,
    screen: Screen,
    clock: Clock,
) -> Stage | None:
    """Go through the stages, from where the run is; gives the last of them."""
    stages = _stages(config)
    epochs = {
        "encoder": config.encoder_epochs * (config.encoder != "none"),
        "fit": config.fit_epochs,
        "game": config.epochs,
    }
    keep = {"settings": asdict(config), "rate": config.rate, "scale": FULL_SCALE}
    if isinstance(game, MusicGame):
        keep["genres"] = game.genres
    loop = Loop(
        run,
        screen,
        clock,
        keep=keep,
        sample_length=max(1, round(config.sample_seconds * config.rate)),
        save_every=config.save_every,
    )
    _restore(loop, game, run, config)
    make = _stage_maker(config, game, corpus, split, screen)
    order = list(stages)
    reached = order.index(loop.position.stage) if loop.position.stage else 0
    names = [name for name in order[reached:] if epochs[name]]
    stage: Stage | None = None
    for name in names:
        if loop.position.stage != name:
            best = loop.position.best if stages[name].goes_on else None
            loop.position = Position(stage=name, epoch=loop.position.epoch, best=best)
            checkpoint = run.load("best") if best is not None else None
            if checkpoint is not None:  # what the stage before learnt last may be worse than its best
                game.load(checkpoint.tensors, stages[name].guards)
                run.keep_as("best", checkpoint.state["position"]["stage"])
            game.optimise(stages[name].trains, config.lr, stages[name].betas)
        stage = make(name)
        to_come = sum(stages[other].share for other in names[names.index(name) + 1 :])
        makes_music = isinstance(stage, MusicStage) and names[-1] != "encoder"
        clock.begin_stage(stages[name].share, to_come, finale.seconds_for(config.minutes) if makes_music else 0.0)
        loop.train(stage, epochs=epochs[name], steps=config.steps_per_epoch or stage.per_pass)
    return stage


def _stages(config: TrainConfig) -> Mapping[str, type[Stage]]:
    return MUSIC_STAGES if config.encoder == "spectral" else STAGES


def _stage_maker(
    config: TrainConfig, game: Game | MusicGame, corpus: Corpus, split: tuple[list[Clip], list[Clip]], screen: Screen
) -> Callable[[str], Stage]:
    """How the run's stages are made, by their names."""
    if isinstance(game, Game):
        return partial(_sequence_stage, game=game, corpus=corpus, split=split, config=config)
    length = (config.window + 1) * config.group
    music = Music(corpus, split[0], game.frames, length), Music(corpus, split[1], game.frames, length)
    Excerpts(
        music[0], length=length, batch=config.batch, seed=0
    )  # too little music is told before, not after, the encoder
    with screen.bar("listening to the music", 1) as bar:
        judge = open_judge(*music, tick=bar.update)
    screen.say(judge.describe())
    sizes: dict[str, Any] = {"window": config.window, "batch": config.batch, "lr": config.lr, "seed": config.seed}
    game_only: dict[str, Any] = {"adversarial_weight": config.adversarial_weight}
    return lambda name: MUSIC_STAGES[name](game, music, judge=judge, **sizes, **(game_only if name == "game" else {}))


def _sequence_stage(
    name: str, game: Game, corpus: Corpus, split: tuple[list[Clip], list[Clip]], config: TrainConfig
) -> SequenceStage:
    weights: dict[str, Any] = (
        {"mse_weight": config.mse_weight, "adversarial_weight": config.adversarial_weight} if name == "game" else {}
    )
    held_out = config.held_out or math.ceil(config.steps_per_epoch * config.batch / 6)  # as the split is; 0 is all
    if config.minutes and not config.held_out:
        held_out = min(held_out or _TIMED_HELD_OUT, _TIMED_HELD_OUT)
    compute = torch.bfloat16 if config.precision == "bfloat16" else None
    sizes = {"window": config.window, "batch": config.batch, "held_out": held_out}
    return STAGES[name](game, corpus, split, **sizes, seed=config.seed, compute=compute, **weights)


def _restore(loop: Loop, game: Game | MusicGame, run: Run, config: TrainConfig) -> None:
    """Put a resumed run back to the step of its newest checkpoint; a new run stays as it is."""
    checkpoint = run.load()
    if checkpoint is not None:
        loop.position = Position(**known_fields(Position, checkpoint.state["position"]))
        stage = _stages(config)[loop.position.stage]
        game.optimise(stage.trains, config.lr, stage.betas)
        try:
            game.load(checkpoint.tensors)
        except ValueError as error:
            raise BadInput(f"the checkpoint in {printable(run.folder)} does not fit these settings: {error}") from error
        # By the names in the state: tensors come in no order, and columns should.
        loop.sums = {name: checkpoint.tensors[f"sum.{name}"].to(game.device) for name in checkpoint.state["sums"]}
    run.keep_rows(loop.position.epoch)


def _resumed(told: dict[str, Any]) -> dict[str, Any]:
    """The settings of the run in --out, with what was told now; only what leaves the run the same may differ."""
    if not told.get("out"):
        raise BadInput("--resume needs --out with the folder of the run")
    if told.get("batch") == AUTO:  # stays what it was chosen to be
        told = {name: value for name, value in told.items() if name != "batch"}
    saved = known_fields(TrainConfig, read_config(Path(told["out"])).get("settings", {}))
    differing = changed_fields(saved, told, TrainConfig)
    if differing:
        raise BadInput(
            f"the run in {told['out']} was begun with other settings: {', '.join(differing)}; leave them out to go on with it"
        )
    fresh = {name for name in ("minutes", "summary") if name not in told}
    return {name: value for name, value in saved.items() if name not in fresh} | told


def _open_corpus(config: TrainConfig, screen: Screen) -> Corpus:
    what = f"decoding {config.data}" if config.data else "composing the built-in corpus"
    with screen.bar(printable(what), 1) as bar:

        def progress(done: int, total: int, name: str) -> None:
            bar.update(done / total)

        if config.data:
            return open_folder(config.data, config.rate, progress=progress)
        clips = config.clips or DEMO_CLIPS
        genres = genres_of(asdict(config))
        return open_demo(config.rate, clips=clips, seconds=config.seconds, genres=genres, progress=progress)


def _describe_run(config: TrainConfig, corpus: Corpus, selection: Selection) -> dict[str, Any]:
    clips = selection.train + selection.held_out
    genres = dict(sorted(Counter(clip.genre for clip in clips).items()))
    return {
        "version": VERSION,
        "settings": asdict(config),
        "machine": describe(),
        "corpus": {
            "clips": len(clips),
            "train_clips": len(selection.train),
            "held_out_clips": len(selection.held_out),
            "seconds": round(sum(clip.length for clip in clips) / corpus.index.rate, 3),
            "genres": genres,
            "digest": selection.digest,
            "skipped": len(corpus.index.skipped),
        },
    }


def _check_same_music(run: Run, now: dict[str, Any]) -> None:
    """Refuse to go on with other music: its windows would come in another order."""
    before = run.config["corpus"]
    if before["digest"] != now["corpus"]["digest"]:
        raise BadInput(
            f"the music has changed since the run in {printable(run.folder)} began: it had {before['clips']} usable clips of "
            f"{before['seconds']:,.1f} s, now there are {now['corpus']['clips']} of {now['corpus']['seconds']:,.1f} s; "
            "restore it, or begin a new run"
        )


def _greet(
    screen: Screen, folder: Path, split: tuple[list[Clip], list[Clip]], corpus: Corpus, quarantine: dict[str, Any]
) -> None:
    seconds = sum(clip.length for part in split for clip in part) / corpus.index.rate
    genres = sorted({clip.genre for part in split for clip in part})
    screen.say(
        f"{len(split[0])} clips to train on, {len(split[1])} held out, {seconds / 60:.1f} minutes at {corpus.index.rate:,} Hz: "
        + ", ".join(genres[:12])
        + (f" and {len(genres) - 12} more" if len(genres) > 12 else "")
    )
    if quarantine["skipped"] or quarantine["noted"]:
        left, noted = len(quarantine["skipped"]), len(quarantine["noted"])
        screen.say(f"files left out: {left}, used with a remark: {noted}; see {printable(folder / 'quarantine.json')}")
    screen.say(f"run: {printable(folder)}")


def _parser() -> Any:
    return parser_of(
        TrainConfig, "python -m fastgan.train", "Train an LSTM-GAN on a folder of music, or on the built-in corpus."
    )


if __name__ == "__main__":
    sys.exit(main())
