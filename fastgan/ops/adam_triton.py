"""The kernel of `fastgan.ops.adam`: all weights of a network in one launch, gradients of any dtype, and copies renewed on the way."""

import triton
import triton.language as tl


@triton.jit
def step(
    weights,
    gradients,
    means,
    squares,
    copies,
    sizes,
    steps,
    lr,
    beta1,
    beta2,
    log_beta1,
    log_beta2,
    eps,
    COUNT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A program takes the same BLOCK places of each of COUNT tensors, which come as tuples; a copy may be None.

    `steps` is the count of this step, from 1. The logarithms are of what the means and the squares keep.
    """
    count = tl.load(steps).to(tl.float64)  # 1 - beta^count would cancel
    rate = lr / (1.0 - tl.exp(count * log_beta1)).to(tl.float32)
    spread = tl.sqrt((1.0 - tl.exp(count * log_beta2)).to(tl.float32))
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    for k in tl.static_range(COUNT):
        inside = at < sizes[k]
        if tl.program_id(0) * BLOCK < sizes[k]:
            gradient = tl.load(gradients[k] + at, mask=inside).to(tl.float32)
            mean = tl.load(means[k] + at, mask=inside)
            square = tl.load(squares[k] + at, mask=inside)
            mean = beta1 * mean + (1.0 - beta1) * gradient
            square = beta2 * square + (1.0 - beta2) * gradient * gradient
            weight = tl.load(weights[k] + at, mask=inside) - rate * mean / (tl.sqrt(square) / spread + eps)
            tl.store(means[k] + at, mean, mask=inside)
            tl.store(squares[k] + at, square, mask=inside)
            tl.store(weights[k] + at, weight, mask=inside)
            if copies[k] is not None:
                tl.store(copies[k] + at, weight.to(copies[k].dtype.element_ty), mask=inside)
