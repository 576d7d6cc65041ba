"""Claims are judged by their study's rule: on tables whose verdict is known each way, or that decide nothing."""

from __future__ import annotations

import importlib
import math
import re

import numpy as np
import pytest
from crafted import curve_rows, row, sampled_row

from interlude.studies import report
from interlude.studies.claims import BETTER, CONFOUNDED, FAILS, FEW_SEEDS, HOLDS, NOT_RUN, OPEN, SCALE, WORSE, decide
from interlude.studies.interplay import claims
from interlude.studies.interplay.claims import RL_ARMS, lost_at
from interlude.studies.midtraining import claims as methods
from interlude.studies.midtraining.claims import TIERS
from interlude.studies.results import Results, cell
from interlude.studies.scales import SMOKE
from interlude.studies.stats import over_seeds

SECOND = ("school",)
BANDS = {"ID": (1, 1), "edge": (2, 2), "hard": (3, 3)}
TOPICS = {"interplay": claims.CLAIMS, "midtraining": methods.CLAIMS}
CLAIMS = tuple(claim for each in TOPICS.values() for claim in each)
NAMED = {claim.name: claim for claim in CLAIMS}


def table(arms: dict, seeds=(0, 1, 2), worlds=("zoo",), noisy=()) -> Results:
    """Exact rows: every arm's probability (of each of four problems, or of all) on ID, edge and hard ones. Seeds move
    all arms alike by 1 %; an arm among ``noisy`` is moved up and down by a factor of 20 in turn."""
    made = []
    for nth, (arm, bands) in enumerate(arms.items()):
        for s, seed in enumerate(seeds):
            shift = -0.01 * s - (3.0 * (s % 2) if arm in noisy else 0.0)
            for world in worlds:
                for ops, p in enumerate(bands, start=1):
                    made.append(row(arm, nth, seed, world, ops, np.log(np.broadcast_to(p, 4)) + shift))
    return Results("study", "nano", tuple(made))


def judged(name: str, found: Results | None, curves: tuple = ()) -> str:
    return decide(NAMED[name], found, BANDS, curves).verdict


def edge(**changed) -> dict:
    """The arms of the edge study where finding 1 holds: RL edge extends the edge and no other single band does."""
    arms = dict.fromkeys(("none", *RL_ARMS, "SFT edge", "RFT edge"), (0.5, 0.0005, 1e-5))
    arms |= {"RL edge": (0.5, 0.01, 1e-3), "RL uniform": (0.5, 0.005, 1e-4), "RL curriculum": (0.5, 0.005, 1e-4)}
    return arms | {name.replace("_", " "): value for name, value in changed.items()}


def splits(*edges: float, hard=(0.001, 0.001, 0.001, 0.01, 0.001)) -> dict:
    return {
        f"{share}% RL, {budget}": (0.9, e, h)
        for budget in ("half", "full")
        for share, e, h in zip((0, 20, 50, 80, 100), edges, hard, strict=True)
    }


def exposed(**suffices) -> dict:
    """The arms of context_exposure; named kinds suffice from a place in EXPOSURES on."""
    arms = {"0 % + RL": (1e-5, 1e-9, 1e-9)}
    for kind in ("names", "copies"):
        for n, share in enumerate(claims.EXPOSURES):
            arms[f"{share} {kind} + RL"] = (0.05 if n >= suffices.get(kind, 9) else 1e-5, 1e-9, 1e-9)
    return arms


def shared(solved: dict, base: str = "1 % low") -> dict:
    """Arms of context_rl_share by the share of RL in the second world, with their probability on ID problems."""
    return {f"{base}, RL {n} %": (p, 1e-9, 1e-9) for n, p in solved.items()}


RISING = {0: 1e-4, 1: 2e-4, 10: 5e-4, 50: 1e-3, 100: 1e-2}


def covered(*gains: float, hard=5 * (1e-9,)) -> dict:
    """Arms of pretraining_difficulty whose RL brings edge and hard problems to such a pass@1."""
    levels = zip(claims.HARD_SHARES, gains, hard, strict=True)
    return {f"{n}{end}": (0.9, p, h) if end else (0.9, 1e-5, 1e-9) for n, p, h in levels for end in ("", " + RL")}


def rewarded(**edges) -> dict:
    """Arms of process_reward: ``strict3=.5`` is that arm's pass@1 at the edge modulo 3, a pair that and on hard."""
    arms = {f"{kind} mod {p}": 0.2 for p in (3, 7, 11) for kind in ("answer", "printed", "strict")}
    arms |= {re.sub(r"(\d+)", r" mod \1", name): p for name, p in edges.items()}
    return {arm: (0.9, *p) if isinstance(p, tuple) else (0.9, p, 1e-9) for arm, p in arms.items()}


