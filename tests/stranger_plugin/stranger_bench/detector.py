"""Calls smooth pictures generated."""

from registry import Detector, View


class Sharpness(Detector):
    """logit = threshold - mean absolute difference of horizontal neighbours, in 8-bit levels."""

    def __init__(self, threshold=10.0):
        super().__init__()
        self.threshold = threshold

    @property
    def inputs(self):
        return {"image": View(resize=64, crop=64, scale=255.0)}

    def forward(self, inputs):
        return self.threshold - inputs["image"].diff(dim=-1).abs().mean(dim=(1, 2, 3))
