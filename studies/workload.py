"""What the bench measures of a scale: its model, its first stage, its RL, and its exams."""

from __future__ import annotations

from interlude.models.bench.workload import Workload
from interlude.models.gpt_network import GPTModel
from interlude.studies.exam import Exam
from interlude.studies.exams.exact import ExactExam
from interlude.studies.exams.sampled import SampledExam
from interlude.studies.scales import Scale

OPS = (10, 10)  # of the problems that are generated and verified: as deep as those of the Interplay study's band
SAMPLES = 256
SAMPLED_PROBLEMS = 4  # sampling costs the same for every problem, so a few give its rate


def workload(scale: Scale, samples: int = SAMPLES) -> Workload:
    """samples: a problem of the sampled exam. They are as long as a worked solution at the edge is on average."""
    edge = scale.edge[1]
    exact = ExactExam("bench", scale.source((edge, edge), split="held_out"), scale.problems)
    some = exact.draw_problems()[:SAMPLED_PROBLEMS]
    length = round(sum(len(scale.model.vocab.encode(problem.solution)) for problem in some) / len(some))
    sampled = SampledExam("bench", exact.source, SAMPLED_PROBLEMS, samples=samples, max_new_tokens=length)
    return Workload(
        model=scale.model,
        pretrain=scale.base().stages[0],
        rl=scale.rl(scale.arm_flops),
        problems=scale.source(OPS, length=None),
        prompts=scale.source(scale.edge, split="held_out"),
        exact=lambda model: examined(model, exact),
        sampled=lambda model: examined(model, sampled),
        samples=samples,
    )


def examined(model: GPTModel, exam: Exam) -> int:
    """Take the exam; how many problems it has."""
    exam.evaluate(model)
    return exam.problems
