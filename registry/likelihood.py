"""Autoregressive generators as encoders: how likely their transformer finds the tokens of a picture."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from registry.encoder import Encoder
from registry.errors import UserError
from registry.view import EncoderSpec


class TokenLikelihood(Encoder):
    """A class-conditional transformer over the tokens that a tokenizer, another encoder, finds in a picture.

    All tokens are scored in one pass per class, each given the true tokens before it (teacher forcing).

    tokenizer, tokenizer_options: the registered encoder that it reads. classes: those it is asked about;
        each costs a pass.

    Outputs, natural logarithms of softmax probabilities, float32:
        class_log_likelihood: (N, K, tokens), of every token given each of the K `classes`.
        own_log_likelihood: (N, 1, tokens), given the class that stands in the images' fourth channel.
        unconditional_log_likelihood: (N, tokens), given no class.
    """

    composite = True
    outputs = ("class_log_likelihood", "own_log_likelihood", "unconditional_log_likelihood")

    def __init__(
        self, tokenizer: str, tokenizer_options: Mapping[str, Any] | None, classes: Sequence[int], known: int
    ) -> None:
        super().__init__()
        self.classes = tuple(classes)
        wrong = [one for one in self.classes if not 0 <= one < known]
        if wrong or not self.classes:
            given = ", ".join(map(str, wrong)) or "none"
            raise UserError(f"classes of {type(self).__name__} are 0 to {known - 1}, got {given}")
        self.known = known
        self.reads = {"tokenizer": EncoderSpec.of(tokenizer, tokenizer_options)}

    @abstractmethod
    def logits(self, indices: Tensor, labels: Tensor | None) -> Tensor:
        """Logits (N, tokens, codes) of all tokens (N, tokens), given a class each (N,), or none."""

    def forward(self, images: Tensor, outputs: Collection[str] = outputs) -> dict[str, Tensor]:
        pictures = images if images.shape[1] == 3 else images[:, :3]
        indices = self.part("tokenizer")(pictures, ["indices"])["indices"]
        found = {}
        if "class_log_likelihood" in outputs:
            found["class_log_likelihood"] = self.given_each_class(indices)
        if "own_log_likelihood" in outputs:
            own = images[:, 3, 0, 0].round().long()
            if int(own.max()) >= self.known:
                raise UserError(
                    f"{type(self).__name__} knows {self.known} classes, got number {int(own.max())}"
                )
            found["own_log_likelihood"] = self.log_likelihood(indices, own)[:, None]
        if "unconditional_log_likelihood" in outputs:
            found["unconditional_log_likelihood"] = self.unconditional(
                indices, found.get("class_log_likelihood")
            )
        return found

    def given_each_class(self, indices: Tensor) -> Tensor:
        """Log-likelihoods (N, K, tokens) of tokens (N, tokens) given each of `classes`."""
        each = (torch.full_like(indices[:, 0], label) for label in self.classes)
        return torch.stack([self.log_likelihood(indices, labels) for labels in each], dim=1)

    def unconditional(self, indices: Tensor, each: Tensor | None) -> Tensor:
        """Log-likelihoods (N, tokens) of tokens given no class; `each`: those given each class, where known."""
        return self.log_likelihood(indices, None)

    def log_likelihood(self, indices: Tensor, labels: Tensor | None) -> Tensor:
        """Of every token (N, tokens), given a class each (N,), or none."""
        logits = self.logits(indices, labels).float().transpose(1, 2)
        return -F.cross_entropy(logits, indices, reduction="none")


def marginal(conditional: Tensor) -> Tensor:
    """Log-likelihood (N, tokens) of each token given those before it, when the class is one of K, all alike.

    By Bayes' rule, exactly: the tokens before say how likely each class is. For a transformer that was never
    trained without a class. conditional: (N, K, tokens).
    """
    total = conditional.cumsum(2).logsumexp(1) - torch.tensor(float(conditional.shape[1])).log()
    return total.diff(dim=1, prepend=total.new_zeros(len(total), 1))
