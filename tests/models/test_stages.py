"""One example of every stage buys it: exact resume, pure collecting, split invariance, a true ledger, and more."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import pkgutil

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

import interlude.models.stages
from interlude.models.files import read_jsonl
from interlude.models.gpt import GPT
from interlude.models.hf import HF
from interlude.models.hf_checkpoint import save_pretrained
from interlude.models.key import canonical, key
from interlude.models.ledger import REFERENCE, ROLLOUT, TRAIN, Ledger, Spent, attended, forward_cost
from interlude.models.optim import Optim
from interlude.models.policy_gradient import DAPO, DR_GRPO, GRPO, REINFORCE, Policy, sampled
from interlude.models.recipe import Recipe, references
from interlude.models.rollouts import Reward, rollouts
from interlude.models.stage import Batch, Stage, StageModels, pack
from interlude.models.stages.annotate import Annotate
from interlude.models.stages.coldstart import ColdStart
from interlude.models.stages.distil import Distil
from interlude.models.stages.interleave import Interleave
from interlude.models.stages.midtrain import Midtrain
from interlude.models.stages.pretrain import Pretrain
from interlude.models.stages.ra3 import RA3
from interlude.models.stages.relift import ReLIFT
from interlude.models.stages.remit import ReMiT
from interlude.models.stages.rft import RFT
from interlude.models.stages.rl import RL
from interlude.models.stages.rlp import RLP
from interlude.models.stages.rmt import RMT
from interlude.models.stages.selfgen import SelfGen
from interlude.models.stages.sft import SFT
from interlude.models.stages.switch import Switch
from interlude.models.stages.thinking import Judge, Thinking
from interlude.models.stages.withdraw import Withdraw
from interlude.models.thought_rl import Bins, Reasoning
from interlude.models.train import Machine, State, backward, frozen
from interlude.models.train import train as train_
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary

EASY = Source(ops=(1, 1), modulus=3, names=6)  # conftest's ``source``: examples are made when tests are collected
OTHER = dataclasses.replace(EASY, order="shuffled")
OPTIM = Optim(matrix_lr=1e-3, other_lr=1e-3, warmup=2)
COMMON = {"steps": 4, "batch_size": 4, "optim": OPTIM, "data": EASY}
REPLAYED = COMMON | {"data": OTHER, "replay": EASY, "replay_share": 0.5}
VOCAB = Vocabulary(modulus=3, worlds=("zoo",), names=6)
# A model that has seen nothing: its weights differ from the learner's everywhere, and whatever a test trains.
STRANGER = Recipe(GPT(layers=1, width=32, heads=1, kv_heads=1, hidden=32, vocab=VOCAB))
TAGGED = Recipe(dataclasses.replace(STRANGER.model, vocab=dataclasses.replace(VOCAB, thoughts=True)))
ROLLS = COMMON | {"num_samples": 4, "max_new_tokens": 30}
GAPS = dataclasses.replace(EASY, ops=(2, 2), skip_prob=1.0)
THINKS = ROLLS | {"data": GAPS, "max_new_tokens": 26}
BINS = Bins(longest=26, count=3)

# One example at least of every stage; a new stage adds its own here.
EXAMPLES = {
    "pretrain": Pretrain(**COMMON),
    "pretrain-all": Pretrain(**COMMON, targets="all"),
    "pretrain-recall": Pretrain(**COMMON, without=("arithmetic", "answer")),
    "midtrain": Midtrain(**REPLAYED),
    "remit": ReMiT(**REPLAYED, reference=STRANGER),
    "remit-shuffled": ReMiT(**REPLAYED, reference=STRANGER, weights="shuffled", against="start", renormalise=True),
    "remit-topk": ReMiT(**REPLAYED, reference=STRANGER, weights="topk", targets="solution"),
    "distil": Distil(**REPLAYED, reference=STRANGER),
    "switch": Switch(**REPLAYED, reference=STRANGER),
    "ra3": RA3(**REPLAYED, cost=0.0),
    "sft": SFT(**COMMON),
    "rft": RFT(**ROLLS),
    "selfgen-rejection": SelfGen(**COMMON, source="rejection", n=2, samples=4, instances=8, max_new_tokens=30),
    "selfgen-star": SelfGen(**COMMON, source="star", n=1, samples=2, instances=8, max_new_tokens=30),
    "dr-grpo": RL(**ROLLS, objective=DR_GRPO),
    "grpo": RL(**ROLLS, objective=dataclasses.replace(GRPO, kl=0.1), reward=Reward("printed")),
    "dapo-2-updates": RL(**ROLLS, objective=DAPO, updates_per_batch=2),
    "relift": ReLIFT(**ROLLS),
    "interleave": Interleave(**ROLLS, text=OTHER, replay=EASY, reading=1),
    "withdraw": Withdraw(**ROLLS, solved=1.0),
    "withdraw-kl": Withdraw(**ROLLS, objective=GRPO),
    "coldstart": ColdStart(**COMMON | {"data": dataclasses.replace(GAPS, thoughts="oracle")}),
    "coldstart-told": ColdStart(**COMMON | {"data": dataclasses.replace(GAPS, thoughts="oracle")}, told=BINS),
    "rlp": RLP(**THINKS),
    "rlp-2-updates": RLP(**THINKS, updates_per_batch=2, plain="learner", targets="all"),
    "rlp-kl": RLP(**THINKS, plain="learner", objective=dataclasses.replace(GRPO, kl=0.1)),
    "rmt": RMT(**THINKS, budget=20),
    "rmt-told": RMT(**THINKS, budget=20, told=BINS),
    "rpt": RMT(**THINKS, budget=None, early=(0.0, 0.0, 1.0), late=(0.0, 0.0, 1.0), ntp=0.0),
    "annotate": Annotate(**COMMON, annotator=TAGGED, max_thought=20),
    "annotate-oracle": Annotate(**REPLAYED, annotator="oracle"),
    "thinking": Thinking(**ROLLS | {"num_samples": 16}, annotator=TAGGED, temperature=1.5),
    "thinking-any": Thinking(**ROLLS, annotator="any", objective=DAPO, updates_per_batch=2, judge=Judge(noise=0.1)),
    "reinforce-hot": RL(**ROLLS, objective=REINFORCE, temperature=1.3),
}
WHOLE = Machine(micro_tokens=1 << 20, save_every=0)


@pytest.fixture
def learned(request, learned, thinker, primed):
    """Stages that think get a model that knows thoughts."""
    stage = getattr(request.node, "callspec", None) and request.node.callspec.params.get("stage")
    if isinstance(stage, (Annotate, Thinking)):
        return primed
    return thinker if isinstance(stage, (Reasoning, ColdStart, RA3)) else learned


def groups_of(stage: Policy | RFT, lm, seed: int, step: int, rows: list[int]):
    """The groups that a stage samples for some rows at its first attempt."""
    if isinstance(stage, Thinking):
        return stage.rolled(around(stage, lm), seed, step, rows, 0)[0]
    return rollouts(stage, lm, seed, step, rows, 0)


each = pytest.mark.parametrize("stage", EXAMPLES.values(), ids=EXAMPLES)


def collected(stage: Stage, lm, seed: int = 5, step: int = 2, rows: range = range(4)) -> Batch:
    lm.eval()
    with torch.no_grad():
        return stage.collect(around(stage, lm), seed, step, rows)


def around(stage: Stage, lm) -> StageModels:
    return StageModels(lm, frozen(lm) if stage.needs_initial_model else None, held(stage))


def held(stage: Stage) -> dict:
    """The models of the recipes that a stage holds (here none has a stage of its own, so that nothing is trained)."""
    return {name: recipe.model.build(recipe.seed).eval() for name, recipe in references(stage).items()}


def train(lm, stage: Stage, *args, **more) -> State:
    return train_(lm, stage, *args, references=held(stage), **more)


def same(a: Batch, b: Batch) -> bool:
    pairs = [(a.ids_BT, b.ids_BT), (a.gain_BT, b.gain_BT)]
    old = (a.old_BT is None) == (b.old_BT is None)
    if a.old_BT is not None and b.old_BT is not None:
        pairs.append((a.old_BT.nan_to_num(9), b.old_BT.nan_to_num(9)))
    tensors = all(x.shape == y.shape and torch.equal(x, y) for x, y in pairs)
    return old and tensors and (a.total, a.lengths, a.spent, a.metrics) == (b.total, b.lengths, b.spent, b.metrics)


def gradients(
    stage: Stage, lm, batch: Batch, micro_tokens: int, others: StageModels | None = None
) -> tuple[float, dict]:
    lm.zero_grad(set_to_none=True)
    lm.train()
    loss, _ = backward(others or around(stage, lm), stage, batch, Machine(micro_tokens=micro_tokens), "float32")
    return loss, {name: weight.grad.clone() for name, weight in lm.named_parameters()}


def test_every_stage_has_an_example():
    # Mutant: a new file in models/stages whose stage nobody tests.
    found = set()
    for module in pkgutil.iter_modules(interlude.models.stages.__path__):
        for thing in vars(importlib.import_module(f"interlude.models.stages.{module.name}")).values():
            if isinstance(thing, type) and issubclass(thing, Stage) and not inspect.isabstract(thing):
                found.add(thing)
    assert found and found == {type(stage) for stage in EXAMPLES.values()}


class Stop(Exception):
    """Ends a run between two steps."""


@each
@pytest.mark.parametrize("after", (1, 3))
def test_resume_gives_the_same_bits(stage, after, learned, tmp_path):
    # Mutants: momenta not saved; the step not saved; collecting from a remembered position; a stale KL reference.
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    straight = learned()
    first = train(straight, stage, 3, WHOLE, folder=whole)

    def observe(share, line):
        if line["step"] == after:
            raise Stop

    with pytest.raises(Stop):
        train(learned(), stage, 3, WHOLE, folder=cut, observe=observe)
    resumed = learned()
    second = train(resumed, stage, 3, WHOLE, folder=cut)
    expected, found = load_file(whole / "state.safetensors"), load_file(cut / "state.safetensors")
    assert expected.keys() == found.keys() and any(name.startswith("optim.") for name in found)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    pairs = zip(straight.state_dict().values(), resumed.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert (first.step, first.ledger) == (second.step, second.ledger) and first.step == stage.steps
    lines = [
        [{n: row[n] for n in row if "seconds" not in n} for row in read_jsonl(f / "log.jsonl")] for f in (whole, cut)
    ]
    assert lines[0] == lines[1] and (whole / "rows.u64").read_bytes() == (cut / "rows.u64").read_bytes()


@each
def test_collecting_is_pure(stage, learned):
    # Mutant: a random generator that remembers what was collected before.
    lm = learned()
    expected = collected(stage, lm)
    for seed, step in ((5, 3), (6, 2), (5, 0)):
        assert not torch.equal(collected(stage, lm, seed, step).ids_BT, expected.ids_BT)
    assert same(collected(stage, lm), expected)
    assert same(collected(stage, learned()), expected)


@each
def test_a_share_of_the_rows_is_the_same_rows(stage, learned):
    # Mutant: a row drawn by its position in the share instead of its number (machines would train on the same rows).
    lm = learned()
    if isinstance(stage, (Policy, RFT)):  # which groups are kept is told by their rewards; all must be the same groups
        whole, last = (groups_of(stage, lm, 5, 2, rows) for rows in ([0, 1, 2, 3], [2, 3]))
        assert [group.responses for group in whole[2:]] == [group.responses for group in last]
        assert [group.prompt for group in whole[2:]] == [group.prompt for group in last]
        return
    if isinstance(stage, Reasoning):  # groups without an advantage are left out of the rows
        stage = dataclasses.replace(stage, objective=dataclasses.replace(stage.objective, baseline="none", kl=0.1))
        models = StageModels(lm.eval(), frozen(lm))
        with torch.no_grad():
            whole, last = (stage.collect(models, 5, 2, rows) for rows in (range(4), range(2, 4)))
        for flags in (True, False):  # responses, and then the texts that RMT reads
            found = [
                [b.ids_BT[n, :size].tolist() for n, size in enumerate(b.lengths) if sampled(b)[n].any() == flags]
                for b in (whole, last)
            ]
            assert found[0][len(found[0]) // 2 :] == found[1] and len(found[0]) == 2 * len(found[1])
        return
    whole, last = collected(stage, lm), collected(stage, lm, rows=range(2, 4))
    assert torch.equal(whole.ids_BT[2:, : last.ids_BT.size(1)], last.ids_BT) and whole.lengths[2:] == last.lengths


@each
def test_splitting_a_batch_changes_nothing(stage, learned):
    # Mutant: dividing each part by its own total, or cutting a row's tokens off with the padding.
    lm = learned()
    batch, others = collected(stage, lm), around(stage, lm)
    with torch.no_grad():
        for weight in lm.parameters():  # off-policy, so that ratio, clip and KL all act
            weight.mul_(1.01)
    for part in stage.updates(batch):
        loss, grads = gradients(stage, lm, part, 1 << 20, others)
        pieces_loss, pieces = gradients(stage, lm, part, 60, others)
        assert pieces_loss == pytest.approx(loss, abs=1e-5)
        assert max(grad.abs().max() for grad in grads.values()) > 1e-4
        for name in grads:
            torch.testing.assert_close(pieces[name], grads[name], rtol=1e-4, atol=1e-5)


@each
def test_every_weight_moves(stage, learned):
    # Mutant: a parameter the optimiser does not know, or rewards that are always zero.
    lm, before = learned(), learned()
    state = train(lm, stage, 3, WHOLE)
    still = [n for (n, a), b in zip(lm.named_parameters(), before.parameters(), strict=True) if torch.equal(a, b)]
    assert still == [] and state.step == 4


@each
def test_the_key_is_stable_and_covers_every_field(stage):
    # Mutant: a field left out of the key.
    assert key(stage) == key(dataclasses.replace(stage))
    changed = [
        dataclasses.replace(stage, batch_size=8),
        dataclasses.replace(stage, steps=5),
        dataclasses.replace(stage, data=dataclasses.replace(stage.data, split="any")),
        dataclasses.replace(stage, optim=dataclasses.replace(OPTIM, other_lr=2e-3)),
        *(dataclasses.replace(stage, **{name: recipe.with_seed(1)}) for name, recipe in references(stage).items()),
    ]
    assert len({key(stage), *map(key, changed)}) == 1 + len(changed)


def test_telling_the_budget_is_in_the_key_and_only_where_it_is_told():
    # Mutants: a field that changes the keys of recipes from before it; bins left out of the key.
    for name in ("rmt", "coldstart"):
        plain, told = EXAMPLES[name], EXAMPLES[f"{name}-told"]
        assert "told" not in canonical(plain) and '"told"' in canonical(told)
        assert key(dataclasses.replace(told, told=Bins(longest=27, count=3))) != key(told)


def test_stages_of_different_kinds_have_different_keys():
    # Mutant: the class name left out of the key (Pretrain and SFT have much the same fields).
    assert len({key(stage) for stage in EXAMPLES.values()}) == len(EXAMPLES)


@pytest.mark.parametrize(
    "change", ({"steps": None}, {"flops": 1e9}, {"steps": 0}, {"batch_size": 0}, {"steps": None, "flops": 0.0})
)
@each
def test_bad_sizes_are_refused(stage, change):
    # Mutant: a check in __post_init__ that a subclass forgets to call.
    with pytest.raises(ValueError, match=type(stage).__name__):
        dataclasses.replace(stage, **change)


def test_bad_fields_are_refused():
    with pytest.raises(ValueError, match="Pretrain.targets"):
        Pretrain(**COMMON, targets="question")
    with pytest.raises(ValueError, match="Pretrain.without"):
        Pretrain(**COMMON, without=("luck",))
    with pytest.raises(ValueError, match="Midtrain.replay_share"):
        Midtrain(**COMMON, replay=EASY, replay_share=1.5)


# Losses


def by_hand(lm, ids: list[int], position: int) -> float:
    """log p of one token by another route: a whole forward pass over the row's own tokens, in float64."""
    logits = lm.forward(torch.tensor([ids]))[0].double()
    return float(torch.log_softmax(logits[position - 1], -1)[ids[position]])


