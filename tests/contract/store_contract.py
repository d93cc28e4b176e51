"""The suite that every engine of the Store must pass, whatever it keeps its rows in.

An engine's test module derives from `StoreContract` and gives a fixture `driver`. Every refusal goes through
`Driver.refused`, which also checks that nothing changed.
"""

from amendments_contract import AmendmentsContract
from experiments_contract import ExperimentsContract
from leases_contract import LeasesContract
from observations_contract import ObservationsContract
from watch_contract import WatchContract


class StoreContract(
    AmendmentsContract, ExperimentsContract, LeasesContract, ObservationsContract, WatchContract
):
    """Inherit, give a `driver` fixture, and every test here runs on that engine."""
