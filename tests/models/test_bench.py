"""The bench compares equal work, counts it rightly and prints nothing that a busy machine has spoilt."""

from __future__ import annotations

import gc
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from interlude.models import native, native_logprobs
from interlude.models.bench import exam, machine, peer, problems, report, rl, run, sample, timing, train
from interlude.models.bench.timing import Clock, Turn
from interlude.models.bench.workload import QUICK, Setup, Size, endless, kernels, setup
from interlude.models.optim import make, rate
from interlude.models.stage import StageModels
from interlude.models.train import Machine, State, one_step
from interlude.studies.scales import NANO, SMOKE
from interlude.studies.workload import SAMPLED_PROBLEMS, workload
from interlude.synth.verify import Verdict, verify

WORK = workload(SMOKE, samples=2)
UNCOUNTED = Clock(busy=lambda: None)
TINY = Setup(
    size=Size(rounds=2, seconds=1e-9, problems=4, steps=1, batch=4, group=2, max_new_tokens=3), clock=UNCOUNTED
)


class Fake:
    """A machine whose time passes only when told."""

    def __init__(self):
        self.now = self.own = self.others = 0.0
        self.clock = Clock(
            cpu=lambda: self.own, wall=lambda: self.now, busy=lambda: self.own + self.others, load=lambda: 1.5
        )

    def side(self, cpu, wall=None, others=0.0, amount=10.0):
        """Work of so many seconds, during which other processes take ``others``."""

        def work():
            self.own, self.others = self.own + cpu, self.others + others
            self.now += cpu if wall is None else wall
            return amount

        return work


def turns(*rates, others=0.0, wall=1.0):
    return tuple(Turn(each, 1.0, wall, others) for each in rates)


def raced(sides, peers=("peer",), **more):
    return report.Race("part", "what", "things/s", sides, 2.0, peers=peers, **more)


# --- timing ----------------------------------------------------------------------------------------------------------


def test_a_turn_knows_what_others_took():
    """Kills: the whole machine's time for others'; our own wall time for our CPU time; a negative share."""
    fake = Fake()
    assert timing.timed(fake.side(2.0, wall=5.0, others=3.0), fake.clock) == Turn(10.0, 2.0, 5.0, 3.0)
    behind = replace(fake.clock, busy=lambda: fake.others)  # counters of 10 ms lag behind a process's own
    assert timing.timed(fake.side(2.0), behind).others == 0.0
    assert timing.timed(fake.side(2.0), replace(fake.clock, busy=lambda: None)).others is None


def test_work_that_was_only_launched_is_waited_for():
    """Kills: reading the wall before a GPU has finished, or starting while it still does the last turn's work."""
    fake, waiting = Fake(), [3.0]

    def finish():
        fake.now += sum(waiting)
        waiting.clear()

    def launch():
        waiting.append(7.0)
        return 1.0

    assert timing.timed(launch, replace(fake.clock, finish=finish)).wall == 7.0


def test_a_rate_is_per_cpu_second_and_on_a_gpu_per_second():
    turn = Turn(10.0, 2.0, 5.0, 0.0)
    assert (turn.rate("cpu"), turn.rate("cuda"), turn.rate("cuda:1")) == (5.0, 2.0, 2.0)


