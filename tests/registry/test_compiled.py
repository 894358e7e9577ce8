"""Frozen encoders through torch.compile: what they give, and that it depends on no order in which pictures came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import registry.encoder
from baselines.backbones import TimmBackbone
from baselines.denoiser import Denoiser
from baselines.dinov2 import DINOv2Encoder
from baselines.imagenet import ImageNetResNet
from benchmarks.mini.encoders import MiniImageEncoder
from d3qe_plugin.clip import ClipVision
from d3qe_plugin.llamagen import LlamaGenTokenizer
from d3qe_plugin.vqvae import VQVAETokenizer
from registry import Encoder, EncoderCard, EncoderPool, EncoderSpec, UserError, compiled
from registry.catalog import Catalog, Entry
from tests.d3qe_plugin.test_encoders import TOWER, VQ
from tests.registry.test_pipeline import Projecting

OUTPUTS = ("feature", "block_tokens", "block_features", "tokens")
CPU, GPU = torch.device("cpu"), torch.device("cuda")
ENTRIES: dict[str, Callable[..., Any]] = {
    "clip": lambda image_size=28: ClipVision(**{**TOWER, "image_size": image_size}),  # type: ignore[arg-type]
    "vq": lambda: LlamaGenTokenizer(**VQ),  # type: ignore[arg-type]
    "unnamed": Projecting,
}


def pool(**options: Any) -> EncoderPool:
    catalog = Catalog("encoder", EncoderCard)
    for name, factory in ENTRIES.items():
        catalog.add(Entry(name, factory, EncoderCard(), "test"))
    return EncoderPool(catalog, allow_untrained=True, **options)


def encoded(
    sizes: Sequence[int], name: str = "clip", outputs: Sequence[str] = OUTPUTS, **options: Any
) -> list[dict[str, Tensor]]:
    """What a fresh pool's encoder finds in the first pictures of a fixed set, so many at a time."""
    torch._dynamo.reset()
    encoders = pool(compile=True, **options)
    with torch.inference_mode():
        return [encoders.encode(EncoderSpec(name), IMAGES[:size].clone(), outputs) for size in sizes]


