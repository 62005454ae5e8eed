"""Token trees hold every shared token once and lose nothing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dreamprm_code.prm.trees import build_tree, collate, group_sequences

sequences_strategy = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=12)


def ancestors(tree, node):
    """Node indices from the root to ``node``, by the interval rule."""
    return [i for i in range(node + 1) if node < tree.ends_T[i]]


def test_a_tree_worked_out_by_hand():
    # 1-2-3, 1-2-4-5, 1-2 (a prefix), 6: nodes 1 2 3 4 5 6 in depth-first order.
    tree = build_tree([[1, 2, 3], [6], [1, 2, 4, 5], [1, 2]])
    assert tree.token_ids_T.tolist() == [1, 2, 3, 4, 5, 6]
    assert tree.depths_T.tolist() == [0, 1, 2, 2, 3, 0]
    assert tree.ends_T.tolist() == [5, 5, 3, 5, 5, 6]
    assert tree.read_at_S.tolist() == [2, 5, 4, 1]
    assert tree.num_sequence_tokens == 10


@given(sequences_strategy)
def test_the_path_to_where_a_sequence_is_read_is_that_sequence(sequences):
    tree = build_tree(sequences)
    for sequence, node in zip(sequences, tree.read_at_S, strict=True):
        path = ancestors(tree, node)
        assert [tree.token_ids_T[i] for i in path] == sequence
        assert [tree.depths_T[i] for i in path] == list(range(len(sequence)))


@given(sequences_strategy)
def test_a_tree_has_one_node_per_distinct_prefix(sequences):
    prefixes = {tuple(sequence[: length + 1]) for sequence in sequences for length in range(len(sequence))}
    assert build_tree(sequences).num_tokens == len(prefixes)


@given(sequences_strategy, st.integers(1, 20))
def test_groups_partition_the_sequences_and_keep_the_budget(sequences, max_tokens):
    groups = group_sequences(sequences, max_tokens)
    assert sorted(index for group in groups for index in group) == list(range(len(sequences)))
    for group in groups:
        size = build_tree([sequences[index] for index in group]).num_tokens
        assert size <= max_tokens or len({tuple(sequences[index]) for index in group}) == 1


def test_trees_of_a_batch_stand_one_after_another_and_do_not_see_each_other():
    first, second = build_tree([[1, 2], [1, 3]]), build_tree([[1, 2, 4]])
    batch = collate([first, second])
    assert batch.token_ids_T.tolist() == [1, 2, 3, 1, 2, 4]
    assert batch.ends_T.tolist() == [3, 2, 3, 6, 6, 6]
    assert batch.read_at_S.tolist() == [1, 2, 5]
    assert batch.num_steps == [2, 1]
    assert batch.depths_T.dtype == torch.int64


@pytest.mark.parametrize("sequences", [[], [[]], [[1], []]])
def test_an_empty_sequence_is_refused(sequences):
    with pytest.raises(ValueError, match=r"empty|at least one"):
        build_tree(sequences)
