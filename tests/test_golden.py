"""What must not change by accident: problems, first losses and study keys, pinned in golden.json.

If a number here changed and you meant it to, raise the ``version`` of the source, stage or sampler concerned and run
``python tests/test_golden.py`` to pin the new ones, in the same commit. If you did not mean it, this is a bug.
"""

import hashlib
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from interlude.models.train import train
from interlude.studies.scales import NANO
from interlude.studies.stages import ladder, quickstart
from interlude.synth.graph import Shape
from interlude.synth.source import Source

GOLDEN = Path(__file__).parent / "golden.json"
SOURCES = {
    "terse": Source(ops=(1, 8)),
    "reverse": Source(ops=(1, 8), mode="reverse", world="school"),
    "prose": Source(ops=(1, 6), dialect="prose", world="festival", order="shuffled"),
    "wide": Source(ops=(2, 9), modulus=23, shape=Shape(width=0.8, fan_in=3, literals=0.3), connected=(0, 2)),
    "plain": Source(ops=(1, 5), modulus=None, split="held_out"),
    "padded": Source(ops=(1, 4), length=(17, 19), names=24, unconnected=(0, 1)),
}


def digest(name: str) -> str:
    """SHA-256 over 500 problems of a source."""
    problems = (SOURCES[name].problem("golden", row) for row in range(500))
    return hashlib.sha256("\n".join(p.question + "|" + p.solution for p in problems).encode()).hexdigest()


def losses() -> list[float]:
    """The first losses of nano's first stage."""
    found = []
    stage = NANO.base().stages[0]

    def watch(share, line):
        found.append(line["loss"])
        if len(found) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(NANO.model.build(0), stage, seed=0, observe=watch)
    return found


def keys() -> dict[str, str]:
    """The content key of every arm of the nano studies."""
    studies = [quickstart.study(NANO), ladder.study(NANO)]
    return {f"{study.name} {arm.name}": arm.recipe.key for study in studies for arm in study.arms}


def golden() -> dict:
    return json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", SOURCES)
def test_problems(name):
    """Kills: any change of a drawn graph, name, order, distractor or sentence."""
    assert digest(name) == golden()["problems"][name]


def test_first_losses():
    """Kills: a change of initial weights, batches, loss, optimiser or schedule (tolerance: other kernels' rounding)."""
    assert losses() == pytest.approx(golden()["losses"], abs=2e-4)


def test_study_keys():
    """Kills: a changed default that would silently ask for other runs than the committed tables came from."""
    assert keys() == golden()["keys"]


if __name__ == "__main__":
    pinned = {"problems": {name: digest(name) for name in SOURCES}, "losses": losses(), "keys": keys()}
    GOLDEN.write_text(json.dumps(pinned, indent=1) + "\n")
