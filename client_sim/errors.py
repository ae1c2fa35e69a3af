"""Deprecated: the old path of names that are in `client_sim.sdk` now. It works for one version more."""

import warnings

from client_sim.sdk.errors import *  # noqa: F403

warnings.warn(
    "client_sim.errors is deprecated: import from client_sim.sdk instead", DeprecationWarning, stacklevel=2
)
