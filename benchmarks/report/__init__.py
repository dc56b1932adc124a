"""Makes benchmarks/RESULTS.md from the recorded rows: `python -m benchmarks.report`."""

from benchmarks.report import gpu, lstm, suite
from benchmarks.rows import EPOCH_GPU, GENERATE_GPU, HOME, LSTM_CPU, LSTM_GPU, SUITE, Row, read

COMMAND = "python -m benchmarks.report"
PAGE = HOME / "RESULTS.md"
SOURCES = (LSTM_CPU, LSTM_GPU, EPOCH_GPU, GENERATE_GPU, SUITE)


def main() -> None:
    """Write the page."""
    rows = read(SOURCES)
    PAGE.write_text(page(rows), encoding="utf-8")
    print(f"{PAGE}: from {len(rows)} rows")


def page(rows: list[Row]) -> str:
    """The whole page, as Markdown.

    Args:
        rows: of any tables and machines, in the order in which they were written.
    """
    parts = [f"<!-- Generated from benchmarks/results by `{COMMAND}`; do not edit. -->\n"]
    parts += lstm.sections([row for row in rows if row["table"] in lstm.KINDS])
    parts += suite.sections(rows)
    parts += gpu.section([row for row in rows if row["table"] == "gpu"])
    parts += gpu.epochs([row for row in rows if row["table"] == "epoch-gpu"])
    parts += gpu.fed_back([row for row in rows if row["table"] == "generate-gpu"])
    return "\n".join(parts).rstrip() + "\n"
