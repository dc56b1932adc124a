import json
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fastgan.base.errors import BadInput
from fastgan.gan.run import Run, check_unused, finite, next_folder, read_config, read_log


def row(epoch: int, **more: float) -> dict[str, object]:
    return {"epoch": epoch, "stage": "fit", "stage_epoch": epoch, "loss": 0.5 / epoch, **more}


def test_what_was_logged_is_read_back(tmp_path: Path) -> None:
    run = Run.start(tmp_path / "run", {"settings": {"window": 6}})
    run.log(row(1))
    run.log(row(2))
    run.close()
    again = Run.reopen(tmp_path / "run")
    assert again.rows == [row(1), row(2)]
    assert again.config["settings"] == {"window": 6}
    again.close()


def test_rows_after_the_checkpoint_are_dropped_and_written_again(tmp_path: Path) -> None:
    run = Run.start(tmp_path / "run", {})
    for epoch in (1, 2, 3):
        run.log(row(epoch))
    time.sleep(1 - time.time() % 1)  # TensorBoard orders files by the second that they begin in, as epochs take longer
    run.keep_rows(1)
    run.log(row(2, fresh=1.0))
    run.close()
    assert read_log(tmp_path / "run" / "log.jsonl") == [row(1), row(2, fresh=1.0)]
    events = EventAccumulator(str(tmp_path / "run" / "events"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("fit/loss")] == [(1, 0.5), (2, 0.25)]


def test_a_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps(row(1)) + '\n{"epoch": 2, "lo')
    assert read_log(tmp_path / "log.jsonl") == [row(1)]
    (tmp_path / "log.jsonl").write_text('{"epoch": 2, "lo\n' + json.dumps(row(1)) + "\n")
    with pytest.raises(BadInput, match="line 1"):
        read_log(tmp_path / "log.jsonl")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    run = Run.start(tmp_path / "run", {})
    with pytest.raises(BadInput, match="in use by another process"):
        Run.reopen(tmp_path / "run")
    run.close()
    Run.reopen(tmp_path / "run").close()


def test_configs_of_other_versions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no run in .* \(no config.json\)"):
        read_config(tmp_path)
    for text, message in (('{"format": 7}', "has format 7"), ("[]", "damaged"), ("{", "damaged"), ("{}", "damaged")):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(BadInput, match=message):
            read_config(tmp_path)


def test_sound_comes_with_picture_and_verdict(tmp_path: Path) -> None:
    run = Run.start(tmp_path / "run", {})
    columns = run.keep_sound(3, np.zeros(22_050, np.int16), 22_050, "epoch 3")
    assert columns["sample"] == "samples/epoch_0003.wav"
    assert "silent" in columns["health"]["problems"]
    json.dumps(columns, allow_nan=False)
    assert {path.name for path in (tmp_path / "run" / "samples").iterdir()} == {"epoch_0003.wav", "epoch_0003.png"}
    run.close()


def test_folders(tmp_path: Path) -> None:
    assert next_folder(tmp_path, "paper").name == "paper-001"
    (tmp_path / "paper-001").mkdir()
    assert next_folder(tmp_path, "paper").name == "paper-002"
    check_unused(tmp_path / "nowhere")
    check_unused(tmp_path / "paper-001")  # empty
    with pytest.raises(BadInput, match="not empty"):
        check_unused(tmp_path)


def test_what_overflowed_is_no_number_in_json() -> None:
    assert finite({"a": 1.0, "b": float("inf"), "c": float("nan"), "d": None}) == {
        "a": 1.0,
        "b": None,
        "c": None,
        "d": None,
    }
