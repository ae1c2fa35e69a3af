"""Deprecated: the old path of names that are in `client_sim.sdk` now. It works for one version more."""

import warnings

from client_sim.sdk.client import *  # noqa: F403

warnings.warn(
    "client_sim.client is deprecated: import from client_sim.sdk instead", DeprecationWarning, stacklevel=2
)
