"""The one reader and writer of a run folder: `run.json`, score files, `metrics.json`, submissions.

Every document has a model here. It checks what is read, it is what is written, and the published JSON
schemas are made of it. A key that a model does not know is kept: another version wrote it.
"""
