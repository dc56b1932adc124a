"""The generator of latent frames and its critic."""

import pytest
import torch

from fastgan.nn.critic import Critic
from fastgan.nn.frame_generator import FrameGenerator

LATENTS, STYLE = 6, 3


def generator(seed: int = 0) -> FrameGenerator:
    """A small one whose flow moves."""
    torch.manual_seed(seed)
    made = FrameGenerator(LATENTS, STYLE, hidden=8, width=12)
    torch.nn.init.normal_(made.flow.velocity.weight, std=0.5)
    return made


def test_frame_by_frame_is_the_same_as_all_at_once() -> None:
    network, frames, style = generator(), torch.randn(2, 7, LATENTS), torch.randn(2, STYLE)
    spoilt = torch.tensor([0.0, 0.2])
    whole = network(frames, style, spoilt)
    state, parts = None, []
    for frame in frames.split(1, dim=1):
        step = network(frame, style, spoilt, state)
        state = step.state
        parts.append(step.context)
    assert torch.allclose(torch.cat(parts, 1), whole.context, atol=1e-6)


def test_going_on_can_be_cut_anywhere() -> None:
    network, style, spoilt = generator(), torch.randn(2, STYLE), torch.zeros(2)
    before, noise = torch.randn(2, 4, LATENTS), torch.randn(2, 9, LATENTS)
    whole, _ = network.go_on(before, style, spoilt, noise)
    first, state = network.go_on(before, style, spoilt, noise[:, :5])
    rest, _ = network.go_on(first[:, -1:], style, spoilt, noise[:, 5:], state=state)
    assert torch.allclose(torch.cat((first, rest), 1), whole, atol=1e-5)


def test_what_it_makes_depends_on_noise_style_and_past() -> None:
    network, style, spoilt = generator(), torch.randn(1, STYLE), torch.zeros(1)
    before, noise = torch.randn(1, 2, LATENTS), torch.randn(1, 3, LATENTS)
    made = network.go_on(before, style, spoilt, noise)[0]
    for changed in ((before + 1, style, noise), (before, style + 1, noise), (before, style, noise + 1)):
        other = network.go_on(changed[0], changed[1], spoilt, changed[2])[0]
        assert not torch.allclose(other, made, atol=1e-3)
    later = noise.clone()
    later[:, 2] += 1
    assert torch.equal(network.go_on(before, style, spoilt, later)[0][:, :2], made[:, :2])


@pytest.mark.parametrize("length", [1, 5])
def test_critic_judges_every_frame_after_those_that_are_given(length: int) -> None:
    torch.manual_seed(0)
    critic = Critic(LATENTS, STYLE, hidden=8)
    frames = torch.randn(3, 4 + length, LATENTS)
    verdict = critic(frames, torch.randn(3, STYLE), given=4)
    assert verdict.logits.shape == (3, length)
    assert verdict.features.shape == (3, length, 16)


def test_critic_has_a_gradient_of_its_gradient() -> None:
    torch.manual_seed(0)
    critic = Critic(LATENTS, STYLE, hidden=8)
    frames = torch.randn(2, 5, LATENTS, requires_grad=True)
    logits = critic(frames, torch.randn(2, STYLE), given=0).logits
    (slope,) = torch.autograd.grad(logits.sum(), frames, create_graph=True)
    slope.square().sum().backward()
    assert float(critic.lstm.weight_hh_l0.grad.abs().sum()) > 0
