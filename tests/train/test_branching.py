"""Attention over a packed row equals dense attention under the mask that the row stands for, gradients too."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from ecg_r1.train.branching import Layout, branching_attention, flex_branching_attention, merged_attention
from ecg_r1.train.passes import balanced, passes_needed

LAYOUTS = {
    "ragged": Layout((5, 9), ((3, 1, 4), (2, 7, 1))),
    "a prompt of one token": Layout((0, 6), ((3, 2), (1, 5))),
    "a branch without tokens": Layout((4, 3), ((0, 3), (0, 0))),
    "one group, long": Layout((130,), ((40, 3, 71, 1),)),
}


def dense_mask(layout):
    """Row by row, from what a branch may see."""
    mask = torch.zeros(layout.length, layout.length, dtype=torch.bool)
    prefix, branch = 0, sum(layout.prefixes)
    for tokens, lengths in zip(layout.prefixes, layout.branches, strict=True):
        for q in range(prefix, prefix + tokens):
            mask[q, prefix : q + 1] = True
        for length in lengths:
            for q in range(branch, branch + length):
                mask[q, prefix : prefix + tokens] = True
                mask[q, branch : q + 1] = True
            branch += length
        prefix += tokens
    return mask


def tensors(layout, heads=4, kv_heads=4):
    torch.manual_seed(0)
    shapes = (heads, kv_heads, kv_heads, heads)
    return [torch.randn(1, n, layout.length, 16, requires_grad=i < 3) for i, n in enumerate(shapes)]


def reference(query, key, value, layout, **options):
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=dense_mask(layout), **options)


@pytest.mark.parametrize("name", LAYOUTS)
def test_merged_attention_and_its_gradients(name):
    layout = LAYOUTS[name]
    query, key, value, grad = tensors(layout)
    expected = reference(query, key, value, layout)
    of_expected = torch.autograd.grad(expected, (query, key, value), grad)
    found = merged_attention(query, key, value, layout)
    assert torch.allclose(found, expected, rtol=0, atol=2e-6)
    for a, b in zip(torch.autograd.grad(found, (query, key, value), grad), of_expected, strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", LAYOUTS)
def test_flex_attention_sees_the_same(name):
    layout = LAYOUTS[name]
    query, key, value, _ = (x.detach() for x in tensors(layout, kv_heads=2))
    expected = reference(query, key, value, layout, enable_gqa=True)
    assert torch.allclose(flex_branching_attention(query, key, value, layout), expected, rtol=0, atol=2e-6)


def test_fewer_heads_of_keys_and_a_scale():
    layout = LAYOUTS["ragged"]
    query, key, value, _ = tensors(layout, kv_heads=2)
    found, _ = branching_attention(torch.nn.Identity(), query, key, value, None, branches=layout, scaling=0.3)
    expected = reference(query, key, value, layout, enable_gqa=True, scale=0.3)
    assert torch.allclose(found.transpose(1, 2), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("tokens", "budget", "count"),
    [([10, 10, 10, 10], 20, 2), ([10, 10, 10, 10], 40, 1), ([30, 10, 10], 20, 2), ([9, 9, 9], 10, 3), ([5, 5], 1, 2)],
)
def test_passes_keep_the_budget(tokens, budget, count):
    assert passes_needed(tokens, budget) == count
    parts = balanced(tokens, count)
    assert sorted(i for part in parts for i in part) == list(range(len(tokens)))
    assert all(len(part) == 1 or sum(tokens[i] for i in part) <= budget for part in parts)
