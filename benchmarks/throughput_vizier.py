"""OSS Vizier's service on SQLite for `trials_throughput.py`; runs in a virtual environment of its own."""

import os
import time
from collections.abc import Callable


def serve(address: str, database: str, parameters: int, metrics: int) -> None:
    """Run the service until ended, with one study that draws at random."""
    from vizier.service import clients, servers
    from vizier.service import pyvizier as vz

    host, port = address.split(":")
    server = servers.DefaultVizierServer(host=host, port=int(port), database_url=f"sqlite:///{database}")
    clients.environment_variables.server_endpoint = server.endpoint
    config = vz.StudyConfig(algorithm="RANDOM_SEARCH")
    for number in range(parameters):
        config.search_space.root.add_float_param(f"p{number}", 0.0, 1.0)
    for number in range(metrics):
        config.metric_information.append(
            vz.MetricInformation(f"m{number}", goal=vz.ObjectiveMetricGoal.MINIMIZE)
        )
    clients.Study.from_study_config(config, owner="bench", study_id="bench")
    while True:
        time.sleep(3600)


def worker(address: str, metrics: int) -> Callable[[int], Callable[[], None]]:
    """Trials of Vizier's client."""
    from vizier.service import clients
    from vizier.service import pyvizier as vz

    clients.environment_variables.server_endpoint = address

    def make(number: int) -> Callable[[], None]:
        study = clients.Study.from_resource_name("owners/bench/studies/bench")

        def trial() -> None:
            (asked,) = study.suggest(count=1, client_id=f"{os.getpid()}-{number}")
            first = asked.parameters["p0"]
            asked.complete(vz.Measurement({f"m{n}": first + n for n in range(metrics)}))

        return trial

    return make
