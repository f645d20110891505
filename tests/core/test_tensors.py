"""Tensors in JSON."""

import json
from dataclasses import dataclass, field

import pydantic
import pytest
import torch
from torch import Tensor

from sciml.core.tensors import decode, encode, pack, tensor_dataclass_schema, unpack


@pytest.mark.parametrize("shape", [(), (1,), (7,), (8,), (9,), (3, 5), (2, 3, 4), (0, 4)])
def test_truth_values_are_packed_without_loss(shape):
    values = torch.rand(shape, generator=torch.Generator().manual_seed(1)) < 0.5
    digits = pack(values)
    assert len(digits) == 2 * -(-values.numel() // 8)
    assert torch.equal(unpack(digits, shape), values)
    assert torch.equal(decode(json.loads(json.dumps(encode(values)))), values)


def test_a_mask_is_read_in_both_forms():
    listed = {"dtype": "bool", "shape": [2, 2], "values": [True, False, False, True]}
    assert torch.equal(decode(listed), torch.eye(2).bool())
    assert torch.equal(decode(listed | {"values": "90"}), torch.eye(2).bool())


@pytest.mark.parametrize("digits", ["", "9", "zz", "9000"])
def test_digits_that_do_not_fit_are_refused(digits):
    with pytest.raises(ValueError, match=r"agree|hex"):
        decode({"dtype": "bool", "shape": [2, 2], "values": digits})


def test_fields_with_a_default_may_be_missing_in_files_of_before():
    @dataclass
    class Pair:
        first: Tensor
        second: Tensor = field(default_factory=lambda: torch.zeros(0))

        @classmethod
        def __get_pydantic_core_schema__(cls, source, handler):
            return tensor_dataclass_schema(cls)

    adapter = pydantic.TypeAdapter(Pair)
    both = adapter.dump_python(Pair(torch.ones(2)))
    assert set(both) == {"first", "second"}
    assert torch.equal(adapter.validate_python({"first": both["first"]}).second, torch.zeros(0))
    for wrong in ({"second": both["second"]}, both | {"third": both["first"]}):
        with pytest.raises(pydantic.ValidationError, match="expected first, second"):
            adapter.validate_python(wrong)
