"""The old address of what is now in `client_sim.sdk`. It works for one version more, with a warning."""

import warnings

from client_sim.sdk.errors import *  # noqa: F403

warnings.warn(
    "client_sim.errors is deprecated: import from client_sim.sdk instead", DeprecationWarning, stacklevel=2
)
