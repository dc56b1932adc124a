"""The comparison of what is learnt, on seconds of sound."""

import json

import pytest

from benchmarks import quality, rows


def test_means_within_the_noise_of_their_seeds():
    difference, noise = quality.apart([1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    assert difference == pytest.approx(-0.5)
    assert noise == pytest.approx(2.7764 * (2 / 3) ** 0.5, rel=1e-4)  # the quantile for 4 degrees of freedom


def test_all_contenders_run_and_rows_are_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(quality, "EPOCH", 256)
    monkeypatch.setattr(quality, "CLIPS", 14)
    monkeypatch.setattr(quality, "HELD_OUT", 64)
    monkeypatch.setattr(quality, "LARGE", (128,))
    monkeypatch.setenv("FASTGAN_BACKEND", "reference")  # in Triton's interpreter bfloat16 takes minutes
    monkeypatch.setattr(rows, "SUITE", tmp_path / "suite.jsonl")
    monkeypatch.setenv("FASTGAN_CACHE", str(tmp_path))
    said: list[str] = []
    quality.main(["--seconds", "1", "--seeds", "0,1", "--epochs", "2", "--record"], said.append)
    kept = [json.loads(text) for text in (tmp_path / "suite.jsonl").read_text().splitlines()]
    plain = [row for row in kept if row["workload"] == quality.PLAIN]
    ours = [row for row in kept if row["workload"] == quality.OURS]
    same = [row for row in kept if row["workload"] == quality.SAME]
    assert [row["seed"] for row in plain] == [0, 1]
    for one, other in zip(ours, same, strict=True):  # the same batches: roundings
        assert one["losses"] == pytest.approx(other["losses"], rel=1e-4)
    epochs = {quality.SHORT: quality.SHORT_EPOCHS}
    assert all(len(r["losses"]) == len(r["train_seconds"]) == epochs.get(r["workload"], 2) for r in kept)
    for one, other in zip(ours, plain, strict=True):  # the same start and nearly the same windows: the same first steps
        assert one["losses"][0] == pytest.approx(other["losses"][0], rel=0.3)
    assert "fastgan, batch 128 - plain after 2 epochs" in said[-1]
