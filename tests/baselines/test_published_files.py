"""Each published checkpoint format loads."""

import argparse
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from baselines.bfree import BFree
from baselines.cnnspot import CNNSpot
from baselines.commfor import CommunityForensics
from baselines.dda import DDA
from baselines.denoiser import Denoiser
from baselines.dinov2 import DINOv2, DINOv2Encoder
from baselines.effort import Effort
from baselines.fgts import FGTS
from baselines.fredect import FreDect
from baselines.gramnet import GramNet
from baselines.lnp import LNP
from baselines.npr import NPR
from baselines.patchcraft import PatchCraft
from baselines.res50nodown import Res50NoDown
from baselines.rine import RINE, VARIANTS
from baselines.safe import SAFE
from baselines.univfd import UnivFD
from registry import WeightsError
from registry.weights import parameter_digest

SMALL = (1, 1, 1, 1)
TOWER = {"width": 16, "layers": 1, "heads": 2}


def test_univfd_head(shared_weights):
    detector = UnivFD()
    path = shared_weights / "univfd_fc.pth"
    detector.load_weights(path)
    head = torch.load(path, weights_only=True, map_location="cpu")
    feature = torch.randn(3, 768)
    expected = feature @ head["weight"][0] + head["bias"]
    torch.testing.assert_close(detector({"feature": feature}), expected)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(
    ("build", "key"),
    [
        (lambda: CNNSpot(blocks=SMALL), "model"),
        (lambda: GramNet(blocks=SMALL), "netC"),
        (lambda: NPR(blocks=(1, 1)), "model"),
        (lambda: NPR(blocks=(1, 1)), None),
        (lambda: LNP(blocks=SMALL), "model"),
        (lambda: PatchCraft(width=4), "netC"),
        (lambda: CommunityForensics(**TOWER), None),
        (lambda: Res50NoDown(blocks=SMALL, width=4), "model"),
        (lambda: Res50NoDown(blocks=SMALL, width=4), "state_dict"),
        (lambda: Res50NoDown(blocks=SMALL, width=4), "net"),
        (lambda: BFree(size=56, **TOWER), "model"),
        (lambda: SAFE(blocks=(1, 1)), "model"),
    ],
    ids=[
        "cnnspot",
        "gramnet",
        "npr",
        "npr bare",
        "lnp",
        "patchcraft",
        "commfor",
        "aligned model",
        "aligned state_dict",
        "aligned net",
        "bfree",
        "safe",
    ],
)
def test_network_checkpoints(tmp_path, build, key, prefix):
    torch.manual_seed(0)
    source = build()
    state = {prefix + name: value for name, value in source.network.state_dict().items()}
    torch.save(state if key is None else {key: state, "total_steps": 7}, tmp_path / "published.pth")
    torch.manual_seed(1)
    detector = build()
    assert parameter_digest(detector) != parameter_digest(source)
    detector.load_weights(tmp_path / "published.pth")
    assert parameter_digest(detector) == parameter_digest(source)


def _fredect_files(folder, prefix=""):
    source = FreDect(blocks=SMALL, size=32)
    state = {prefix + name: value for name, value in source.network.state_dict().items()}
    torch.save({"netC": state}, folder / "DCTAnalysis.pth")
    mean, variance = torch.randn(3, 32, 32), torch.rand(3, 32, 32)
    torch.save(mean, folder / "dct_mean")
    torch.save(variance, folder / "dct_var")
    return source, mean, variance


@pytest.mark.parametrize("prefix", ["", "module."])
def test_fredect_takes_the_statistics_beside_the_network(tmp_path, prefix):
    source, mean, variance = _fredect_files(tmp_path, prefix)
    detector = FreDect(blocks=SMALL, size=32)
    detector.load_weights(tmp_path / "DCTAnalysis.pth")
    assert parameter_digest(detector.network) == parameter_digest(source.network)
    assert torch.equal(detector.dct_mean, mean)
    assert torch.equal(detector.dct_var, variance)


