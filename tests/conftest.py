"""What several tests share: one thread, a run folder of the test's own,
and one tiny model that has learned its task."""

from __future__ import annotations

import os
from itertools import chain

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch loads: tiny models are slower on more threads

import pytest


def copies(lm):
    """A function that builds models like this one, each with weights of its own."""
    weights = {name: tensor.clone() for name, tensor in lm.state_dict().items()}

    def build():
        fresh = lm.sizes.build(0)
        fresh.load_state_dict(weights)
        return fresh

    return build


@pytest.fixture(autouse=True)
def no_disk_waits(request, monkeypatch):
    """Nothing here simulates a power cut, and fsync on a busy disk takes seconds; test_files keeps it."""
    if request.module.__name__ != "test_files":
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """An empty $INTERLUDE_RUNS."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("INTERLUDE_RUNS", str(folder))
    return folder


@pytest.fixture(scope="session")
def source():
    """The easiest problems there are: one operation, six names, modulo 3."""
    from interlude.synth.source import Source

    return Source(ops=(1, 1), modulus=3, names=6)


@pytest.fixture(scope="session")
def tiny():
    """A model for them that takes milliseconds a step."""
    from interlude.models.gpt import GPT
    from interlude.synth.tokens import Vocabulary

    vocab = Vocabulary(modulus=3, worlds=("zoo",), names=6)
    return GPT(layers=2, width=32, heads=1, kv_heads=1, hidden=64, vocab=vocab)


@pytest.fixture(scope="session")
def learned(tiny, source):
    """``learned()`` builds ``tiny`` with weights that solve some problems and not others: RL has something to learn."""
    from interlude.models.optim import Optim
    from interlude.models.stages.pretrain import Pretrain
    from interlude.models.train import train

    lm = tiny.build(0)
    optim = Optim(schedule="linear", floor=0.0)
    train(lm, Pretrain(steps=320, batch_size=32, optim=optim, data=source), seed=0)
    return copies(lm)


@pytest.fixture(scope="session")
def thinker(tiny, source):
    """``thinker()`` builds a model as small that has had a cold start: it closes most thoughts, and some help it."""
    from dataclasses import replace

    from interlude.models.optim import Optim
    from interlude.models.stages.coldstart import ColdStart
    from interlude.models.stages.pretrain import Pretrain
    from interlude.models.train import train

    sizes = replace(tiny, vocab=replace(tiny.vocab, thoughts=True))
    lm = sizes.build(0)
    optim = Optim(schedule="linear", floor=0.0)
    two = replace(source, ops=(2, 2))
    train(lm, Pretrain(steps=80, batch_size=32, optim=optim, data=two), seed=0)
    train(
        lm,
        ColdStart(steps=200, batch_size=32, optim=optim, data=replace(two, skip_prob=1.0, thoughts="oracle")),
        seed=0,
    )
    return copies(lm)


@pytest.fixture(scope="session")
def primed(tiny, source):
    """``primed()`` builds ``tiny`` with tags in its vocabulary, which solves some problems and not others, and opens an
    empty thought before every other segment."""
    from dataclasses import replace

    from interlude.models.annotator import chunk
    from interlude.models.lm import tags
    from interlude.models.optim import Optim
    from interlude.models.stage import pack
    from interlude.models.stages.pretrain import Pretrain
    from interlude.models.train import train

    sizes = replace(tiny, vocab=replace(tiny.vocab, thoughts=True))

    class Primed(Pretrain):
        def collect(self, models, seed, step, rows):
            ids, gains = [], []
            for row in rows:
                each = chunk(models.learner, self.data.problem("primed", seed, step, row))
                told = [list(tags(models.learner)) * ((row + n) % 2) + part for n, part in enumerate(each.segments)]
                said = list(chain(*told))
                ids.append(each.question + said)
                gains.append([0.0] * len(each.question) + [1.0] * len(said))
            return pack(ids, gains, float(sum(map(sum, gains))), models.learner.pad)

    lm = sizes.build(0)
    train(lm, Primed(steps=1000, batch_size=32, optim=Optim(schedule="linear", floor=0.0), data=source), seed=0)
    return copies(lm)


@pytest.fixture(scope="session")
def hub(tmp_path_factory) -> str:
    """The folder of a transformers model that has learned the easiest problems."""
    import pretrained

    return pretrained.learned(tmp_path_factory.mktemp("hub"))