@pytest.mark.parametrize(
    ("name", "found", "verdict"),
    [
        ("E0", table({"x0": (0.9, 1e-5, 1e-9), "x1": (0.95, 0.003, 1e-9), "x2": (0.95, 0.01, 1e-9)}), HOLDS),
        ("E0", table({"x0": (0.9, 0.003, 1e-9), "x1": (0.95, 0.003, 1e-9), "x2": (0.95, 0.0029, 1e-9)}), FAILS),
        ("E0", table(dict.fromkeys(("x0", "x1", "x2"), (0.9, 0.0003, 1e-9)), noisy=("x2",)), FAILS),  # below .2
        ("finding 1", table(edge()), HOLDS),
        ("finding 1", table(edge(RL_beyond=(0.5, 0.02, 1e-5))), FAILS),
        ("finding 1", table(edge(none=(0.002, 0.0005, 1e-5))), FAILS),  # every RL arm raises the band
        ("finding 1", table(edge(RL_inside=(0.5, 0.01, 1e-5)), noisy=("RL inside",)), OPEN),
        ("E1, ID", table({arm: (0.002, *rest) for arm, (_, *rest) in edge().items()}), HOLDS),
        ("E1, ID", table(edge()), OPEN),  # at the ceiling nothing could have failed
        ("E1, ID", table(edge(RL_uniform=(0.9, 0.005, 1e-4), none=(0.002, 0.0005, 1e-5))), FAILS),
        ("E1, ID", table(edge(none=(0.3, 0.0005, 1e-5)), noisy=("none",)), OPEN),
        ("E1, beyond", table(edge()), HOLDS),
        ("E1, beyond", table(edge(RL_beyond=(0.5, 0.02, 1e-5))), FAILS),
        ("E1, hard", table(edge()), HOLDS),
        ("E1, hard", table(edge(none=(0.5, 0.0005, 1e-2))), FAILS),
        ("E1, hard", table(edge(RL_edge=(0.5, 0.01, 1e-7), none=(0.5, 0.01, 1e-8))), SCALE),
        ("E2", table(edge()), HOLDS),
        ("E2", table(edge(RL_inside=(0.5, 0.0005, 1e-2))), FAILS),
        ("control, SFT", table(edge()), HOLDS),
        ("control, SFT", table(edge(SFT_edge=(0.4, 0.02, 1e-3))), FAILS),
        ("control, RFT", table(edge(RFT_edge=(0.5, 0.01, 1e-3)), noisy=("RFT edge",)), OPEN),
        ("A1", table({"none": (0.9, (0.1, 0.01, 0.1, 0.3), 1e-9), "RL edge": (0.9, 0.8, 1e-9)}), HOLDS),
        ("A1", table({"none": (0.9, (0.1, 1e-7, 0.1, 0.3), 1e-9), "RL edge": (0.9, 0.8, 1e-9)}), FAILS),
        ("A1", table({"none": (0.9, (0.1, 1e-5, 0.1, 0.3), 1e-9), "RL edge": (0.9, 0.8, 1e-9)}), OPEN),
        ("finding 2", table(exposed(copies=1), worlds=SECOND), HOLDS),
        ("finding 2", table(exposed(copies=2), worlds=SECOND), FAILS),
        ("finding 2", table(exposed(copies=1, names=0), worlds=SECOND), CONFOUNDED),
        ("finding 2", table(exposed(copies=1), noisy=("1 % copies + RL",), worlds=SECOND), OPEN),
        ("E7", table({"0.1 % all": (1e-4, 1e-9, 1e-9), "0.1 % all, RL 0 %": (1e-2, 1e-9, 1e-9)}, worlds=SECOND), HOLDS),
        ("E7", table({"0.1 % all": (1e-2, 1e-9, 1e-9), "0.1 % all, RL 0 %": (1e-4, 1e-9, 1e-9)}, worlds=SECOND), FAILS),
        ("E7", table({"0.1 % all": (1e-8, 1e-9, 1e-9), "0.1 % all, RL 0 %": (1e-7, 1e-9, 1e-9)}, worlds=SECOND), SCALE),
        ("E7, monotone", table(shared(RISING, "0.1 % all"), worlds=SECOND), HOLDS),
        ("E7, monotone", table(shared(RISING | {100: 2e-4}, "0.1 % all"), worlds=SECOND), FAILS),
        ("E7, monotone", table(shared(dict.fromkeys(RISING, 1e-7), "0.1 % all"), worlds=SECOND), SCALE),
        ("E8, diminishing", table(shared({0: 1e-5, 10: 1e-2, 50: 1.1e-2}), worlds=SECOND), HOLDS),
        ("E8, diminishing", table(shared({0: 1e-5, 10: 1e-4, 50: 1e-2}), worlds=SECOND), FAILS),
        ("E8", table(shared({0: 1e-5, 1: 1e-5, 10: 0.05}), worlds=SECOND), HOLDS),
        ("E8", table(shared({0: 1e-5, 1: 0.05, 10: 0.05}), worlds=SECOND), FAILS),  # 1 % is enough
        ("E8", table(shared({0: 1e-5, 1: 1e-5, 10: 2e-5}), worlds=SECOND), FAILS),  # 10 % is not
        ("E8, 10 % low", table(shared({0: 0.7, 1: 0.73, 10: 0.77}, "10 % low"), worlds=SECOND), HOLDS),
        ("E8, 10 % low", table(shared({0: 0.7, 1: 0.77, 10: 0.78}, "10 % low"), worlds=SECOND), FAILS),
        ("E8, 10 % low", table(shared({0: 0.7, 1: 0.7, 10: 0.73}, "10 % low"), worlds=SECOND), FAILS),
        ("E9, text", table(covered(0.001, 0.008, 0.01, 0.006, 0.004)), HOLDS),
        ("E9, text", table(covered(0.001, 0.004, 0.01, 0.006, 0.008)), FAILS),  # not smaller at 50 % than at 5 %
        ("E9, table", table(covered(0.001, 0.004, 0.006, 0.01, 0.008)), HOLDS),
        ("E9, table", table(covered(0.001, 0.008, 0.01, 0.006, 0.004)), FAILS),
        ("E9, hard", table(covered(*5 * [0.001], hard=(1e-4, 1e-4, 1e-4, 1e-4, 1e-3))), HOLDS),
        ("E9, hard", table(covered(1, 1, 1, 1, 1, hard=(1e-4, 1e-4, 1e-3, 1e-4, 9e-4))), FAILS),
        ("E9, hard", table(covered(*5 * [0.001])), SCALE),
        ("finding 3", table(splits(*5 * [0.1])), HOLDS),
        ("finding 3", table(splits(*5 * [0.1], hard=(0.01, 0.01, 0.01, 0.001, 0.01))), FAILS),
        ("finding 3", table(splits(*5 * [0.1], hard=(0.01, 0.01, 0.01, 1e-8, 1e-9))), SCALE),
        ("finding 3", table(splits(*5 * [0.1], hard=5 * [0.01]), noisy=("80% RL, full",)), OPEN),
        ("E10, edge", table(splits(0.3, 0.4, 0.3, 0.2, 0.1)), HOLDS),
        ("E10, edge", table(splits(0.5, 0.4, 0.3, 0.2, 0.1)), FAILS),  # above 100 % RL, but not the highest
        ("E10, hard", table(splits(*5 * [0.1])), HOLDS),
        ("E10, hard", table(splits(*5 * [0.1], hard=(0.02, 0.01, 0.01, 0.01, 0.01))), FAILS),
        ("E11", table(splits(0.3, 0.4, 0.3, 0.2, 0.1)), HOLDS),
        ("E11", table(splits(0.3, 0.4, 0.3, 0.2, 0.1) | {"50% RL, half": (0.9, 0.6, 1e-3)}), FAILS),
        ("E11, hard", table(splits(*5 * [0.1])), HOLDS),
        ("E11, hard", table(splits(*5 * [0.1]) | {"50% RL, half": (0.9, 0.1, 0.1)}), FAILS),
        ("E11, hard", table(splits(*5 * [0.1], hard=5 * [1e-5])), SCALE),
        ("E11, all RL", table(splits(*5 * [0.1], hard=(0.001, 0.001, 0.001, 0.001, 0.01))), HOLDS),
        ("E11, all RL", table(splits(*5 * [0.1])), FAILS),
        ("E11, all RL", table(splits(*5 * [0.1], hard=5 * [1e-7])), SCALE),
        ("E12, hard", table(rewarded(printed7=(0.4, 0.2), strict7=(0.4, 0.2))), HOLDS),
        ("E12, hard", table(rewarded(printed7=(0.4, 0.2), strict7=(0.4, 0.001), answer7=(0.4, 0.01))), FAILS),
        ("E12, hard", table(rewarded(printed7=0.9, strict7=0.9)), SCALE),
        ("E12, 128", table(rewarded(printed7=0.9, strict7=0.3)), HOLDS),
        ("E12, 128", table(rewarded(printed7=0.9, strict7=0.001)), FAILS),
        ("E12, 128", table(rewarded(strict7=0.02), noisy=("strict mod 7",)), OPEN),
        ("finding 4, mod 3", table(rewarded(printed3=0.4, strict3=0.4)), HOLDS),
        ("finding 4, mod 3", table(rewarded(printed3=0.4, strict3=0.1)), FAILS),
        ("finding 4, mod 11", table(rewarded(printed3=0.4, strict3=0.4)), OPEN),
        ("finding 4, why", table(rewarded(strict3=0.6, strict11=0.4)), HOLDS),
        ("finding 4, why", table(rewarded(strict3=0.6)), CONFOUNDED),
        ("finding 4, why", table(rewarded()), OPEN),
    ],
)  # fmt: skip
def test_verdicts_are_those_of_the_rules(name, found, verdict):
    # Mutants: a sign turned; all for any; a threshold left out (.02, .1, the highest mean); edge for hard; 128 for 1;
    # the half budget for the full; the first world for the second.
    assert judged(name, found) == verdict


