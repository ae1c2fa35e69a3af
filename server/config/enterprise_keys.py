"""The keys of the config for packets in a sponsor's name."""

from __future__ import annotations

import re
from typing import Final

from server.config.config_key import HUP, ConfigKey
from server.config.rules import AMOUNT, Rule, whole

SCENE: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
ENTERPRISE_KEYS: Final = {
    "enterprise.fen_min": ConfigKey(
        "smallest packet in a sponsor's name without a scene (in a group: share), in the smallest unit of money",
        AMOUNT,
        HUP,
    ),
    "enterprise.fen_max": ConfigKey(
        "largest packet in a sponsor's name without a scene (in a group: share), in the smallest unit of money",
        AMOUNT,
        HUP,
    ),
    "enterprise.scenes": ConfigKey(
        "ids of scenes, with which such a packet may be smaller or larger",
        Rule("a list of ids of 1 to 32 letters, digits, - and _", lambda ids: all(map(SCENE.fullmatch, ids))),
        HUP,
    ),
    "enterprise.scene_fen_max": ConfigKey(
        "largest packet in a sponsor's name with a scene (in a group: share), in the smallest unit of money",
        AMOUNT,
        HUP,
    ),
    "enterprise.event_fen_min": ConfigKey(
        "smallest amount that a sponsor may give for an event (follow, sign_up), in the smallest unit of money",
        AMOUNT,
        HUP,
    ),
    "enterprise.user_packets_a_day": ConfigKey(
        "packets of one sponsor to one user in a Beijing day; 0: any number", whole(0, 1_000_000), HUP
    ),
    "enterprise.user_fen_a_day": ConfigKey(
        "what one sponsor gives one user in a Beijing day, in the smallest unit of money; 0: any amount",
        whole(0, 10**12),
        HUP,
    ),
    "enterprise.group_packets_a_day": ConfigKey(
        "packets of one sponsor to one group in a Beijing day; 0: any number", whole(0, 1_000_000), HUP
    ),
    "enterprise.group_fen_a_day": ConfigKey(
        "what one sponsor gives one group in a Beijing day, in the smallest unit of money; 0: any amount",
        whole(0, 10**12),
        HUP,
    ),
}