def test_the_machines_busy_time_is_read(tmp_path, monkeypatch):
    """Kills: idle or waiting time counted as busy; guests counted twice; a sandbox's zeros taken for idleness."""
    stat = tmp_path / "stat"
    monkeypatch.setattr(timing, "STAT", stat)
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_CLK_TCK": 100}[name])
    assert timing.machine_busy() is None
    stat.write_text("cpu  100 20 3 9999 9999 4 5 6 50 50\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    assert timing.machine_busy() == 1.38
    stat.write_text("cpu  0 0 0 0 0 0 0 0 0 0\n")
    assert timing.machine_busy() is None


def test_sides_take_turns_in_alternating_order_without_the_warm_up():
    """Kills: one side after the other; the same side always first; warm-up counted; collecting inside a turn."""
    calls, collecting = [], []

    def side(name):
        def work():
            calls.append(name)
            collecting.append(gc.isenabled())
            return float(len(calls))

        return work

    found = timing.race({"a": side("a"), "b": side("b")}, Clock(), 1e-9, rounds=4)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab" + "ba"
    assert [turn.amount for turn in found["a"]] == [3.0, 6.0, 7.0, 10.0]
    assert not any(collecting) and gc.isenabled()


def test_a_race_has_its_rounds_and_its_seconds():
    """Kills: ending at whichever comes first; seconds for all sides together; CPU seconds for seconds."""
    for seconds, rounds, expected in ((1.0, 9, 9), (8.0, 2, 4)):
        fake = Fake()
        sides = {"a": fake.side(1.0, wall=2.0), "b": fake.side(1.0, wall=2.0)}
        assert [len(each) for each in timing.race(sides, fake.clock, seconds, rounds).values()] == [expected] * 2


def test_threads_and_collector_are_restored_when_a_side_fails():
    """Kills: restoring only at a good end; objects that stay frozen."""
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), timing.quiet(before + 1):
        assert torch.get_num_threads() == before + 1 and gc.get_freeze_count() > 0
        _ = 1 / 0
    assert torch.get_num_threads() == before and gc.isenabled() and gc.get_freeze_count() == 0


# --- what is printed -------------------------------------------------------------------------------------------------


def test_a_ratio_is_of_the_same_rounds(monkeypatch):
    """Kills: ratio of medians (here 2), which drift would move; mean for median; the spread of something else."""
    monkeypatch.setattr(report, "SPREAD", 9.0)
    race = raced({"ours": turns(10.0, 20.0, 60.0), "peer": turns(10.0, 5.0, 20.0)})
    ours, theirs, ratio = report.lines(race)
    assert (ours.side, ours.rate, ours.ratio, ours.spread) == ("ours", 20.0, None, (40 - 15) / 20)
    assert (theirs.side, theirs.rate) == ("peer", 10.0)
    assert (ratio.side, ratio.peer, ratio.rate, ratio.ratio, ratio.spread) == ("ours", "peer", None, 3.0, (3.5 - 2) / 3)


def test_a_busy_machine_spoils_what_its_turns_rest_on():
    """Kills: printing it all the same; looking at one side's turns only, at the mean over sides, or at all cores; a
    refusal that does not say the load."""
    calm, busy = turns(8.0, 8.0), turns(4.0, 4.0, others=0.4)
    ours, theirs, ratio = report.lines(raced({"ours": calm, "peer": busy}))
    assert (ours.rate, ours.note, ours.others) == (8.0, "", 0.0)
    said = "not measured: the machine was busy (load 2.0, other processes took {} cores)"
    assert (theirs.rate, theirs.note, theirs.others) == (None, said.format("0.40"), 0.4)
    assert (ratio.ratio, ratio.note, ratio.others) == (None, said.format("0.20"), 0.2)
    assert all("0x" not in line.sentence() and "4" not in line.cells()[3] for line in (theirs, ratio))


def test_a_spoilt_figure_is_given_on_request_with_the_reason_to_doubt_it():
    """Kills: a figure that looks like a good one; a reason given for a good one; figures that nobody asked for."""
    race = raced({"ours": turns(8.0, 8.0), "peer": turns(4.0, 4.0, others=0.4)})
    ours, theirs, ratio = report.lines(race, True)
    assert (ours.doubt, ours.figure) == ("", "8 things/s")
    assert theirs.rate == 4.0 and not theirs.note
    assert ratio.figure == "2.00x (the machine was busy (load 2.0, other processes took 0.20 cores))"
    assert (
        report.Report({}, (race,), True).lines[-1].ratio == 2.0 and report.Report({}, (race,)).lines[-1].ratio is None
    )
    assert setup(busy=True).busy and not setup().busy


