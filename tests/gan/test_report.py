"""The page of a run: self-contained, true to the folder's files, safe, and there for half a run too."""

import base64
import json
from html.parser import HTMLParser

import numpy as np
import pytest

from fastgan.audio.files import write_sound
from fastgan.audio.plots import draw
from fastgan.base.errors import BadInput
from fastgan.gan import report
from fastgan.gan.report import write_report

VOID = {"meta", "link", "img"}
EVIL = "<script>alert(1)</script>\\\"'&{{ 7*7 }}"


class Page(HTMLParser):
    """A page as lists of elements and text; fails on tags that do not close in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.words, self.open = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, wanted):
        return [attrs for tag, attrs in self.elements if tag == wanted]


def read(folder):
    path = write_report(folder)
    assert path == folder / "report.html"
    return Page(path.read_text("utf-8"))


def health(*problems):
    return {
        "problems": list(problems),
        "peak": 0.5,
        "verdict": "; ".join(f"{p}: of this much" for p in problems) or "healthy",
    }


def row(epoch, stage, **values):
    common = {
        "epoch": epoch,
        "stage": stage,
        "stage_epoch": epoch,
        "steps": 30,
        "seconds": 2.5,
        "windows_per_s": 1234.5,
    }
    return {**common, **values}


def fit(epoch, loss, bar=2e-4, **values):
    shares = {"accuracy": 1e-3, "val_accuracy": 2e-3, "zero_share": 1e-3, "val_zero_share": 2e-3}
    return row(epoch, "fit", loss=0.9 * loss, val_loss=loss, linear_mse=bar, **shares, **values)


ROWS = [
    row(1, "encoder", loss=0.5, val_loss=0.75),
    row(2, "encoder", loss=0.25, val_loss=0.375),
    fit(3, 3e-4),
    fit(4, 1.5e-4),
    row(
        5, "game", d_loss=0.6875, g_loss=-0.125, accuracy_real=0.5, accuracy_fake=0.625, val_g_loss=0.875, novelty=3.25
    ),
]
CONFIG = {
    "format": 1,
    "version": "0.1.0",
    "settings": {"data": "/music/genres", "preset": "paper", "window": 6, "lr": 1e-3, "genre": None},
    "machine": {"processor": "a processor", "torch": "2.8.0"},
    "corpus": {
        "clips": 12,
        "train_clips": 10,
        "held_out_clips": 2,
        "seconds": 366.0,
        "genres": {"blues": 7, "jazz": 5},
        "skipped": 1,
    },
}
QUARANTINE = {
    "skipped": [{"file": "jazz/jazz.00054.wav", "reason": "it is empty"}],
    "noted": [{"file": f"rock/{i}.wav", "note": "cut off"} for i in range(14)],
    "ignored": {".png": 999},
}


def add_sample(folder, entry, *, picture=True, problems=()):
    """Give a row its wav and picture; the sound is different for each epoch."""
    name = f"samples/epoch_{entry['epoch']:04d}"
    sound = np.random.default_rng(entry["epoch"]).integers(-9_000, 9_000, 500).astype(np.int16)
    write_sound(folder / f"{name}.wav", sound, 8_000)
    if picture:
        (folder / f"{name}.png").write_bytes(PICTURE[0])
    return {**entry, "sample": f"{name}.wav", "health": health(*problems)}


PICTURE = [b""]


@pytest.fixture(scope="module", autouse=True)
def _picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "a.png"
    draw(np.zeros(100, np.int16), 8_000, path)
    PICTURE[0] = path.read_bytes()


def make(folder, rows=ROWS, config=CONFIG, quarantine=QUARANTINE, *, samples=True, tail=""):
    """A run's folder as the trainer leaves it; None leaves a file out."""
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    if samples:
        faults = {1: ("silent", "too short"), 2: ("monotone",)}
        rows = [add_sample(folder, entry, problems=faults.get(entry["epoch"], ())) for entry in rows]
    for name, value in (("config.json", config), ("quarantine.json", quarantine)):
        if value is not None:
            (folder / name).write_text(json.dumps(value))
    if rows is not None:
        (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in rows) + tail)
    return folder


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "run-a")


def test_it_loads_nothing_and_runs_nothing(folder):
    page = read(folder)
    links = [
        attrs[key] for _, attrs in page.elements for key in ("src", "href", "srcset", "data", "action") if key in attrs
    ]
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert not {"script", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.elements}
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    source = (folder / "report.html").read_text()
    assert "http://" not in source
    assert "https://" not in source
    assert "url(" not in source
    policy = [attrs["content"] for attrs in page.all("meta") if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert len(policy) == 1
    assert policy[0].startswith("default-src 'none'")


def test_it_is_accessible(folder):
    page = read(folder)
    identities = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(identities) == len(set(identities))
    assert dict(page.elements)["html"]["lang"] == "en"
    assert all(attrs["alt"] for attrs in page.all("img"))
    assert all(attrs.get("aria-label") for attrs in page.all("audio"))
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))
    assert all(
        attrs.get("aria-hidden") or (attrs["role"] == "img" and attrs["aria-label"]) for attrs in page.all("svg")
    )
    assert len(page.all("h1")) == 1
    assert any(attrs.get("name") == "viewport" for attrs in page.all("meta"))
    assert "prefers-color-scheme: dark" in (folder / "report.html").read_text()


