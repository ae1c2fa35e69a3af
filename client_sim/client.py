"""The old address of what is now in `client_sim.sdk`. It works for one version more, with a warning."""

import warnings

from client_sim.sdk.client import *  # noqa: F403

warnings.warn(
    "client_sim.client is deprecated: import from client_sim.sdk instead", DeprecationWarning, stacklevel=2
)