def board(noisy=(), **changed) -> Results:
    """The leaderboard where its prediction holds, and methods it does not name are as good as NTP, alone and + RL."""
    arms = {name + end: p for name in (methods.CONTROL, *methods.PUBLISHED) for end, p in (("", 0.1), (" + RL", 0.3))}
    for name in ("pre-training", "RL", "RLP", "RPT", "RMT"):
        arms |= {name: 0.4, f"{name} + RL": 0.5}
    arms |= {"thinking SFT": 0.2, "thinking SFT, oracle": 0.3, "NTP, full texts": 0.9}
    arms |= {name.replace("_", " "): p for name, p in changed.items()}
    return Results("midtraining/leaderboard", "nano", solving(arms, noisy))


def solving(arms: dict[str, float], noisy=()) -> tuple[dict, ...]:
    """Rows of the sampled edge exam, every arm strictly right with such a probability, though answers are always right.
    Seeds move arms among ``noisy`` only."""
    made = []
    for arm, p in arms.items():
        for seed in (0, 1, 2):
            right = round(1e5 * p * (1 - 0.4 * seed * (arm in noisy)))
            counts = {"samples": 100_000, "strict": " ".join([str(right)] * 4), "correct": " ".join(["100000"] * 4)}
            made.append(sampled_row(arm, seed) | counts | {"exam": methods.EDGE})
    return tuple(made)


def weighed(**changed) -> Results:
    """The arms of midtraining/remit where ReMiT gains .2 alone and .1 after RL, and a second round .05."""
    arms = {"NTP": 0.3, "ReMiT": 0.5, "ReMiT_twice": 0.55, "shuffled_weights": 0.3, "topk": 0.4}
    arms |= {"NTP___RL": 0.4, "ReMiT___RL": 0.5, "shuffled_weights___RL": 0.4, "longer_RL": 0.4, "SFT": 0.4}
    arms |= {"distillation": 0.5, "NTP,_tokens_of_ReMiT": 0.2, "NTP,_none_wrong": 0.8}
    spelt = {"topk": "top-k", "SFT": "SFT-guided"}
    named = {spelt.get(n, n.replace("___", " + ").replace("_", " ")): p for n, p in (arms | changed).items()}
    return Results("midtraining/remit", "nano", solving(named))


@pytest.mark.parametrize(
    ("name", "found", "verdict"),
    [
        ("ReMiT, alone", board(ReMiT=0.6), BETTER),
        ("ReMiT, alone", board(ReMiT=0.05), WORSE),
        ("ReMiT, alone", board(**{"ReMiT + RL": 0.6}), OPEN),
        ("ReMiT, alone", board(ReMiT=0.9, noisy=("ReMiT",)), OPEN),
        ("ReMiT, + RL", board(**{"ReMiT + RL": 0.6}), BETTER),
        ("ReMiT, + RL", board(**{"NTP + RL": 0.6}), WORSE),
        ("RL, alone", board(NTP=0.02, RL=0.09), SCALE),
        ("ReLIFT over RL", board(ReLIFT=0.6), HOLDS),
        ("ReLIFT over RL", board(ReLIFT=0.3), FAILS),  # though above NTP
        ("ReLIFT over RL", board(**{"ReLIFT + RL": 0.6}), FAILS),
        ("RLP over pre-training", board(**{"RLP": 0.5, "RL": 0.6}), HOLDS),
        ("RLP over pre-training", board(RLP=0.5, noisy=("RLP",)), OPEN),
        ("board, NTP", board(), HOLDS),
        ("board, NTP", board(**{"NTP": 0.01, "NTP + RL": 0.9}), HOLDS),  # a level: guessing is no floor
        ("board, NTP", board(NTP=0.2), FAILS),
        ("board, NTP", board(NTP=0.2, noisy=("NTP",)), OPEN),
        ("board, NTP", board(NTP=0.3, noisy=("NTP",)), OPEN),  # its mean is above
        ("board, pre-training and RL", board(), HOLDS),
        *(
            ("board, pre-training and RL", board(noisy=noisy, **changed), found)
            for arm, p in (("pre-training", 0.2), ("pre-training + RL", 0.4), ("RL", 0.2), ("RL + RL", 0.4))
            for noisy, changed, found in (((), {arm: p}, FAILS), ((arm,), {}, OPEN))
        ),
        ("board, pre-training and RL", board(RL=0.6, noisy=("RL",)), OPEN),  # its mean is above
        ("board, thinking before tokens", board(), HOLDS),
        ("board, thinking before tokens", board(RLP=0.33, RMT=0.47), HOLDS),
        *(
            ("board, thinking before tokens", board(noisy=noisy, **changed), found)
            for name in ("RLP", "RPT", "RMT")
            for arm, p in ((name, 0.4), (f"{name} + RL", 0.5))
            for noisy, changed, found in (
                ((), {arm: p - 0.12}, FAILS), ((), {arm: p + 0.12}, FAILS), ((arm,), {}, OPEN),
            )
        ),
        ("board, thinking SFT", board(), HOLDS),
        ("board, thinking SFT", board(**{"thinking SFT + RL": 0.9}), HOLDS),  # of the arms alone
        ("board, thinking SFT", board(thinking_SFT=0.05), FAILS),
        ("board, thinking SFT", board(thinking_SFT=0.35), FAILS),
        ("board, thinking SFT", board(**{"thinking SFT, oracle": 0.95}), FAILS),
        ("board, thinking SFT", board(noisy=("thinking SFT",)), OPEN),
        ("board, none above pre-training", board(), HOLDS),
        ("board, none above pre-training", board(**{"mixed SFT + RL": 0.54}), HOLDS),
        ("board, none above pre-training", board(**{f"{name} + RL": 0.9 for name in methods.BOUNDS}), HOLDS),
        ("board, none above pre-training", board(ReMiT=0.9), HOLDS),  # of the arms after RL
        ("board, none above pre-training", board(**{"NTP + RL": 0.6}), FAILS),
        ("board, none above pre-training", board(**{"thinking + RL": 0.6}), FAILS),
        ("board, none above pre-training", board(**{"ReMiT + RL": 0.6}, noisy=("ReMiT + RL",)), OPEN),
        ("ReMiT gains", weighed(), HOLDS),
        ("ReMiT gains", weighed(ReMiT=0.2), FAILS),
        ("ReMiT gains + RL", weighed(), HOLDS),
        ("ReMiT gains + RL", weighed(ReMiT___RL=0.3), FAILS),
        ("ReMiT gains", weighed(NTP=1e-5, ReMiT=1e-4), SCALE),
        ("ReMiT gains", weighed(NTP=0.01, ReMiT=0.05), HOLDS),  # here nothing can be guessed
        ("ReMiT, weights", weighed(), HOLDS),
        ("ReMiT, weights", weighed(shuffled_weights=0.6), FAILS),
        ("ReMiT, weights", weighed(shuffled_weights=0.5), OPEN),
        ("ReMiT, weights + RL", weighed(shuffled_weights=0.6), HOLDS),
        ("ReMiT, weights + RL", weighed(shuffled_weights___RL=0.6), FAILS),
        ("ReMiT, reference", weighed(), HOLDS),
        ("ReMiT, reference", weighed(longer_RL=0.6), FAILS),
        ("ReMiT, shape", weighed(), HOLDS),
        ("ReMiT, shape", weighed(ReMiT___RL=0.7), FAILS),  # larger after RL
        ("ReMiT, shape", weighed(ReMiT___RL=0.3), FAILS),  # lost after RL
        ("ReMiT, flywheel", weighed(), HOLDS),
        ("ReMiT, flywheel", weighed(ReMiT_twice=0.8), FAILS),
        ("ReMiT, tokens", weighed(), HOLDS),
        ("ReMiT, tokens", weighed(**{"NTP,_tokens_of_ReMiT": 0.6}), FAILS),
        ("ReMiT, flywheel", weighed(ReMiT=0.2, ReMiT_twice=0.1), FAILS),  # both rounds lose
        ("ReMiT, flywheel", weighed(ReMiT_twice=0.4), HOLDS),  # "less" may be nothing
        ("ReMiT, none wrong", weighed(), HOLDS),
        ("ReMiT, none wrong", weighed(**{"NTP,_none_wrong": 0.4}), FAILS),
        ("ReMiT, SFT-guided", weighed(), HOLDS),
        ("ReMiT, top-k", weighed(topk=0.6), FAILS),
        ("ReMiT, distillation", weighed(), OPEN),
    ],
)  # fmt: skip
def test_methods_are_judged_by_the_rules_of_their_studies(name, found, verdict):
    # Mutants: arms exchanged; the arms alone for those after RL; ID for edge; the oracle counted as a method, or NTP
    # not; a claim of several parts decided by one; another margin; a mean deciding for its interval; answers deciding;
    # a level held to the floor of guessing.
    assert judged(name, found) == verdict


