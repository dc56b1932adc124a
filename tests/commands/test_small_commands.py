"""info, demo_corpus and the console script."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastgan
from fastgan.__main__ import VERBS, main
from fastgan.audio.demo import GENRES, synthesise
from fastgan.audio.files import read_sound
from fastgan.demo_corpus import main as demo_corpus
from fastgan.info import main as info


def test_info_names_versions_devices_and_backends(capsys: pytest.CaptureFixture[str]) -> None:
    assert info([]) == 0
    said = capsys.readouterr().out
    for word in (
        "fastgan",
        "torch",
        "numba",
        "python",
        "processor",
        "native library",
        "cache",
        "reference     can run here",
    ):
        assert word in said
    assert "cuda          cannot: " in said
    assert info(["--loud"]) == 2


def test_the_built_in_corpus_becomes_a_tree_like_gtzan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "corpus"
    assert demo_corpus([str(out), "--clips", "12", "--seconds", "0.5", "--seed", "3"]) == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(GENRES)
    assert len(list(out.rglob("*.wav"))) == 12
    back = read_sound(out / "blues" / "blues.00001.wav", 22_050)
    np.testing.assert_array_equal(back, synthesise("blues", seed=3, index=1, seconds=0.5))
    assert demo_corpus([str(out), "--clips", "1"]) == 2
    assert "not an empty folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--clips", "0"], ["--seconds", "0"], ["--rate", "1"], ["--seed", "-1"], ["--clips", "many"]]
)
def test_numbers_that_make_no_sense(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert demo_corpus([str(tmp_path / "corpus"), *arguments]) == 2
    assert arguments[0] in capsys.readouterr().err
    assert not (tmp_path / "corpus").exists()


def test_the_console_script_has_the_same_verbs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fastgan", *words])
        code = main()
        said = capsys.readouterr()
        return code, said.out, said.err

    assert call("--version") == (0, f"fastgan {fastgan.__version__}\n", "")
    assert all(verb in call()[1] for verb in VERBS)
    assert call("info")[0] == 0
    assert call("train", "--preset", "paper", "--summary")[1].count("198,273") == 4
    code, _, complaint = call("demo-corpus", str(tmp_path / "x"), "--clips", "0")
    assert (code, "--clips is 0" in complaint) == (2, True)
    code, _, complaint = call("compose")
    assert (code, "no verb 'compose'" in complaint) == (2, True)


def test_every_verb_is_a_module_with_help() -> None:
    script = """if True:  # one after the other as `python -m` runs them, in one process: each would import torch
        import runpy, sys
        for verb in sys.argv[1:]:
            sys.argv = [verb, "--help"]
            try:
                runpy.run_module(f"fastgan.{verb}", run_name="__main__", alter_sys=True)
            except SystemExit as end:
                print(f"{verb} ended with {end.code}")
    """
    done = subprocess.run([sys.executable, "-c", script, *VERBS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for verb in VERBS:
        assert f"usage: python -m fastgan.{verb}" in done.stdout
        assert f"{verb} ended with 0" in done.stdout


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, fastgan; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
