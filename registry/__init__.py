"""What a detector is and where detectors come from.

Importing this package imports no torch: the names below are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from registry.card import (
    PROTOCOLS,
    DatasetCard,
    DetectorCard,
    EncoderCard,
    FigureCard,
    MetricCard,
    PerturbationCard,
    PublishedWeights,
    Reported,
)
from registry.catalog import Catalogs, PluginRecord
from registry.dataset import PARADIGMS, Picture, PictureFile, Store, StoredFile, TestSet
from registry.errors import LayoutMismatch, LoadError, UserError, WeightsError
from registry.hookspecs import hookimpl
from registry.plugins import load_plugins
from registry.view import EncoderSpec, Feature, View

if TYPE_CHECKING:
    from registry.detector import Detector
    from registry.encoder import Encoder, EncoderPool
    from registry.figure import Drawing, ShownBatch, Subject
    from registry.pipeline import Pipeline
    from registry.testing import check_detector

_NEEDS_TORCH = {
    "Detector": "registry.detector",
    "Drawing": "registry.figure",
    "Encoder": "registry.encoder",
    "EncoderPool": "registry.encoder",
    "Pipeline": "registry.pipeline",
    "ShownBatch": "registry.figure",
    "Subject": "registry.figure",
    "check_detector": "registry.testing",
}

__all__ = [
    "PARADIGMS",
    "PROTOCOLS",
    "Catalogs",
    "DatasetCard",
    "Detector",
    "DetectorCard",
    "Drawing",
    "Encoder",
    "EncoderCard",
    "EncoderPool",
    "EncoderSpec",
    "Feature",
    "FigureCard",
    "LayoutMismatch",
    "LoadError",
    "MetricCard",
    "PerturbationCard",
    "Picture",
    "PictureFile",
    "Pipeline",
    "PluginRecord",
    "PublishedWeights",
    "Reported",
    "ShownBatch",
    "Store",
    "StoredFile",
    "Subject",
    "TestSet",
    "UserError",
    "View",
    "WeightsError",
    "check_detector",
    "hookimpl",
    "load_plugins",
]


def __getattr__(name: str) -> Any:
    if name in _NEEDS_TORCH:
        return getattr(importlib.import_module(_NEEDS_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
