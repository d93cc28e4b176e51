"""Exit with 0 when a service is ready: `python -m paretune.rpc.probe HOST:PORT`, for checks of containers.

Trusts the CA that PARETUNE_PROBE_CA names, else that of PARETUNE_CA; PARETUNE_CERT and PARETUNE_KEY are shown
to a service that demands a certificate.
"""

import os
import sys

from paretune.errors import ParetuneError
from paretune.rpc.credentials import Credentials
from paretune.rpc.health import is_serving

SECONDS = 4.0


def main(address: str) -> int:
    """0: the service says SERVING."""
    credentials = Credentials.from_environment().but(ca=os.environ.get("PARETUNE_PROBE_CA"))
    return 0 if is_serving(address, SECONDS, credentials) else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main(*sys.argv[1:]))
    except (ParetuneError, TypeError) as error:
        sys.stderr.write(f"paretune probe: {error}\n")
        raise SystemExit(2) from None
