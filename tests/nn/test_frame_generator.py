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


def critic_of() -> Critic:
    """A small one."""
    torch.manual_seed(0)
    return Critic(LATENTS, GUIDE, hidden=8, width=12)


@pytest.mark.parametrize("length", [1, 5])
def test_critic_judges_every_frame(length: int) -> None:
    critic, frames = critic_of(), torch.randn(3, length, LATENTS)
    known = critic.remember(frames, torch.randn(3, length, GUIDE)).flatten(0, 1)
    verdict = critic.judge(known, frames.flatten(0, 1), torch.randn(3 * length, LATENTS))
    assert verdict.logits.shape == (3 * length,)
    assert verdict.features.shape == (3 * length, 12)


def test_critic_knows_what_came_before_and_nothing_of_what_follows() -> None:
    critic, frames, guide = critic_of(), torch.randn(1, 6, LATENTS), torch.zeros(1, 6, GUIDE)
    changed = frames.clone()
    changed[0, 3] += 1
    one, other = critic.remember(frames, guide), critic.remember(changed, guide)
    assert torch.equal(one[:, :3], other[:, :3])
    assert all(not torch.allclose(one[:, t], other[:, t]) for t in (3, 4, 5))


def test_critic_sees_how_frames_change() -> None:
    critic = critic_of()
    with torch.no_grad():
        critic.frame.weight[:, :LATENTS] = 0  # all that is left is change
        known, frames = torch.zeros(1, 12), torch.randn(1, LATENTS)
        still = critic.judge(known, frames, frames).logits
        assert torch.equal(critic.judge(known, 2 * frames, 2 * frames).logits, still)
        assert not torch.equal(critic.judge(known, frames, frames + 1).logits, still)