def test_every_sample_is_inside_to_the_byte_newest_first(folder):
    page = read(folder)
    sounds = [base64.b64decode(attrs["src"].removeprefix("data:audio/wav;base64,")) for attrs in page.all("audio")]
    assert sounds == [(folder / f"samples/epoch_{epoch:04d}.wav").read_bytes() for epoch in (5, 1, 2, 3, 4)]
    pictures = [base64.b64decode(attrs["src"].removeprefix("data:image/png;base64,")) for attrs in page.all("img")]
    assert pictures == [PICTURE[0]] * 5
    assert page.text.index("Newest sample") < page.text.index("Curves") < page.text.index("Earlier samples")


def test_it_says_what_was_trained_on_what_and_how_it_stands(folder):
    text = read(folder).text
    assert "Preset paper Clips 12 (6.1 min of sound), 2 of them held out" in text
    assert "Genres blues 7, jazz 5 Epochs 2 of encoder, 2 of fit, 1 of game, in 12.5 s" in text
    assert "✓ Linear predictor beaten: the network's held-out error is 0.00015" in text
    assert "the linear predictor's 0.0002 (25 % below)" in text
    assert "✓ 3 of 5 samples healthy: the newest is judged healthy." in text
    assert "✗ silent, too short" in text
    assert "silent: of this much; too short: of this much" in text
    for words in (
        "jazz/jazz.00054.wav",
        "it is empty",
        "rock/13.wav",
        ".png",
        "999",
        "/music/genres",
        "a processor",
        "0.1.0",
    ):
        assert words in text


def test_a_network_behind_the_linear_predictor_is_told_so(tmp_path):
    text = read(make(tmp_path, [fit(1, 1.5e-4), fit(2, 3e-4)])).text
    assert "Linear predictor not beaten" in text
    assert "50 % above" in text
    assert "ahead at epoch 1, with 0.00015." in text


def test_without_a_linear_predictor_nothing_is_claimed(tmp_path):
    text = read(make(tmp_path, ROWS[:2])).text
    assert "beaten" not in text


def test_every_number_is_in_the_table_of_its_stage(folder):
    page = read(folder)
    tables = page.text[page.text.index("Numbers of each epoch") :]
    words = tables.split()
    for entry in ROWS:
        assert all(f"{value:.6g}" in words for key, value in entry.items() if key != "stage")
    assert "novelty" in tables, "a column that no one told the page of"
    assert tables.index("linear_mse") < tables.index("d_loss")


def test_curves_go_through_the_numbers(folder):
    page = read(folder)
    charts = [attrs for attrs in page.all("svg") if "role" in attrs]
    labels = [attrs["aria-label"] for attrs in charts]
    names = ["loss", "loss", "accuracy", "d_loss", "g_loss", "accuracy_real", "accuracy_fake", "novelty"]
    assert [label.split(" over ")[0] for label in labels] == names
    assert "training from 0.5 to 0.25; held out from 0.75 to 0.375" in labels[0]
    assert "linear predictor from 0.0002" in labels[1]


def test_values_that_are_no_numbers_leave_a_gap_and_show_in_the_table(tmp_path):
    losses = [0.5, float("nan"), 0.25, float("inf"), None, 0.125]
    page = read(make(tmp_path, [row(i, "game", g_loss=loss) for i, loss in enumerate(losses, 1)]))
    curve = next(
        attrs["d"]
        for tag, attrs in page.elements
        if tag == "path" and "curve training" in attrs["class"] and " " in attrs["d"]
    )
    assert curve.count("M") == 3
    assert "nan" not in curve
    assert "NaN" in page.text
    assert "Infinity" in page.text


def test_a_long_table_is_thinned_and_says_so(tmp_path):
    page = read(make(tmp_path, [row(i, "fit", loss=1.0) for i in range(1, 5_001)], samples=False))
    assert "4,000 rows are left out" in page.text
    assert len(page.all("tr")) < 1_100


def test_samples_beyond_the_limit_are_left_out_evenly_and_said(tmp_path):
    page = read(make(tmp_path, [row(i, "fit", loss=0.5) for i in range(1, 101)]))
    assert len(page.all("audio")) == 24
    assert "24 of 100 samples are in this page" in page.text
    epochs = [int(attrs["aria-label"].split()[3].rstrip(",")) for attrs in page.all("audio")]
    assert (epochs[0], epochs[1]) == (100, 1)
    assert set(np.diff([*epochs[1:], epochs[0]])) <= {4, 5}


