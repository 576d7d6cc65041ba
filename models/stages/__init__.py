"""One file a stage of training; what a stage is, and what a new one is made with, can be imported from here."""

from interlude.models.stage import Batch, Stage, StageModels, imitate, logprobs, pack, replayed

__all__ = ["Batch", "Stage", "StageModels", "imitate", "logprobs", "pack", "replayed"]
