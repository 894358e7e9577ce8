"""The published JSON schemas, made of the models. Write them with

python -m benchmarks.runfolder.schemas [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.files import write_json
from benchmarks.runfolder.document import json_schema
from benchmarks.runfolder.metrics_file import MetricsFile
from benchmarks.runfolder.record import RunRecord
from benchmarks.runfolder.submission import SubmissionFile

PUBLISHED = Path(__file__).parents[1] / "schemas"
SCHEMAS: dict[str, Any] = {
    "run.schema.json": RunRecord,
    "metrics.schema.json": MetricsFile,
    "submission.schema.json": SubmissionFile,
}


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PUBLISHED
    for name, model in SCHEMAS.items():
        write_json(folder / name, json_schema(model))


if __name__ == "__main__":
    main()
