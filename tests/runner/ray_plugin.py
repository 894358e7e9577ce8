"""Detectors that behave badly in the actors of a Ray run alone, loaded with `--plugin`."""

from __future__ import annotations

import os
import signal

from registry import UserError, hookimpl
from tests.runner.plugin_file import Brightness


def in_an_actor() -> bool:
    return "LOCAL_RANK" in os.environ


class Refused(Brightness):
    """Cannot be built in an actor."""

    def __init__(self):
        super().__init__()
        if in_an_actor():
            raise UserError("no licence\nin this process")


class Deadly(Brightness):
    """Ends an actor's process on a white picture."""

    def forward(self, inputs):
        if in_an_actor() and (inputs["picture"].mean(dim=(1, 2, 3)) > 0.9).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(inputs)


@hookimpl
def register_detectors(register):
    for detector in (Refused, Deadly):
        register(detector.__name__.lower(), detector, summary=detector.__doc__, needs_weights=False)
