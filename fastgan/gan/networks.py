"""Networks and their optimisers, saved and loaded as one thing."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from fastgan.base.errors import BadInput
from fastgan.gan.checkpoint import Checkpoint
from fastgan.ops.adam import Adam


class Networks(ABC):
    """The networks of a run, and the optimisers of the stage that is on.

    Attributes:
        optimisers: one Adam per network that the stage trains, by the network's name.
    """

    optimisers: dict[str, Adam]

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """All networks by name."""

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self._any_weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of all weights."""
        return self._any_weight.dtype

    @property
    def _any_weight(self) -> Tensor:
        return next(next(iter(self.networks().values())).parameters())

    def optimise(self, names: tuple[str, ...], lr: float, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        """Give these networks fresh optimisers, the others none: the moments of one stage mean nothing to the next."""
        self.optimisers = {
            name: Adam(dict(self.networks()[name].named_parameters()), lr, betas=betas) for name in names
        }

    def tensors(self) -> dict[str, Tensor]:
        """Everything that training changes, by name: weights, and the optimisers' moments and counts."""
        saved = {
            f"{name}.{key}": value for name, net in self.networks().items() for key, value in net.state_dict().items()
        }
        for name, optimiser in self.optimisers.items():
            saved |= {f"adam.{name}.{key}": value for key, value in optimiser.tensors().items()}
        return {key: value.detach().cpu().contiguous() for key, value in saved.items()}

    def take(self, checkpoint: Checkpoint) -> None:
        """Take over the weights of a checkpoint.

        Raises:
            BadInput: it does not fit the settings that it says it was written with.
        """
        try:
            self.load(checkpoint.tensors)
        except ValueError as error:
            raise BadInput(f"the checkpoint does not fit its own settings: {error}; train again") from error

    def load(self, tensors: Mapping[str, Tensor], names: Iterable[str] = ()) -> None:
        """Take over what `tensors` gave; optimisers must be those of the same stage (`optimise`).

        Args:
            tensors: by name.
            names: only these networks and their optimisers; all when left out.

        Raises:
            ValueError: names or shapes do not fit these networks; the message names the first few.
        """
        chosen = {name: net for name, net in self.networks().items() if not names or name in names}
        wanted = {f"{name}.{key}": value for name, net in chosen.items() for key, value in net.state_dict().items()}
        wrong = [
            f"{key} is {tuple(tensors[key].shape) if key in tensors else 'missing'}, needs {tuple(value.shape)}"
            for key, value in wanted.items()
            if key not in tensors or tensors[key].shape != value.shape
        ]
        if wrong:
            raise ValueError("; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""))
        for name, network in chosen.items():
            network.load_state_dict({key: tensors[f"{name}.{key}"] for key in network.state_dict()})
        for name in chosen.keys() & self.optimisers.keys():
            prefix = f"adam.{name}."
            self.optimisers[name].load(
                {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            )
