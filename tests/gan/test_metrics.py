import numpy as np
import pytest
import torch

from fastgan.gan.metrics import LinearPredictor, keras_accuracy, zero_share


def test_keras_accuracy_counts_exact_zeros_and_nothing_else() -> None:
    random = np.random.default_rng(0)
    target = torch.from_numpy(random.normal(0, 443, 1_000_000).round() / 32_768)
    share = float(zero_share(target))
    assert share == pytest.approx(9.0e-4, rel=0.1)  # what the paper's Table 5 reports for 100 clips
    for prediction in (target, torch.zeros_like(target), torch.randn_like(target).clamp(-0.5, 0.5)):
        assert float(keras_accuracy(prediction, target)) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(
    ("prediction", "target", "right"),
    [(0.5, 0.0, 1), (0.51, 0.0, 0), (0.51, 1.0, 1), (0.5, 1.0, 0), (0.3, 0.3, 0), (-1.0, -1.0, 0)],
)
def test_keras_accuracy_by_its_definition(prediction: float, target: float, right: int) -> None:
    assert float(keras_accuracy(torch.tensor([prediction]), torch.tensor([target]))) == right


def test_the_linear_predictor_is_the_least_squares_solution() -> None:
    random = np.random.default_rng(0)
    sound = np.convolve(random.normal(size=5000), [1, 0.9, 0.4, 0.1], "valid")
    windows = np.lib.stride_tricks.sliding_window_view(sound, 7)
    x, y = windows[:, :6], windows[:, 6:]
    truth, *_ = np.linalg.lstsq(x, y, rcond=None)
    parts = [
        (torch.from_numpy(x[n : n + 100].copy())[..., None], torch.from_numpy(y[n : n + 100].copy()))
        for n in range(0, len(x), 100)
    ]
    ours = LinearPredictor.fit(parts)
    np.testing.assert_allclose(ours.weights.numpy(), truth, atol=1e-9)
    error = float(ours.squared_error(torch.from_numpy(x.copy())[..., None], torch.from_numpy(y.copy())))
    assert error == pytest.approx(np.square(x @ truth - y).mean(), rel=1e-9)


def test_a_sine_is_predicted_exactly_and_silence_gives_no_trouble() -> None:
    sound = torch.sin(torch.arange(500).double() * 0.3)
    windows = sound.unfold(0, 3, 1)
    predictor = LinearPredictor.fit([(windows[:, :2, None], windows[:, 2:])])
    assert float(predictor.squared_error(windows[:, :2, None], windows[:, 2:])) < 1e-20
    silence = torch.zeros(50, 6, 1)
    assert torch.equal(LinearPredictor.fit([(silence, silence[:, 0])]).weights, torch.zeros(6, 1).double())


def test_frames_of_several_values() -> None:
    torch.manual_seed(0)
    window = torch.randn(400, 3, 2)
    target = window[:, 2] * 0.5 + window[:, 0].flip(-1) * 0.2
    predictor = LinearPredictor.fit([(window, target)])
    assert predictor.weights.shape == (6, 2)
    assert float(predictor.squared_error(window, target)) < 1e-12
