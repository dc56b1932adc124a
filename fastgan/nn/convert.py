"""Swap torch's LSTM modules inside a model for ours, and back; weights stay the very same objects."""

from dataclasses import dataclass, field
from typing import Any

from torch import jit, nn
from torch.nn.utils import parametrize

from fastgan.nn.cell import FusedLSTMCell
from fastgan.nn.lstm import FusedLSTM
from fastgan.ops.lstm import check_name

_OURS: dict[type[nn.Module], type[nn.Module]] = {nn.LSTM: FusedLSTM, nn.LSTMCell: FusedLSTMCell}
_THEIRS = {ours: theirs for theirs, ours in _OURS.items()}

_OF_CELLS = ("input_size", "hidden_size", "bias")
_OF_STACKS = (*_OF_CELLS, "num_layers", "batch_first", "bidirectional", "proj_size")
_TABLES = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")  # each module has its own


@dataclass(frozen=True)
class Conversion:
    """What `convert` or `revert` did; `str()` of it has a line for each module.

    Attributes:
        model: the model that was given; when that was itself swapped, the module that takes its place.
        converted: names of what was swapped, as `named_modules` has them; "" is the model itself. A module that is
            used in several places has several names.
        kept: names of what was looked at and left alone, each with the reason.
    """

    model: nn.Module
    converted: tuple[str, ...] = ()
    kept: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{len(self.converted)} converted, {len(self.kept)} kept"]
        lines += [f"  {name or '(the model)'}: converted" for name in self.converted]
        lines += [f"  {name or '(the model)'}: kept, {reason}" for name, reason in self.kept.items()]
        return "\n".join(lines)


def convert(model: nn.Module, *, backend: str = "auto") -> Conversion:
    """Swap every `torch.nn.LSTM` in a model for a `FusedLSTM`, and every `torch.nn.LSTMCell` for a `FusedLSTMCell`.

    The model is changed in place. What comes in has the very same parameters, so optimizers, gradients and hooks on
    parameters go on as before, and the keys of `state_dict` do not change; it also has the hooks (and their handles work),
    parametrizations, mode and attributes of what it replaces. A module used in several places stays one module.

    Left alone, with a reason: subclasses, which may compute something else; modules that torch.jit or torch.compile has
    compiled; and those with functions bound to them, which would go on to see the old module. References to a module from
    outside the tree (a plain list, a closure) stay with the old module, which still works and shares the weights.

    Args:
        model: any module; when it is itself an LSTM, take the new one from `.model` of the result.
        backend: of the new modules, see `FusedLSTM`.

    Raises:
        ValueError: no backend has this name.
    """
    check_name(backend)
    return _Swapper(_OURS, {"backend": backend}).run(model)


def revert(model: nn.Module) -> Conversion:
    """The inverse of `convert`: torch's modules come back, with the same parameters.

    It takes any `FusedLSTM` and `FusedLSTMCell`, not only those that `convert` made. One with `bias="single"` is left
    alone: torch has two bias vectors or none.

    Args:
        model: any module; when it is itself an LSTM, take the new one from `.model` of the result.
    """
    return _Swapper(_THEIRS, {}).run(model)


class _Swapper:
    """One walk through a model.

    Args:
        table: which class is swapped for which.
        options: given to what is made.
    """

    def __init__(self, table: dict[type[nn.Module], type[nn.Module]], options: dict[str, str]) -> None:
        self.table, self.options = table, options
        # By id: modules may compare equal. The old module is held, so that no other gets its id.
        self.seen: dict[int, tuple[nn.Module, nn.Module, str | None]] = {}
        self.converted: list[str] = []
        self.kept: dict[str, str] = {}

    def run(self, model: nn.Module) -> Conversion:
        return Conversion(self._visit(model, "", None), tuple(self.converted), self.kept)

    def _visit(self, module: nn.Module, name: str, parent: nn.Module | None) -> nn.Module:
        """What is to stand where the module stands."""
        first = id(module) not in self.seen
        if first:
            old = _swapped_class(module, self.table)
            reason = None if old is None else _why_not(module, old, parent)
            new = module if old is None or reason else _rebuilt(module, old, self.table[old], self.options)
            self.seen[id(module)] = module, new, reason
        _, new, reason = self.seen[id(module)]
        if reason is not None:
            self.kept[name] = reason
        elif new is not module:
            self.converted.append(name)
        if first:
            for key, child in list(new._modules.items()):
                if child is None:
                    continue
                replacement = self._visit(child, f"{name}.{key}" if name else key, module)
                if replacement is not child:
                    new._modules[key] = replacement
        return new


def _swapped_class(module: nn.Module, table: dict[type[nn.Module], type[nn.Module]]) -> type[nn.Module] | None:
    """The class in the table that a module is of, derives from, or was compiled from; None for others."""
    if isinstance(module, jit.ScriptModule):
        return next((old for old in table if old.__name__ == module.original_name), None)
    return next((old for old in table if isinstance(module, old)), None)


def _why_not(module: nn.Module, old: type[nn.Module], parent: nn.Module | None) -> str | None:
    """Why a module cannot be swapped, in words; None when it can."""
    if isinstance(module, jit.ScriptModule):
        return "compiled by torch.jit"
    plain = parametrize.type_before_parametrizations(module)
    if plain is not old:
        return f"a subclass of {old.__name__} ({plain.__name__}), which may compute something else"
    if type(parent).__module__.startswith("torch._dynamo") or module._compiled_call_impl is not None:
        return "compiled by torch.compile; convert the model before it is compiled"
    replaced = sorted(vars(module).keys() & {"forward", "__call__", "_call_impl"})
    if replaced:
        return f"its {replaced[0]} was replaced on the instance"
    for kind, hooks in vars(module).items():
        if kind.endswith("_hooks") and any(_is_bound(hook, module) for hook in hooks.values()):
            return f"one of its {kind.lstrip('_').replace('_', ' ')} is bound to it"
    if getattr(module, "bias", None) == "single":
        return "it has a single bias vector per layer, torch.nn.LSTM has two or none"
    return None


def _is_bound(hook: Any, module: nn.Module) -> bool:
    """Whether a hook holds the module itself: a method of it, or what register_load_state_dict_pre_hook makes."""
    return getattr(hook, "__self__", None) is module or getattr(hook, "with_module", False)


def _rebuilt(
    old: nn.Module, old_class: type[nn.Module], new_class: type[nn.Module], options: dict[str, str]
) -> nn.Module:
    """A module of the new class with everything that the old one has."""
    names = _OF_CELLS if old_class in (nn.LSTMCell, FusedLSTMCell) else _OF_STACKS
    sizes: dict[str, Any] = {name: getattr(old, name) for name in names}
    # On "meta" nothing is allocated and no random number drawn. Dropout comes with the attributes below.
    new = new_class(**sizes, **options, device="meta")
    internal = vars(old_class(**sizes, device="meta")).keys() - vars(new).keys()
    for name, value in vars(old).items():
        if name not in internal:
            vars(new)[name] = value.copy() if name in _TABLES else value
    if parametrize.is_parametrized(old):
        parametrize._inject_new_class(new)
        for name in vars(old)["_modules"]["parametrizations"]:
            parametrize._inject_property(new, name)
    if isinstance(new, nn.LSTM):
        new._init_flat_weights()
    return new
