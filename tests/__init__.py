"""The tests. They run on compiled modules where these are built: HONGBAO_COMPILED=off runs the sources."""

from server.compiled.finder import use_compiled

use_compiled()