def test_fredect_names_the_statistics_that_are_not_there(tmp_path):
    _fredect_files(tmp_path)
    (tmp_path / "dct_var").unlink()
    with pytest.raises(WeightsError, match=r"no weights file at .*dct_var"):
        FreDect(blocks=SMALL, size=32).load_weights(tmp_path / "DCTAnalysis.pth")


def test_denoiser_checkpoint(tmp_path):
    source = Denoiser(width=8, groups=2, blocks=1, reduction=4)
    state = {f"module.{name}": value for name, value in source.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "sidd_rgb.pth")
    denoiser = Denoiser(width=8, groups=2, blocks=1, reduction=4)
    denoiser.load_weights(tmp_path / "sidd_rgb.pth")
    assert parameter_digest(denoiser) == parameter_digest(source)


@pytest.mark.parametrize("variant", VARIANTS)
def test_rine_heads_of_all_published_sizes(tmp_path, variant):
    source = RINE(variant=variant)
    torch.save(source.state_dict(), tmp_path / "head.pth")
    detector = RINE(variant=variant)
    detector.load_weights(tmp_path / "head.pth")
    assert parameter_digest(detector) == parameter_digest(source)


def test_rine_names_the_variant_of_a_head_of_another_shape(shared_weights):
    path = shared_weights / "rine_2class.pth"
    RINE(variant="2class").load_weights(path)
    with pytest.raises(WeightsError, match="set the option variant to 2class"):
        RINE().load_weights(path)


def _loaded(source, detector, path):
    assert parameter_digest(detector) != parameter_digest(source)
    detector.load_weights(path)
    assert parameter_digest(detector) == parameter_digest(source)


def test_commfor_checkpoints(tmp_path):
    """safetensors without a key as on the hub, and the authors' own of a compiled network."""
    source = CommunityForensics(**TOWER)
    state = source.network.state_dict()
    save_file(state, tmp_path / "model.safetensors")
    torch.save({"model": {f"_orig_mod.{name}": value for name, value in state.items()}}, tmp_path / "vit.pt")
    for file in ("model.safetensors", "vit.pt"):
        _loaded(source, CommunityForensics(**TOWER), tmp_path / file)


def test_safe_checkpoint_holds_the_options_of_its_training(tmp_path):
    source = SAFE(blocks=(1, 1))
    options = argparse.Namespace(model="SAFE", input_size=256)
    torch.save(
        {"model": source.network.state_dict(), "epoch": 19, "args": options}, tmp_path / "checkpoint-best.pth"
    )
    _loaded(source, SAFE(blocks=(1, 1)), tmp_path / "checkpoint-best.pth")


def test_bfree_archive(tmp_path):
    source = BFree(size=56, **TOWER)
    torch.save({"model": source.network.state_dict()}, tmp_path / "checkpoint")
    with zipfile.ZipFile(tmp_path / "BFREE_dino2reg4.zip", "w") as archive:
        archive.writestr(
            "BFREE_dino2reg4/config.yaml", "arch: timm_c5i504_vit_base_patch14_reg4_dinov2.lvd142m"
        )
        archive.write(tmp_path / "checkpoint", "BFREE_dino2reg4/model_epoch_best.pth")
    _loaded(source, BFree(size=56, **TOWER), tmp_path / "BFREE_dino2reg4.zip")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_dda_checkpoint(tmp_path, prefix):
    source = DDA(size=28, image_size=28, **TOWER)
    state = {prefix + name: value for name, value in source.state_dict().items()}
    assert "base_model.model.blocks.0.attn.qkv.original_layer.weight" in source.state_dict()
    torch.save({"model": state}, tmp_path / "DDA_ckpt.pth")
    _loaded(source, DDA(size=28, image_size=28, **TOWER), tmp_path / "DDA_ckpt.pth")


def test_effort_checkpoints(tmp_path):
    source = Effort(size=28, **TOWER)
    torch.save(
        {f"module.{name}": value for name, value in source.state_dict().items()}, tmp_path / "ckpt.pth"
    )
    _loaded(source, Effort(size=28, **TOWER), tmp_path / "ckpt.pth")


