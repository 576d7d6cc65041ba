"""Rows and distinct texts are counted as they were trained on, whatever interrupted the run or made its batches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
import torch

from interlude.models import texts
from interlude.models.files import Corrupt
from interlude.models.optim import Optim
from interlude.models.policy_gradient import Objective
from interlude.models.stage import StageModels, pack, stacked
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.rl import RL
from interlude.models.train import Machine, train
from interlude.synth.source import Source

EASY = Source(ops=(1, 1), modulus=3, names=6)
STAGE = Pretrain(steps=20, batch_size=16, optim=Optim(warmup=2), data=EASY)
KEPT = Objective(kl=0.01)  # needs every group, those of equal rewards too
POLICY = RL(
    steps=3, batch_size=4, num_samples=3, max_new_tokens=24, optim=Optim(), data=EASY, objective=KEPT,
    updates_per_batch=2,
)  # fmt: skip
NEVER = Machine(save_every=1e9)


class Stop(Exception):
    """Ends a run between two steps, like a crash."""


def stop_after(step: int):
    def observe(share, line):
        if line["step"] == step:
            raise Stop

    return observe


@dataclass(frozen=True)
class Overheard:
    """Problems as ``EASY``'s, noting every question."""

    asked: list[str] = field(default_factory=list, compare=False)
    capabilities: ClassVar[frozenset[str]] = frozenset({"solutions"})
    title: ClassVar[str] = "overheard"

    def problem(self, *path: str | int):
        found = EASY.problem(*path)
        self.asked.append(found.question)
        return found


def test_repeated_texts_are_counted_once(tiny, tmp_path):
    """Kills: rows counted as texts; texts told apart by their padding; only the last step's rows kept."""
    lm = tiny.build(0)
    state = train(lm, STAGE, 0, NEVER, folder=tmp_path)
    seen = []
    for step in range(STAGE.steps):
        batch = STAGE.collect(StageModels(lm), 0, step, range(STAGE.batch_size))
        seen += [tuple(ids[:n]) for ids, n in zip(batch.ids_BT.tolist(), batch.lengths, strict=True)]
    assert texts.counts(tmp_path, state.rows) == {"rows": 320, "distinct": len(set(seen))}
    assert len(set(seen)) < 320


def test_policy_gradients_count_questions(tiny, tmp_path):
    """Kills: responses counted as texts; rows counted once an update of their batch."""
    data = Overheard()
    state = train(tiny.build(0), replace(POLICY, data=data), 0, NEVER, folder=tmp_path)
    assert len(data.asked) == 12
    assert texts.counts(tmp_path, state.rows) == {"rows": 36, "distinct": len(set(data.asked))}


def test_a_text_ends_where_the_model_began():
    """Kills: a response that counts; padding that counts; gold rows below sampled ones counted by their prompt."""
    nan = float("nan")
    own = pack([[1, 2, 3, 4], [1, 2, 9], [1, 2, 3]], [[1.0] * 4, [1.0] * 3, [1.0] * 3], 1.0, pad=0)
    old_BT = torch.tensor([[nan, nan, -1.0, -1.0], [nan, nan, -2.0, nan], [nan, nan, nan, -1.0]])
    prompts, gold = replace(own, old_BT=old_BT), pack([[1, 2], [1, 2, 3, 5, 0]], [[1.0] * 2, [1.0] * 5], 1.0, pad=0)
    found = texts.hashes(stacked(prompts, gold, 0))
    first, second, third, fourth, fifth = (found[n : n + 8] for n in range(0, len(found), 8))
    assert first == second == fourth and third not in (first, fifth) and fifth != first
    alone = pack([[1, 2], [1, 2, 3]], [[1.0] * 2, [1.0] * 3], 1.0, pad=7)
    assert texts.hashes(alone) == first + third and texts.hashes(own)[16:] == third


@pytest.mark.parametrize("stage", (STAGE, POLICY), ids=("pretrain", "rl"))
def test_rows_after_the_save_are_written_again(stage, tiny, tmp_path):
    """Kills: rows doubled on resume; half a hash that a crash left; rows lost that the save had."""
    stage = replace(stage, steps=3)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    state = train(tiny.build(0), stage, 0, NEVER, folder=whole)
    for machine, step in ((Machine(save_every=0), 1), (NEVER, 2)):
        with pytest.raises(Stop):
            train(tiny.build(0), stage, 0, machine, folder=cut, observe=stop_after(step))
    texts.append(cut, b"abc")
    assert train(tiny.build(0), stage, 0, NEVER, folder=cut).rows == state.rows
    assert (cut / texts.FILE).read_bytes() == (whole / texts.FILE).read_bytes()


def test_rows_without_a_save_begin_again(tiny, tmp_path):
    """Kills: rows kept although step 0 is trained again."""
    with pytest.raises(Stop):
        train(tiny.build(0), STAGE, 0, NEVER, folder=tmp_path, observe=stop_after(2))
    assert train(tiny.build(0), replace(STAGE, steps=3), 0, NEVER, folder=tmp_path).rows == 48
    assert (tmp_path / texts.FILE).stat().st_size == 48 * texts.WIDTH


@pytest.mark.parametrize("left", (0, 100, None), ids=("empty", "cut", "missing"))
def test_lost_rows_are_said(left, tiny, tmp_path):
    """Kills: a resume, or a count, that takes what is left for all there was."""
    with pytest.raises(Stop):
        train(tiny.build(0), STAGE, 0, Machine(save_every=0), folder=tmp_path, observe=stop_after(2))
    path = tmp_path / texts.FILE
    content = path.read_bytes()
    path.unlink()
    if left is not None:
        path.write_bytes(content[:left])
    with pytest.raises(Corrupt, match=r"rows\.u64 has \d+ bytes where the (16|32) rows trained on need"):
        train(tiny.build(0), STAGE, 0, NEVER, folder=tmp_path)
    with pytest.raises(Corrupt, match=r"rows\.u64 has \d+ bytes where the 32 rows"):
        texts.counts(tmp_path, 32)


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on one core
def test_batches_made_ahead_leave_the_same_rows(tiny, tmp_path):
    """Kills: rows noted by the process that makes a batch, and lost with it."""
    for collectors in (0, 2):
        (folder := tmp_path / str(collectors)).mkdir()
        train(tiny.build(0), STAGE, 0, replace(NEVER, collectors=collectors), folder=folder)
    assert (tmp_path / "0" / texts.FILE).read_bytes() == (tmp_path / "2" / texts.FILE).read_bytes()
