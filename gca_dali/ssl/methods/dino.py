"""DINO (Caron et al. 2021, arXiv 2104.14294): a student agrees with its own slow average.

The teacher sees the global views alone, the student all of them: what is in a small window must
tell what the large ones show.
"""

from __future__ import annotations

import math

import torch
from lightly.loss import DINOLoss
from lightly.models.modules import DINOProjectionHead
from lightly.models.utils import deactivate_requires_grad
from lightly.utils.scheduler import cosine_schedule, linear_warmup_schedule
from torch import Tensor, nn

from gca_dali.ssl.encoders import num_features_of
from gca_dali.ssl.methods.base import ContrastiveModule, full_precision, slow_copy
from gca_dali.ssl.methods.view_groups import Views, embed
from gca_dali.ssl.presets import MethodPreset


class DINO(ContrastiveModule):
    """Cross-entropy of the student's outputs to the teacher's, centred and sharpened."""

    spread_name = "teacher_information"
    # Healthy runs on small data pass through 0.05; collapsed ones end below 0.01.
    collapsed_below = 0.02

    def __init__(self, encoder: nn.Module, preset: MethodPreset, **schedule: int) -> None:
        super().__init__(encoder, preset, **schedule)
        assert preset.dino is not None
        self.dino = preset.dino
        self.projection = self._build_head()
        self.slow_encoder = slow_copy(encoder)
        # A weight-normed layer cannot be copied by copy.deepcopy.
        self.slow_projection = self._build_head()
        self.slow_projection.load_state_dict(self.projection.state_dict())
        deactivate_requires_grad(self.slow_projection)
        self.criterion = DINOLoss(
            preset.output_dim,
            student_temp=preset.temperature,
            center_momentum=self.dino.center_momentum,
        )

    @property
    def features_encoder(self) -> nn.Module:
        """The teacher, whose features are better than the student's (Caron et al., figure 6)."""
        return self.slow_encoder

    def slow_copies(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the encoder and the head with their slow copies: the teacher."""
        return [(self.encoder, self.slow_encoder), (self.projection, self.slow_projection)]

    @property
    def teacher_temperature(self) -> float:
        """Temperature of the teacher at this step: a linear warm-up, then constant."""
        start, end = self.dino.teacher_temperature
        num_steps = round(self.num_steps * self.dino.temperature_warmup_share)
        return linear_warmup_schedule(self.num_done, num_steps, start, end)

    def contrast(self, views: Views, num_globals: int) -> tuple[Tensor, Tensor]:
        """Return the cross-entropy over (view, other global view), and the teacher's outputs."""
        student = self.projection(embed(self.encoder, views)).float()
        with torch.no_grad():
            features = embed(self.slow_encoder, views[:num_globals])
            teacher = self.slow_projection(features).float()
            center = self.criterion.center.squeeze(0)
            outputs = ((teacher - center) / self.teacher_temperature).softmax(1)
        with full_precision(student):
            loss = self.criterion(
                list(teacher.chunk(num_globals)),
                list(student.chunk(len(views))),
                teacher_temp=self.teacher_temperature,
            )
        return loss, outputs

    def measure_spread(self, embedding: Tensor) -> Tensor:
        """Return what the teacher's output says of the image: 0 in both kinds of collapse.

        That is the entropy of the mean output less the mean entropy, over the most that there
        could be. Equal outputs tell nothing, be they uniform or all in one place.
        """
        most = math.log(min(embedding.shape))
        return (_entropy(embedding.mean(0)) - _entropy(embedding).mean()) / max(most, 1e-9)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip each parameter's gradient, hold the last layer at first, raise the weight decay."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                nn.utils.clip_grad_norm_(parameter, self.dino.max_gradient_norm)
        if self.num_done < self.num_steps * self.dino.frozen_share:
            self.projection.cancel_last_layer_gradients(current_epoch=0)
        start, end = self.preset.optimizer.weight_decay, self.dino.last_weight_decay
        for group in optimizer.param_groups:
            if group["weight_decay"] > 0:
                group["weight_decay"] = cosine_schedule(self.num_done, self.num_steps, start, end)

    def _build_head(self) -> DINOProjectionHead:
        return DINOProjectionHead(
            num_features_of(self.encoder),
            self.preset.hidden_dim,
            self.dino.bottleneck_dim,
            self.preset.output_dim,
            batch_norm=self.dino.head_batch_norm,
            freeze_last_layer=1,
        )


def _entropy(probability: Tensor) -> Tensor:
    """Return the entropy in nats along the last axis."""
    return torch.special.entr(probability).sum(-1)
