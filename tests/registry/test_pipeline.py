"""No work is done twice, and a failure stays where it happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from registry import (
    Detector,
    Encoder,
    EncoderCard,
    EncoderPool,
    EncoderSpec,
    Feature,
    Pipeline,
    UserError,
    View,
    WeightsError,
)
from registry.catalog import Catalog, Entry
from registry.errors import OutputError

SMALL, LARGE = View(resize=16, crop=16), View(resize=24, crop=24)


class CountingEncoder(Encoder):
    """Means of the channels, and their maxima; counts its forward passes and the outputs asked for."""

    outputs = ("mean", "max")

    def __init__(self, width: int = 1) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(width))
        self.calls: list[tuple[int, tuple[str, ...]]] = []

    def forward(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        self.calls.append((len(images), tuple(sorted(outputs))))
        table = {"mean": images.mean(dim=(2, 3)), "max": images.amax(dim=(2, 3))}
        return {name: table[name] for name in outputs}

    def load_weights(self, path: Path) -> None:
        if path.read_text() != "good":
            raise WeightsError(f"{path} does not fit")


class Linear(Detector):
    """Sums its only input; counts batches. Refuses pictures whose first value is `poison`."""

    def __init__(self, source: View | Feature, poison: float | None = None) -> None:
        super().__init__()
        self.source, self.poison, self.batches = source, poison, []

    @property
    def inputs(self) -> Mapping[str, View | Feature]:
        return {"x": self.source}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        values = inputs["x"].flatten(1)
        self.batches.append(len(values))
        if self.poison is not None and (values[:, 0] == self.poison).any():
            raise ArithmeticError("poisoned picture")
        return values.sum(dim=1)


def pool(**options: object) -> EncoderPool:
    catalog = Catalog("encoder", EncoderCard)
    for name in ("clip", "vq"):
        catalog.add(Entry(name, CountingEncoder, EncoderCard(), "test"))
    return EncoderPool(catalog, **{"allow_untrained": True, **options})  # type: ignore[arg-type]


def picture(level: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


CLIP, VQ = EncoderSpec("clip"), EncoderSpec("vq")


def test_equal_encoder_and_view_run_once_per_batch_whoever_asks() -> None:
    encoders = pool()
    pipeline = Pipeline(
        {
            "one": Linear(Feature(CLIP, SMALL, "mean")),
            "two": Linear(Feature(CLIP, SMALL, "max")),
            "three": Linear(Feature(CLIP, SMALL, "mean")),
            "other view": Linear(Feature(CLIP, LARGE, "mean")),
            "other encoder": Linear(Feature(VQ, SMALL, "mean")),
            "pixels": Linear(SMALL),
        },
        encoders,
    )
    scores = pipeline.score([pipeline.prepare(picture(level)) for level in (0, 51, 255)])
    assert encoders.get(CLIP).calls == [(3, ("max", "mean")), (3, ("mean",))]
    assert encoders.get(VQ).calls == [(3, ("mean",))]
    assert scores["one"] == scores["three"] == pytest.approx([0.0, 0.6, 3.0])


def test_views_that_come_to_the_same_tensor_share_a_pass() -> None:
    encoders = pool()
    cut = View(crop=16)
    pipeline = Pipeline(
        {
            "resized": Linear(Feature(CLIP, View(resize=20, crop=16), "mean")),
            "cut": Linear(Feature(CLIP, cut, "max")),
            "whole": Linear(Feature(CLIP, View(), "mean")),
        },
        encoders,
    )
    # of 20 pixels a resize to 20 changes nothing; of 16 not even the crop does; of 24 all three differ
    pictures = [picture(51 * number, (side, side)) for number, side in enumerate((20, 16, 24, 20), 1)]
    samples = [pipeline.prepare(one) for one in pictures]
    together = pipeline.score(samples)
    assert sorted(encoders.get(CLIP).calls) == sorted(
        [
            (2, ("mean",)),  # 16 and 24 pixels resized to 20
            (2, ("max", "mean")),  # both of 20 pixels
            (1, ("max", "mean")),  # 16 pixels cut, which is the whole
            (1, ("max",)),  # 24 pixels cut
            (2, ("mean",)),  # both of 20 pixels as they are
            (1, ("mean",)),  # 24 pixels as they are
        ]
    )
    passes = encoders.passes["clip"]
    assert (passes.calls, passes.pictures) == (6, 9)
    for name, detector in pipeline.detectors.items():
        (view,) = pipeline.views([name])
        alone = Pipeline({name: detector}, encoders)
        assert alone.score([{view: view(one)} for one in pictures])[name] == together[name]


def test_only_what_the_chosen_detectors_read_is_encoded() -> None:
    encoders = pool()
    sources = {name: Feature(CLIP, SMALL, name) for name in ("mean", "max")}
    pipeline = Pipeline({name: Linear(source) for name, source in sources.items()}, encoders)
    pipeline.score([pipeline.prepare(picture(1))], ["max"])
    assert encoders.get(CLIP).calls == [(1, ("max",))]


def test_a_second_batch_is_computed_afresh() -> None:
    encoders = pool()
    pipeline = Pipeline({"it": Linear(Feature(CLIP, SMALL, "mean"))}, encoders)
    first = pipeline.score([pipeline.prepare(picture(0))])
    second = pipeline.score([pipeline.prepare(picture(255))])
    assert (first["it"], second["it"]) == ([0.0], [3.0])
    assert len(encoders.get(CLIP).calls) == 2


def test_each_view_is_computed_once_per_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[View] = Counter()
    original = View.cropped
    monkeypatch.setattr(View, "cropped", lambda view, image: calls.update([view]) or original(view, image))
    names = {"a": Linear(SMALL), "b": Linear(Feature(CLIP, SMALL, "mean")), "c": Linear(LARGE)}
    pipeline = Pipeline(names, pool())
    assert pipeline.views() == [SMALL, LARGE]
    assert pipeline.views(["c"]) == [LARGE]
    pipeline.prepare(picture(1))
    assert calls == {SMALL: 1, LARGE: 1}


@pytest.mark.parametrize("source", [SMALL, Feature(CLIP, SMALL, "mean")])
def test_a_failure_stays_at_its_picture(source: View | Feature) -> None:
    pipeline = Pipeline({"weak": Linear(source, poison=1.0), "strong": Linear(source)}, pool())
    scores = pipeline.score([pipeline.prepare(picture(level)) for level in (0, 255, 51)])
    good, bad, other = scores["weak"]
    assert isinstance(bad, ArithmeticError)
    assert [good, other] == pytest.approx([scores["strong"][0], scores["strong"][2]])
    assert pipeline.detectors["weak"].batches == [3, 1, 1, 1]
    assert pipeline.detectors["strong"].batches == [3]


def test_a_failing_encoder_fails_those_who_read_it_only(monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = pool()
    pipeline = Pipeline({"reads": Linear(Feature(CLIP, SMALL, "mean")), "pixels": Linear(SMALL)}, encoders)

    def fail(*_: object) -> dict[str, Tensor]:
        raise RuntimeError("encoder is out of order")

    monkeypatch.setattr(encoders.get(CLIP), "forward", fail)
    scores = pipeline.score([pipeline.prepare(picture(9)), pipeline.prepare(picture(8))])
    assert [str(outcome) for outcome in scores["reads"]] == ["encoder is out of order"] * 2
    assert all(isinstance(outcome, float) for outcome in scores["pixels"])


def test_logits_of_a_wrong_shape_are_an_error_at_every_picture() -> None:
    class Square(Linear):
        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return super().forward(inputs)[:, None]

    pipeline = Pipeline({"it": Square(SMALL)}, pool())
    for outcome in pipeline.score([pipeline.prepare(picture(1)), pipeline.prepare(picture(2))])["it"]:
        assert isinstance(outcome, OutputError)
        assert "it returned logits of shape (1, 1) for 1 pictures, expected (1,)" in str(outcome)


def test_pictures_of_different_sizes_are_batched_by_size_and_keep_their_order() -> None:
    pipeline = Pipeline({"whole": Linear(View()), "cut": Linear(SMALL)}, pool())
    sizes = [(8, 8), (10, 8), (8, 8), (8, 10), (10, 8)]
    samples = [pipeline.prepare(picture(255, size)) for size in sizes]
    scores = pipeline.score(samples)
    assert scores["whole"] == pytest.approx([3.0 * width * height for width, height in sizes])
    assert sorted(pipeline.detectors["whole"].batches) == [1, 2, 2]
    assert pipeline.detectors["cut"].batches == [5]


def test_detectors_of_unequal_views_share_an_encoder_all_the_same() -> None:
    encoders = pool()
    both = {"x": Feature(CLIP, SMALL, "mean"), "whole": View()}

    class Two(Linear):
        @property
        def inputs(self) -> Mapping[str, View | Feature]:
            return both

    # the second detector reads whole pictures beside, of which two fill a batch
    pipeline = Pipeline({"one": Linear(both["x"]), "two": Two(SMALL)}, encoders, batch_pixels=4 * 16 * 16)
    samples = [pipeline.prepare(picture(level, (20, 20))) for level in (10, 20, 30, 40)]
    scores = pipeline.score(samples)
    assert encoders.get(CLIP).calls == [(4, ("mean",))]
    assert pipeline.detectors["two"].batches == [2, 2]
    assert scores["one"] == scores["two"]


def test_batch_pixels_bound_a_batch_but_never_below_one_picture() -> None:
    pipeline = Pipeline({"it": Linear(View())}, pool(), batch_pixels=200)
    samples = [pipeline.prepare(picture(255, (10, 10))) for _ in range(5)]
    pipeline.score([*samples, pipeline.prepare(picture(255, (50, 50)))])
    assert pipeline.detectors["it"].batches == [2, 2, 1, 1]


def test_names_choose_detectors_and_no_sample_is_no_score() -> None:
    pipeline = Pipeline({"a": Linear(SMALL), "b": Linear(SMALL)}, pool())
    assert list(pipeline.score([pipeline.prepare(picture(1))], ["b"])) == ["b"]
    assert pipeline.score([]) == {"a": [], "b": []}


def test_scoring_records_no_gradients_and_uses_evaluation_mode() -> None:
    seen = {}

    class Watching(Linear):
        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            seen.update(training=self.training, inference=torch.is_inference_mode_enabled())
            return super().forward(inputs)

    pipeline = Pipeline({"it": Watching(SMALL).train()}, pool())
    pipeline.score([pipeline.prepare(picture(1))])
    assert seen == {"training": False, "inference": True}


class Projecting(Encoder):
    """A matrix product, whose precision shows, and a table that has to stay exact."""

    outputs = ("product", "table")

    def __init__(self) -> None:
        super().__init__()
        self.project = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(768, 4), torch.nn.BatchNorm1d(4)
        )
        self.table = torch.nn.Parameter(torch.full((1,), 1 + 2**-12))
        self.seen: list[torch.dtype] = []
        self.project[1].register_forward_hook(lambda _, inputs, output: self.seen.append(output.dtype))

    def forward(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        return {"product": self.project(images), "table": self.table.expand(len(images), 1)}

    def load_weights(self, path: Path) -> None:
        raise NotImplementedError


class Converted(Projecting):
    """The same, its product's weights converted."""

    converts = ("project",)


