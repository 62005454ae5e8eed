"""On a GPU: FlexAttention's block masks give the same scores and gradients as the segments and as separate sequences."""

import pytest
import torch

from builders.models import tiny_model
from builders.token_trees import random_sequences
from dreamprm_code.prm.trees import build_tree, collate

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@pytest.mark.parametrize("shape", ["tiny", "tiny-window", "tiny-llama"])
def test_flex_attention_equals_separate_sequences(shape):
    model = tiny_model(shape).cuda()
    for seed in range(3):  # other lengths: nothing may be kept from the batch before
        sequences = random_sequences(seed, 3 + seed)
        batch = collate([build_tree(sequences)])
        with torch.no_grad():
            separate = model.reference_logits(sequences)
            for implementation in ("auto", "segments"):
                torch.testing.assert_close(model(batch, implementation), separate, rtol=0, atol=1e-4)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_flex_attention_gives_the_same_gradients(checkpointing):
    model = tiny_model().cuda().train()
    if checkpointing:
        model.enable_gradient_checkpointing()
    sequences = random_sequences(2)
    gradients = []
    for logits in (model.reference_logits(sequences), model(collate([build_tree(sequences)]), "flex")):
        gradients.append(
            torch.cat([g.flatten() for g in torch.autograd.grad(logits.square().mean(), model.trainable_parameters())])
        )
    assert (gradients[0] - gradients[1]).norm() < 1e-3 * gradients[0].norm()


def test_bfloat16_scores_are_near_float32_ones():
    sequences = random_sequences(4)
    batch = collate([build_tree(sequences)])
    with torch.no_grad():
        precise = torch.sigmoid(tiny_model().cuda()(batch))
        rough = torch.sigmoid(tiny_model(dtype=torch.bfloat16).cuda()(batch))
    torch.testing.assert_close(rough, precise, rtol=0, atol=0.05)


def test_float64_goes_another_way_than_the_kernels_that_do_not_know_it():
    model = tiny_model(dtype=torch.float64).cuda()
    sequences = random_sequences(0)
    with torch.no_grad():
        found, separate = model(collate([build_tree(sequences)])), model.reference_logits(sequences)
    torch.testing.assert_close(found, separate, rtol=0, atol=1e-12)
