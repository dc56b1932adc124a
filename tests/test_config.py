import dataclasses
import json

import pytest

from fastgan.audio import demo, files
from fastgan.base.errors import BadInput
from fastgan.config import (
    AUTO,
    PRESETS,
    RATES,
    DemoConfig,
    GenerateConfig,
    TrainConfig,
    changed_fields,
    known_fields,
    parser_of,
)


@pytest.mark.parametrize("kind", [TrainConfig, GenerateConfig, DemoConfig])
def test_every_field_is_an_option_with_help_and_a_plain_default(kind: type) -> None:
    text = parser_of(kind, "x", "y").format_help()
    for item in dataclasses.fields(kind):
        assert "--" + item.name.replace("_", "-") in text
        assert len(item.metadata["help"]) > 10
    assert json.loads(json.dumps(dataclasses.asdict(kind()))) == dataclasses.asdict(kind())


def test_the_defaults_are_the_papers() -> None:
    config = TrainConfig()
    assert (config.window, config.batch, config.hidden, config.rate, config.dtype, config.encoder) == (
        6,
        32,
        128,
        22_050,
        "float32",
        "none",
    )
    assert all(getattr(config, name) == value for name, value in PRESETS["paper"].items())


def test_only_what_was_typed_comes_out() -> None:
    parser = parser_of(TrainConfig, "x", "y")
    assert vars(parser.parse_args([])) == {}
    typed = vars(parser.parse_args(["--window", "8", "--steps-per-epoch", "1_000", "--resume", "--lr", "1e-4"]))
    assert typed == {"window": 8, "steps_per_epoch": 1000, "resume": True, "lr": 1e-4}


def test_near_names_are_offered() -> None:
    with pytest.raises(BadInput, match="did you mean --steps-per-epoch"):
        parser_of(TrainConfig, "x", "y").parse_args(["--step-per-epoch=3"])
    with pytest.raises(BadInput, match="--help lists"):
        parser_of(TrainConfig, "x", "y").parse_args(["--zzz"])


def test_what_a_resumed_run_may_not_change() -> None:
    saved = dataclasses.asdict(TrainConfig(seed=3))
    assert changed_fields(saved, {"seed": 3, "minutes": 5.0, "epochs": 9, "out": "x"}, TrainConfig) == []
    assert changed_fields(saved, {"seed": 4, "window": 9}, TrainConfig) == [
        "--window 9 (the run has 6)",
        "--seed 4 (the run has 3)",
    ]
    assert changed_fields({}, {"window": 9}, TrainConfig) == [
        "--window 9 (the run has 6)"
    ]  # of a version before the option


def test_fields_of_a_later_version_are_left_out() -> None:
    assert known_fields(TrainConfig, {"window": 7, "sparkle": 1}) == {"window": 7}


def test_the_ranges_are_those_of_the_layers_below() -> None:
    # Config lies below them and cannot ask.
    assert RATES == files.RATES
    for rate in (demo.RATES[0] - 1, demo.RATES[1] + 1):
        with pytest.raises(BadInput, match="--rate"):
            DemoConfig(rate=rate)
    assert {DemoConfig(rate=rate).rate for rate in demo.RATES} == set(demo.RATES)


def test_configs_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().window = 3  # type: ignore[misc]


def test_a_number_may_be_left_to_the_machine_by_its_word_alone() -> None:
    parser = parser_of(TrainConfig, "train", "")
    assert vars(parser.parse_args(["--batch", "auto"])) == {"batch": AUTO}
    assert TrainConfig(batch=AUTO).batch == AUTO
    for wrong in ("-1", "0.5", "automatic"):
        with pytest.raises(BadInput, match="is not a whole number or auto"):
            parser.parse_args([f"--batch={wrong}"])
    with pytest.raises(BadInput, match=r"is not a whole number$"):
        parser.parse_args(["--window", "auto"])
    with pytest.raises(BadInput, match="--batch is 0; it takes 1 to"):
        TrainConfig(batch=0)


def test_bfloat16_needs_someone_who_can() -> None:
    TrainConfig(precision="bfloat16")
    for wrong in ({"dtype": "float64"}, {"backend": "cpu"}):
        with pytest.raises(BadInput, match="--precision bfloat16 needs"):
            TrainConfig(precision="bfloat16", **wrong)  # type: ignore[arg-type]
