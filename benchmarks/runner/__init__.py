"""The evaluation run: what is asked, what is still to do, the mmengine loop, and the run folder."""
