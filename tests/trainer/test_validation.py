"""Requests to a node that are wrong whatever runs there."""

import pytest

from paretune.errors import InvalidArgument
from paretune.v1 import trainer_pb2 as pb
from paretune.v1 import types_pb2 as ty
from paretune_trainer.validation import MAX_SEED, VALIDATORS, validate

DIGITS = ty.Workload(name="digits")


def test_every_request_has_a_validator():
    service = pb.DESCRIPTOR.services_by_name["TrainerService"]
    assert {kind.DESCRIPTOR for kind in VALIDATORS} == {method.input_type for method in service.methods}


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (pb.RunRequest(), "workload.name"),
        (pb.RunRequest(workload=DIGITS, seed=-1), "seed"),
        (pb.RunRequest(workload=DIGITS, seed=MAX_SEED + 1), "seed"),
        (pb.RunRequest(workload=DIGITS, assignments={"lr": ty.Value()}), "assignments['lr']"),
        (pb.CancelRequest(), "run_id"),
        (pb.CancelRequest(run_id="r" * 257), "run_id"),
    ],
)
def test_a_wrong_field_is_named(request_, path):
    with pytest.raises(InvalidArgument) as caught:
        validate(request_)
    assert [violation.field for violation in caught.value.violations] == [path]


def test_what_is_right_is_taken():
    validate(pb.RunRequest(workload=DIGITS, seed=MAX_SEED))
    validate(pb.RunRequest(workload=ty.Workload(command=["true"])))
    validate(pb.GetNodeRequest())
