"""The one place that knows which plugins, which weights files and which networks a command works with.

    from benchmarks.loading import open_session

    session = open_session(detectors=["random_score"])
    frame = session.score(["picture.png"])
"""

from benchmarks.loading.catalogs import load_catalogs
from benchmarks.loading.locate import Locator
from benchmarks.loading.session import Session, open_session

__all__ = ["Locator", "Session", "load_catalogs", "open_session"]