@pytest.mark.parametrize(("others", "measured"), [(0.0, True), (0.149, True), (0.151, False), (1.9, False)])
def test_the_limit_is_fifteen_hundredths_of_a_core(others, measured):
    """Kills: another limit; CPU seconds of others for their share of the wall time."""
    race = raced({"ours": turns(6.0, 6.0, others=2 * others, wall=2.0)}, peers=())
    assert (report.lines(race)[0].rate is not None) is measured


def test_turns_that_differ_too_much_spoil_it_too():
    """Kills: a spread that is only shown."""
    steady, wild = report.lines(raced({"a": turns(10.0, 10.5, 11.0), "b": turns(5.0, 10.0, 20.0)}, peers=()))
    assert steady.rate == 10.5 and wild.rate is None
    assert wild.note == "not measured: the turns differ too much (their middle half spans 75 %, load 2.0)"


def test_where_nobody_counts_the_spread_decides():
    """Kills: refusing every figure on a machine without /proc/stat, or calling it idle."""
    line = report.lines(raced({"ours": turns(5.0, 5.0, others=None)}, peers=()))[0]
    assert line.rate == 5.0 and line.others is None and line.cells()[-1] == ""


def test_every_side_that_is_no_peer_is_held_against_each_peer_there_is():
    """Kills: peers beside each other; a peer that was skipped; a skipped side left out."""
    sides = {name: turns(1.0, 1.0) for name in ("native", "torch", "plain")}
    race = raced(sides, peers=("plain", "compiled"), skipped={"compiled": "there is no C++ compiler"})
    found = report.lines(race)
    assert [(line.side, line.peer) for line in found] == [
        ("native", None), ("torch", None), ("plain", None), ("native", "plain"), ("torch", "plain"), ("compiled", None),
    ]  # fmt: skip
    assert found[-1].note == "skipped: there is no C++ compiler" and found[-1].sentence().endswith(found[-1].note)
    assert all(len(line.cells()) == len(report.HEADS) for line in found)