def generated(**answered: str) -> Results:
    """How many of 64 responses to each of four problems are strictly right, by arm; every answer is right."""
    arms = {"approaches 8 + RL": "1 1 1 1", "approaches 4 + RL": "1 1 1 0", "approaches 1 + RL": "9 9 0 0"}
    arms |= {"rejection 8 + RL": "9 9 9 0", "STaR + RL": "9 9 9 0", "no mid-training + RL": "9 9 0 0"}
    arms |= {"incorrect 1 + RL": "9 0 0 0", "STaR": "9 0 0 0", "approaches 8": "1 1 1 1", "no mid-training": "1 1 1 0"}
    made = [
        sampled_row(arm, seed) | {"exam": methods.EDGE, "samples": 64, "strict": counts, "correct": "64 64 64 64"}
        for arm, counts in (arms | answered).items()
        for seed in (0, 1, 2)
    ]
    return Results("midtraining/selfgen", "nano", tuple(made))


@pytest.mark.parametrize(
    ("name", "changed", "verdict"),
    [
        ("own solutions, RL", {"no mid-training + RL": "1 1 1 1"}, OPEN),
        ("own solutions, STaR", {"approaches 8 + RL": "9 9 0 0"}, FAILS),
        ("own solutions, diversity", {"rejection 8 + RL": "1 1 1 1"}, OPEN),
        ("own solutions, n", {"approaches 4 + RL": "1 0 0 0"}, FAILS),
        ("own solutions, wrong", {"incorrect 1 + RL": "1 1 1 1"}, FAILS),
        ("own solutions, before RL", {"STaR": "1 1 1 0"}, FAILS),
        ("own solutions, RL narrows", {"no mid-training": "9 0 0 0"}, FAILS),
        ("own solutions, RL narrows", {"no mid-training": "1 1 1 1"}, OPEN),
    ],
)
def test_own_solutions_are_judged_by_right_solutions(name, changed, verdict):
    # Mutants: answer for strict; pass@1 for pass@64 or the reverse; before RL for after it; one part of two deciding.
    assert judged(name, generated()) == HOLDS and judged(name, generated(**changed)) == verdict


MATCHED = {  # by each arm's thoughts in its last quarter, and how long they are in the first and the last
    "RMT": {"easy": 0.8, "medium": 0.7, "hard": 0.6, "inferred": 0.9, "planning": 0.3, "first": 60, "last": 20},
    "RPT": {"hard": 0.5, "first": 80, "last": 70},
    "no words": {"easy": 0.79, "medium": 0.69, "hard": 0.59},
    "no curriculum": {"easy": 0.7, "medium": 0.68, "hard": 0.57},
    "no budget": {"easy": 0.72, "medium": 0.6, "hard": 0.5, "first": 60, "last": 50},
    "no NTP": {"easy": 0.5, "medium": 0.5, "hard": 0.45},
    "foreseen": {"easy": 0.5, "medium": 0.45, "hard": 0.4, "inferred": 0.4, "planning": 0.3},
}
PONDERED = Results("midtraining/rmt", "nano", solving(dict.fromkeys(MATCHED, 0.5)))


def told(cells: dict) -> str:
    return " ".join(f"{kind}:{value:.4f}" for kind, value in cells.items())


def pondered(changed: dict, noisy: tuple = (), begun: float = 0.2) -> tuple[dict, ...]:
    """Curves of stages that think. changed: what else an arm has, by arm and kind. All match ``begun`` in the first
    tenth, and between that and the last quarter all is the other way round. Seeds move everything far and alike, and
    what is among ``noisy`` apart."""
    made = []
    known = {arm: kinds | {k: v for (a, k), v in changed.items() if a == arm} for arm, kinds in MATCHED.items()}
    for point in curve_rows([*MATCHED][:-1], seeds=(0, 1, 2), points=20, stages=(5,)):
        arm, seed, share = point["arm"], point["seed"], point["share"]
        cells = {"drawn": {}, "matched": {}, "foreseen": {}}
        for kind, p in known[arm].items():
            if kind in known["foreseen"]:
                apart = 1.0 * (seed % 2) * ((arm, kind) in noisy)
                right = (begun if share <= 0.1 else p if share > 0.75 else 1 - p) - 0.02 * seed - apart
                plain = (known["foreseen"][kind] if share > 0.75 else 1.0) - 0.02 * seed
                for name, value in zip(cells, (100, 100 * right, 100 * plain), strict=True):
                    cells[name][kind] = value
        begins, ends = (known[arm].get(end, 40) for end in ("first", "last"))
        tokens = begins if share <= 0.25 else ends if share > 0.75 else begins + ends - begins * (share < 0.5)
        tokens += 5 * seed + 200 * (seed % 2) * ((arm, "last") in noisy) * (share > 0.75)
        made.append(point | {name: told(each) for name, each in cells.items()} | {"thought_tokens": tokens})
    return tuple(made)


