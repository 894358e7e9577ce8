"""How is a detector fed? How far its metric moves with resize or crop, size and interpolation."""
