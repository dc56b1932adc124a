"""The generator of latent frames and its critic."""

import pytest
import torch

from fastgan.nn.critic import Critic
from fastgan.nn.frame_generator import FrameGenerator

LATENTS, GUIDE = 6, 3


def generator(seed: int = 0) -> FrameGenerator:
    """A small one whose flow moves."""
    torch.manual_seed(seed)
    made = FrameGenerator(LATENTS, GUIDE, hidden=8, width=12)
    torch.nn.init.normal_(made.flow.velocity.weight, std=0.5)
    return made


def test_frame_by_frame_is_the_same_as_all_at_once() -> None:
    network, frames, guide = generator(), torch.randn(2, 7, LATENTS), torch.randn(2, 7, GUIDE)
    spoilt = torch.tensor([0.0, 0.2])
    whole = network(frames, guide, spoilt)
    state, parts = None, []
    for frame, told in zip(frames.split(1, dim=1), guide.split(1, dim=1), strict=True):
        step = network(frame, told, spoilt, state)
        state = step.state
        parts.append(step.context)
    assert torch.allclose(torch.cat(parts, 1), whole.context, atol=1e-6)


def test_going_on_can_be_cut_anywhere() -> None:
    network, guide, spoilt = generator(), torch.randn(2, 12, GUIDE), torch.zeros(2)
    before, noise = torch.randn(2, 4, LATENTS), torch.randn(2, 9, LATENTS)
    whole, _ = network.go_on(before, guide, spoilt, noise)
    first, state = network.go_on(before, guide[:, :8], spoilt, noise[:, :5])
    rest, _ = network.go_on(first[:, -1:], guide[:, 8:], spoilt, noise[:, 5:], state=state)
    assert torch.allclose(torch.cat((first, rest), 1), whole, atol=1e-5)


def test_what_it_makes_depends_on_noise_guide_and_past() -> None:
    network, guide, spoilt = generator(), torch.randn(1, 4, GUIDE), torch.zeros(1)
    before, noise = torch.randn(1, 2, LATENTS), torch.randn(1, 3, LATENTS)
    made = network.go_on(before, guide, spoilt, noise)[0]
    for changed in ((before + 1, guide, noise), (before, guide + 1, noise), (before, guide, noise + 1)):
        other = network.go_on(changed[0], changed[1], spoilt, changed[2])[0]
        assert not torch.allclose(other, made, atol=1e-3)
    later, told = noise.clone(), guide.clone()
    later[:, 2] += 1
    told[:, 3] += 1
    assert torch.equal(network.go_on(before, told, spoilt, later)[0][:, :2], made[:, :2])


@pytest.mark.parametrize("length", [1, 5])
def test_critic_judges_every_frame(length: int) -> None:
    torch.manual_seed(0)
    critic = Critic(LATENTS, GUIDE, hidden=8)
    verdict = critic(torch.randn(3, length, LATENTS), torch.randn(3, length, GUIDE))
    assert verdict.logits.shape == (3, length)
    assert verdict.features.shape == (3, length, 16)


def test_critic_sees_how_frames_change() -> None:
    torch.manual_seed(0)
    critic, guide = Critic(LATENTS, GUIDE, hidden=8), torch.zeros(1, 6, GUIDE)
    with torch.no_grad():
        critic.enter.weight[:, :LATENTS] = 0  # all that is left is change
        still, moving = torch.ones(1, 6, LATENTS), torch.ones(1, 6, LATENTS)
        moving[0, 3] += 1
        assert torch.equal(critic(still, guide).logits, critic(2 * still, guide).logits)
        assert not torch.equal(critic(still, guide).logits, critic(moving, guide).logits)


def test_critic_has_a_gradient_of_its_gradient() -> None:
    torch.manual_seed(0)
    critic = Critic(LATENTS, GUIDE, hidden=8)
    frames = torch.randn(2, 5, LATENTS, requires_grad=True)
    logits = critic(frames, torch.randn(2, 5, GUIDE)).logits
    (slope,) = torch.autograd.grad(logits.sum(), frames, create_graph=True)
    slope.square().sum().backward()
    assert float(critic.lstm.weight_hh_l0.grad.abs().sum()) > 0
