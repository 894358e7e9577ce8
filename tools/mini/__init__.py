"""Builds the mini benchmark: photographs, generators, pictures, weights. Not installed; run from a checkout."""
