"""A plugin that lives outside the project: its tests install it as a stranger's package."""

from registry import hookimpl


@hookimpl
def register_detectors(register):
    register(
        "stranger_sharpness",
        "stranger_bench.detector:Sharpness",
        summary="Mean absolute difference of neighbouring pixels",
        licence="MIT",
        needs_weights=False,
    )


@hookimpl
def register_datasets(register):
    register(
        "stranger_tiles",
        "stranger_bench.dataset:scan",
        summary="real-*.png and fake-*.png side by side in one folder",
        layout=True,
    )
