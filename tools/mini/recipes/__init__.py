"""How each network of the mini benchmark is trained; needed by `tools.mini.build` only."""
