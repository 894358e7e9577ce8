"""Audits of a data set: shortcuts in the files, duplicates, overlap of training and test."""

from benchmarks.audits.audit import audit
from benchmarks.audits.report import AuditReport

__all__ = ["AuditReport", "audit"]
