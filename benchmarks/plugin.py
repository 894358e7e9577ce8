"""Registers the built-in data set layouts, perturbations and metrics. Imports no torch."""

from __future__ import annotations

from functools import partial

from benchmarks.datasets.sources import source_facts
from benchmarks.perturbations.conditions import built_in, facts_of, named_chain
from registry import PublishedWeights, TestSet, hookimpl
from registry.hookspecs import Register

_MINI_PHOTOGRAPHS = "training regions of the mini benchmark's photographs, and 52 others"


@hookimpl
def register_encoders(register: Register) -> None:
    """The frozen networks of the embedded benchmark; their weights ship with the package."""
    for name, target, weights, summary in (
        ("mini-vq4", "MiniTokenizer", "tokenizer", "VQ tokenizer of stride 4 with 512 codes of 8 channels"),
        (
            "mini-msvq4",
            "MiniScaleTokenizer",
            "multiscale_tokenizer",
            "VQ tokenizer of stride 4 on five scales, with 512 codes of 8 channels",
        ),
        (
            "mini-maskvq4",
            "MiniMaskedTokenizer",
            "masked_tokenizer",
            "VQ tokenizer of patches of 4 with 1,024 codes of 16 channels",
        ),
        (
            "mini-bsq4",
            "MiniBitwiseTokenizer",
            "bitwise_tokenizer",
            "binary tokenizer of stride 4 on six scales, with 12 bits a token",
        ),
    ):
        register(
            name,
            f"benchmarks.mini.encoders:{target}",
            summary=f"{summary}, for 64×64 px",
            licence="MIT",
            trained_on=_MINI_PHOTOGRAPHS,
            weights=(PublishedWeights("package:benchmarks", f"mini/weights/{weights}.safetensors", "MIT"),),
        )
    for name, target, tokens in (
        ("raster", "RasterLikelihood", "256 tokens of mini-vq4"),
        ("next_scale", "ScaleLikelihood", "341 tokens of mini-msvq4"),
    ):
        register(
            f"mini-{name.replace('_', '-')}",
            f"benchmarks.mini.likelihoods:{target}",
            summary=f"transformer of the mini generator {name}: likelihoods of the {tokens}",
            licence="MIT",
            trained_on=_MINI_PHOTOGRAPHS,
            weights=(PublishedWeights("package:benchmarks", f"mini/weights/{name}.safetensors", "MIT"),),
        )
    register(
        "mini-image-encoder",
        "benchmarks.mini.encoders:MiniImageEncoder",
        summary="convolutional image encoder, 608 features",
        licence="MIT",
        trained_on=_MINI_PHOTOGRAPHS,
        weights=(PublishedWeights("package:benchmarks", "mini/weights/image_encoder.safetensors", "MIT"),),
    )


def _scan_prepared(name: str) -> list[TestSet]:
    from benchmarks.datasets.prepared import scan

    return scan(name)


@hookimpl
def register_datasets(register: Register) -> None:
    """On-disk layouts, one file each, in the order in which they are tried on a folder."""
    layouts = {
        "manifest": ("manifest", "CSV or Parquet table with columns path and label"),
        "pair": ("pair", "{0_real,1_fake}"),
        "arforensics": ("arforensics", "test/<generator>/{0_real,1_fake} beside train and val"),
        "genimage": ("genimage", "<generator>/{train,val}/{ai,nature}, or {ai,nature}"),
        "paradigms": ("paradigm_folders", "<paradigm>/<generator>/[<class>/]{0_real,1_fake}"),
        "universalfakedetect": (
            "universal_fake_detect",
            "<set>/1_fake beside imagenet/0_real and laion/0_real",
        ),
        "generators": ("generator_folders", "<generator>/[<class>/]{0_real,1_fake}"),
        "beside_real": ("beside_real", "<generator>/[<class>/] beside real/, one level deep or two"),
    }
    for name, (module, summary) in layouts.items():
        target = f"benchmarks.datasets.{module}:scan"
        register(name, target, summary=summary, layout=True, takes=("addresses",))
    shards = {
        "tar": ("tar_shards", "tar shards: <key>.jpg beside <key>.cls or <key>.json"),
        "parquet": ("parquet_pictures", "Parquet with a column of pictures beside label"),
    }
    for name, (module, summary) in shards.items():
        target = f"benchmarks.datasets.{module}:scan"
        register(name, target, summary=summary, layout=True, takes=("addresses", "patterns"))
    for facts in source_facts():
        name = facts["name"]
        card = {key: facts[key] for key in ("summary", "paper", "licence")}
        register(name, partial(_scan_prepared, name), **card)
    register(
        "mini",
        "benchmarks.mini.dataset:scan",
        summary="embedded: six small generators and crops of photographs, 64×64 px",
        licence="MIT; photographs CC0, public domain and CC BY 2.0",
        layout=False,
    )


