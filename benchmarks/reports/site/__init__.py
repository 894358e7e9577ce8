"""A static site of submitted rows: one page per detector, test set and paradigm."""

from benchmarks.reports.site.pages import write_site

__all__ = ["write_site"]