@pytest.mark.parametrize(("kind", "weights"), [(Projecting, torch.float32), (Converted, torch.bfloat16)])
def test_encoders_run_in_lower_precision_and_heads_do_not(
    kind: type[Projecting], weights: torch.dtype
) -> None:
    seen = []

    class Product(Linear):
        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            seen.append((inputs["x"].dtype, (inputs["x"] @ inputs["x"].T).dtype))
            return super().forward(inputs)

    catalog = Catalog("encoder", EncoderCard)
    catalog.add(Entry("it", kind, EncoderCard(), "test"))
    results = {}
    for precision in ("float32", "bfloat16"):
        encoders = EncoderPool(catalog, allow_untrained=True, precision=precision)
        spec = EncoderSpec("it")
        heads = {name: Product(Feature(spec, SMALL, name)) for name in kind.outputs}
        pipeline = Pipeline(heads, encoders)
        results[precision] = pipeline.score([pipeline.prepare(picture(200)), pipeline.prepare(picture(90))])
        network = encoders.get(spec)
        assert network.seen == [getattr(torch, precision)]
        assert network.project[1].weight.dtype == (weights if precision == "bfloat16" else torch.float32)
        assert network.project[2].running_mean.dtype == torch.float32
    assert set(seen) == {(torch.float32, torch.float32)}
    assert results["bfloat16"]["table"] == results["float32"]["table"] == [1 + 2**-12] * 2
    assert results["bfloat16"]["product"] != results["float32"]["product"]
    assert results["bfloat16"]["product"] == pytest.approx(results["float32"]["product"], abs=0.05)