@pytest.mark.parametrize(
    ("name", "changed", "verdict"),
    [
        ("hard tokens", {}, HOLDS),
        ("hard tokens", {("RMT", "hard"): 0.4}, FAILS),
        ("hard tokens", {("RMT", "easy"): 0.1, ("RMT", "medium"): 0.1}, HOLDS),
        ("untrained", {}, HOLDS),
        ("untrained", {("RPT", "hard"): 0.1}, FAILS),
        ("untrained", {("RMT", "easy"): 0.1}, FAILS),
        ("tiers", {}, HOLDS),
        ("tiers", {("RMT", "medium"): 0.85}, FAILS),
        ("tiers", {("RMT", "hard"): 0.75}, FAILS),
        ("thought or none", {}, HOLDS),
        ("thought or none", {("foreseen", "hard"): 0.7}, FAILS),
        ("thought or none", {("RMT", "easy"): 0.4}, FAILS),
        ("no budget", {}, HOLDS),
        ("no budget", {("no budget", "easy"): 0.9}, FAILS),
        ("no words", {}, HOLDS),
        ("no words", {("no words", "hard"): 0.7}, FAILS),
        ("no curriculum", {}, HOLDS),
        ("no curriculum", {("no curriculum", "medium"): 0.8}, FAILS),
        ("no NTP", {}, HOLDS),
        ("no NTP", {("no NTP", "hard"): 0.7}, FAILS),
        ("what it loses", {}, HOLDS),  # though easy tokens alone say otherwise
        ("what it loses", {("no NTP", "easy"): 0.9}, FAILS),
        ("what it loses", {("no budget", "medium"): 0.9}, FAILS),
        ("what it loses", {("no curriculum", "hard"): 0.9}, FAILS),
        ("length", {}, HOLDS),
        ("length", {("RMT", "last"): 65}, FAILS),
        ("length by budget", {}, HOLDS),
        ("length by budget", {("no budget", "last"): 10}, FAILS),
        ("length and RPT", {}, HOLDS),
        ("length and RPT", {("RPT", "last"): 10}, FAILS),
        ("roles", {}, HOLDS),
        ("roles", {("RMT", "planning"): 0.9}, FAILS),
        ("roles", {("RMT", "inferred"): 0.3, ("RMT", "planning"): 0.1}, FAILS),  # less harm is no help
        ("role or tier", {}, HOLDS),
        ("role or tier", {("foreseen", "hard"): 0.9}, FAILS),  # medium and hard are further apart than roles
        ("role or tier", {("foreseen", "easy"): 0.05}, FAILS),
    ],
)
def test_thoughts_are_judged_by_the_last_quarter(name, changed, verdict):
    # Mutants: signs; another part of the stage; another tier; one tier, or one of two parts, deciding; lengths of the
    # last two quarters; foreseen of all the stage; the mean of tiers for each or the reverse.
    assert judged(f"RMT, {name}", PONDERED, pondered(changed)) == verdict


@pytest.mark.parametrize(
    ("name", "noisy"),
    [
        ("hard tokens", ("RMT", "hard")),
        ("untrained", ("RPT", "hard")),
        ("tiers", ("RMT", "medium")),
        ("thought or none", ("RMT", "easy")),
        ("no budget", ("no budget", "medium")),
        ("what it loses", ("no NTP", "easy")),
        ("length", ("RMT", "last")),
        ("length by budget", ("no budget", "last")),
        ("length and RPT", ("RPT", "last")),
        ("roles", ("RMT", "planning")),
        ("role or tier", ("RMT", "inferred")),
    ],
)
def test_thoughts_that_seeds_disagree_on_are_open(name, noisy):
    # Mutants: the mean of all seeds for an interval; seeds of one arm paired with others' (all seeds differ).
    assert judged(f"RMT, {name}", PONDERED, pondered({}, noisy=(noisy,))) == OPEN


def test_thoughts_are_counted_as_the_curve_counts_them():
    # Mutants: a mean of the points' shares; points of unlike steps weighed alike; the quarter off by one point; a
    # first quarter for a first tenth; another stage of the arm counted in.
    def curve(arm: str, points: list[tuple]) -> list[dict]:
        (plain,) = curve_rows((arm,), seeds=(0,), points=1, stages=(5,))
        return [
            plain
            | {"step": step, "share": share, "thought_tokens": length}
            | {"drawn": told(dict.fromkeys(TIERS, n)), "matched": told(dict.fromkeys(TIERS, right))}
            for step, share, length, n, right in points
        ]

    rows = curve("RMT", [(30, 1.0, 20, 10, 9), (2, 0.1, 90, 50, 5), (8, 0.25, 60, 10, 5), (28, 0.76, 30, 30, 6)])
    rows += curve("RMT", [(20, 0.75, 70, 50, 50), (9, 0.26, 10, 50, 0)])
    rows += curve("RPT", [(4, 0.9, math.nan, 5, 5), (9, 0.8, 40, 20, 4), (10, 1.0, 10, 60, 6)])

    def means(name: str) -> list[float]:
        claim = NAMED[f"RMT, {name}"]
        one = Results("s", "nano", solving(dict.fromkeys(claim.arms, 0.5))[::3])
        return [estimate.mean for _, estimate in decide(claim, one, BANDS, tuple(rows)).parts]

    assert means("hard tokens") == [pytest.approx(15 / 40 - 10 / 80)]
    assert means("untrained") == 3 * [pytest.approx(15 / 40 - 5 / 50)] + [pytest.approx(10 / 80 - 5 / 50)]
    assert means("length") == [pytest.approx((2 * 90 + 6 * 60) / 8 - (8 * 30 + 2 * 20) / 10)]
    assert means("length and RPT") == [pytest.approx((9 * 40 + 10) / 10 - 28)]


def test_thoughts_not_yet_there_are_open():
    # Mutants: a kind or seed without thoughts counted as nothing right; no curves at all taken for measured.
    def verdicts(rows) -> list[str]:
        rows = tuple(rows)
        return [judged(f"RMT, {name}", PONDERED, rows) for name in ("hard tokens", "tiers", "length", "roles")]

    rows = pondered({})
    assert verdicts(rows) == [HOLDS] * 4 and verdicts([]) == [NOT_RUN] * 4
    assert verdicts(r | {"thought_tokens": math.nan} for r in rows) == [NOT_RUN] * 4
    assert verdicts(r for r in rows if r["arm"] == "RMT") == [OPEN, HOLDS, HOLDS, HOLDS]
    assert verdicts(r for r in rows if (r["arm"], r["seed"]) != ("RMT", 1)) == [OPEN] * 4
    assert verdicts(r for r in rows if r["share"] > 0.75) == [HOLDS, HOLDS, OPEN, HOLDS]
    assert verdicts(r for r in rows if r["share"] <= 0.75) == [OPEN] * 4
    assert verdicts(r | {"drawn": r["drawn"].replace("planning", "copy")} for r in rows) == [HOLDS, HOLDS, HOLDS, OPEN]
    assert (
        "RMT, the same - that at choices"
        in decide(NAMED["RMT, roles"], PONDERED, BANDS, tuple(r | {"drawn": "inferred:9"} for r in rows)).note
    )


def examined(study: str, arms: dict[str, float], noisy=(), **changed: float) -> Results:
    return Results(study, "nano", solving(arms | changed, noisy))


