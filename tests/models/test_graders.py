"""Models that grade text say what their own logits say, whatever tokenizer the learner has."""

from __future__ import annotations

import pretrained
import pytest
import torch
from pretrained import EASY

from interlude.models.graders import LMJudge, RewardModel, check_names, filled, raised
from interlude.models.heuristics import POLYA
from interlude.models.hf import HF
from interlude.models.key import key
from interlude.models.ledger import JUDGE

transformers = pytest.importorskip("transformers")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return pretrained.save_model(tmp_path_factory.mktemp("hub"))


def test_names_in_braces_are_filled():
    # Mutants: str.format, which stumbles over LaTeX; a name within a text that is filled again.
    assert filled("{a} \\boxed{} {b}", {"a": "{b}", "b": "2"}) == "{b} \\boxed{} 2"
    with pytest.raises(ValueError, match=r"X.y must hold \{b\}, got"):
        check_names("X.y", "only {a}", "a", "b")
    assert len(set(POLYA)) == 16
    for heuristic in POLYA:
        check_names("POLYA", heuristic, "question")
        assert filled(heuristic, {"question": "Q?"}).startswith("Q?\n\nSolve it this way: ")


def words_of(lm, *words) -> set[int]:
    return {lm.tokenizer.encode(word)[0] for word in words}


@pytest.mark.parametrize("chat", (False, True))
def test_odds_are_those_of_the_next_token(chat, folder):
    # Mutants: yes and no exchanged; a first token of both counted; the last column of padded rows; one row's answer
    # given to the next.
    asked = LMJudge(HF(folder, chat=chat), "Is {text} right?")
    texts = [{"text": "much " * n} for n in range(20)]
    odds, costs = asked.odds(texts, CPU)
    lm = HF(folder, chat=chat).build(0)
    for each, found in zip(texts, odds, strict=True):
        prompt = lm.encode_prompt(f"Is {each['text']} right?")
        with torch.no_grad():
            logp_V = lm(torch.tensor([prompt]))[0, -1].log_softmax(0)
        yes, no = (words_of(lm, w, w.title(), f" {w}", f" {w.title()}") for w in ("yes", "no"))
        assert yes & no  # the token of a space says neither
        sides = [logp_V[sorted(side)].exp().sum().log() for side in (yes - no, no - yes)]
        assert found == pytest.approx(float(sides[0] - sides[1]), abs=1e-4)
    assert len(set(odds)) == 20 and {each.kind for each in costs} == {JUDGE}
    assert sum(each.tokens for each in costs) == sum(len(lm.encode_prompt(f"Is {t['text']} right?")) for t in texts)


def test_a_model_is_what_its_files_are(folder, tmp_path):
    # Mutants: old weights under new files; the question or the model left out of the key.
    copy = pretrained.save_model(tmp_path / "a", seed=0)
    asked = LMJudge(HF(copy), "Is {text} right?")
    first = asked.odds([{"text": "it"}], CPU)[0]
    before = key(asked)
    pretrained.save_model(tmp_path / "a", seed=1)
    assert key(asked) != before != key(LMJudge(HF(folder), "Is {text} wrong?"))
    assert asked.odds([{"text": "it"}], CPU)[0] != first


@pytest.fixture(scope="module")
def judge(tmp_path_factory) -> str:
    """A reward model as transformers saves one."""
    folder, reads = tmp_path_factory.mktemp("reward"), pretrained.tokenizer()
    config = transformers.Qwen2Config(
        vocab_size=len(reads), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, num_labels=1, pad_token_id=reads.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.Qwen2ForSequenceClassification(config).save_pretrained(folder)
    reads.save_pretrained(folder)
    return str(folder)


def test_rewards_are_those_of_the_classifier(judge, folder, tmp_path):
    # Mutants: another template; the response before the prompt; a causal model whose head is drawn at random.
    pairs = [("What is 1 + 1?", "2"), ("What is 1 + 1?", "It is two, as one and one is two."), ("2", "What is 1 + 1?")]
    scores, costs = RewardModel(judge).scores(pairs, CPU)
    network = transformers.AutoModelForSequenceClassification.from_pretrained(judge).eval()
    reads, tokens = pretrained.tokenizer(), []
    for (prompt, response), found in zip(pairs, scores, strict=True):
        text = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n{response}<|im_end|>\n"
        tokens.append(reads.encode(text))
        with torch.no_grad():
            expected = network(input_ids=torch.tensor([tokens[-1]])).logits[0, 0]
        assert found == pytest.approx(float(expected), abs=1e-5)
    assert len({round(score, 4) for score in scores}) == 3
    assert [each.tokens for each in costs] == list(map(len, tokens))
    assert costs[0].flops == 2 * sum(w.numel() for w in network.model.parameters()) * costs[0].tokens
    with pytest.raises(ValueError, match=r"must hold a classifier with one output; it has 2 outputs"):
        RewardModel(folder).scores(pairs, CPU)
    causal = pretrained.save_model(tmp_path, id2label={0: "reward"}, label2id={"reward": 0})
    with pytest.raises(ValueError, match=r"it has 1 outputs and lacks \['score.weight'\]"):
        RewardModel(causal).scores(pairs, CPU)
    with pytest.raises(ValueError, match="no folder here, and a hub name needs a commit"):
        key(RewardModel("some/reward-model"))
    assert key(RewardModel(judge)) != key(RewardModel(folder))


def test_a_request_raises_what_it_asks_for(folder):
    # Mutants: the prompt's own tokens counted; a sum in place of a mean; the request left out of one side.
    lm = HF(folder).build(0)
    problem = EASY.problem("raised", 0)
    plain, asked = lm.encode_prompt(problem.question), lm.encode_prompt(f"{problem.question} slowly")
    responses = [lm.encode(problem.solution), [*lm.encode("bears bears"), lm.end]]
    scores, costs = raised(lm, plain, asked, responses)
    for response, score in zip(responses, scores, strict=True):
        sides = []
        for prompt in (asked, plain):
            with torch.no_grad():
                logp_TV = lm(torch.tensor([prompt + response]))[0].log_softmax(-1)
            sides.append(sum(float(logp_TV[len(prompt) - 1 + t, token]) for t, token in enumerate(response)))
        assert score == pytest.approx((sides[0] - sides[1]) / len(response), abs=1e-5)
    assert raised(lm, plain, plain, responses)[0] == pytest.approx([0, 0], abs=1e-6)
    assert sum(each.tokens for each in costs) == 2 * sum(map(len, responses)) + 2 * (len(plain) + len(asked))
