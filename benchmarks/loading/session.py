"""Opens a session: plugins, detectors and encoders with their weights, and what is recorded of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchmarks.config import AUTO, DetectorSettings, SessionSettings, parse_settings
from benchmarks.loading.allocator import keep_freed_memory
from benchmarks.loading.catalogs import load_catalogs
from benchmarks.loading.locate import Locator
from benchmarks.loading.trained_on import trained_on
from registry import Catalogs, DetectorCard, LoadError, UserError, WeightsError
from registry.weights import WeightsFile

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from PIL.Image import Image

    from benchmarks.loading.scoring import PictureScore
    from registry import Detector, EncoderPool, PictureFile, Pipeline


@dataclass
class Session:
    """Detectors ready to score, and the encoders they share.

    records: label → what run.json says of a detector. failed: label → why it could not be built; the others work.
    """

    settings: SessionSettings
    catalogs: Catalogs
    device: str
    encoders: EncoderPool
    detectors: dict[str, Detector] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @cached_property
    def pipeline(self) -> Pipeline:
        """All detectors of the session as one pipeline."""
        from registry import Pipeline

        return Pipeline(
            self.detectors,
            self.encoders,
            batch_pixels=self.settings.batch_size * 256 * 256,
        )

    def score(
        self,
        pictures: Sequence[str | PictureFile | Image] | np.ndarray,
        *,
        labels: Sequence[int] | None = None,
        perturbations: Sequence[str] = ("none",),
        workers: int = 0,
    ) -> pd.DataFrame:
        """Score pictures by all detectors; one that fails is a row with its reason.

        pictures: files, Pillow's pictures of any mode, or uint8 (N, height, width, 3) RGB.
        labels: 0 real, 1 generated, where known. perturbations: as `--perturb` takes them; `none` for as they are.
        workers: processes that decode files; 0 decodes in this one.

        Returns:
            One row per (picture, detector, perturbation) with the columns of the score files: `path` is the file's,
            or `picture N` of pictures that come from memory; `label` is -1 where unknown; `logit` is positive
            for generated, `score` = sigmoid(logit) = P(generated), both NaN where `error` says why.

        Raises:
            UserError: an array of another shape or type, or an unknown perturbation.
        """
        import pandas as pd

        columns = ["detector", "dataset", "paradigm", "generator", "perturbation", "path", "label"]
        rows = [
            {"detector": one.detector, "dataset": "", "perturbation": one.perturbation, **one.row("", "")}
            for one in self._scores(pictures, labels, perturbations, workers)
        ]
        frame = pd.DataFrame(rows, columns=[*columns, "logit", "score", "error"])
        return frame.astype({"label": "int8", "logit": "float32", "score": "float64"})

    def _scores(
        self,
        pictures: Sequence[str | PictureFile | Image] | np.ndarray,
        labels: Sequence[int] | None,
        perturbations: Sequence[str],
        workers: int,
    ) -> Iterator[PictureScore]:
        from torch.utils.data import DataLoader

        from benchmarks.loading.memory import GivenPictures
        from benchmarks.loading.samples import keep_list
        from benchmarks.loading.scoring import score_prepared
        from benchmarks.perturbations import parse_perturbation

        parsed = [parse_perturbation(name, self.catalogs.perturbations) for name in perturbations]
        given = GivenPictures(
            pictures,
            labels,
            parsed,
            self.pipeline.views(),
            seed=self.settings.seed,
            max_pixels=self.settings.max_pixels,
        )
        loader = DataLoader(
            given,
            batch_size=self.settings.batch_size,
            num_workers=workers,
            collate_fn=keep_list,
            pin_memory=self.encoders.device.type == "cuda",
        )
        try:
            for batch in loader:
                yield from score_prepared(self.pipeline, batch, list(self.detectors))
        finally:
            self.keep_features()

    def keep_features(self) -> None:
        """Write what encoders gave to the feature store, where there is one."""
        if self.encoders.store is not None:
            self.encoders.store.flush()


def open_session(
    settings: SessionSettings | None = None,
    *,
    catalogs: Catalogs | None = None,
    labels: Sequence[str] | None = None,
    training: bool = False,
    encoder_seed: int | None = None,
    **values: Any,
) -> Session:
    """Load plugins, build every detector of the settings and load its weights.

    From then on this process keeps memory that it frees on a CPU, and computes float32 on a GPU as it is, not in TF32.

    settings: or its fields as keywords; `detectors` may then be names: `open_session(detectors=["univfd"],
        weights={"univfd": "fc_weights.pth"})`.
    catalogs: what is registered; by default all plugins, those of the settings too.
    labels: the detectors that `weights` may name, where these are only some of a larger set.
    training: detectors begin from the random seed unless their own settings name a file.
    encoder_seed: random seed of untrained encoders; that of the settings if not given.

    Raises:
        UserError: an unknown name or option, a protocol that a detector does not offer, two of one label, or nothing can be
            compiled here where that was asked for.
        WeightsError: weights are missing (and `allow_untrained` is off) or do not fit.
    """
    from benchmarks.loading.tensor_float import use_tensor_float
    from benchmarks.ranks import choose_device
    from registry.encoder import EncoderPool

    if settings is None:
        settings = _settings(values)
    catalogs = load_catalogs(settings.plugins) if catalogs is None else catalogs
    locator = Locator(catalogs, settings.weights, settings.labels if labels is None else labels)
    device = choose_device(settings.device)
    if device == "cpu":
        keep_freed_memory()
    use_tensor_float(False)
    encoders = EncoderPool(
        catalogs.encoders,
        locator.resolve,
        allow_untrained=settings.allow_untrained,
        seed=settings.seed if encoder_seed is None else encoder_seed,
        device=device,
        precision="float32" if settings.precision == AUTO else settings.precision,
        at_once=settings.micro_batch if isinstance(settings.micro_batch, int) else None,
        compile=settings.compile,
    )
    if settings.features is not None:
        from benchmarks.loading.feature_store import FeatureStore

        encoders.store = FeatureStore(settings.features, settings.features_size)
    session = Session(settings, catalogs, device, encoders)
    for wanted in settings.detectors:
        if wanted.shown in session.records:
            raise UserError(
                f"two detectors are called {wanted.shown!r}: give one a label, LABEL={wanted.name}"
            )
        load_detector(session, wanted, locator, training)
    if set(locator.labels) <= set(session.detectors):
        # one of a larger set, or a failed one, may be what reads the rest
        locator.check_read({name for record in session.records.values() for name in record["encoders"]})
    return session


def _settings(values: dict[str, Any]) -> SessionSettings:
    detectors = [{"name": one} if isinstance(one, str) else one for one in values.get("detectors", [])]
    return parse_settings(SessionSettings, {**values, "detectors": detectors}, "open_session")


def load_detector(
    session: Session, wanted: DetectorSettings, locator: Locator, training: bool = False
) -> None:
    """Build one detector, load its weights and put it into the session with its record, or the reason into `failed`.

    Raises:
        UserError, WeightsError: as `open_session`.
    """
    entry = session.catalogs.detectors.entry(wanted.name)
    card: DetectorCard = entry.card
    settings = session.settings
    if training:
        file = locator.detector(wanted.name, wanted.shown, wanted.weights) if wanted.weights else None
    else:
        file = locator.detector(wanted.name, wanted.shown, wanted.weights)
        if file is None and card.needs_weights and not settings.allow_untrained:
            raise _no_weights(wanted, card)
    known = trained_on(card, file)
    record: dict[str, Any] = {
        "name": wanted.name,
        "origin": entry.origin,
        "options": dict(wanted.options),
        "protocol": settings.protocol,
        "weights": None if file is None else {"file": file.path.name, "sha256": file.sha256},
        "identity": "",
        "encoders": {},
        "inputs": {},
        "untrained": False,
        "untrained_parts": [],
        "failed": None,
        "trained_on": known.text,
        "training": known.training,
        **({"group": wanted.group, "seed": wanted.seed} if wanted.group else {}),
        # the card's word on its published weights, which these need not be, would be read as theirs
        "card": {key: value for key, value in dataclasses.asdict(card).items() if key != "trained_on"},
    }
    session.records[wanted.shown] = record
    try:
        options = {**wanted.options, **_protocol_option(entry.load(), wanted, card, settings.protocol)}
        record |= {"options": options, "protocol": options.get("protocol", card.protocols[0])}
        detector = _build(session, wanted, options, file)
        record["inputs"] = {key: repr(source) for key, source in detector.inputs.items()}
        record["encoders"] = _encoder_identities(detector, session.encoders, build=not training)
        record["identity"] = detector.identity()
    except LoadError as error:
        session.failed[wanted.shown] = record["failed"] = str(error)
        return
    except UserError:
        raise
    except Exception as error:
        # a stranger's constructor may raise anything; it fails alone and the table says why
        session.failed[wanted.shown] = record["failed"] = f"{type(error).__name__}: {error}"
        return
    own = [wanted.name] if file is None and card.needs_weights else []
    record["untrained_parts"] = own + [
        name for name in record["encoders"] if name in session.encoders.untrained
    ]
    record["untrained"] = bool(record["untrained_parts"])
    session.detectors[wanted.shown] = detector


def _build(
    session: Session, wanted: DetectorSettings, options: dict[str, Any], file: WeightsFile | None
) -> Detector:
    from registry.encoder import seeded_init

    with seeded_init(wanted.name, session.settings.seed):
        detector: Detector = session.catalogs.detectors.create(wanted.name, **options)
    if file is not None:
        detector.load_weights(file.path)
    return detector.to(session.device)


def _encoder_identities(detector: Detector, pool: EncoderPool, *, build: bool) -> dict[str, str]:
    """The variants of the encoders that a detector reads, and what identifies each.

    build: build them, so that a file that does not fit shows now; a training may find all features in its cache.
    """
    from registry import Feature

    identities = {}
    for source in detector.inputs.values():
        if isinstance(source, Feature):
            if build:
                pool.get(source.encoder)
            identities[source.encoder.variant] = pool.identity(source.encoder)
    return identities


def _protocol_option(
    factory: Any, wanted: DetectorSettings, card: DetectorCard, protocol: str
) -> dict[str, str]:
    from registry.protocol import takes_protocol

    takes_it = takes_protocol(factory)
    if len(card.protocols) > 1 and not takes_it:
        raise LoadError(
            f"{wanted.name!r} is registered with the input protocols {', '.join(card.protocols)}, but its "
            "constructor takes no `protocol`"
        )
    if "protocol" in wanted.options:
        return {}
    if protocol not in card.protocols:
        raise UserError(
            f"detector {wanted.name!r} offers the input protocol {' or '.join(card.protocols)}, not {protocol}"
        )
    return {"protocol": protocol} if takes_it else {}


def _no_weights(wanted: DetectorSettings, card: DetectorCard) -> WeightsError:
    get = f"get them with `d3qe-bench weights get {wanted.name}`, " if card.weights else ""
    return WeightsError(
        f"detector {wanted.shown!r} has no weights: {get}name a file with "
        f"`--weights {wanted.shown}=PATH`, or pass --allow-untrained"
    )
