"""What a training log says beside its losses."""

from collections.abc import Iterable

import torch
from torch import Tensor


def keras_accuracy(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of values that Keras' "accuracy" takes for right, a scalar; both tensors of one shape.

    For an output of one value Keras resolves the word to binary accuracy, (prediction > 0.5) == target (BinaryAccuracy
    in keras/src/metrics/accuracy_metrics.py). With sound for a target it counts the samples that are exactly 0: a
    property of the data, which no training moves.
    """
    return ((prediction > 0.5).to(target.dtype) == target).to(torch.float64).mean()


def zero_share(target: Tensor) -> Tensor:
    """Share of values that are exactly zero (digital silence), a scalar."""
    return (target == 0).to(torch.float64).mean()


class LinearPredictor:
    """The closed-form least-squares predictor of the next value from the n before it: the bar that a network must beat.

    Normal equations summed over all windows in float64, solved by the pseudo-inverse, so that silence (a singular
    system) gives zeros. No intercept, as in linear predictive coding (Makhoul, "Linear Prediction", 1975).

    Args:
        weights: float64 [n * D, D].
    """

    def __init__(self, weights: Tensor):
        self.weights = weights

    @classmethod
    def fit(cls, windows: Iterable[tuple[Tensor, Tensor]]) -> "LinearPredictor":
        """Fit to pairs of windows [B, n, D] and what follows them [B, D]."""
        covariance = correlation = None
        for window, target in windows:
            x, y = window.flatten(1).double(), target.double()
            covariance = x.T @ x if covariance is None else covariance.addmm_(x.T, x)
            correlation = x.T @ y if correlation is None else correlation.addmm_(x.T, y)
        assert covariance is not None, "there is at least one batch"
        assert correlation is not None, "there is at least one batch"
        return cls(torch.linalg.pinv(covariance, hermitian=True) @ correlation)

    def squared_error(self, window: Tensor, target: Tensor) -> Tensor:
        """Mean squared error on windows [B, n, D] and what follows them [B, D], a scalar."""
        return (window.flatten(1).double() @ self.weights - target.double()).square().mean()