def test_loss_on_two_rows(learned):
    # Mutants: targets shifted by one; padding counted; the total ignored; the gain of another row.
    lm = learned()
    first, second = lm.encode("owls 1 ; bears 2"), lm.encode("bears 2 ; owls 1 ; owls ?")
    batch = pack([first, second], [[0.0, 0.0, 1.0, 2.0, 0.0], [0.0, -0.5, *[0.0] * 5, 1.5]], 3.0, lm.pad)
    stage = EXAMPLES["pretrain"]
    with torch.no_grad():
        terms = (1, first, 2), (2, first, 3), (-0.5, second, 1), (1.5, second, 7)
        expected = -sum(gain * by_hand(lm, ids, t) for gain, ids, t in terms) / 3
        assert float(stage.loss(StageModels(lm), batch)) == pytest.approx(expected, rel=1e-5)
    assert batch.lengths == (5, 8) and batch.ids_BT[0, 5:].tolist() == [lm.pad] * 3


@pytest.mark.parametrize("name", ("pretrain", "pretrain-all", "pretrain-recall", "midtrain", "sft"))
def test_loss_of_imitation_is_the_mean_over_targets(name, learned):
    # Mutant: the question's tokens counted under targets="solution"; a mean over rows instead of tokens.
    lm, stage = learned(), EXAMPLES[name]
    batch = collected(stage, lm)
    total, count = 0.0, 0
    with torch.no_grad():
        for b, length in enumerate(batch.lengths):
            ids = batch.ids_BT[b, :length].tolist()
            start = 1 if name == "pretrain-all" else ids.index(lm.encode("?")[0]) + 1
            wanted = list(range(start, length))
            if name == "pretrain-recall":  # a terse step has its result before the comma, the answer before the end
                results = [t for t in wanted if t == length - 2 or (ids[t - 1] == lm.encode("=")[0] and t > start + 2)]
                assert len(results) == 2
                wanted = [t for t in wanted if t not in results]
            total += sum(by_hand(lm, ids, t) for t in wanted)
            count += len(wanted)
        assert float(stage.loss(around(stage, lm), batch)) == pytest.approx(-total / count, rel=1e-5)
    assert batch.total == count
    assert all(batch.ids_BT[b, n - 1] == lm.end for b, n in enumerate(batch.lengths))


