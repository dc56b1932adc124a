"""Benchmarks, one file per claim, run from the root of the repository.

    python -m pytest benchmarks/ --benchmark-only             everything
    python -m pytest benchmarks/ --benchmark-only --brief     a handful of cases, one turn each: shows that they run
    python -m pytest benchmarks/ --benchmark-only --record    appends a row for each case that passed
    python -m benchmarks.report                               makes benchmarks/RESULTS.md from the rows
    python -m benchmarks.compare BEFORE AFTER                 what changed between two files of rows

FASTGAN_RECORD=1 does the same as --record; FASTGAN_KERAS_PYTHON names an interpreter that has Keras, for bench_epoch.py. Rows
belong to a quiet machine and a clean checkout: each says which commit it was measured at and whether anything had changed.
"""
