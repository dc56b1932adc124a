"""The paper epoch in numbers: its size, its work, and what is to be reached."""

FIT, GAME = "fit", "game"

CLIPS, LENGTH, RATE, WINDOW, HIDDEN = 100, 661_500, 22_050, 6, 128
TRAIN, HELD_OUT = 9_450_000, 1_575_000  # windows of an epoch: 100 clips of 110,250, split 6 : 1
PAPER_SECONDS = 1_400.0  # of the fit on Colab's GPU: the middle of the paper's 1,300 to 1,500
PASSES = {FIT: 3, GAME: 11}  # work of a step, in forward passes of one network
TRAINED = {FIT: ("generator",), GAME: ("generator", "discriminator")}

EPOCH_THREADS = 2  # that the aims below are for
BEST_BATCH = "best batch"  # the one whose epoch takes us the least time
EPOCH_AIMS = (  # workload, case, what, how much
    ("fit", "B32", "keras", 12.0),  # times faster than this contender, at least
    ("fit", "B32", "plain", 2.5),
    ("fit", BEST_BATCH, "seconds", 550.0),  # of our epoch, at most
    ("fit", BEST_BATCH, "share", 0.7),  # of the floor, at least
    ("game", "B32", "plain", 2.5),
    ("game", BEST_BATCH, "seconds", 2_000.0),
    ("game", BEST_BATCH, "share", 0.7),
)


def operations(window: int = WINDOW, hidden: int = HIDDEN) -> int:
    """Multiplications and additions of the matrix products of one window's way through one network.

    Two layers of 4H gates, one value and H values coming in; a layer's first step has no state to multiply. Without the dense
    layer, a part in a thousand.
    """
    entering, states = window * (1 + hidden), 2 * (window - 1) * hidden
    return 2 * 4 * hidden * (entering + states)


def per_epoch(batch: int, step: float, window: float) -> float:
    """Seconds of a paper epoch, from those of an optimiser step and of one held-out window."""
    return TRAIN / batch * step + HELD_OUT * window
