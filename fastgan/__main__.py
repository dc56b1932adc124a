"""`fastgan VERB ...`, the same as `python -m fastgan.VERB ...`."""

import sys
from importlib import import_module

from fastgan.version import VERSION

VERBS = {
    "train": "learn from a folder of music, or from the built-in corpus",
    "generate": "make new music with a trained run",
    "studio": "a page on which music is made with one button",
    "evaluate": "how near generated sound is to real music, with anchors",
    "reproduce": "run the paper's experiments and explain what comes out",
    "demo_corpus": "write the built-in corpus as wav files",
    "info": "versions, devices and what can run here",
}


def main() -> int:
    """Run the verb that the command line begins with; gives the exit code."""
    verb, rest = (sys.argv[1].replace("-", "_") if len(sys.argv) > 1 else "--help"), sys.argv[2:]
    if verb in VERBS:
        return int(import_module(f"fastgan.{verb}").main(rest))
    if sys.argv[1:] == ["--version"]:
        print(f"fastgan {VERSION}")
        return 0
    usage = "usage: fastgan VERB ...  (fastgan VERB --help tells more)\n\n" + "\n".join(
        f"  {name:<14}{what}" for name, what in VERBS.items()
    )
    if sys.argv[1:] in ([], ["-h"], ["--help"]):
        print(usage)
        return 0
    print(f"fastgan: no verb {sys.argv[1]!r}\n\n{usage}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
