"""Metrics: pure functions of (labels, logits), their bootstrap intervals, and the metrics file of a run.

A metric is `metric(labels, logits) -> float`:

- labels: integers, shape (N,), 0 real and 1 generated;
- logits: float32, shape (N,), higher = more likely generated; a picture is called generated where
  logit > 0, which is score = sigmoid(logit) > 0.5.

It raises `Undefined` (or returns NaN) where it has no value. Rates are in [0, 1].
"""
