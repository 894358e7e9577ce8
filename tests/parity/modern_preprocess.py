"""What the newer detectors read of the picture files of `write_image_files`, which do not depend on the seed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from baselines.bfree import BFree
from baselines.commfor import CommunityForensics
from baselines.dda import DDA
from baselines.effort import Effort
from baselines.res50nodown import Res50NoDown
from baselines.safe import SAFE
from baselines.warpad import WaRPAD
from registry import View
from tests.golden.seeded import write_image_files
from tests.parity.filling import Arrays

SMALL = {"width": 16, "layers": 1, "heads": 1}


def views() -> dict[str, View]:
    """The view of each golden name, of detectors that are built small."""
    return {
        "commfor_384": CommunityForensics(**SMALL).view,
        "commfor_224": CommunityForensics(size=224, **SMALL).view,
        "res50nodown": Res50NoDown(blocks=(1, 1, 1, 1)).view,
        "dda": DDA(**SMALL).view,
        "bfree": BFree(**SMALL).view,
        "effort": Effort(**SMALL).view,
        "effort_ufd": Effort(variant="universalfakedetect", **SMALL).view,
        "safe": SAFE().view,
        "warpad": WaRPAD().inputs["clean"].view,
    }


def pictures() -> dict[str, Image.Image]:
    """The picture files as a runner opens them: name without suffix → RGB picture."""
    with TemporaryDirectory() as folder:
        return {path.stem: Image.open(path).convert("RGB") for path in write_image_files(Path(folder))}


def arrays(seed: int) -> Arrays:
    found: Arrays = {}
    opened = pictures()
    for name, view in views().items():
        for stem, picture in opened.items():
            tensor = view(picture)
            found[f"{name}__{stem}"] = tensor[..., ::16, ::16].numpy()
            found[f"{name}__{stem}__sum"] = tensor.double().sum().numpy()
            found[f"{name}__{stem}__shape"] = np.array(tensor.shape)
    return found