RMT_ARMS = {arm + end: 0.5 for claim in methods.RMT for arm in claim.arms for end in ("", " + RL") if "+" not in arm}
LADDER = {"pre-training": 0.2, "NTP": 0.3, "thinking SFT": 0.4, "thinking": 0.5, "thinking SFT, oracle": 0.5}
LADDER |= {
    "thinking SFT, empty": 0.32,
    "thinking SFT, shuffled": 0.28,
    "thinking, 1/4 RL": 0.45,
    "thinking, 3/4 RL": 0.6,
}
LADDER |= {
    "NTP, all tokens": 0.3,
    "thinking SFT, all tokens": 0.4,
    "thinking, RL alone": 0.2,
    "thinking, judge of values": 0.4,
    "thinking, noisy judge": 0.45,
    "thinking, all tokens": 0.48,
}
THOUGHT_ARMS = LADDER | {f"{arm} + RL": p + 0.1 for arm, p in LADDER.items()} | {"longer RL": 0.55}


@pytest.mark.parametrize(
    ("name", "changed", "verdict"),
    [
        ("RMT - NTP (alone)", {"RMT": 0.6}, BETTER),
        ("RMT - NTP (alone)", {"RMT": 0.4}, WORSE),
        ("RMT - NTP (alone)", {"RMT + RL": 0.6}, OPEN),
        ("RMT - cold start (+ RL)", {"RMT + RL": 0.6}, BETTER),
        ("RMT - cold start (+ RL)", {"cold start + RL": 0.6}, WORSE),
        ("RPT - NTP (+ RL)", {"RPT + RL": 0.05, "NTP + RL": 0.08}, SCALE),
        ("RMT, exams", {"RMT": 0.4, "RMT + RL": 0.4}, HOLDS),
        ("RMT, exams", {"RMT": 0.4, "RMT + RL": 0.4, "mixed SFT + RL": 0.3}, FAILS),
        ("RMT, exams", {"RMT": 0.4, "RMT + RL": 0.4, "NTP": 0.3}, FAILS),
        ("RMT, exams", {"RMT": 0.4}, OPEN),
        ("thoughts, ladder", {}, HOLDS),
        ("thoughts, ladder", {"NTP": 0.45}, FAILS),
        ("thoughts, ladder", {"thinking": 0.35}, FAILS),
        ("thoughts, ladder", {"thinking": 0.4}, OPEN),
        ("thoughts, ladder", {arm: p for arm, p in THOUGHT_ARMS.items() if "+" in arm} | {"NTP + RL": 0.9}, HOLDS),
        ("thoughts, ladder + RL", {"NTP": 0.9}, HOLDS),
        ("thoughts, ladder + RL", {"NTP + RL": 0.55}, FAILS),
        ("thoughts, ladder", {"NTP": 0.01, "thinking SFT": 0.05, "thinking": 0.09}, SCALE),
        ("thoughts, content", {}, HOLDS),
        ("thoughts, content", {"thinking SFT, empty": 0.45}, FAILS),
        ("thoughts, content", {"thinking SFT, shuffled": 0.4}, OPEN),
        ("thoughts, content + RL", {"thinking SFT, shuffled + RL": 0.6}, FAILS),
        ("thoughts, RL on them", {}, HOLDS),
        ("thoughts, RL on them", {"longer RL": 0.65}, FAILS),
        ("thoughts, RL on them", {"longer RL": 0.6}, OPEN),
        ("thoughts, more RL", {}, HOLDS),
        ("thoughts, more RL", {"thinking, 1/4 RL": 0.55}, FAILS),
        ("thoughts, more RL + RL", {"thinking, 3/4 RL + RL": 0.55}, FAILS),
        ("thoughts, RL alone", {}, HOLDS),
        ("thoughts, RL alone", {"thinking, RL alone": 0.6}, FAILS),
        ("thoughts, loss", {}, HOLDS),
        ("thoughts, loss", {"NTP, all tokens": 0.5}, FAILS),
        ("thoughts, loss, ladder", {}, HOLDS),
        ("thoughts, loss, ladder", {"thinking SFT, all tokens": 0.6}, FAILS),
        ("thoughts, loss, ladder + RL", {"thinking, all tokens + RL": 0.4}, FAILS),
        ("thoughts, judges", {}, HOLDS),
        ("thoughts, judges", {"thinking, judge of values": 0.6}, FAILS),
        ("thoughts, judges", {"thinking, noisy judge": 0.5}, OPEN),
        ("thoughts, others equal NTP", {}, HOLDS),
        ("thoughts, others equal NTP", {"thinking SFT, empty": 0.36}, FAILS),
        ("thoughts, others equal NTP", {"thinking SFT, shuffled": 0.24}, FAILS),
        ("thoughts, others equal NTP + RL", {"NTP + RL": 0.34}, FAILS),
    ],
)
def test_arms_that_think_are_judged_by_the_sampled_edge_exam(name, changed, verdict):
    # Mutants: arms exchanged; the arms alone for those after RL; answers for strict; one part of two deciding; no
    # floor.
    known = RMT_ARMS if name.startswith("R") else THOUGHT_ARMS
    assert judged(name, examined("s", known | changed)) == verdict


def test_arms_that_seeds_disagree_on_are_open():
    # Mutant: the mean of all seeds for an interval.
    for name, arm in (
        ("thoughts, ladder", "thinking"),
        ("thoughts, others equal NTP", "NTP"),
        ("thoughts, judges", "thinking"),
    ):
        assert judged(name, examined("s", THOUGHT_ARMS, (arm,))) == OPEN
    assert judged("RMT - RPT (alone)", examined("s", RMT_ARMS | {"RMT": 0.9}, ("RMT",))) == OPEN


def probed(**nats: float) -> Results:
    """Log-probabilities of four segments after each kind of thought, -1 where none other is said; seeds and problems
    move those after all thoughts far and alike, and those after a thought that is said to be noisy apart."""
    made = []
    for thought in ("own", "empty", "shuffled", "other"):
        for seed in (0, 1, 2):
            logp = (
                np.arange(4) * -2.0 - seed + nats.get(thought, -1.0) - 9.0 * (seed % 2) * (thought == nats.get("noisy"))
            )
            about = {"exam": f"thought-{thought}", "kind": "probe", "logp": cell(logp, 4)}
            made.append(sampled_row("NTP + RL", seed) | about | {"strict": "0 0 0 0"})
    return Results("s", "nano", tuple(made))


@pytest.mark.parametrize(
    ("nats", "verdict"),
    [
        ({"own": -0.5}, HOLDS),
        ({"own": -0.5, "empty": -0.4}, FAILS),
        ({"own": -0.5, "shuffled": -0.4}, FAILS),
        ({"own": -0.5, "other": -0.4}, FAILS),
        ({"own": -0.5, "other": -0.5}, OPEN),
        ({"own": -0.5, "noisy": "empty"}, OPEN),
    ],
)
def test_thoughts_matter_where_segments_are_likelier_after_them(nats, verdict):
    # Mutants: one other thought for each; the mean of the others; counts of segments written for log-probabilities.
    assert judged("thoughts matter, NTP + RL", probed(**nats)) == verdict