def test_sound_beyond_the_limit_of_bytes_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "MOST_BYTES", 4_000)
    page = read(make(tmp_path, [row(i, "fit", loss=0.5) for i in range(1, 9)]))
    assert 1 <= len(page.all("audio")) <= 3
    assert "of 8 samples are in this page" in page.text


def test_text_of_others_is_shown_and_never_obeyed(tmp_path):
    evil = {**CONFIG, "version": EVIL, "settings": {EVIL: EVIL, "preset": EVIL}, "machine": {EVIL: EVIL}}
    evil["corpus"] = {**CONFIG["corpus"], "genres": {EVIL: 3}}
    quarantine = {
        "skipped": [{"file": EVIL, "reason": EVIL}],
        "noted": [{"file": "\udcff.wav", "note": EVIL}],
        "ignored": {EVIL: 1},
    }
    rows = [
        add_sample(
            make(tmp_path / EVIL.replace("/", ""), []), row(1, EVIL, **{EVIL: 0.5, "loss": 0.5}), problems=(EVIL,)
        )
    ]
    page = read(make(tmp_path / EVIL.replace("/", ""), rows, evil, quarantine, samples=False))
    assert "script" not in {tag for tag, _ in page.elements}
    assert page.text.count(EVIL) >= 12
    assert "\\udcff.wav" in page.text
    assert "49" not in page.text


@pytest.mark.parametrize(
    "name",
    [
        "../outside.wav",
        "/etc/hostname",
        "samples/../../outside.wav",
        "samples/link.wav",
        "",
        "config.json",
    ],
)
def test_a_log_pulls_nothing_in_from_elsewhere(name, tmp_path):
    folder = make(tmp_path / "run", [], samples=False)
    (tmp_path / "outside.wav").write_bytes(b"secret of another folder")
    (folder / "samples/link.wav").symlink_to(tmp_path / "outside.wav")
    (folder / "log.jsonl").write_text(json.dumps(row(1, "fit", loss=0.5, sample=name, health=health())) + "\n")
    page = read(folder)
    assert page.all("audio") == []
    assert "the folder lacks: 1" in page.text


def test_an_empty_folder_gets_a_page(tmp_path):
    text = read(tmp_path).text
    assert "no epoch is finished yet" in text
    assert "config.json is missing" in text
    assert "quarantine.json is missing" in text


def test_a_run_killed_before_its_first_epoch_gets_a_page(tmp_path):
    page = read(make(tmp_path, None, samples=False))
    assert "Clips 12 " in page.text
    assert "no epoch is finished yet" in page.text
    assert page.all("audio") == []


def test_a_torn_last_line_is_left_out_and_said(tmp_path):
    page = read(make(tmp_path, tail='{"epoch": 6, "stage": "ga'))
    assert "lines of log.jsonl that could not be read: 1" in page.text
    assert "1 of game" in page.text


def test_samples_without_picture_or_file_are_said(tmp_path):
    folder = make(tmp_path, samples=False)
    rows = [add_sample(folder, ROWS[0], picture=False), {**ROWS[1], "sample": "samples/gone.wav"}]
    make(folder, rows, samples=False)
    page = read(folder)
    assert len(page.all("audio")) == 1
    assert page.all("img") == []
    assert "There is no picture of it" in page.text
    assert "samples that the log names and the folder lacks: 1" in page.text
    assert "not examined" in page.text


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '"text"', "{}", "\0", "[" * 9_999])
def test_damaged_files_still_give_a_page(text, tmp_path):
    folder = make(tmp_path)
    for name in ("config.json", "quarantine.json"):
        (folder / name).write_text(text)
    with open(folder / "log.jsonl", "a") as log:
        log.write(text + "\n")
    page = read(folder)
    assert "Linear predictor beaten" in page.text
    assert len(page.all("audio")) == 5


def test_long_lists_are_folded_and_cut(tmp_path):
    files = [{"file": f"{i}.wav", "reason": "empty"} for i in range(1_500)]
    page = read(make(tmp_path, quarantine={**QUARANTINE, "skipped": files}))
    assert "Skipped: not used (1,500)" in page.text
    assert "The first of them; quarantine.json has them all." in page.text
    assert ["open" in attrs for attrs in page.all("details")] == [False, False, True]


def test_same_folder_same_bytes_and_nothing_else_is_left_behind(folder):
    before = sorted(path.name for path in folder.iterdir())
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first
    assert sorted(path.name for path in folder.iterdir()) == sorted([*before, "report.html"])


def test_no_folder_is_told(tmp_path):
    with pytest.raises(BadInput, match="is not a folder; give the folder of a run"):
        write_report(tmp_path / "missing")