IMAGES = torch.rand(5, 3, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """Has graphs run as they are, without a compiler; what each was made for: code, shapes, and hints of what may vary."""
    found: list[tuple[Any, ...]] = []

    def note(module: torch.fx.GraphModule, inputs: Sequence[Any]) -> Callable[..., Any]:
        values = [node.meta["example_value"] for node in module.graph.nodes if node.op == "placeholder"]
        shapes = [f"{tuple(one.shape)} {one.dtype}" for one in values if isinstance(one, Tensor)]
        hints = [
            dict(one.node.shape_env.var_to_hint_override) for one in inputs if isinstance(one, torch.SymInt)
        ]
        found.append((module.code, shapes, str(hints)))
        return module.forward

    real = torch.compile

    def compile_(forward: Callable[..., Any], *, options: object, **more: Any) -> Callable[..., Any]:
        return real(forward, backend=note, **more)  # type: ignore[no-any-return]

    monkeypatch.setattr(torch, "compile", compile_)
    torch._dynamo.reset()
    compiled.check_compiler(CPU.type)
    found.clear()
    yield found
    torch._dynamo.reset()
    compiled.check_compiler.cache_clear()


def test_one_graph_serves_all_blocks_and_any_number_of_pictures(graphs: list[Any]) -> None:
    found = encoded([5, 3, 1, 2, 1])
    assert len(graphs) == 2
    assert [one[1][0].startswith("(1,") for one in graphs] == [False, True]
    plain = pool()
    with torch.inference_mode():
        for size, one in zip([5, 3, 1, 2, 1], found, strict=True):
            expected = plain.encode(EncoderSpec("clip"), IMAGES[:size], OUTPUTS)
            for name in OUTPUTS:
                torch.testing.assert_close(one[name], expected[name])


def test_graphs_are_the_same_whatever_came_first(graphs: list[Any]) -> None:
    seen = []
    for sizes in ([5, 3, 1], [3, 5, 1], [1, 2]):
        graphs.clear()
        encoded(sizes)
        seen.append(sorted(graphs))
    assert seen[0] == seen[1] == seen[2]
    assert f": {compiled.HINT}}}" in "".join(hints for _, _, hints in seen[0])


def test_each_size_of_pictures_has_its_own_graphs_and_too_many_are_an_error(
    graphs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "MOST_GRAPHS", 2)
    encoders = pool(compile=True)
    for number, size in enumerate((28, 42, 56), 1):
        spec = EncoderSpec("clip", (("image_size", size),))
        images = torch.rand(3, 3, size, size)
        with torch.inference_mode():
            if number == 3:
                with pytest.raises(UserError, match="these came in more than 1: leave --compile out"):
                    encoders.encode(spec, images, ["feature"])
            else:
                encoders.encode(spec, images, ["feature"])
                assert len(graphs) == number


def test_half_precision_is_converted_outside_of_what_is_compiled(graphs: list[Any]) -> None:
    (found,) = encoded([4], precision="bfloat16")
    with torch.inference_mode():
        expected = pool(precision="bfloat16").encode(EncoderSpec("clip"), IMAGES[:4], OUTPUTS)
    for name in OUTPUTS:
        assert found[name].dtype == torch.float32
        torch.testing.assert_close(found[name], expected[name], atol=0.03, rtol=0.03)
    assert graphs[0][1][0] == "(s99, 5, 16) torch.bfloat16"


def test_what_is_lowered_later_is_compiled_once(graphs: list[Any]) -> None:
    encoders = pool(compile=True)
    forward = encoders.get(EncoderSpec("clip")).visual.transformer.resblocks[0].forward  # type: ignore[union-attr]
    encoders.lower("bfloat16")
    assert encoders.get(EncoderSpec("clip")).visual.transformer.resblocks[0].forward is forward  # type: ignore[union-attr]


def test_by_rule_convolutions_are_compiled_on_a_gpu_alone(graphs: list[Any]) -> None:
    encoders = pool(compile=True)
    built = {name: encoders.get(EncoderSpec(name)) for name in ENTRIES}
    assert encoders.compiled == ["clip"]
    assert pool().compiled == []
    assert {name: compiled.pays(one, CPU) for name, one in built.items()} == {
        "clip": True, "vq": False, "unnamed": False,
    }  # fmt: skip
    assert {name: compiled.pays(one, GPU) for name, one in built.items()} == {
        "clip": True, "vq": True, "unnamed": False,
    }  # fmt: skip


def test_a_sequence_of_alike_blocks_is_compiled_block_by_block() -> None:
    blocks = nn.Sequential(nn.ReLU(), nn.ReLU())
    assert list(compiled._blocks(blocks)) == list(blocks)
    mixed = nn.Sequential(nn.ReLU(), nn.Linear(2, 2))
    assert list(compiled._blocks(mixed)) == [mixed]
    alone = nn.Linear(2, 2)
    assert list(compiled._blocks(alone)) == [alone]


def test_settings_of_the_process_stay_as_they_were(graphs: list[Any]) -> None:
    import torch._dynamo.config as config

    names = ("recompile_limit", "accumulated_recompile_limit", "automatic_dynamic_shapes")
    before = [getattr(config, name) for name in names]
    encoded([2, 1])
    assert [getattr(config, name) for name in names] == before


def test_without_a_compiler_it_is_one_line_when_the_encoder_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("No working C++ compiler found\nin many\nlines")

    monkeypatch.setattr(torch, "compile", broken)
    compiled.check_compiler.cache_clear()
    encoders = pool(compile=True)
    encoders.get(EncoderSpec("vq"))
    with pytest.raises(UserError) as refused:
        encoders.get(EncoderSpec("clip"))
    assert str(refused.value) == (
        "--compile needs a C++ compiler, such as g++: install it or leave --compile out "
        "(torch says: No working C++ compiler found)"
    )


NETWORKS: dict[str, tuple[Callable[[], Encoder], int]] = {
    "dinov2": (lambda: DINOv2Encoder(28, 14, 16, 2, 2, tile=28), 56),
    "mini": (MiniImageEncoder, 64),
    "vq": (ENTRIES["vq"], 32),
    "vqvae": (lambda: VQVAETokenizer(8, 4, 2, 16), 32),
    "denoiser": (lambda: Denoiser(8, 2, 2, 4), 24),
    "resnet": (lambda: ImageNetResNet(True, (2, 2, 2, 2)), 64),
    "timm": (lambda: TimmBackbone("test_vit.r160_in1k"), 160),
}


@pytest.mark.parametrize(
    "name",
    [name if name in ("dinov2", "mini") else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS],
)
def test_every_kind_of_network_is_one_graph_for_any_number_of_pictures(name: str, graphs: list[Any]) -> None:
    make, size = NETWORKS[name]
    torch.manual_seed(0)
    encoder = make().eval().requires_grad_(False)
    images = torch.rand(5, 3, size, size)
    counts, made = (5, 3, 1), []
    with torch.inference_mode():
        expected = [encoder(images[:count].clone(), encoder.outputs) for count in counts]
        compiled.compile_bulk(encoder, CPU)
        for count, plain in zip(counts, expected, strict=True):
            found = encoder(images[:count].clone(), encoder.outputs)
            made.append(len(graphs))
            assert all(torch.equal(found[output], plain[output]) for output in encoder.outputs)
    assert 0 < made[0] == made[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "precision"), [("clip", "float32"), ("clip", "bfloat16"), ("vq", "float32")]
)
def test_scores_are_the_same_bits_whatever_came_first(
    name: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config
    from torch._inductor.utils import fresh_cache

    outputs = OUTPUTS if name == "clip" else ("latent", "indices")
    monkeypatch.setattr(registry.encoder, "pays", lambda encoder, device: True)  # as on a GPU
    found = []
    for sizes in ([5, 3, 1], [1, 3, 5]):
        with fresh_cache(), config.patch(compile_threads=1):
            found.append(encoded(sizes, name, outputs, precision=precision))
    for one, other in zip(found[0], reversed(found[1]), strict=True):
        assert all(torch.equal(one[output], other[output]) for output in outputs)
    with torch.inference_mode():
        plain = pool(precision=precision).encode(EncoderSpec(name), IMAGES, outputs)
    allowed = 1e-5 if precision == "float32" else 0.03
    for output in outputs:
        torch.testing.assert_close(found[0][0][output], plain[output], atol=allowed, rtol=allowed)
        assert plain[output].abs().max() > 0.1
