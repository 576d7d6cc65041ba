"""A study in a file of the user's own, as text."""

from __future__ import annotations

# A study in a file of the user's own, with a folder called models beside it, as people have.
MINE = '''"""Does it run elsewhere?"""
from dataclasses import replace
from interlude.models.gpt import GPT
from interlude.models.optim import Optim
from interlude.models.stages.pretrain import Pretrain
from interlude.studies.exams.exact import ExactExam
from interlude.models.recipe import Recipe
from interlude.studies.study import Arm, Study
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from models.sizes import WIDTH

def study(scale):
    data = Source(ops=(1, 1), modulus=3, names=6)
    vocab = Vocabulary(modulus=3, worlds=("zoo",), names=6)
    model = GPT(layers=1, width=WIDTH, heads=1, kv_heads=1, hidden=64, vocab=vocab)
    base = Recipe(model) + Pretrain(steps=3, batch_size=2, optim=Optim(), data=data)
    base = base + Pretrain(steps=STEPS, batch_size=2, optim=Optim(), data=data)
    arms = tuple(Arm(f"rows{n}", base + Pretrain(steps=STEPS, batch_size=n, optim=Optim(), data=data))
        for n in (2, 3, 4))
    exams = tuple(ExactExam(name, replace(data, split="any"), 4) for name in ("z", "a"))
    return Study("whatever", scale.name, "Does it run elsewhere?", "Yes.", "It ran.", arms, exams, (0, 1), base,
        unequal="rows differ", contrasts=(("rows3", "rows2"),), headline=("z",))
'''