@hookimpl
def register_perturbations(register: Register) -> None:
    """Perturbations of the decoded picture, one file each, and chains of them by name."""
    perturbations = {
        "none": ("none", "the picture as it is", ""),
        "jpeg": ("jpeg", "JPEG compression (Pillow, 4:2:0)", "quality, 1 to 100"),
        "webp": ("webp", "lossy WebP compression (Pillow)", "quality, 1 to 100"),
        "avif": ("avif", "AVIF compression (Pillow, 4:2:0)", "quality, 1 to 100"),
        "chroma": ("chroma", "colour at lower resolution than brightness", "422, 420, 411 or 410"),
        "crop": (
            "crop",
            "random crop, resized back to the picture's size",
            "part of each side kept, 0.05 to 1",
        ),
        "resize": ("resize", "smaller or larger by a factor", "factor of both sides, 0.05 to 4"),
        "fit": ("fit", "made smaller until the long side fits", "long side in pixels, 16 to 8192"),
        "aspect": ("geometry", "stretched across", "factor of the width, 0.25 to 4"),
        "pad": ("geometry", "a black frame", "thickness as a part of each side, 0 to 1"),
        "flip": ("geometry", "left and right exchanged", ""),
        "blur": ("blur", "Gaussian blur", "standard deviation in pixels, 0 to 20"),
        "median": ("filters", "median filter", "side of the neighbourhood in pixels, odd, 3 to 15"),
        "pixelate": ("filters", "mosaic of block means", "side of a block in pixels, 2 to 64"),
        "sharpen": ("tone", "unsharp mask of 1 pixel", "amount, 0 to 10"),
        "gamma": ("tone", "levels to the power of", "exponent, 0.2 to 5"),
        "grey": ("tone", "luma in all channels", ""),
        "noise": ("noise", "white Gaussian noise", "standard deviation in 8-bit levels, 0 to 128"),
        "text": (
            "overlay",
            "a line of text at a random place",
            "height as a part of the picture's, 0.02 to 0.5",
        ),
        "sticker": (
            "overlay",
            "a coloured disc at a random place",
            "diameter as a part of the short side, 0.05 to 0.9",
        ),
    }
    for name, (module, summary, parameter) in perturbations.items():
        register(name, f"benchmarks.perturbations.{module}:{name}", summary=summary, parameter=parameter)
    for name, chain in built_in().chains.items():
        register(name, partial(named_chain, name=name, steps=chain.steps), **facts_of(chain))


@hookimpl
def register_metrics(register: Register) -> None:
    """Metrics of one cell."""
    register(
        "acc",
        "benchmarks.metrics.accuracy:acc",
        summary="share of pictures called what they are, at score > 0.5",
    )
    register("acc_real", "benchmarks.metrics.accuracy:acc_real", summary="share of real pictures called real")
    register(
        "acc_fake",
        "benchmarks.metrics.accuracy:acc_fake",
        summary="share of generated pictures called generated",
    )
    register(
        "balanced_acc", "benchmarks.metrics.accuracy:balanced_acc", summary="mean of acc_real and acc_fake"
    )
    register("ap", "benchmarks.metrics.ranking:ap", summary="average precision, generated is positive")
    register("auroc", "benchmarks.metrics.ranking:auroc", summary="area under the ROC curve, ties count half")
    register("eer", "benchmarks.metrics.ranking:eer", summary="equal error rate", higher_is_better=False)
    register(
        "tpr_at_fpr_1",
        "benchmarks.metrics.ranking:tpr_at_fpr_1",
        summary="true-positive rate at a false-positive rate of at most 1 %",
    )
    register(
        "tpr_at_fpr_5",
        "benchmarks.metrics.ranking:tpr_at_fpr_5",
        summary="true-positive rate at a false-positive rate of at most 5 %",
    )
    register(
        "acc_best_threshold",
        "benchmarks.metrics.accuracy:acc_best_threshold",
        summary="accuracy at the threshold best on these pictures; not deployable",
    )
    register(
        "ece",
        "benchmarks.metrics.calibration:ece",
        summary="expected calibration error, 15 bins of equal width",
        higher_is_better=False,
    )
    register(
        "brier",
        "benchmarks.metrics.calibration:brier",
        summary="mean squared difference of score and label",
        higher_is_better=False,
    )
    register(
        "cllr",
        "benchmarks.metrics.likelihood_ratios:cllr",
        summary="cost of the logits as log likelihood ratios, in bits; 1 says nothing",
        higher_is_better=False,
    )
    register(
        "cllr_min",
        "benchmarks.metrics.likelihood_ratios:cllr_min",
        summary="cllr after perfect calibration (PAV) on these pictures; not deployable",
        higher_is_better=False,
    )
