"""How each network of the mini benchmark is trained; needed by `benchmarks.mini.build` only."""
