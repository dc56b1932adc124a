"""`python -m benchmarks.report`: writes the page."""

from benchmarks.report import main

main()
