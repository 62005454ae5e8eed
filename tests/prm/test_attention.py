"""Ancestors-only attention, in every implementation, computes what separate sequences would."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.models import tiny_model
from builders.token_trees import random_sequences
from dreamprm_code.prm.attention import classify_blocks, layout_of, may_attend, plan_segments
from dreamprm_code.prm.trees import build_tree, collate

forests = st.lists(
    st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=30), min_size=1, max_size=6), min_size=1, max_size=3
).map(lambda trees: collate([build_tree(sequences) for sequences in trees]))


@given(forests)
@settings(max_examples=50, deadline=None)
def test_segments_cover_each_query_once_and_hold_all_its_keys(batch):
    depths, ends = batch.depths_T.numpy(), batch.ends_T
    for causal_kernel in (True, False):
        next_start = 0
        for segment in plan_segments(depths, causal_kernel):
            assert segment.start == next_start
            next_start = segment.stop
            keys = {node for start, stop in segment.key_ranges for node in range(start, stop)}
            for query in range(segment.start, segment.stop):
                assert {key for key in range(query + 1) if query < ends[key]} <= keys
            if segment.is_causal:
                assert depths[segment.start : segment.stop].tolist() == list(range(segment.stop - segment.start))
        assert next_start == batch.num_tokens


@given(forests, st.sampled_from([None, 3, 8]), st.sampled_from([2, 4, 16]))
@settings(max_examples=50, deadline=None)
def test_blocks_are_classified_as_the_dense_mask_says(batch, window, size):
    some, full = classify_blocks(batch.ends_T, batch.depths_T, window, size)
    nodes = torch.arange(batch.num_tokens)
    dense = may_attend(nodes[:, None], nodes[None, :], batch.ends_T, batch.depths_T, window)
    for row in range(len(some)):
        for column in range(len(some)):
            block = dense[row * size : (row + 1) * size, column * size : (column + 1) * size]
            if not some[row, column]:
                assert not block.any()
            if full[row, column]:
                assert block.all()
            if window is None and row != column:
                assert bool(some[row, column]) == bool(block.any())


@pytest.mark.parametrize("shape", ["tiny", "tiny-window", "tiny-llama", "tiny-qwen3", "tiny-mistral"])
@pytest.mark.filterwarnings("ignore:.*flex_attention.*")
def test_every_implementation_equals_separate_sequences_in_float64(shape):
    model = tiny_model(shape, torch.float64)
    trees = [random_sequences(0), random_sequences(1, 2)]
    batch = collate([build_tree(sequences) for sequences in trees])
    with torch.no_grad():
        separate = model.reference_logits(trees[0] + trees[1])
        assert separate.std() > 0.1
        for implementation in ("segments", "math", "dense", "flex"):
            torch.testing.assert_close(model(batch, implementation), separate, rtol=0, atol=1e-12)


def test_a_window_counts_distances_in_the_sequence():
    model = tiny_model("tiny-window")
    assert model.smallest_window == 24
    batch = collate([build_tree(random_sequences(0))])
    layout = layout_of(batch, "dense", model.smallest_window)
    query, key = batch.read_at_S[0], 0
    assert layout.dense_mask(None)[query, key]
    assert not layout.dense_mask(24)[query, key]
    assert layout.window(10**6) is None


@pytest.mark.parametrize("implementation", ["segments", "math"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_equal_those_of_separate_sequences(implementation, checkpointing):
    model = tiny_model().train()
    if checkpointing:
        model.enable_gradient_checkpointing()
    sequences = random_sequences(2)
    target = torch.rand(len(sequences))
    gradients = []
    for logits in (model.reference_logits(sequences), model(collate([build_tree(sequences)]), implementation)):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        gradients.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, model.trainable_parameters())]))
    assert (gradients[0] - gradients[1]).norm() < 1e-5 * gradients[0].norm()


def test_forward_mode_derivatives_equal_reverse_mode_ones():
    model = tiny_model(dtype=torch.float64)
    batch = collate([build_tree(random_sequences(3, 2))])
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    parameters = [dict(model.named_parameters())[name] for name in names]
    direction = [torch.randn_like(parameter) for parameter in parameters]

    def logits(*values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (batch, "math"))

    with torch.no_grad():
        model(batch, "math")  # the layout that it keeps must not be made inside the transform
        _, tangent = torch.func.jvp(logits, tuple(p.detach() for p in parameters), tuple(direction))
    for step, value in enumerate(model(batch, "segments")):
        gradient = torch.autograd.grad(value, parameters, retain_graph=True)
        expected = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
        # transformers' norms of this model compute in float64, its rotary angles in float32: no floor above 1e-12.
        torch.testing.assert_close(tangent[step], expected, rtol=1e-9, atol=1e-12)


def test_autocast_reads_scores_in_float32():
    model = tiny_model()
    sequences = random_sequences(4)
    batch = collate([build_tree(sequences)])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = model(batch)
    assert logits.dtype == torch.float32
    with torch.no_grad():
        torch.testing.assert_close(torch.sigmoid(logits), torch.sigmoid(model(batch)), rtol=0, atol=0.05)


@pytest.mark.parametrize("window", [None, 60, 350])
def test_the_block_mask_lets_the_kernel_see_what_the_dense_mask_says(window):
    """What FlexAttention's kernel computes: full blocks without a mask, partial blocks through ``mask_mod``, no others."""
    statement = list(range(300))  # the first blocks of its tokens are seen by every later one of the tree
    trees = [[statement + sequence for sequence in random_sequences(seed, 7)] for seed in (0, 1)]
    batch = collate([build_tree(sequences) for sequences in trees])
    block_mask = layout_of(batch, "flex").block_mask(window)
    size, padded = block_mask.BLOCK_SIZE[0], block_mask.seq_lengths[0]
    assert batch.num_tokens > 2 * size and padded % size == 0
    nodes = torch.arange(padded)
    elementwise = block_mask.mask_mod(torch.tensor(0), torch.tensor(0), nodes[:, None], nodes[None, :])
    seen = torch.zeros(padded, padded, dtype=torch.bool)
    num_full = 0
    for row in range(padded // size):
        queries = slice(row * size, (row + 1) * size)
        for column in block_mask.kv_indices[0, 0, row, : block_mask.kv_num_blocks[0, 0, row]].tolist():
            seen[queries, column * size : (column + 1) * size] = elementwise[queries, column * size : (column + 1) * size]
        for column in block_mask.full_kv_indices[0, 0, row, : block_mask.full_kv_num_blocks[0, 0, row]].tolist():
            seen[queries, column * size : (column + 1) * size] = True
            num_full += 1
    assert num_full > 0 or window == 60
    real = nodes[: batch.num_tokens]
    dense = may_attend(real[:, None], real[None, :], batch.ends_T, batch.depths_T, window)
    assert torch.equal(seen[: batch.num_tokens, : batch.num_tokens], dense)
    assert seen[batch.num_tokens :, batch.num_tokens :].diagonal().all()  # a query that sees nothing would give NaN