def test_an_exam_that_a_seed_has_not_sat_leaves_a_claim_open():
    # Mutants: a KeyError; the seeds of another exam compared.
    for kept in (lambda r: r["exam"] != "thought-other", lambda r: (r["exam"], r["seed"]) != ("thought-own", 1)):
        found = Results("s", "nano", tuple(filter(kept, probed(own=-0.5).rows)))
        made = decide(NAMED["thoughts matter, NTP + RL"], found, BANDS)
        assert made.verdict == OPEN and "'NTP + RL' has not sat thought-o" in made.note
    rows = solving(THOUGHT_ARMS | RMT_ARMS)
    half = tuple(r | {"exam": "zoo-ops1"} if r["arm"].startswith("thinking") and r["seed"] == 2 else r for r in rows)
    assert judged("thoughts, ladder", Results("s", "nano", half)) == OPEN
    half = tuple(r | {"exam": "zoo-ops1"} if r["arm"] == "RMT" and r["seed"] == 2 else r for r in rows)
    assert judged("RMT - NTP (alone)", Results("s", "nano", half)) == OPEN


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, HOLDS),
        ({"reward": (0.1, 0.05)}, FAILS),
        ({"thought_tokens": (70, 60)}, FAILS),
        ({"thought_tokens": (70, 70)}, OPEN),
    ],
)
def test_growth_is_of_thoughts_and_rewards(changed, verdict):
    # Mutants: signs; one of the two deciding; another stage that has rewards counted in.
    ends = {"reward": (0.005, 0.1), "thought_tokens": (70, 300)} | changed
    made = []
    for point in curve_rows(("thinking",), seeds=(0, 1, 2), points=20, stages=(5, 6)):
        values = {
            name: a if point["share"] <= 0.25 else b if point["share"] > 0.75 else 2 * a - b
            for name, (a, b) in ends.items()
        }
        other = {"reward": 1 - point["share"], "thought_tokens": math.nan}
        made.append(point | (values if point["stage"] == 5 else other))
    found = examined("s", {"thinking": 0.5})
    assert judged("thoughts, growth", found, tuple(made)) == verdict and judged("thoughts, growth", found) == NOT_RUN


def test_faults_decide_error_types():
    # Mutants: faults of all kinds; missing ones not asked for.
    def found(strict: str, answer: str) -> Results:
        arms = {"strict mod 7": strict, "answer mod 7": answer}
        made = [sampled_row(arm, seed) | {"faults": text} for arm, text in arms.items() for seed in (0, 1, 2)]
        return Results("s", "nano", tuple(made))

    assert judged("E13", found("operand:4 missing:2", "operand:9 missing:5")) == HOLDS
    assert judged("E13", found("operand:9 missing:2", "operand:4 missing:5")) == FAILS
    assert judged("E13", found("operand:4 missing:5 recall:1", "operand:9 missing:5 recall:9")) == OPEN


def test_curves_decide_whether_rewards_rise():
    # Mutants: the curve of another arm; the halves exchanged; an arm or a seed without a curve passed over.
    found, flat = table(edge()), curve_rows(("RL edge", "RL beyond"), seeds=(0, 1, 2))
    rising = [r | {"reward": r["reward"] + 0.4 * r["share"]} if r["arm"] == "RL beyond" else r for r in flat]
    falling = [r | {"reward": r["reward"] - 0.9 * r["share"]} for r in flat]
    part = [r for r in rising if r["seed"] < 2]
    cases = (flat, rising, falling, [], part)
    assert [judged("E3", found, tuple(rows)) for rows in cases] == [HOLDS, FAILS, HOLDS, NOT_RUN, NOT_RUN]
    # Of curve_rows every arm rises but those beyond.
    assert [judged("E3, edge", found, tuple(rows)) for rows in (flat, falling, part)] == [HOLDS, FAILS, NOT_RUN]


def test_rewards_after_exposure_are_those_of_each_share():
    # Mutants: one share for each; "flat" asked of all; a fall that passes for flat.
    names = tuple(f"{share} copies + RL" for share in claims.EXPOSURES)
    found = table(dict.fromkeys(names, (0.1, 0.1, 0.1)))

    def rise(*by: float) -> tuple:
        made = curve_rows(names, seeds=(0, 1, 2))
        slopes = dict(zip(names, by, strict=True))
        return tuple(r | {"reward": 0.2 + slopes[r["arm"]] * r["share"]} for r in made)

    for by, verdict in (
        ((0.0, 0.4, 0.4), HOLDS),
        ((0.4, 0.4, 0.4), FAILS),
        ((0.0, 0.4, -0.4), FAILS),
        ((0.0, -0.4, 0.4), FAILS),
        ((0.0, 0.0, 0.4), OPEN),
    ):
        assert judged("E6", found, rise(*by)) == verdict
    assert judged("E6", found, tuple(r for r in rise(0, 1, 1) if r["arm"] != names[1])) == NOT_RUN


@pytest.mark.parametrize(("name", "base", "kept", "lost"), [
    ("E8, first world", "1 % low", 0.09, 1e-3), ("E8, first world, 10 %", "10 % low", 0.09, 0.02),
])  # fmt: skip
def test_the_first_context_is_kept_only_where_rl_in_the_second_took_place(name, base, kept, lost):
    # Mutants: an arm that was never paid counted as one that forgets nothing; the other base's reward; edge for ID.
    arms = (f"{base}, RL 0 %", f"{base}, RL 100 %")

    def curves(reward: float) -> tuple:
        paid = {arms[0]: 0.8, arms[1]: reward}
        return tuple(r | {"reward": paid[r["arm"]]} for r in curve_rows(arms, seeds=(0, 1, 2)))

    for after, reward, verdict in ((kept, 0.5, HOLDS), (lost, 0.5, FAILS), (kept, 0.001, SCALE), (lost, 0.0, SCALE)):
        assert judged(name, table(shared({0: 0.1, 100: after}, base)), curves(reward)) == verdict
    assert judged(name, table(shared({0: 0.1, 100: kept}, base))) == NOT_RUN


def test_similarity_decides_replication():
    # Mutants: problems weighed alike; the band instead of the edge.
    def found(logp: tuple) -> Results:
        made = [
            row("10 % arithmetic + RL", 0, seed, "school", ops, np.array(logp) - 0.01 * seed)
            | {"similarity": "0.5000 0.6000 0.8000 0.9000"}
            for seed in (0, 1, 2)
            for ops in (1, 2)
        ]
        return Results("s", "nano", tuple(made))

    assert judged("E5", found((-3.0, -3.0, -0.1, -0.1))) == HOLDS
    assert judged("E5", found((-0.1, -0.1, -3.0, -3.0))) == FAILS
    assert judged("E5", found((-30.0, -30.0, -30.0, -30.0))) == SCALE


def path(lost: dict, gained=(0.1, 0.2, 0.3, 0.4), kl=1.0) -> Results:
    """Arms of forgetting whose edge pass@1 grows as ``gained`` and whose ID pass@1 falls by what a method has lost."""
    arms = {"none": (0.9, 0.05, 1e-9)}
    arms |= {f"{m} {n}": (0.9 - lost[m][n - 1], 0.05 + gained[n - 1], 1e-9) for m in lost for n in (1, 2, 3, 4)}
    rows = list(table(arms, worlds=("zoo",)).rows)
    for r in [r for r in rows if r["exam"] == "zoo-ops1"]:
        method, _, n = r["arm"].partition(" ")
        nats = kl * lost[method][int(n) - 1] if n else 0.0
        rows.append(r | {"exam": "edge-kl", "kind": "divergence", "logp": "", "divergence": cell(np.full(4, nats), 6)})
    return Results("s", "nano", tuple(rows))