def test_midtrain_replays_the_share_it_says(learned):
    # Mutant: replay_share with the two sources exchanged.
    lm = learned()
    mixed = dataclasses.replace(
        EXAMPLES["midtrain"], replay_share=0.25, replay=dataclasses.replace(EASY, filler=(2, 2))
    )
    batch = collected(mixed, lm, rows=range(400))
    replayed = sum((row == lm.encode(";")[0]).sum().item() == 2 + 2 + 2 for row in batch.ids_BT) / 400
    assert abs(replayed - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 400)
    assert (
        collected(dataclasses.replace(mixed, replay_share=1.0), lm).lengths
        > collected(dataclasses.replace(mixed, replay_share=0.0), lm).lengths
    )


# The ledger


def test_ledger_adds_up():
    # Mutant: kinds mixed up, or a second entry replacing the first.
    ledger = Ledger().plus(Spent(TRAIN, 10, 5.0), Spent(ROLLOUT, 3, 2.0), Spent(TRAIN, 1, 0.5))
    assert (ledger.total_tokens, ledger.total_flops) == (14, 7.5)
    assert ledger.as_dict()["train_tokens"] == 11 and ledger.as_dict()["rollout_flops"] == 2.0
    assert Ledger.from_dict(ledger.as_dict()) == ledger and (ledger + ledger).total_flops == 15
    assert attended([1, 3]) == 1 + 6


