"""Which paradigm a generator belongs to, by its name: autoregressive, GAN or diffusion."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from registry.dataset import PARADIGMS, UNKNOWN_PARADIGM
from registry.errors import UserError, nearest

_GENERATORS = {
    # ARForensics (its first upload held MAR) and other autoregressive models. UniversalFakeDetect's
    # `dalle` is DALL-E mini, which samples codebook indices one by one.
    "AR": """infinity januspro janus rar switti var llamagen openmagvit2 mar mindalle rqtransformer rqvae
        dalle dallemini parti cogview emu3 showo maskgit vqgan taming gpt4o gptimage nova har lumina-mgpt
        xar anole chameleon liquid""",
    # ForenSynths, AIGCDetectBenchmark, AIGIBench. `whichfaceisreal` (WFIR) is StyleGAN.
    "GAN": """progan stylegan stylegan2 stylegan3 styleganxl biggan cyclegan stargan gaugan whichfaceisreal
        wfir infomaxgan attgan began cramergan mmdgan relgan s3gan sngan stgan styleswim styleswin r3gan
        gigagan projectedgan gansformer denoisinggan dcgan""",
    # AIGCDetectBenchmark, GenImage, UniversalFakeDetect, AIGIBench
    "diffusion": """adm guided ldm glide midjourney stablediffusion sd sdv4 sdv5 sd14 sd15 sd21 sd3 sd35 sdxl
        vqdm vqdiffusion wukong dalle2 dalle3 flux flux1 ddpm ddim iddpm pndm imagen imagen3 dit pixart
        deepfloyd kandinsky playground ideogram firefly blip infiniteid instantid ipadapter photomaker pulid
        sdv14 sdv15 sdv21""",
}
_BY_NAME = {
    re.sub(r"[^a-z0-9]", "", name): paradigm
    for paradigm, names in _GENERATORS.items()
    for name in names.split()
}
_FOLDERS = {
    "ar": "AR",
    "autoregressive": "AR",
    "gan": "GAN",
    "gans": "GAN",
    "diffusion": "diffusion",
    "diffusions": "diffusion",
    "dm": "diffusion",
    "unified": "unified",
    "closed": "closed",
}
_PREFIXES = re.compile(r"imagenet|ai|\d{4}")
"""Leading words of GenImage's archive names, such as `imagenet_ai_0419_sdv4`."""


def paradigm_of(generator: str) -> str:
    """The paradigm of a generator, or `unknown`.

    Case and punctuation do not count, and words after the name may follow: `Janus_Pro`,
    `janus-pro-7B` and `StyleGAN2-church` are known.
    """
    name = known_as(generator, _BY_NAME)
    return _BY_NAME[name] if name else UNKNOWN_PARADIGM


def known_as(generator: str, names: Collection[str]) -> str | None:
    """Which of `names`, in small letters and digits, a generator goes by: the longest that it begins with, or None."""
    words = _words(generator)
    while words and _PREFIXES.fullmatch(words[0]):
        words = words[1:]
    for length in range(len(words), 0, -1):
        if (name := "".join(words[:length])) in names:
            return name
    return None


def same_generator(one: str, other: str) -> bool:
    """Whether two names differ in case and punctuation at most."""
    return "".join(_words(one)) == "".join(_words(other))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.casefold())


def paradigm_of_folder(name: str) -> str | None:
    """The paradigm that a folder is named after (`AR`, `GANs`, `Diffusion`), or None."""
    return _FOLDERS.get(name.casefold())


def check_paradigms(overrides: Mapping[str, str]) -> None:
    """Raise `UserError` for a paradigm that does not exist."""
    allowed = (*PARADIGMS, UNKNOWN_PARADIGM)
    for generator, paradigm in overrides.items():
        if paradigm not in allowed:
            raise UserError(
                f"paradigm {paradigm!r} of generator {generator!r} does not exist{nearest(paradigm, allowed)} "
                f"(known: {', '.join(allowed)})"
            )
