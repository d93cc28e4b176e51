"""Every RPC has a row, every row means an RPC, and a gap is found. Part of `make check`."""

import pytest

from paretune.access import Role
from paretune.rpc.policy import ALL, ANY, POLICY, Cost, PolicyGap, Rule, check_policy, path_of
from paretune.v1 import optimizer_pb2, store_pb2, trainer_pb2

SERVICES = [
    service
    for module in (store_pb2, optimizer_pb2, trainer_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
]
METHODS = {path_of(method): method for service in SERVICES for method in service.methods}


def test_the_table_is_complete():
    check_policy(SERVICES)


def test_no_row_is_left_over():
    assert set(POLICY) == set(METHODS)


@pytest.mark.parametrize("path", sorted(METHODS))
def test_a_missing_row_is_found(path):
    table = {key: rule for key, rule in POLICY.items() if key != path}
    with pytest.raises(PolicyGap, match=f"{path} has no row"):
        check_policy(SERVICES, table)


def test_a_row_whose_path_leads_nowhere_is_found():
    path = "/paretune.v1.StoreService/Observe"
    table = POLICY | {path: Rule(Role.TRAINER, "observation.experiment", Cost.VITAL)}
    with pytest.raises(PolicyGap, match=r"no field 'observation\.experiment'"):
        check_policy(SERVICES, table)


def test_calls_about_an_experiment_or_suggestion_are_scoped():
    for path, method in METHODS.items():
        fields = method.input_type.fields_by_name
        if {"experiment_id", "suggestion_id", "observation_id"} & set(fields):
            assert POLICY[path].scope not in (ANY, ALL), path


def test_readers_change_nothing():
    assert not [path for path, rule in POLICY.items() if rule.role is Role.READ and rule.audited]
