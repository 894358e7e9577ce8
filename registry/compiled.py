"""Frozen encoders through torch.compile, which fuses what lies between their matrix products.

The bulk of a network is compiled, the modules in `Encoder.converts`; blocks of one kind one by one, so that what was compiled for
the first serves all. The rest of the network, and hooks of these modules, stay as they are.

What is found in a picture must not depend on which sizes came before it, so nothing is left to what torch guesses from them.
Pictures of one size have two graphs of their own: one for a picture alone, and one for any number together, which is made for
`HINT` of them whatever the first number was. No choice between kernels is timed. Too many sizes are an error, where torch would
go on without its graphs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from registry.errors import UserError

if TYPE_CHECKING:
    from registry.encoder import Encoder

HINT = 8
"""Pictures that a graph for any number of them is made for: how sums are split may depend on it. A CPU's convolutions take another way
from 16 pictures on, which is an error then, were they compiled."""
MOST_GRAPHS = 128
"""Of the blocks of one class, before it is an error."""


def pays(encoder: Encoder, device: torch.device) -> bool:
    """Whether the bulk of a network is compiled where that is asked for: on a GPU always, on a CPU where it has no convolution.

    A network that names no bulk never is.
    """
    bulk = [module for name in encoder.converts for module in encoder.get_submodule(name).modules()]
    return bool(bulk) and (device.type != "cpu" or not any(isinstance(module, _ConvNd) for module in bulk))


def compile_bulk(encoder: Encoder, device: torch.device) -> None:
    """From now on the bulk of a network goes through torch.compile; it is compiled when pictures come.

    Raises:
        UserError: nothing can be compiled here.
    """
    check_compiler(device.type)
    for name in encoder.converts:
        for module in encoder.get_submodule(name).modules():
            if type(module) is nn.MultiheadAttention:
                module.__class__ = _SelfAttention  # in place, so that all blocks stay of one kind
        for block in _blocks(encoder.get_submodule(name)):
            block.forward = _compiled(block.forward)
    encoder.compiled = True


class _SelfAttention(nn.MultiheadAttention):
    """torch's attention layer of a network that is not trained, batch first.

    torch has one kernel for all of it, which is not traced: in a graph it goes by (tokens, batch, channels) instead, where a
    CPU's products of a batch are slow, of bfloat16 unbearably so.
    """

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Any:  # type: ignore[override]
        plain = (
            self.batch_first and self._qkv_same_embed_dim and self.bias_k is None and not self.add_zero_attn
        )
        asked = [name for name, one in options.items() if one is not None and one is not False]
        plain = plain and "need_weights" in options and not asked
        if not (plain and query is key and key is value):
            return super().forward(query, key, value, **options)
        of_all = F.linear(query, self.in_proj_weight, self.in_proj_bias)
        heads = of_all.unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(heads[0], heads[1], heads[2])
        return self.out_proj(attended.transpose(1, 2).flatten(2)), None


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The blocks of a sequence of blocks of one class; anything else is one."""
    children = list(module.children())
    of_one_class = type(module) is nn.Sequential and len({type(child) for child in children}) == 1
    yield from children if of_one_class else [module]


def _compiled(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A forward whose first input is a batch, compiled by the rules above; no setting of this process is changed."""
    import torch._dynamo as dynamo

    # dynamic=False: only what is marked may vary; fullgraph: nothing is left out in silence
    compiled = torch.compile(forward, fullgraph=True, dynamic=False, options={"deterministic": True})
    limits = {"recompile_limit": MOST_GRAPHS, "accumulated_recompile_limit": 8 * MOST_GRAPHS}

    @wraps(forward)
    def call(*inputs: Any, **named: Any) -> Any:
        if inputs and isinstance(inputs[0], Tensor) and len(inputs[0]) > 1:
            dynamo.mark_dynamic(inputs[0], 0, hint_override=HINT)
        with dynamo.config.patch(limits):
            try:
                return compiled(*inputs, **named)
            except dynamo.exc.FailOnRecompileLimitHit:
                raise UserError(
                    f"networks are compiled for each size of pictures, and these came in more than {MOST_GRAPHS // 2}: "
                    "leave --compile out, or bring them to one size with --protocol uniform or --fair size"
                ) from None

    return call


@cache
def check_compiler(device_type: str) -> None:
    """Compile a sum, so that what is missing for it shows before the first picture.

    Raises:
        UserError: it could not be compiled; says what to install.
    """
    from torch._dynamo import mark_dynamic

    if "hint_override" not in inspect.signature(mark_dynamic).parameters:
        raise UserError(
            f"--compile needs a later torch than {torch.__version__}: update it or leave --compile out"
        )
    try:
        with torch.inference_mode():
            _compiled(_sum)(torch.ones(2, 3, device=device_type))
    except Exception as error:  # of torch, of Triton or of the compiler, whatever they raise
        needed = (
            "a C++ compiler, such as g++" if device_type == "cpu" else "Triton and a C compiler, such as gcc"
        )
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(
            f"--compile needs {needed}: install it or leave --compile out (torch says: {reason})"
        ) from error


def _sum(batch: Tensor) -> Tensor:
    return (batch + 1).sum(dim=1)
