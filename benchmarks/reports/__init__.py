"""Tables and pages from the metrics files of run folders; nothing here computes a metric."""

from benchmarks.reports.documents import render
from benchmarks.reports.load import load_metrics
from benchmarks.reports.terminal import print_runs

__all__ = ["load_metrics", "print_runs", "render"]