def test_effort_checkpoint_of_the_other_program_holds_all_of_clip(tmp_path):
    source = Effort(variant="universalfakedetect", size=28, **TOWER)
    state = {f"model.vision_model.{name}": value for name, value in source.backbone.state_dict().items()} | {
        f"fc.{name}": value for name, value in source.head.state_dict().items()
    }
    unused = {
        "model.logit_scale": torch.ones(()),
        "model.text_model.final_layer_norm.weight": torch.ones(8),
        "model.vision_model.embeddings.position_ids": torch.arange(5).unsqueeze(0),
    }
    torch.save({"model": state | unused, "total_steps": 18000}, tmp_path / "model.pth")
    _loaded(source, Effort(variant="universalfakedetect", size=28, **TOWER), tmp_path / "model.pth")
    with pytest.raises(WeightsError, match="head"):
        Effort(size=28, **TOWER).load_weights(tmp_path / "model.pth")


def test_fgts_head_brings_its_tokens(tmp_path):
    source = FGTS(features=32, tokens=3)
    head = {f"fc.{name}": value for name, value in source.fc.state_dict().items()}
    torch.save(head, tmp_path / "bare.pth")
    published = {"model_state_dict": head, "token_indices": [200, 18, 5], "config": {"top_k": 3}}
    torch.save(published, tmp_path / "linear_probe.pth")
    detector = FGTS(features=32, tokens=3)
    detector.load_weights(tmp_path / "linear_probe.pth")
    assert detector.token_indices.tolist() == [200, 18, 5]
    tokens = torch.randn(2, 201, 32)
    torch.testing.assert_close(
        detector({"tokens": tokens}), source.fc(tokens[:, [200, 18, 5]].mean(dim=1)).diff(dim=1).squeeze(1)
    )
    with pytest.raises(WeightsError, match="token_indices"):
        FGTS(features=32, tokens=3).load_weights(tmp_path / "bare.pth")


def _redrawn(module):
    """Also what starts at 0 or 1 becomes random."""
    for value in module.state_dict().values():
        value.normal_()
    return module


def test_dda_starts_from_dinov2(tmp_path):
    source = _redrawn(DINOv2(image_size=28, **TOWER))
    torch.save(source.state_dict(), tmp_path / "dinov2_vitl14_pretrain.pth")
    detector = DDA(size=28, image_size=28, **TOWER)
    detector.start_from(tmp_path / "dinov2_vitl14_pretrain.pth")
    images = torch.randn(2, 3, 28, 28)
    torch.testing.assert_close(detector.base_model.model(images), source(images))


def test_dinov2_file_without_the_pretraining_token(tmp_path):
    source = _redrawn(DINOv2(image_size=28, **TOWER))
    state = {name: value for name, value in source.state_dict().items() if name != "mask_token"}
    save_file(state, tmp_path / "model.safetensors")
    encoder = DINOv2Encoder(image_size=28, **TOWER)
    encoder.load_weights(tmp_path / "model.safetensors")
    images = torch.randn(2, 3, 28, 28)
    torch.testing.assert_close(encoder(images, ["feature"])["feature"], source(images))


def test_effort_starts_from_clip_with_the_same_function(tmp_path):
    source = Effort(size=28, **TOWER)
    state = {}
    for name, value in source.backbone.state_dict().items():
        if not name.endswith("_residual"):
            state[f"vision_model.{name.replace('weight_main', 'weight')}"] = value
    state["text_model.final_layer_norm.weight"] = torch.ones(8)
    save_file(state, tmp_path / "model.safetensors")
    detector = Effort(size=28, **TOWER)
    detector.start_from(tmp_path / "model.safetensors")
    images = torch.randn(2, 3, 28, 28)
    # the source's residuals are 0, so its weights are those of the file
    torch.testing.assert_close(detector.backbone(images), source.backbone(images))
    trained = {name for name, parameter in detector.named_parameters() if parameter.requires_grad}
    assert trained == {
        name for name in detector.state_dict() if name.endswith("_residual") or "head." in name
    }
