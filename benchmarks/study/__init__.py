"""How well a detector trained on one paradigm's pictures does on the others'."""
