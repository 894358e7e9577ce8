"""What torch.compile makes of an encoder, whether or not the rule of `registry.compiled` has it compiled.

    python -m benchmarks.speed.compiled_encoders [--encoders clip-vit-l-14/openai@224,llamagen-vq16@256] [--pictures 1,4]
        [--precision float32] [--rounds 4] [--device cpu]

Each encoder, with weights from a seed, as it is and with its bulk compiled, in turn in one process on random pictures of the size
behind the @, of a tokenizer on a CPU less than 16; its first output alone. The largest difference of that output is relative to its largest value.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from benchmarks.commands.outcome import run_script
from benchmarks.loading import load_catalogs
from benchmarks.loading.allocator import keep_freed_memory
from benchmarks.ranks import choose_device
from benchmarks.runfolder.provenance import device_name
from benchmarks.speed.alternation import alternately, ratio
from benchmarks.tables import print_table
from registry import EncoderPool, EncoderSpec, UserError
from registry.compiled import compile_bulk


@torch.inference_mode()
def _outputs(pool: EncoderPool, spec: EncoderSpec, images: Tensor) -> Tensor:
    output = pool.get(spec).outputs[0]
    # tokenizers know a tensor again
    return pool.encode(spec, images.clone(), [output])[output].cpu()


def measured(spec: EncoderSpec, images: Tensor, rounds: int, precision: str) -> list[str]:
    """The row of one encoder on a number of pictures: seconds, their ratio, the first call's seconds, the difference.

    Raises:
        UserError: the encoder says of no module that it is its bulk.
    """
    catalog, device = load_catalogs().encoders, images.device
    pools = {
        name: EncoderPool(catalog, allow_untrained=True, device=device, precision=precision)
        for name in ("as it is", "compiled")
    }
    for pool in pools.values():
        pool.get(spec).at_once = None
    if not (encoder := pools["compiled"].get(spec)).converts:
        raise UserError(f"{spec.variant} names no modules in `converts`, which are what is compiled")
    compile_bulk(encoder, device)
    ways: Mapping[str, partial[Tensor]] = {
        name: partial(_outputs, pool, spec, images) for name, pool in pools.items()
    }
    expected = ways["as it is"]()
    began = time.perf_counter()
    found = ways["compiled"]()
    first = time.perf_counter() - began
    seconds = alternately(ways, rounds, str(device))
    return [
        spec.variant,
        str(len(images)),
        *(f"{np.median(of_way) / len(images):.3f}" for of_way in seconds.values()),
        f"{ratio(seconds, 'compiled', 'as it is'):.2f}",
        f"{first:.0f}",
        f"{float((found - expected).abs().max() / expected.abs().max()):.0e}",
    ]


def main(
    encoders: Annotated[
        str, typer.Option(help="ENCODER@SIZE, separated by commas")
    ] = "clip-vit-l-14/openai@224,llamagen-vq16@256",
    pictures: Annotated[str, typer.Option(help="numbers of pictures, separated by commas")] = "1,4",
    precision: Annotated[str, typer.Option(help="of the weights")] = "float32",
    rounds: Annotated[int, typer.Option(help="how often each way is measured")] = 4,
    device: Annotated[str, typer.Option(help="as `run` takes it")] = "cpu",
) -> None:
    """Print seconds per picture and ratios, medians over rounds, with the device's name."""
    where = choose_device(device)
    if where == "cpu":
        keep_freed_memory()
    print(f"{precision}, {rounds} rounds, {device_name(where)}, torch {torch.__version__}")
    rows = []
    for encoder in encoders.split(","):
        name, _, size = encoder.rpartition("@")
        for count in pictures.split(","):
            images = torch.rand(
                int(count), 3, int(size), int(size), generator=torch.Generator().manual_seed(0)
            )
            rows.append(measured(EncoderSpec(name), images.to(where), rounds, precision))
    head = ["encoder", "pictures", "s / picture", "compiled", "× as it is", "first call, s", "difference"]
    print_table(rows, head=head)


if __name__ == "__main__":
    run_script(main)