def test_the_machine_is_described(tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nmodel name\t: Some CPU @ 2: GHz\n")
    monkeypatch.setattr(machine, "CPUINFO", info)
    found = machine.describe(replace(TINY, clock=Fake().clock, threads=3))
    assert (found["CPU"], found["threads"], found["load"]) == ("Some CPU @ 2: GHz", 3, 1.5)
    assert found["torch"] == torch.__version__ and found["cores"] == os.cpu_count()
    assert "torch " + torch.__version__ in report.Report(found, ()).caption()


# --- the whole -------------------------------------------------------------------------------------------------------


def test_every_part_gives_lines_that_json_can_hold(monkeypatch, capsys):
    """Kills: NaN or a numpy number; progress on standard output; a random state that has moved; a part not measured."""
    monkeypatch.setattr(report, "SPREAD", np.inf)
    monkeypatch.setattr(rl, "missing", lambda *names: "trl is not installed")  # a test of its own has it
    monkeypatch.setattr(train, "compiled_loop", lambda *of: (None, "not in a test"))
    before = torch.random.get_rng_state()
    found = run.bench(WORK, TINY)
    rows = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert {row["part"] for row in rows["lines"]} == set(run.PARTS)
    for row in rows["lines"]:
        assert (row["rate"] or row["ratio"] or 0) > 0 or row["note"].startswith("skipped: ")
    assert all(len(turns) == 2 for race in rows["turns"] for turns in race["sides"].values())
    shown = capsys.readouterr()
    assert not shown.out and len(shown.err.splitlines()) == len(rows["lines"])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_was_measured_is_kept_when_it_is_stopped(monkeypatch):
    """Kills: losing it all; parts that go on; a report that does not say so; the plain peer lost with the compiled."""

    def stopped(*of):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "compiled_loop", stopped)
    found = run.bench(WORK, TINY, ("train", "exam"))
    assert found.stopped and found.as_dict()["stopped"] and [race.part for race in found.races] == ["train"]
    assert run.bench(WORK, TINY, ("exam",)).stopped is False


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="parts must be among problems, train, sample, rl, exam, got 'speed'"):
        run.bench(WORK, TINY, ("train", "speed"))
    for wrong in ({"device": "tpu"}, {"threads": 0}, {"precision": "float16"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Setup(**wrong)


def test_quick_is_shorter():
    assert setup(quick=True).size == QUICK and setup().size == Size()
    assert QUICK.rounds < Size().rounds and QUICK.batch % QUICK.group == 0


def test_the_choice_of_kernels_holds_inside_only(monkeypatch):
    """Kills: a user's own choice that is lost, also when a side fails; one that stays."""
    for own in ("auto", None):
        if own:
            monkeypatch.setenv("INTERLUDE_KERNELS", own)
        else:
            monkeypatch.delenv("INTERLUDE_KERNELS")
        with pytest.raises(ZeroDivisionError), kernels("torch"):
            assert os.environ["INTERLUDE_KERNELS"] == "torch"
            _ = 1 / 0
        assert os.environ.get("INTERLUDE_KERNELS") == own


@pytest.mark.parametrize("part", ("train", "sample", "rl"))
def test_each_side_runs_the_kernels_it_is_named_after(part, monkeypatch):
    """Kills: both sides on the same kernels."""
    if native.library()[1]:
        pytest.skip("compiled kernels cannot be built here")

    class Called(Exception):
        pass

    def called(*of):
        raise Called

    monkeypatch.setattr(native_logprobs, "logprobs", called)
    monkeypatch.setattr(native, "sample", called)
    model = endless(WORK.model, "cpu")
    make_side = {
        "train": lambda choice: train.our_loop(WORK, WORK.pretrain, choice, TINY),
        "sample": lambda choice: sample.our_sampler(model, [[5], [6]], choice, 3),
        "rl": lambda choice: rl.our_step(WORK, rl.bench_stage(WORK, TINY), choice, TINY),
    }[part]
    assert make_side("torch")() > 0
    with pytest.raises(Called):
        make_side("native")()


def test_without_compiled_kernels_the_lines_say_why(monkeypatch):
    """Kills: failing; torch's figures under the compiled kernels' name."""
    for module in (train, sample, rl):
        monkeypatch.setattr(module, "no_native", lambda model, setup: "there is no C++ compiler")
        monkeypatch.setattr(module, "missing", lambda *names: "transformers is not installed")
        for race in module.races(WORK, TINY):
            assert not any("native" in side for side in race.turns) and any("torch" in side for side in race.turns)
            assert "there is no C++ compiler" in race.skipped.values()
            assert any("transformers is not installed" in why for why in race.skipped.values())
            assert not set(race.peers) & set(race.turns)


# --- problems --------------------------------------------------------------------------------------------------------


def test_a_mutated_solution_differs_in_one_number_and_is_refused():
    """Kills: a mutation that may leave the number as it was."""
    for row in range(30):
        problem = WORK.problems.problem("bench", row)
        wrong = problems.mutated(problem, row, WORK.model.vocab)
        changed = [pair for pair in zip(problem.solution.split(), wrong.split(), strict=True) if pair[0] != pair[1]]
        assert len(changed) == 1 and changed[0][1].isdecimal()
        assert not verify(problem, wrong).strict


def test_a_verifier_that_is_wrong_is_not_timed(monkeypatch):
    """Kills: dropping ``check_verdicts``, or checking only right solutions."""
    for kind in (True, False):
        verdict = Verdict(kind, kind, float(kind), kind, ())
        monkeypatch.setattr(problems, "verify", lambda problem, text, verdict=verdict: verdict)
        with pytest.raises(ArithmeticError, match=f"must be {not kind}"):
            list(problems.races(WORK, TINY))


# --- training --------------------------------------------------------------------------------------------------------


def few_rows():
    stage = replace(train.with_adamw(WORK.pretrain), batch_size=4)
    return replace(stage, optim=replace(stage.optim, warmup=2, clip=2e-6))  # so low that AdamW feels it


def test_the_plain_loop_trains_the_same_model_on_the_same_batches():
    """Kills: another target mask, divisor, learning rate, clipping or betas; unequal weights; another step's rows."""
    pytest.importorskip("transformers")
    stage, models, state = few_rows(), StageModels(SMOKE.model.build(0)), State()
    theirs = peer.twin(models.learner).train()
    ours, adam = make(stage.optim, models.learner), peer.plain_adam(theirs, stage.optim)
    losses = []
    for step in range(5):
        batch, multiplier = stage.collect(models, 0, step, range(4)), rate(stage.optim, step, stage.progress(step, 0.0))
        plain = peer.plain_step(theirs, adam, stage.optim, batch, multiplier, "float32", "cpu")
        line = one_step(models, stage, 0, state, ours, Machine(), "float32", None)
        state.step += 1
        losses.append((line["loss"], plain))
    mine, plain = np.array(losses).T
    np.testing.assert_allclose(mine, plain, rtol=2e-4)
    assert abs(mine[-1] - mine[0]) > 0.1


def test_both_loops_read_the_same_rows_and_count_the_same_tokens():
    """Kills: padding counted on one side; a step that is repeated."""
    pytest.importorskip("transformers")
    stage = few_rows()
    sides = train.our_loop(WORK, stage, "torch", TINY), train.plain_loop(WORK, stage, TINY)
    counts = [[side() for _ in range(3)] for side in sides]
    assert counts[0] == counts[1] and len(set(counts[0])) > 1


def test_both_loops_of_a_precision_compute_in_it():
    """Kills: a precision that does not reach a loop's steps, whose losses would then be float32's."""
    pytest.importorskip("transformers")
    stage, losses = few_rows(), {}
    batch = stage.collect(StageModels(SMOKE.model.build(0)), 0, 0, range(4))
    for precision in ("float32", "bfloat16"):
        models, state = StageModels(SMOKE.model.build(0)), State()
        theirs = peer.twin(models.learner).train()
        adam, ours = peer.plain_adam(theirs, stage.optim), make(stage.optim, models.learner)
        plain = [peer.plain_step(theirs, adam, stage.optim, batch, 1.0, precision, "cpu") for _ in range(3)]
        mine = [one_step(models, stage, 0, state, ours, Machine(), precision, None)["loss"] for _ in range(3)]
        losses[precision] = plain[1:] + mine[1:]  # the first loss is log V in any precision, as the head is zero
    for exact, rounded in zip(losses["float32"], losses["bfloat16"], strict=True):
        assert rounded == pytest.approx(exact, rel=0.05) and rounded != exact


def test_a_compiled_peer_that_cannot_be_had_is_skipped_with_a_sentence(monkeypatch):
    """Kills: failing without a compiler, or where torch's compiler does; compiling under --quick."""
    pytest.importorskip("transformers")
    stage = few_rows()
    assert train.compiled_loop(WORK, stage, replace(TINY, size=QUICK))[1].endswith("--quick leaves out")
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert train.compiled_loop(WORK, stage, TINY) == (None, "there is no C++ compiler")
    monkeypatch.setenv("CXX", "cat")

    def broken(peer, dynamic):
        raise RuntimeError("it cannot\nbe compiled")

    monkeypatch.setattr(torch, "compile", lambda peer, dynamic: lambda **of: broken(peer, dynamic))
    assert train.compiled_loop(WORK, stage, TINY) == (None, "torch.compile failed: it cannot")
    monkeypatch.setattr(torch, "compile", lambda peer, dynamic: peer)
    side, reason = train.compiled_loop(WORK, stage, TINY)
    assert side() > 0 and not reason


# --- sampling, RL, exams ---------------------------------------------------------------------------------------------


def test_all_samplers_make_every_token_asked_for():
    """Kills: a model that may stop early on one side; counting prompt tokens."""
    pytest.importorskip("transformers")
    model = endless(WORK.model, "cpu")  # its head is zero, so in 600 tokens of some 80 kinds `end` comes up
    prompts = [[5, 6, 7], [8], [5, 9], [7]] * 5
    assert sample.our_sampler(model, prompts, "torch", 30)() == 20 * 30
    assert [sample.plain_sampler(model, prompts, cache, 30)() for cache in (None, "static")] == [20 * 30] * 2
    assert sample.plain_sampler(model, [[5, 6]], None, 500)() == 500  # alone, as `generate` pads rows that have ended


def test_unequal_work_is_refused():
    """Kills: timing whatever came back."""
    assert sample.full(9, 3, 3) == 9
    with pytest.raises(ArithmeticError, match="8 tokens"):
        sample.full(8, 3, 3)


def test_prompts_are_padded_on_the_left():
    """Kills: right padding, from which ``generate`` would continue the padding."""
    ids_BT, mask_BT = peer.padded_left([[4], [5, 6]], 0, "cpu")
    assert ids_BT.tolist() == [[0, 4], [5, 6]] and mask_BT.tolist() == [[0, 1], [1, 1]]


def test_a_batch_is_sampled_in_groups_and_with_all_prompts_different(monkeypatch):
    """Kills: one kind of batch twice."""
    seen = []
    monkeypatch.setattr(sample, "missing", lambda *names: "transformers is not installed")
    monkeypatch.setattr(sample, "race", lambda sides, *how: {name: turns(1.0, 1.0) for name in sides})
    monkeypatch.setattr(sample, "our_sampler", lambda model, prompts, choice, room: seen.append(prompts))
    list(sample.races(WORK, TINY))
    assert {len(set(map(tuple, prompts))) for prompts in seen} == {2, 4} and {len(prompts) for prompts in seen} == {4}


def test_a_step_of_rl_learns_from_every_response():
    """Kills: groups without an advantage, which would cost nothing to learn from."""
    stage, model = rl.bench_stage(WORK, TINY), endless(WORK.model, "cpu")
    batch = stage.collect(StageModels(model), 0, 1, range(stage.batch_size))
    assert (len(batch.lengths), stage.num_samples, stage.optim.kind) == (4, 2, "adamw")
    assert bool((batch.gain_BT != 0).any(1).all())
    assert rl.our_step(WORK, stage, "torch", TINY)() == 4


def test_trl_takes_a_step_of_the_same_size(capsys):
    """Kills: responses that stop early; layers that are computed twice; a line on standard output."""
    pytest.importorskip("trl")
    pytest.importorskip("datasets")
    long = replace(TINY, size=replace(TINY.size, max_new_tokens=60))
    step = rl.trl_step(WORK, rl.bench_stage(WORK, long), long)
    assert step() == step() == 4
    assert not capsys.readouterr().out


def test_an_exam_counts_its_problems():
    model = endless(WORK.model, "cpu")
    assert exam.examine(WORK.exact, model, "torch")() == SMOKE.problems
    assert exam.examine(lambda model: 7, model, "torch")() == 7
    assert WORK.sampled(model) == SAMPLED_PROBLEMS and WORK.samples == 2


def test_nanos_work_is_what_it_says():
    """Kills: problems of other operations; sampling what is not the edge."""
    work = workload(NANO)
    assert (work.problems.ops, work.prompts.ops, work.prompts.split) == ((10, 10), NANO.edge, "held_out")
    assert work.model == NANO.model and work.samples == 256 and work.pretrain.optim.kind == "muon"