@pytest.mark.parametrize("backwards", (False, True))
def test_ledger_is_what_torch_counts(backwards):
    # Mutants: a matrix left out of the formula; backward counted once; attention forgotten or counted twice.
    sizes = GPT(
        layers=2, width=64, heads=2, kv_heads=1, hidden=96, vocab=Vocabulary(modulus=3, worlds=("zoo",), names=6)
    )
    lm, length, rows = sizes.build(0), 40, 3
    ids_BT = torch.randint(0, sizes.vocab.size, (rows, length), generator=torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter:
        loss = lm.forward(ids_BT).logsumexp(-1).sum()
        if backwards:
            loss.backward()
    kinds = {str(operator): flops for operator, flops in counter.get_flop_counts()["Global"].items()}
    matrices = sum(flops for operator, flops in kinds.items() if "attention" not in operator)
    passes = 3 if backwards else 1
    assert forward_cost(lm, TRAIN, [length] * rows, passes).tokens == length * rows
    # The counter takes every pair of positions; causal attention visits those below the diagonal.
    dense = passes * lm.flops(rows * length, rows * length * length)
    causal = forward_cost(lm, TRAIN, [length] * rows, passes).flops
    attention = passes * 4 * sizes.layers * sizes.heads * sizes.head_width * rows * length
    assert matrices == pytest.approx(causal - attention * (length + 1) / 2, rel=0.03)
    if len(kinds) > 1 and not backwards:
        assert sum(kinds.values()) == pytest.approx(dense, rel=0.03)
    assert dense - causal == pytest.approx(attention * (length - (length + 1) / 2))


@each
def test_tokens_of_a_run_are_exact(stage, learned):
    # Mutants: rollouts not counted; padding counted; dropped groups forgotten; a second update not counted.
    lm, lines = learned(), []
    one = dataclasses.replace(stage, steps=1)
    batch = collected(one, lm, seed=3, step=0)
    state = train(lm, one, 3, WHOLE, observe=lambda share, line: lines.append(line))
    row = state.ledger.as_dict()
    assert row["train_tokens"] == sum(batch.lengths)
    predicted = sum(float(gain) != 0 for row in batch.gain_BT for gain in row)
    if isinstance(stage, Policy) and stage.objective.kl:  # looks at all that was sampled, whether or not it gained
        predicted = sum(not math.isnan(old) for row in batch.old_BT for old in row)
    assert row["train_flops"] == 3 * lm.flops(sum(batch.lengths), attended(list(batch.lengths)), predicted)
    if isinstance(stage, (RFT, SelfGen)):
        assert row["rollout_tokens"] == sum(entry.tokens for entry in batch.spent) > 0 == row["reference_tokens"]
        return
    if isinstance(stage, Annotate):  # it reads all but each row's last token
        read = sum(batch.lengths) - len(batch.lengths) if references(stage) else 0
        assert row["reference_tokens"] == read and row["rollout_tokens"] == row["judge_tokens"] == 0
        return
    if isinstance(stage, Reasoning):
        charged = Ledger().plus(*batch.spent).as_dict()
        assert all(row[name] == charged[name] for name in row if "train" not in name)
        assert row["rollout_tokens"] > 0 < row["reference_tokens"]
        assert (row["judge_tokens"] > 0) == isinstance(stage, RLP)
        return
    if not isinstance(stage, Policy):
        passes = len(references(stage)) + stage.needs_initial_model  # of other models over the rows it trains on
        assert row["reference_tokens"] == passes * sum(batch.lengths)
        assert row["rollout_tokens"] == row["judge_tokens"] == 0
        return
    if isinstance(stage, Interleave):  # its first step reads
        assert row["rollout_tokens"] == row["reference_tokens"] == 0
        return
    if isinstance(stage, Withdraw):  # the beginning also reads every problem that is looked at
        charged = Ledger().plus(*batch.spent).as_dict()
        assert all(row[name] == charged[name] for name in row if "train" not in name)
        assert row["rollout_tokens"] > 0 < row["reference_tokens"]
        return
    seen = {entry.kind: entry for entry in batch.spent}
    assert row["rollout_tokens"] == sum(entry.tokens for entry in batch.spent if entry.kind == ROLLOUT)
    if stage.objective.zero_variance == "keep":
        if isinstance(stage, Thinking):  # it trains on the beginnings of what it sampled (test_thinking_midtraining)
            return
        groups = rollouts(stage, learned(), 3, 0, list(range(4)), 0)
        read = sum(len(each.prompt) + sum(len(r) - 1 for r in each.responses) for each in groups)
        assert row["rollout_tokens"] == read  # each prompt once, and every response token that is fed back
    assert row["reference_tokens"] == (sum(batch.lengths) if stage.objective.kl else 0)
    assert (REFERENCE in seen) == (stage.objective.kl > 0) and lines[0]["flops"] == state.ledger.total_flops


@each
def test_a_flops_budget_is_met_within_a_step(stage, learned):
    # Mutant: stopping after the first step past twice the budget, or ignoring rollouts.
    spent = []
    budget = train(learned(), stage, 3, WHOLE).ledger.total_flops * 0.6
    bounded = dataclasses.replace(stage, steps=None, flops=budget)
    state = train(learned(), bounded, 3, WHOLE, observe=lambda share, line: spent.append((share, line["flops"])))
    assert spent[-1][1] >= budget and state.ledger.total_flops == spent[-1][1]
    assert all(flops < budget for _, flops in spent[:-1])
    assert [share for share, _ in spent] == [min(1.0, flops / budget) for _, flops in spent]


# Other models


@pytest.fixture
def exported(learned, tmp_path):
    """The learned model as a transformers folder."""
    pytest.importorskip("transformers")
    save_pretrained(learned(), tmp_path / "hf")
    return str(tmp_path / "hf")


@each
def test_runs_on_a_transformers_model(stage, exported):
    # Mutant: a stage that uses more of a model than the LM protocol has.
    lm, before = HF(exported).build(0), HF(exported).build(0)
    two = dataclasses.replace(stage, steps=2)
    state = train(lm, two, 3, WHOLE)
    assert state.step == 2 and state.ledger.total_flops > 0
    moved = [not torch.equal(a, b) for a, b in zip(lm.parameters(), before.parameters(), strict=True)]
    assert all(moved)


def test_a_transformers_model_costs_what_ours_does(learned, exported):
    # Mutant: HF.flops without attention, or counting embeddings.
    ours, theirs = learned(), HF(exported).build(0)
    assert theirs.flops(100, 900) == pytest.approx(ours.flops(100, 900), rel=0.02)
