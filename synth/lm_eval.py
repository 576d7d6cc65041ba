"""Our problems as a task of lm-eval: a folder for its --include_path, whose strict score is our verifier's."""

from __future__ import annotations

import json
import re
from pathlib import Path

from interlude.synth.export import LEVELS, grade, read_truth, spoken, trl, write_rows
from interlude.synth.source import Mixture, Source
from interlude.synth.verify import verify

TASK = """\
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {rows}
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{completion}}}}"
target_delimiter: ""
generation_kwargs:
  until: []
  do_sample: false
  temperature: 0.0
  max_gen_toks: {room}
process_results: !function interlude_results.process_results
metric_list:
{metrics}
metadata:
  version: 1
"""
METRIC = "  - metric: {level}\n    aggregation: mean\n    higher_is_better: true"
SCORER = '''"""Scores of a response, by the verifier of interlude, which must be installed beside lm-eval."""

from interlude.synth.lm_eval import process_results  # noqa: F401
'''


def lm_eval(
    source: Source | Mixture, n: int, folder: str | Path, name: str = "interlude", max_new_tokens: int = 256,
    path: tuple[str | int, ...] = ("export",),
) -> int:  # fmt: skip
    """Write ``folder``: the task, its rows and its scorer. Run it with
    ``lm_eval --model hf --model_args pretrained=MODEL --include_path FOLDER --tasks NAME``, greedily.

    The prompt is that of ``export.trl``: no chat template, a line break after the question. lm-eval takes away end
    tokens, so a response cut off at ``max_new_tokens`` right before its end counts as ended: leave room. Returns the
    number of rows. Raises ValueError naming what is wrong.
    """
    if not re.fullmatch(r"[a-z0-9_-]+", name):
        raise ValueError(f"the name of a task must be small letters, digits, - and _, got {name!r}")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1, got {max_new_tokens}")
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows = folder / f"{name}.jsonl"
    metrics = "\n".join(METRIC.format(level=level) for level in LEVELS)
    written = write_rows(trl(source, n, path), rows)
    (folder / "interlude_results.py").write_text(SCORER)
    task = TASK.format(name=name, rows=json.dumps(str(rows)), room=max_new_tokens, metrics=metrics)
    (folder / f"{name}.yaml").write_text(task)
    return written


def process_results(doc: dict, results: list[str]) -> dict[str, float]:
    """lm-eval's hook: every score of the one response to a row."""
    verdict = verify(read_truth(doc["problem"]), spoken(results[0], None))
    return {level: grade(verdict, level) for level in LEVELS}
