"""What baselines do differently in training: where they start, what they learn from, what they measure first."""

from __future__ import annotations

import pytest
import torch
import torchvision
from PIL import Image
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity

from baselines.contrastive import supervised_contrastive
from baselines.fredect import FreDect
from baselines.rine import RINE
from benchmarks.training.checkpoints import newest
from benchmarks.training.trainer import train_detector
from registry import UserError, WeightsError, load_plugins
from registry.encoder import seeded_init

CATALOGS = load_plugins()
STARTS = {
    "cnnspot": ("resnet50/imagenet", "network"),
    "fredect": ("resnet50/imagenet", "network"),
    "lnp": ("resnet50/imagenet", "network"),
    "gramnet": ("resnet18/imagenet", "network"),
    "fusing": ("resnet50/imagenet", "resnet"),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Files of torchvision's layout, 1000 classes, with seeded weights."""
    folder = tmp_path_factory.mktemp("imagenet")
    for name in ("resnet18", "resnet50"):
        with seeded_init(name, 1):
            torch.save(getattr(torchvision.models, name)().state_dict(), folder / f"{name}.pth")
    return {f"{name}/imagenet": folder / f"{name}.pth" for name in ("resnet18", "resnet50")}


@pytest.mark.parametrize("name", STARTS)
def test_starts_from_imagenet_with_a_head_of_its_own(name, published):
    start, part = STARTS[name]
    with seeded_init(name, 0):
        detector = CATALOGS.detectors.create(name)
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    detector.start_from(published[start])
    file = torch.load(published[start], weights_only=True)
    body = {f"{part}.{key}": value for key, value in file.items() if not key.startswith("fc.")}
    for key, value in detector.state_dict().items():
        assert torch.equal(value, body[key] if key in body else before[key]), key
    assert body.keys() <= before.keys()


def test_a_start_that_does_not_fit_changes_nothing(published):
    detector = CATALOGS.detectors.create("cnnspot", blocks=(1, 1))
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    with pytest.raises(WeightsError, match=r"resnet18\.pth does not fit ResNet"):
        detector.start_from(published["resnet18/imagenet"])
    assert all(torch.equal(before[key], value) for key, value in detector.state_dict().items())
    with pytest.raises(UserError, match="UnivFD is not built on a network"):
        CATALOGS.detectors.create("univfd").start_from(published["resnet18/imagenet"])


def test_the_encoder_is_torchvisions_network_without_its_classifier(published):
    encoder = CATALOGS.encoders.create("resnet18/imagenet")
    encoder.load_weights(published["resnet18/imagenet"])
    network = torchvision.models.resnet18()
    network.load_state_dict(torch.load(published["resnet18/imagenet"], weights_only=True))
    network.fc = torch.nn.Identity()
    images = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    found = encoder.eval()(images)["feature"]
    torch.testing.assert_close(found, network.eval()(images))


@pytest.fixture
def toy_settings(settings):
    def make(**changes):
        detector = {"name": "cnnspot", "options": {"protocol": "uniform"}}
        return settings(**{"detector": detector, "start": "resnet50/imagenet", **changes})

    return make


def test_a_missing_start_is_refused_with_the_command_that_gets_it(
    toy_settings, training_set, monkeypatch, tmp_path
):
    monkeypatch.setenv("D3QE_BENCH_WEIGHTS", str(tmp_path / "empty"))
    with pytest.raises(UserError, match="get them with `d3qe-bench weights get resnet50/imagenet`"):
        train_detector(toy_settings(), CATALOGS, [training_set])
    with pytest.raises(UserError, match="did you mean 'resnet50/imagenet'"):
        train_detector(toy_settings(start="resnet50/imagnet"), CATALOGS, [training_set])
    with pytest.raises(UserError, match=r"start and detector\.weights both say"):
        toy_settings(detector={"name": "cnnspot", "weights": "some.pth"})


def contrastive_pair_by_pair(embeddings, labels, temperature):
    """Equation 2 of arXiv 2004.11362, one pair after the other."""
    total = 0.0
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i]
        weight = {
            j: float((cosine_similarity(embeddings[i], embeddings[j], dim=0) / temperature).exp())
            for j in others
        }
        positives = [j for j in others if labels[j] == labels[i]]
        terms = [-torch.tensor(weight[j] / sum(weight.values())).double().log() for j in positives]
        total += float(sum(terms)) / max(len(positives), 1)
    return total / len(labels)


