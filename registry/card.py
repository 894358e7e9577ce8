"""What is known of a registered thing without loading it: who made it, from what, under which terms."""

from __future__ import annotations

from dataclasses import dataclass, fields

from registry.errors import UserError, nearest

PROTOCOLS = ("original", "uniform")


@dataclass(frozen=True)
class PublishedWeights:
    """Where a published weights file lies and how to know it.

    source: `hf:<owner>/<repository>` for the Hugging Face hub, an https address, or
        `package:<module>` for a file that an installed package ships.
    file: the file's name there.
    sha256: of the published file, lower case, or how it begins; empty where nobody has recorded it.
    trained_on: the training set of this file, where it is another than the card's.
    """

    source: str
    file: str
    licence: str = ""
    sha256: str = ""
    trained_on: str = ""


@dataclass(frozen=True)
class Reported:
    """A figure somebody published: never measured here and never ranked beside measured ones.

    metric: a metric's name in this project (`acc`, `ap`); value: in [0, 1].
    source: the publication; `secondary: …` where it was taken from a summary of it.
    """

    on: str
    metric: str
    value: float
    source: str


@dataclass(frozen=True)
class Card:
    """Facts common to everything that can be registered."""

    summary: str = ""
    paper: str = ""
    licence: str = ""


@dataclass(frozen=True)
class DetectorCard(Card):
    """Facts about a detector.

    trained_on: the training set of the published weights; of a detector that needs none, what it has learned from.
    protocols: input protocols it offers, the default first. `original` is the published
        preprocessing; `uniform` is the same resize and crop for all detectors. One that offers more
        than one takes `protocol` in its constructor.
    inputs: names of the inputs that it was published with, where there are several, the default first: values of its
        option `input`.
    needs_weights: False for detectors that have nothing to learn.
    tables: whose published tables the default input is that of, and the option for others. Figures of other inputs
        are not comparable.
    white_box_for: generators whose own parts it reads. It is marked on their test sets and has no rank in
        means over others.
    """

    trained_on: str = ""
    tables: str = ""
    protocols: tuple[str, ...] = ("original",)
    inputs: tuple[str, ...] = ()
    weights: tuple[PublishedWeights, ...] = ()
    reported: tuple[Reported, ...] = ()
    needs_weights: bool = True
    white_box_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class EncoderCard(Card):
    """Facts about a frozen encoder.

    variants: what follows its name and a slash where one name stands for many networks, such as `MODEL/TAG`;
        `Encoder.published_weights` then knows where each lies.
    """

    trained_on: str = ""
    weights: tuple[PublishedWeights, ...] = ()
    variants: str = ""


@dataclass(frozen=True)
class DatasetCard(Card):
    """Facts about a data set source.

    layout: True for an on-disk layout that reads any folder it recognises, and so takes part in
        detection; False for a named data set that knows where its pictures are.
    takes: what else than a folder or file of this machine a layout reads: `addresses`, `patterns`.
    """

    layout: bool = False
    takes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PerturbationCard(Card):
    """Facts about a perturbation. parameter: what the text after the colon means, with its range."""

    parameter: str = ""


@dataclass(frozen=True)
class MetricCard(Card):
    """Facts about a metric. higher_is_better decides what bold means in a table."""

    higher_is_better: bool = True


@dataclass(frozen=True)
class FigureCard(Card):
    """Facts about a figure. of: names of the detectors that it can be drawn of."""

    of: tuple[str, ...] = ()


def make_card(card_class: type[Card], facts: dict[str, object]) -> Card:
    """A card of `card_class` from keyword facts; an unknown fact is refused with the nearest one."""
    allowed = [field.name for field in fields(card_class)]
    for key in facts:
        if key not in allowed:
            raise UserError(
                f"{card_class.__name__} has no fact {key!r}{nearest(key, allowed)} (known: {', '.join(allowed)})"
            )
    return card_class(**facts)  # type: ignore[arg-type]
