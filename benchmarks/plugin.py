"""Registers the built-in data set layouts, perturbations and metrics. Imports no torch."""

from __future__ import annotations

from registry import hookimpl
from registry.hookspecs import Register


@hookimpl
def register_datasets(register: Register) -> None:
    """On-disk layouts, one file each, in the order in which they are tried on a folder."""


@hookimpl
def register_perturbations(register: Register) -> None:
    """Perturbations of the decoded picture, one file each."""


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
