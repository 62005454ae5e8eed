"""The local model: sampled answers depend on their seed alone, and equal what the plain loop over single tokens gives."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from builders.tokenizers import byte_tokenizer
from dreamprm_code.policies import CompletionRequest, request_seed
from dreamprm_code.policies.local import LocalPolicy
from dreamprm_code.policies.slots import INVERSION_BLOCK, SlotJob, SlotSampler, invert

EOS = 256


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=258,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        eos_token_id=EOS,
    )
    model = Qwen2ForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.weight *= 8  # far from uniform, so that wrong positions or masks show
    return model


@pytest.fixture(scope="module")
def tokenizer():
    """One token per byte, and two special ones."""
    fast = byte_tokenizer({"eos_token": "<end>", "pad_token": "<pad>"})
    fast.chat_template = "{% for message in messages %}{{ message.role }}:{{ message.content }}|{% endfor %}assistant:"
    return fast


def reference_answer(model, prompt_ids: list[int], seed: int, max_tokens: int, temperature: float) -> list[int]:
    """The plain loop: the whole text through the model for every token, no cache, no batch."""
    generator = random.Random(seed)
    answer: list[int] = []
    while len(answer) < max_tokens:
        with torch.inference_mode():
            logits_V = model(torch.tensor([prompt_ids + answer])).logits[0, -1]
        cumulative_V = torch.softmax(logits_V / temperature, dim=-1).cumsum(-1)
        token_id = int(torch.searchsorted(cumulative_V, generator.random() * cumulative_V[-1], right=True))
        if token_id == EOS:
            break
        answer.append(token_id)
    return answer


def run_jobs(model, jobs: list[tuple[list[int], int]], num_slots: int, max_tokens: int = 30) -> dict[int, list[int]]:
    answers: dict[int, list[int]] = {}
    sampler = SlotSampler(model, num_slots, [EOS])
    for prompt_ids, seed in jobs:

        def on_done(token_ids, finish_reason, mean_logprob, seed=seed):
            answers[seed] = token_ids

        sampler.submit(SlotJob(prompt_ids, seed, max_tokens, 0.8, 1.0, lambda ids: False, on_done))
    while sampler.step():
        pass
    return answers


@pytest.mark.parametrize("num_tokens", [5, INVERSION_BLOCK, 3 * INVERSION_BLOCK, 50_000])
def test_inversion_by_blocks_draws_the_tokens_of_the_plain_one(num_tokens):
    """In double precision, where no rounding decides; some tokens, whole blocks and both ends have no probability."""
    generator = torch.Generator().manual_seed(num_tokens)
    probs_BV = torch.softmax(torch.randn(400, num_tokens, generator=generator, dtype=torch.float64) * 4, dim=-1)
    probs_BV[:, 0], probs_BV[:, -1] = 0.0, 0.0
    if num_tokens > INVERSION_BLOCK:
        probs_BV[100:, :INVERSION_BLOCK] = 0.0
    probs_BV[200:300, num_tokens // 3 : num_tokens // 2] = 0.0
    uniform_B = torch.rand(400, generator=generator, dtype=torch.float64)
    uniform_B[::7], uniform_B[1::7] = 0.0, 1.0 - 2.0**-40
    cumulative_BV = probs_BV.cumsum(-1)
    plain_B = torch.searchsorted(cumulative_BV, (uniform_B * cumulative_BV[:, -1])[:, None], right=True)[:, 0]
    drawn_B = invert(probs_BV, uniform_B)
    assert torch.equal(drawn_B, plain_B)
    assert (probs_BV.gather(1, drawn_B[:, None]) > 0).all()


def test_the_mean_log_probability_is_the_models_own_whatever_the_temperature(model):
    prompt_ids = [1, 2, 3, 4, 5]
    found = []
    sampler = SlotSampler(model, 2, [EOS])
    for seed in (5, 6):
        done = lambda ids, reason, mean: found.append((ids, mean))  # noqa: E731
        sampler.submit(SlotJob(prompt_ids, seed, 12, 0.5, 0.9, lambda ids: False, done))
    while sampler.step():
        pass
    for token_ids, mean in found:
        with torch.inference_mode():
            logprobs_TV = model(torch.tensor([prompt_ids + token_ids])).logits[0, len(prompt_ids) - 1 : -1].log_softmax(-1)
        expected = logprobs_TV.gather(1, torch.tensor(token_ids)[:, None]).mean().item()
        assert mean == pytest.approx(expected, abs=1e-4)


@pytest.fixture(scope="module")
def jobs():
    """Prompts of many lengths around the block and length steps of the cache, some of them shared or growing."""
    chance = random.Random(1)
    base = [chance.randrange(256) for _ in range(300)]
    prompts = [base[:length] for length in (1, 5, 127, 128, 129, 200, 256, 300)] + [base[:150] + [7] * 20, base[:140]]
    return [(prompt, 100 * number + copy) for number, prompt in enumerate(prompts) for copy in range(2)]


def test_slots_give_the_answers_of_the_plain_loop(model, jobs):
    answers = run_jobs(model, jobs, num_slots=4)
    assert {len(answer) for answer in answers.values()} != {30}, "some answers end by themselves"
    for prompt_ids, seed in jobs:
        assert answers[seed] == reference_answer(model, prompt_ids, seed, 30, 0.8)


def test_an_answer_does_not_depend_on_order_or_neighbours(model, jobs):
    forward = run_jobs(model, jobs, num_slots=4)
    assert run_jobs(model, jobs[::-1], num_slots=4) == forward
    assert run_jobs(model, jobs[5:7], num_slots=4) == {seed: forward[seed] for _, seed in jobs[5:7]}, "as after a restart"


def test_nucleus_and_zero_temperature_choose_the_most_probable_token(model):
    found: list[list[int]] = []
    sampler = SlotSampler(model, 2, [EOS])
    for temperature, top_p in ((0.0, 1.0), (1.0, 1e-6)):
        sampler.submit(SlotJob([1, 2, 3], 5, 8, temperature, top_p, lambda ids: False, lambda ids, *_: found.append(ids)))
    while sampler.step():
        pass
    assert found[0] == found[1]


def ask(policy: LocalPolicy, *requests: CompletionRequest):
    async def one(request):
        return [result async for result in policy.complete(request)]

    async def run():
        try:
            return await asyncio.gather(*map(one, requests))
        finally:
            await policy.aclose()

    return asyncio.run(run())


def test_the_policy_seeds_every_row_and_counts_tokens(model, tokenizer):
    messages = ({"role": "user", "content": "hi"},)
    requests = [CompletionRequest((name,), messages, (0, 1, 2)) for name in "abc"]
    policy = LocalPolicy(model, tokenizer, temperature=1.0, max_tokens=12, batch_size=4, seed=3)
    results = ask(policy, *requests)
    prompt_ids = tokenizer("user:hi|assistant:")["input_ids"]
    for request, got in zip(requests, results, strict=True):
        assert sorted(result.index for result in got) == [0, 1, 2]
        for result in got:
            seed = request_seed(3, request.key, result.index)
            assert result.output == tokenizer.decode(
                reference_answer(model, prompt_ids, seed, 12, 1.0), skip_special_tokens=True
            )
            assert result.prompt_tokens == len(prompt_ids)
    assert policy.account.prompt_tokens == 3 * len(prompt_ids)
    assert policy.account.completion_tokens == sum(result.completion_tokens for got in results for result in got)


def test_a_continued_prefix_is_part_of_the_prompt_and_goes_on_with_a_new_line(model, tokenizer):
    request = CompletionRequest(("a",), ({"role": "user", "content": "hi"},), tuple(range(6)), prefix="x = 1\n")
    (results,) = ask(LocalPolicy(model, tokenizer, temperature=1.0, max_tokens=6, batch_size=3), request)
    for result in results:
        assert result.output.startswith("```python\nx = 1")
        assert result.output[len("```python\nx = 1") :][:1] in ("", "\n"), "the finished line is not changed"
        assert result.prompt_tokens == len("user:hi|assistant:```python\nx = 1")


def test_an_error_in_the_model_reaches_the_caller(model, tokenizer):
    policy = LocalPolicy(model, tokenizer, temperature=1.0, max_tokens=4, batch_size=2)
    policy._sampler.model = None
    with pytest.raises(ValueError, match="sampling failed"):
        ask(policy, CompletionRequest(("a",), ({"role": "user", "content": "hi"},), (0,)))


def test_blocks_of_several_prompts_are_kept_and_change_no_answer(model, jobs, monkeypatch):
    """Programs in turn, as a search asks for them: the second time only the last block of each is encoded."""
    base = [number % 251 for number in range(400)]
    prompts = [base[:300] + [number] * 90 for number in range(3)]
    asked = [(prompt + [round_] * 5, 10 * round_ + number) for round_ in range(2) for number, prompt in enumerate(prompts)]
    answers: dict[int, list[int]] = {}
    sampler = SlotSampler(model, 2, [EOS])
    for prompt_ids, seed in asked:
        done = lambda ids, reason, mean, seed=seed: answers.__setitem__(seed, ids)  # noqa: E731
        sampler.submit(SlotJob(prompt_ids, seed, 10, 0.8, 1.0, lambda ids: False, done))
    while sampler.step():
        pass
    assert sampler.num_encoded == 395 + 2 * (395 - 256) + 3 * (395 - 384)
    monkeypatch.setattr("dreamprm_code.policies.slots.KEPT_BLOCKS", 0)
    assert answers == run_jobs(model, asked, num_slots=2, max_tokens=10)


def test_an_answer_stops_with_the_first_text_that_it_was_told_to_stop_at(model, tokenizer):
    """The prefix ends in the middle of a line, and no new line is forced."""
    request = CompletionRequest(("a",), ({"role": "user", "content": "hi"},), tuple(range(8)), prefix="x = ")
    request = replace(request, stop=("zz",), max_tokens=40)
    policy = LocalPolicy(model, tokenizer, temperature=1.0, max_tokens=6)
    (whole,) = ask(policy, request)
    start = len("```python\nx =")
    assert {result.completion_tokens for result in whole} >= {40}, "the request's own limit"
    assert any(not result.output[start:].startswith("\n") for result in whole)
    text = max((result.output[start:] for result in whole), key=len)
    stops = (text[9:11], text[5:7])
    (cut,) = ask(LocalPolicy(model, tokenizer, temperature=1.0), replace(request, stop=stops))
    for before, after in zip(sorted(whole, key=lambda r: r.index), sorted(cut, key=lambda r: r.index), strict=True):
        found = [before.output.find(stop, start) + len(stop) for stop in stops if stop in before.output[start:]]
        assert after.output == (before.output[: min(found)] if found else before.output)
        assert after.finish_reason == ("stop" if found else before.finish_reason)
