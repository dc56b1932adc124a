"""The flow that turns noise into samples."""

import torch

from fastgan.nn.flow import Flow


def test_untrained_it_leaves_noise_where_it_is() -> None:
    flow = Flow(3, 2, width=8)
    noise = torch.randn(5, 3)
    assert torch.equal(flow.sample(torch.randn(5, 2), noise, flow.times(8)), noise)


def test_error_is_that_of_straight_paths() -> None:
    flow = Flow(3, 2, width=8)  # its velocity is 0
    noise, target = torch.randn(5, 3), torch.randn(5, 3)
    error = flow.error(torch.randn(5, 2), target, noise, torch.rand(5))
    assert torch.allclose(error, (target - noise).square())


def test_it_learns_a_distribution_that_depends_on_what_is_known() -> None:
    """Two values on a ring around what is known: neither independent nor normal."""
    random = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    flow = Flow(2, 1, width=48)
    optimiser = torch.optim.Adam(flow.parameters(), 3e-3)

    def ring(known: torch.Tensor) -> torch.Tensor:
        angle = 6.2832 * torch.rand(len(known), generator=random)
        return torch.stack((angle.cos(), angle.sin()), 1) + known

    for _ in range(600):
        known = torch.randn(256, 1, generator=random).sign()
        noise, times = torch.randn(256, 2, generator=random), torch.rand(256, generator=random)
        optimiser.zero_grad()
        flow.error(known, ring(known), noise, times).mean().backward()
        optimiser.step()
    for where in (-1.0, 1.0):
        made = (
            flow.sample(torch.full((2000, 1), where), torch.randn(2000, 2, generator=random), flow.times(24)).detach()
            - where
        )
        radius = made.norm(dim=1)
        assert abs(float(radius.mean()) - 1) < 0.12
        assert float(radius.std()) < 0.3  # a normal distribution of that size has 0.5
        assert float(made.mean(0).abs().max()) < 0.15


def test_sampling_can_be_differentiated() -> None:
    flow = Flow(3, 2, width=8)
    torch.nn.init.normal_(flow.velocity.weight)
    noise = torch.randn(4, 3, requires_grad=True)
    flow.sample(torch.randn(4, 2), noise, flow.times(3)).sum().backward()
    assert noise.grad is not None
    assert flow.known.weight.grad is not None
    assert float(flow.known.weight.grad.abs().sum()) > 0
