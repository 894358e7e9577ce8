"""Registers the wrapped baselines. Imports no torch."""

from __future__ import annotations

from baselines.plugin_modern import register_modern, register_modern_encoders
from registry import PROTOCOLS, PublishedWeights, Reported, hookimpl
from registry.hookspecs import Register

_GITHUB = "https://raw.githubusercontent.com"
_TORCHVISION = "https://download.pytorch.org/models"
_SIDBENCH = "hf:dkarageo/sidbench"
_RINE = f"{_GITHUB}/mever-team/rine/9b7fd5857cc205d0412be6aeee0d7611b95bd620/ckpt"
_IAR = "Data Provenance for Image Auto-Regressive Generation, github.com/sprintml/DataProvenanceIAR"
_PRADA = "PRADA, CVPR 2026 Findings, github.com/jonasricker/prada"
_PRADA_WEIGHTS = f"{_GITHUB}/jonasricker/prada/a2e3670516e404d293c59f71602c7fc46d87d13e/prada_weights"
_AIGCDETECT = "ForenSynths ProGAN, 20 classes, by AIGCDetectBenchmark"
_RETRAINED = "D³QE, arXiv 2510.05891, after retraining on ARForensics' LlamaGen split"


@hookimpl
def register_encoders(register: Register) -> None:
    """The frozen networks that only baselines read."""
    register(
        "lnp-denoiser/sidd",
        "baselines.denoiser:Denoiser",
        summary="RGB denoiser that returns the noise pattern, in front of LNP",
        paper="CycleISP, CVPR 2020, arXiv 2003.07761",
        trained_on="SIDD",
    )
    for name, factory, file in (
        ("resnet18/imagenet", "resnet18", "resnet18-f37072fd.pth"),
        ("resnet50/imagenet", "ImageNetResNet", "resnet50-0676ba61.pth"),
    ):
        register(
            name,
            f"baselines.imagenet:{factory}",
            summary="torchvision's network: a frozen feature, or the `start` of a training",
            paper="Deep Residual Learning, CVPR 2016, arXiv 1512.03385",
            licence="BSD-3-Clause",
            trained_on="ImageNet",
            # torchvision's file names end in the first digits of the hash
            weights=(
                PublishedWeights(
                    _TORCHVISION, file, licence="BSD-3-Clause", sha256=file.removesuffix(".pth").split("-")[1]
                ),
            ),
        )
    for name, target, file in (
        ("llamagen-gpt-b", "LlamaGenGPT", "c2i_B_256.pt"),
        ("llamagen-gpt-l", "llamagen_gpt_l", "c2i_L_256.pt"),
    ):
        register(
            name,
            f"baselines.llamagen_gpt:{target}",
            summary="LlamaGen's transformer: likelihoods of the 256 tokens of llamagen-vq16",
            paper="LlamaGen, arXiv 2406.06525",
            licence="MIT",
            trained_on="ImageNet",
            weights=(PublishedWeights("hf:FoundationVision/LlamaGen", file, licence="MIT"),),
        )
    for depth in (20, 30):
        register(
            f"var-d{depth}",
            f"baselines.var:var_d{depth}",
            summary=f"VAR's transformer of depth {depth}: likelihoods of the 680 tokens of var-vq16",
            paper="VAR, NeurIPS 2024, arXiv 2404.02905",
            licence="MIT",
            trained_on="ImageNet",
            weights=(PublishedWeights("hf:FoundationVision/var", f"var_d{depth}.pth", licence="MIT"),),
        )
    register(
        "open_clip",
        "baselines.backbones:OpenClipBackbone",
        summary="image tower of any open_clip model",
        licence="MIT",
        variants="MODEL/TAG",
    )
    register(
        "timm",
        "baselines.backbones:TimmBackbone",
        summary="any timm model without its classifier",
        licence="Apache-2.0",
        variants="MODEL",
    )
    register_modern_encoders(register)