@pytest.mark.parametrize("labels", [[0, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 1], [0, 1]])
def test_contrastive_loss_pair_by_pair(labels):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(len(labels), 5, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor(labels)
    loss = supervised_contrastive(embeddings, labels, temperature=0.5)
    expected = contrastive_pair_by_pair(embeddings.detach(), labels, 0.5)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    loss.backward()
    assert embeddings.grad.isfinite().all()


def test_contrastive_loss_falls_as_classes_part():
    labels = torch.tensor([0, 0, 1, 1])
    apart = torch.tensor([[1.0, 0], [1, 0.01], [-1, 0], [-1, 0.01]])
    mixed = apart[[0, 2, 1, 3]]
    assert supervised_contrastive(apart, labels) < 1e-3
    assert supervised_contrastive(mixed, labels) > 10


@pytest.mark.parametrize(("options", "weight"), [({}, 0.2), ({"contrast": 3.0}, 3.0), ({"contrast": 0.0}, 0)])
def test_rine_learns_from_both_losses_in_the_released_proportion(options, weight):
    with seeded_init("rine", 0):
        rine = RINE(width=6, layers=1, blocks=2, channels=4, **options).eval()
    generator = torch.Generator().manual_seed(0)
    inputs, labels = {"tokens": torch.randn(8, 2, 4, generator=generator)}, torch.arange(8) % 2
    summed = binary_cross_entropy_with_logits(rine(inputs), labels.float(), reduction="sum")
    released = summed + weight * contrastive_pair_by_pair(rine.embed(inputs["tokens"]).detach(), labels, 0.07)
    assert float(rine.training_loss(inputs, labels).detach()) == pytest.approx(
        float(released.detach()) / 8, rel=1e-5
    )


def test_fredect_measures_the_spectra_of_its_training_pictures():
    import scipy.fft

    detector = FreDect(size=16, blocks=(1,))
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (10, 3, 16, 16), generator=generator).float()
    levels[:, 0] = 7.0  # one channel is flat in every picture: all its coefficients but one are 0
    detector.before_training({"image": part} for part in levels.split(4))
    spectra = scipy.fft.dctn(levels.double().numpy(), axes=(2, 3), norm="ortho")
    logarithms = torch.from_numpy(abs(spectra) + 1e-12).log()
    torch.testing.assert_close(detector.dct_mean[1:], logarithms.mean(0)[1:].float())
    torch.testing.assert_close(detector.dct_var[1:], logarithms.var(0, correction=0)[1:].float())
    assert (detector.dct_var > 0).all()
    seen = detector.spectrum(levels)
    assert seen.isfinite().all()
    torch.testing.assert_close(seen[:, 1:].mean(0), torch.zeros(2, 16, 16), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[:, 1:].var(0, correction=0), torch.ones(2, 16, 16), atol=1e-3, rtol=0)


def test_fredects_statistics_are_taken_once_and_kept(settings, training_set):
    asked = {
        "detector": {"name": "fredect", "options": {"size": 16, "blocks": [1], "protocol": "original"}},
        "augmentation": {"blur": 0, "jpeg": 0, "random_crop": False, "flip": 0},
        "optimizer": {"lr": 1.0e-12},
    }
    train_detector(settings(epochs=1, **asked), CATALOGS, [training_set])
    first = newest(settings().out)["model"]
    detector = FreDect(size=16, blocks=(1,))
    images = [detector.view(Image.open(training_set.root / p.path)) for p in training_set.pictures]
    detector.before_training([{"image": torch.stack(images)}])
    torch.testing.assert_close(first["dct_mean"], detector.dct_mean)
    torch.testing.assert_close(first["dct_var"], detector.dct_var)
    train_detector(settings(epochs=2, **asked), CATALOGS, [training_set])
    resumed = newest(settings().out)
    assert resumed["epoch"] == 2
    assert torch.equal(resumed["model"]["dct_mean"], first["dct_mean"])
