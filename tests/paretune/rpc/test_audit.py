from pathlib import Path

from paretune.access import Caller, Role
from paretune.rpc.audit import Audit
from paretune.v1 import store_pb2


def test_lines_that_find_no_room_on_the_disk_go_to_the_log(caplog, capsys):
    audit = Audit(Path("/dev/full"))
    for number in (1, 2):
        request = store_pb2.CreateExperimentRequest(request_id=f"request-{number}")
        audit.note("/paretune.v1.StoreService/CreateExperiment", Caller("t", Role.WRITE), "p", request, None)
    assert [f"request-{n}" in record.message for n, record in enumerate(caplog.records, 1)] == [True, True]
    assert "No space left" in caplog.text
    assert capsys.readouterr().err == ""