@hookimpl
def register_detectors(register: Register) -> None:
    """The baselines, one file each."""
    register(
        "univfd",
        "baselines.univfd:UnivFD",
        protocols=PROTOCOLS,
        summary="linear classifier on the frozen CLIP ViT-L/14 feature",
        paper="Towards Universal Fake Image Detectors, CVPR 2023, arXiv 2302.10174",
        licence="MIT",
        trained_on="ForenSynths ProGAN, 20 classes",
        tables="UnivFD; AIGCDetectBenchmark's with input: AIGCDetectBenchmark",
        inputs=("UniversalFakeDetect", "AIGCDetectBenchmark"),
        weights=(
            PublishedWeights(
                f"{_GITHUB}/WisconsinAIVision/UniversalFakeDetect/"
                "76a0e3e60a8a06458707a625d269ba815a2e5919/pretrained_weights",
                "fc_weights.pth",
                licence="MIT",
                sha256="477100745713bcc957beb2b40859536859b6483fd6301b3b9293151b194c7847",
            ),
        ),
        reported=(Reported("VAR", "acc", 0.8053, _RETRAINED),),
    )
    register(
        "cnnspot",
        "baselines.cnnspot:CNNSpot",
        protocols=PROTOCOLS,
        summary="ResNet-50 on the picture",
        paper="CNN-generated images are surprisingly easy to spot, CVPR 2020, arXiv 1912.11035",
        licence="CC BY-NC-SA 4.0",
        trained_on="ForenSynths ProGAN, 20 classes",
        tables="CNNDetection; AIGCDetectBenchmark's with input: AIGCDetectBenchmark",
        inputs=("ForenSynths", "AIGCDetectBenchmark"),
        weights=(
            PublishedWeights(_SIDBENCH, "blur_jpg_prob0.5.pth", licence="CC BY-NC-SA 4.0"),
            PublishedWeights(_SIDBENCH, "blur_jpg_prob0.1.pth", licence="CC BY-NC-SA 4.0"),
        ),
        reported=(
            Reported("VAR", "acc", 0.5026, _RETRAINED),
            Reported("LlamaGen", "acc", 0.999, _RETRAINED),
        ),
    )
    register(
        "ferretnet_s",
        "baselines.ferretnet:FerretNet",
        protocols=PROTOCOLS,
        summary="small network (126k parameters) on the difference from the neighbours' median",
        paper="FerretNet, NeurIPS 2025, arXiv 2509.20890",
        licence="Apache-2.0",
        trained_on="ForenSynths ProGAN, 4 classes (car, cat, chair, horse)",
        tables="FerretNet",
        weights=(
            PublishedWeights(
                f"{_GITHUB}/xigua7105/FerretNet/e92796c1a2fb07ccc57ecd7e718e6dce067be5fa/"
                "checkpoints/4cls_ckpt",
                "ferretnet-s-median-3.pth",
                licence="Apache-2.0",
                sha256="5604ab1ade78dc615181b7d014242bf26f7bc5e2bc82351e6e8d42ce5f28f485",
            ),
        ),
    )
    register(
        "fredect",
        "baselines.fredect:FreDect",
        protocols=PROTOCOLS,
        summary="ResNet-50 on the logarithmic cosine spectrum",
        paper="Leveraging Frequency Analysis for Deep Fake Image Recognition, ICML 2020, arXiv 2003.08685",
        trained_on=_AIGCDETECT,
        tables="AIGCDetectBenchmark",
        weights=tuple(
            PublishedWeights(_SIDBENCH, file) for file in ("DCTAnalysis.pth", "dct_mean", "dct_var")
        ),
    )
    register(
        "gramnet",
        "baselines.gramnet:GramNet",
        protocols=PROTOCOLS,
        inputs=("AIGCDetectBenchmark", "whole"),
        summary="ResNet-18 with branches on Gram matrices of its feature maps",
        paper="Global Texture Enhancement for Fake Face Detection in the Wild, CVPR 2020, arXiv 2002.00133",
        trained_on=_AIGCDETECT,
        tables="AIGCDetectBenchmark",
        weights=(PublishedWeights(_SIDBENCH, "Gram.pth"),),
    )
    register(
        "lnp",
        "baselines.lnp:LNP",
        protocols=PROTOCOLS,
        summary="ResNet-50 on the noise pattern that a denoiser finds",
        paper="Detecting Generated Images by Real Images, ECCV 2022",
        trained_on=_AIGCDETECT,
        tables="AIGCDetectBenchmark",
    )
    register(
        "npr",
        "baselines.npr:NPR",
        protocols=PROTOCOLS,
        inputs=("GANGen-Detection", "ForenSynths", "DiffusionForensics", "UniversalFakeDetect"),
        summary="cut ResNet-50 on differences of neighbouring pixels",
        paper="Rethinking the Up-Sampling Operations in CNN-based Generative Network, CVPR 2024, arXiv 2312.10461",
        trained_on="ForenSynths ProGAN, 4 classes (car, cat, chair, horse)",
        tables="NPR on GANGen-Detection; its others with input: ForenSynths, DiffusionForensics or UniversalFakeDetect",
        weights=(
            PublishedWeights(
                f"{_GITHUB}/chuangchuangtan/NPR-DeepfakeDetection/73cde1ced21291bfb504a2add2b53fbe99c4f433",
                "NPR.pth",
            ),
        ),
    )
    register(
        "rine",
        "baselines.rine:RINE",
        protocols=PROTOCOLS,
        inputs=("ForenSynths", "UniversalFakeDetect", "Synthbuster"),
        summary="class tokens of all CLIP ViT-L/14 blocks through learned weights and an MLP",
        paper="Leveraging Representations from Intermediate Encoder-blocks, ECCV 2024, arXiv 2402.19091",
        licence="Apache-2.0",
        trained_on="ForenSynths ProGAN, 4 classes (car, cat, chair, horse)",
        tables="RINE on ForenSynths and UniversalFakeDetect; on Synthbuster (all of variant ldm) with input: Synthbuster",
        weights=(
            PublishedWeights(_RINE, "model_4class_trainable.pth", licence="Apache-2.0"),
            PublishedWeights(
                _RINE,
                "model_2class_trainable.pth",
                licence="Apache-2.0",
                sha256="680d301b6d191da85b9dabcebf42cd3df20c5c669fa8320c498f835d02bf5ccb",
                trained_on="ForenSynths ProGAN, 2 classes (chair, horse)",
            ),
            PublishedWeights(
                _RINE,
                "model_1class_trainable.pth",
                licence="Apache-2.0",
                trained_on="ForenSynths ProGAN, 1 class (horse)",
            ),
            PublishedWeights(
                _RINE,
                "model_ldm_trainable.pth",
                licence="Apache-2.0",
                trained_on="latent diffusion training set of DMimageDetection",
            ),
        ),
    )
    register(
        "fusing",
        "baselines.fusing:Fusing",
        protocols=PROTOCOLS,
        summary="ResNet-50 on the picture and its most active patches, joined by attention",
        paper="Fusing Global and Local Features, ICIP 2022, arXiv 2203.13964",
        trained_on=_AIGCDETECT,
        tables="AIGCDetectBenchmark",
        weights=(PublishedWeights(_SIDBENCH, "PSM.pth"),),
    )
    register_modern(register)
    register(
        "linear_probe",
        "baselines.linear_probe:LinearProbe",
        protocols=PROTOCOLS,
        summary="linear classifier on any frozen open_clip or timm backbone, to be trained",
        paper="the recipe of UnivFD, arXiv 2302.10174, on other backbones",
        licence="MIT",
        trained_on="nothing: no weights are published",
    )
    register(
        "random_score",
        "baselines.random_score:RandomScore",
        protocols=PROTOCOLS,
        summary="uniform scores drawn from the picture's bytes: the floor, and a check for leaks",
        licence="MIT",
        trained_on="nothing",
        needs_weights=False,
    )
    for name, target, generator, summary in (
        ("iar", "iar:IAR", "LlamaGen", "what a second encoding of the reconstruction changes (EncLoss)"),
        ("iar_quant", "iar:iar_quant", "LlamaGen", "distance of the latent and its codes (QuantLoss)"),
        ("iar_combined", "iar:iar_combined", "LlamaGen", "EncLoss × QuantLoss"),
        ("iar_mini", "mini:iar_mini", "raster", "EncLoss of the first mini tokenizer"),
        ("iar_quant_mini", "mini:iar_quant_mini", "raster", "QuantLoss of the first mini tokenizer"),
        ("iar_combined_mini", "mini:iar_combined_mini", "raster", "EncLoss × QuantLoss of the same"),
        ("iar_scale_mini", "mini:iar_scale_mini", "next_scale", "EncLoss × QuantLoss of the second one"),
    ):
        register(
            name,
            f"baselines.{target}",
            summary=f"white box for {generator}: {summary}",
            paper=_IAR,
            licence="MIT",
            trained_on="nothing: the tokenizer's weights are all there is",
            **({} if "mini" in target else {"tables": "IAR's of LlamaGen at 384 px"}),
            white_box_for=(generator,),
            protocols=PROTOCOLS,
            needs_weights=False,
        )
    register(
        "aeroblade",
        "baselines.aeroblade:Aeroblade",
        summary="white box for LlamaGen: LPIPS distance of a picture and its reconstruction",
        paper="AEROBLADE, CVPR 2024, arXiv 2401.17879; on tokenizers by PRADA, github.com/jonasricker/prada",
        licence="MIT; LPIPS BSD-2-Clause; VGG-16 BSD-3-Clause",
        trained_on="nothing: LPIPS' weights, of human judgements",
        white_box_for=("LlamaGen",),
        weights=(
            PublishedWeights(_TORCHVISION, "vgg16-397923af.pth", "BSD-3-Clause", "397923af"),
            PublishedWeights(
                f"{_GITHUB}/richzhang/PerceptualSimilarity/082bb24f84c091ea94de2867d34c4544f68e0963/lpips/weights/v0.1",
                "vgg.pth",
                "BSD-2-Clause",
                "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
            ),
        ),
    )
    for name, target, head, generator, digest in (
        ("prada", "PRADA", "llamagen_b256", "LlamaGen-B", "6849730ed5536b7eb2e450655cf2b0cbe8d399f5c46f4d264ed9c3e2f089a498"),
        ("prada_llamagen_l", "prada_llamagen_l", "llamagen_l256", "LlamaGen-L", "2e2453474e531006925d91f3a0f8518455e59495eb4840e6fa56a84f5584773c"),
        ("prada_var_d20", "prada_var_d20", "var_d20", "VAR-d20", "abd17bcdba1772efe4eb48e34bb30f207cff6d54479307ef2a502f2fd6c3ddfb"),
        ("prada_var_d30", "prada_var_d30", "var_d30", "VAR-d30", "00c30e27eda769e7d1915be256c452e22ac403a22df48a775a2ab57f41f0578f"),
    ):  # fmt: skip
        register(
            name,
            f"baselines.prada:{target}",
            inputs=("adm", "lanczos") if generator.startswith("LlamaGen") else ("lanczos", "adm"),
            summary=f"white box for {generator}: likelihood of the tokens with and without a class",
            paper=_PRADA,
            licence="none stated",
            trained_on=f"250 pictures of {generator} and 250 of ImageNet",
            tables="none; PRADA's with condition: folder",
            white_box_for=(generator, generator.partition("-")[0]),
            protocols=PROTOCOLS,
            weights=(PublishedWeights(f"{_PRADA_WEIGHTS}/{head}", "final.pt", "none stated", digest),),
        )
    for name, generator in (("prada_mini", "raster"), ("prada_scale_mini", "next_scale")):
        register(
            name,
            f"baselines.mini:{name}",
            summary=f"white box for {generator}: likelihood ratio of the tokens, likeliest class against all",
            paper=_PRADA,
            licence="MIT",
            trained_on="nothing: the transformer's weights are all there is",
            white_box_for=(generator,),
            protocols=("original",),
            needs_weights=False,
        )
    for name, summary, paper in (
        ("univfd_mini", "UnivFD on the mini benchmark's image encoder, for 64×64 px", "arXiv 2302.10174"),
        ("cnnspot_mini", "CNNSpot's network cut after its second stage, for 64×64 px", "arXiv 1912.11035"),
    ):
        register(
            name,
            f"baselines.mini:{name}",
            summary=summary,
            paper=paper,
            licence="MIT",
            trained_on="mini benchmark, raster generator",
            protocols=("original",),
            weights=(
                PublishedWeights("package:benchmarks", f"mini/weights/{name}.safetensors", licence="MIT"),
            ),
        )
