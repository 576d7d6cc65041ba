"""`python -m interlude.figures` draws every figure again from the committed tables, or those it is given the names
of."""

from __future__ import annotations

import sys
from importlib import import_module

from interlude.figures.panels import Missing
from interlude.figures.style import save

NAMES = (
    "quickstart",
    "stages_ladder",
    "interplay_depth_carried",
    "interplay_depth_roles",
    "interplay_planning",
    "interplay_planning_budget",
    "interplay_planning_reward",
    "interplay_reward_guessing",
    "interplay_base_probability",
    "interplay_competence",
    "interplay_fig03_edge",
    "interplay_fig04_context_exposure",
    "interplay_fig05_topology",
    "interplay_fig06_mid_or_rl",
    "interplay_fig07_process_reward",
    "interplay_fig08_errors",
    "interplay_fig09_ladder",
    "interplay_fig10_heatmap",
    "interplay_fig11_curves",
    "interplay_fig12_rl_share_all",
    "interplay_fig13_rl_share_low",
    "interplay_fig14_rl_share_rewards",
    "interplay_fig15_pretraining_difficulty",
    "interplay_fig16_difficulty_rewards",
    "interplay_fig17_exposure_rewards",
    "interplay_fig18_budgets",
    "interplay_forgetting",
    "midtraining_filters",
    "midtraining_leaderboard",
    "midtraining_marked_gaps",
    "midtraining_places",
    "midtraining_remit",
    "midtraining_rmt",
    "midtraining_selfgen",
    "midtraining_thinking",
    "midtraining_thinking_curves",
    "midtraining_tuned_controls",
)
FIGURES = tuple(import_module(f"interlude.figures.{name}") for name in NAMES)


def main(asked: list[str] | None = None) -> int:
    """Draw all whose tables there are and name the others; returns 2, with a sentence, where a table is damaged or a
    figure is not known. asked: the names of some figures."""
    for unknown in [name for name in asked or () if name not in NAMES]:
        print(f"figures: there is no figure {unknown!r}; known figures: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for figure in FIGURES:
        name = figure.__name__.rpartition(".")[2]
        if asked and name not in asked:
            continue
        try:
            made = figure.draw()
        except (FileNotFoundError, Missing) as error:
            print(f"figures: {name} not drawn: {error}", file=sys.stderr)
        except (OSError, ValueError) as error:
            print(f"figures: {error}", file=sys.stderr)
            return 2
        else:
            print(save(name, made))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
