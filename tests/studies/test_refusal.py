"""The command line in this process, where a command costs little: what lists name, and what refusals say."""

from __future__ import annotations

import json

import pytest

from interlude.studies.__main__ import main


def test_a_list_takes_every_scale_that_other_commands_take(tmp_path, monkeypatch, capsys):
    """Kills: a scale refused because it has no table yet, or not named at all in a folder without tables."""
    monkeypatch.setattr("interlude.studies.places.FOLDER", tmp_path)
    monkeypatch.setattr("interlude.studies.cli.look.names", lambda: ["stages/quickstart"])
    own = tmp_path / "own.py"
    own.write_text("from interlude.studies.real_scale import real_scale\nLONG = real_scale(99)\n")
    for asked, named in (("smollm2-10min",) * 2, (f"{own}:LONG", "smollm2-99min"), ("", "smollm2")):
        assert main(["list", "--json", *(["--scale", asked] if asked else [])]) == 0
        assert all(named in row["scales"] for row in json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    "words, said",
    [
        ("plan nowhere", "there is no study 'nowhere'; `interlude list` prints all\n"),
        ("plan interplay", "there is no study 'interplay', which is a topic; `interlude list` prints its studies\n"),
        ("plan quikstart", "; did you mean quickstart?\n"),
        ("plan interplay/egde", "; did you mean interplay/edge"),
        ("plan quickstart --scale huge", "there is no scale 'huge'; known scales: "),
        ("list --scale Nano", "there is no scale 'Nano'; did you mean nano?"),
        ("plan quickstart --arms rl", "has no arm 'rl'; did you mean RL?\n"),
        ("plan quickstart --arms a*", "has no arm 'a*'; its arms: pre-training, RL, "),
        ("export hf x --study quickstart --arm Mid-training", "; did you mean mid-training?\n"),
        ("reproduce quickstrat", "there is no figure 'quickstrat'; did you mean quickstart?\n"),
        ("reproduce fig03", "; did you mean interplay_fig03_edge?\n"),
        ("reproduce xyz --plan", "there is no figure 'xyz'; `interlude list` prints all"),
        ("problem --ops 0", "--ops must be"),
        ("problem --modulus 6", "--modulus must be a prime"),
        ("audit --ops 60", "--ops up to 60"),
        ("export trl x.jsonl --world mars", "world 'mars' is not known"),
        ("problem --world garden", "$INTERLUDE_WORLDS"),
        # Kills: a traceback for a study that a pretrained model cannot have, of one and of all that --runs counts.
        ("plan interplay/ladder --scale smollm2", "interplay/ladder needs a model trained from scratch"),
    ],
)
def test_a_refusal_says_what_to_type(words, said, capsys):
    """Kills: a name or a value refused without the option, the nearest name, or the place where names are listed."""
    assert main(words.split()) == 2
    text = capsys.readouterr().err
    assert said in text and text.startswith("interlude: ") and text.count("\n") == 1