def test_forgetting_is_compared_at_equal_gain():
    # Mutants: the last loss of either; losses of the edge; gains not interpolated; a correlation of another sign.
    costly, cheap = (0.02, 0.04, 0.06, 0.08), (0.01, 0.01, 0.02, 0.03)
    assert judged("A3", path({"SFT": costly, "RL": cheap})) == HOLDS
    assert judged("A3", path({"SFT": cheap, "RL": costly})) == FAILS
    assert judged("A3, KL", path({"SFT": costly, "RL": cheap})) == HOLDS
    assert judged("A3, KL", path({"SFT": costly, "RL": cheap}, kl=-1.0)) == FAILS
    for sign, note in ((1, ""), (-1, "no arm's loss excludes zero, so there is little to tell")):
        lost = {"SFT": [sign * x for x in costly], "RL": [sign * x for x in cheap]}
        assert decide(NAMED["A3, KL"], path(lost), BANDS).note == note
    assert lost_at([0.0, 0.1, 0.3], [0.0, 0.02, 0.10], 0.2) == pytest.approx(0.06)
    assert lost_at([0.0, 0.1, 0.3], [0.0, 0.02, 0.10], 0.4) == 0.10 and lost_at([0.0, 0.1], [0.0, 0.5], -0.1) == 0.0
    assert lost_at([0.0, 0.3, 0.1, 0.3], [0.0, 0.3, 0.9, 0.9], 0.2) == pytest.approx(0.2)  # the first crossing


def test_an_estimate_is_students_over_seeds():
    # Mutants: a bootstrap; arms exchanged; another k; problems of all bands.
    found = table(splits(0.3, 0.4, 0.3, 0.2, 0.1), noisy=("20% RL, full",))
    ((what, ours), (beside, little)) = decide(NAMED["E10, edge"], found, BANDS).parts
    a, b, none = (found.solved(f"{share}% RL, full", "zoo-ops2", 1) for share in (20, 100, 0))
    assert beside == "20% RL, full - 0% RL, full" and little == over_seeds(a, none)
    assert ours == over_seeds(a, b) and (ours.seeds, ours.problems) == (3, 4) and "edge pass@1" in what


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_one_seed_decides_nothing_and_no_table_is_not_run(claim):
    # Mutants: a verdict of one seed; an arm that is not there read as nothing; seeds of one arm paired with others'.
    assert decide(claim, None, BANDS).verdict == NOT_RUN
    few = table({"another arm": (0.9, 0.1, 1e-3)})
    missing = decide(claim, few, BANDS)
    assert missing.verdict == NOT_RUN and repr(claim.arms[0]) in missing.note
    if len(claim.arms) > 1:
        split = table({claim.arms[0]: (0.9, 0.1, 1e-3)}, seeds=(0,)).rows
        split += table(dict.fromkeys(claim.arms[1:], (0.9, 0.1, 1e-3)), seeds=(1,)).rows
        assert decide(claim, Results("s", "nano", split), BANDS).verdict == NOT_RUN


def test_fewer_than_three_seeds_decide_nothing():
    # Mutants: Student's t of one seed; the bootstrap of one seed taken for evidence; two seeds that happen to agree.
    found = table(edge(), seeds=(0,))
    made = decide(NAMED["finding 1"], found, BANDS)
    assert made.verdict == FEW_SEEDS and all(estimate.seeds == 1 for _, estimate in made.parts)
    for seeds, verdict in (((0,), FEW_SEEDS), ((0, 1), FEW_SEEDS), ((0, 1, 2), HOLDS)):
        assert judged("finding 3", table(splits(*5 * [0.1]), seeds=seeds)) == verdict


def test_seeds_that_lack_an_arm_are_left_out():
    # Mutant: a half-finished seed counted for the arms it has.
    rows = [r for r in table(edge()).rows if not (r["arm"] == "RL beyond" and r["seed"] == 2)]
    assert {e.seeds for _, e in decide(NAMED["finding 1"], Results("s", "nano", tuple(rows)), BANDS).parts} == {2}


def test_claims_compare_arms_that_their_studies_have():
    # Mutants: an arm misspelt here or renamed in its study, so that a claim is never run; two claims of one name; a
    # claim under another topic's name; a method added to the board and not to its claims; a pair that RMT's rule names
    # or an arm that is probed left out.
    assert all(claim.study.startswith(f"{topic}/") for topic, each in TOPICS.items() for claim in each)
    board = importlib.import_module("interlude.studies.midtraining.leaderboard")
    names = [methods.CONTROL, *methods.PUBLISHED]
    assert names == sorted(board.METHODS, key=names.index)
    for claim in CLAIMS:
        study = importlib.import_module(f"interlude.studies.{claim.study.replace('/', '.')}").study(SMOKE)
        assert set(claim.arms) <= {arm.name for arm in study.arms}, claim.name
    assert len(NAMED) == len(CLAIMS)
    pondered, thoughts = (
        importlib.import_module(f"interlude.studies.midtraining.{name}").study(SMOKE) for name in ("rmt", "thinking")
    )
    assert {claim.arms for claim in methods.RMT if claim.name.endswith(")")} == {*pondered.contrasts}
    probed = {claim.arms for claim in methods.THINKING if claim.name.startswith("thoughts matter")}
    assert probed == {(arm.name,) for arm in thoughts.arms}


def test_the_table_shows_scales_side_by_side():
    # Mutants: one scale's verdict under another's name; NaN printed; an estimate without its n.
    one = [decide(claim, None, BANDS) for claim in claims.CLAIMS]
    two = [decide(c, table(edge()) if c.study == "interplay/edge" else None, BANDS) for c in claims.CLAIMS]
    rows = report.claim_rows(claims.CLAIMS, {"nano": one, "small": two})
    _, heads, cells, _ = report.claim_table(rows)
    late = {row["name"] for row, told in zip(rows, cells, strict=True) if "(rule written after the run)" in told[2]}
    assert late == {claim.name for claim in claims.CLAIMS if claim.rule.startswith("Written after the run")} >= {"E6"}
    assert heads == ["claim", "published", "nano", "small"] and len(cells) == len(claims.CLAIMS)
    (line,) = [line for line in cells if line[0].startswith("finding 1\n")]
    assert line[2] == NOT_RUN and line[3].startswith(HOLDS) and "3 seeds × 4" in line[3]
    bare = {"what": "x", "mean": 0.5, "low": math.nan, "high": math.nan, "seeds": 1, "problems": 0}
    assert report.part_in_words(bare) == "x: 0.500, 1 seed"
    other = report.claim_rows(methods.CLAIMS, {"nano": [decide(claim, None, BANDS) for claim in methods.CLAIMS]})
    page = report.page([], BANDS, [rows, other])
    texts = ('id="claims-interplay"', "finding 1", 'id="claims-midtraining"', "ReMiT, alone")
    places = [page.index(text) for text in texts]
    assert places == sorted(places) and ": nan" not in page
