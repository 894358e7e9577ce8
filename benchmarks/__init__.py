"""Everything that is not a detector: data sets, perturbations, metrics, runner, reports."""
