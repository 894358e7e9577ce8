"""Reads the number after the colon of a perturbation's name."""

from __future__ import annotations

from registry.errors import UserError


def number(name: str, text: str, low: float, high: float, example: str) -> float:
    """The parameter of perturbation `name` as a number in [low, high].

    Raises:
        UserError: absent, not a number, or out of range.
    """
    wanted = f"{name} takes a number from {low:g} to {high:g}, such as {name}:{example}"
    try:
        value = float(text)
    except ValueError:
        got = f", got {text!r}" if text else ""
        raise UserError(f"{wanted}{got}") from None
    if not low <= value <= high:
        raise UserError(f"{wanted}, got {text}")
    return value


def whole_number(name: str, text: str, low: int, high: int, example: str) -> int:
    """As `number`, for parameters without a fraction."""
    value = number(name, text, low, high, example)
    if value != int(value):
        raise UserError(f"{name} takes a whole number from {low} to {high}, got {text}")
    return int(value)


def no_parameter(name: str, text: str) -> None:
    """Raise `UserError` if perturbation `name`, which takes no parameter, was given one."""
    if text:
        raise UserError(f"{name} takes no parameter, got {text!r}")