def test_an_output_that_the_encoder_lacks_is_refused_at_once() -> None:
    with pytest.raises(UserError, match=r"encoder 'clip' has no output 'means', did you mean 'mean'\?"):
        Pipeline({"it": Linear(Feature(CLIP, SMALL, "means"))}, pool())


def test_an_encoder_without_weights_is_refused_with_the_command_that_gets_them() -> None:
    with pytest.raises(WeightsError, match="d3qe-bench weights get clip"):
        pool(allow_untrained=False).get(CLIP)


def test_untrained_encoders_are_seeded_by_name_and_listed() -> None:
    first, again, other_seed = pool(seed=1), pool(seed=1), pool(seed=2)
    assert torch.equal(first.get(CLIP).weight, again.get(CLIP).weight)
    assert not torch.equal(first.get(CLIP).weight, first.get(VQ).weight)
    assert not torch.equal(first.get(CLIP).weight, other_seed.get(CLIP).weight)
    assert first.untrained == {"clip", "vq"}


def test_building_an_encoder_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    pool().get(CLIP)
    assert torch.equal(torch.rand(1), expected)


def test_encoders_are_built_once_frozen_and_from_their_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("good")
    bad.write_text("bad")
    encoders = pool(weights={"clip": good, "vq": bad}, allow_untrained=False)
    encoder = encoders.get(CLIP)
    assert encoders.get(EncoderSpec("clip")) is encoder
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert encoders.untrained == set()
    with pytest.raises(WeightsError, match="does not fit"):
        encoders.get(VQ)


def test_encoder_options_make_another_network() -> None:
    encoders = pool()
    wide = encoders.get(EncoderSpec("clip", (("width", 7),)))
    assert wide.weight.shape == (7,)
    assert wide is not encoders.get(CLIP)


def test_prepared_values_are_the_views() -> None:
    pipeline = Pipeline({"it": Linear(SMALL)}, pool())
    image = Image.fromarray(np.arange(40 * 30 * 3, dtype=np.uint8).reshape(30, 40, 3))
    assert torch.equal(SMALL.values(pipeline.prepare(image)[SMALL]), SMALL(image))


def test_one_picture_of_two_normalisations_is_read_as_two() -> None:
    dark = View(resize=16, crop=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    encoders = pool()
    names = {"plain": Linear(Feature(CLIP, SMALL, "mean")), "dark": Linear(Feature(CLIP, dark, "mean"))}
    pipeline = Pipeline(names, encoders)
    sample = pipeline.prepare(picture(51))
    assert sample[SMALL] is sample[dark]
    assert sample[SMALL].dtype == torch.uint8
    scores = pipeline.score([sample, pipeline.prepare(picture(255))])
    assert scores["plain"] == pytest.approx([0.6, 3.0])
    assert scores["dark"] == pytest.approx([-1.8, 3.0])
    assert len(encoders.get(CLIP).calls) == 2
    of_values = pipeline.score([{view: view.values(levels) for view, levels in sample.items()}])
    assert {name: of_values[name] for name in names} == {name: scores[name][:1] for name in names}


class Hungry(Linear):
    """Has memory for so many pictures at once; remembers how many it was given."""

    def __init__(self, source: View | Feature, room: int) -> None:
        super().__init__(source)
        self.room = room

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        if len(inputs["x"]) > self.room:
            self.batches.append(-len(inputs["x"]))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().forward(inputs)


def test_too_little_memory_halves_the_batch_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    fits, hungry = Linear(SMALL), Hungry(SMALL, 3)
    pipeline = Pipeline({"fits": fits, "hungry": hungry}, pool())
    samples = [pipeline.prepare(picture(seed)) for seed in range(13)]

    found = pipeline.score(samples)

    assert found["hungry"] == pytest.approx(found["fits"], rel=1e-6)
    assert hungry.batches == [-13, -6, 3, 3, 3, 3, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "hungry: 13 pictures at once are too much for the memory of cpu: goes on with 6",
        "hungry: 6 pictures at once are too much for the memory of cpu: goes on with 3",
    ]
    pipeline.score(samples[:4])
    assert hungry.batches[-2:] == [3, 1], "it is remembered"
    assert fits.batches == [13, 4], "nobody else is slowed down"


def test_one_picture_that_does_not_fit_is_an_error_of_its_own() -> None:
    pipeline = Pipeline({"it": Hungry(SMALL, 0)}, pool())
    for outcome in pipeline.score([pipeline.prepare(picture(seed)) for seed in range(3)])["it"]:
        assert isinstance(outcome, torch.OutOfMemoryError)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (
            lambda n: torch.ones(n, dtype=torch.int64),
            "it returned torch.int64, expected logits of a floating type",
        ),
        (lambda n: torch.ones(n) > 0, "it returned torch.bool, expected logits of a floating type"),
        (lambda n: torch.ones(n, dtype=torch.complex64), "torch.complex64"),
        (lambda n: [1.0] * n, "it returned list, expected a tensor of logits"),
        (lambda n: torch.ones(n, 2), "logits of shape (1, 2) for 1 pictures, expected (1,)"),
        (lambda n: torch.ones(()), "logits of shape () for 1 pictures, expected (1,)"),
    ],
)
def test_what_is_no_logit_is_never_a_number(returned, said: str) -> None:
    class Wrong(Linear):
        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return returned(len(inputs["x"]))

    pipeline = Pipeline({"it": Wrong(SMALL)}, pool())
    for outcome in pipeline.score([pipeline.prepare(picture(seed)) for seed in range(3)])["it"]:
        assert isinstance(outcome, OutputError)
        assert said in str(outcome)
