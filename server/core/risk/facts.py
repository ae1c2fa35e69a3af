"""The facts that a rule may name, with their meaning.

All are whole numbers; amounts in fen, 0 where nothing is known. storage/postgres/risk reads them. Facts of devices,
addresses and cards count all users of one of them: of each fact the user's device (address, card) with most.
"""

from __future__ import annotations

from typing import Final


def _of_mark(name: str, who: str) -> dict[str, str]:
    """What is counted of all users who share something; at most the newest 200."""
    return {
        f"{name}_users": f"users {who}",
        f"{name}_opens_1m": "shares credited to all of them in the last minute",
        f"{name}_opens_1h": "the same in the last hour",
        f"{name}_opens_1d": "the same in the last 24 hours",
        f"{name}_withdrawn_fen_1m": "what left the wallets of all of them in the last minute",
        f"{name}_withdrawn_fen_1h": "the same in the last hour",
        f"{name}_withdrawn_fen_1d": "the same in the last 24 hours",
    }


FACTS: Final = {
    "account_age_s": "seconds since the server has known the user; 0: it does not yet",
    "opens_1m": "shares credited to the user of the last minute",
    "opens_1h": "the same of the last hour",
    "opens_1d": "the same of the last 24 hours",
    "won_fen_1h": "what these shares of the last hour hold",
    "won_fen_1d": "the same of the last 24 hours",
    "sends_1m": "packets sent in the last minute",
    "sends_1h": "the same in the last hour",
    "sends_1d": "the same in the last 24 hours",
    "sent_fen_1h": "what these packets of the last hour hold",
    "sent_fen_1d": "the same of the last 24 hours",
    "transfers_1d": "transfers to other users in the last 24 hours",
    "transferred_fen_1d": "what they moved",
    "withdrawals_1d": "withdrawals, payouts and pays in the last 24 hours",
    "withdrawn_fen_1h": "what left the wallet so in the last hour",
    "withdrawn_fen_1d": "the same in the last 24 hours",
    "sent_packets": "packets that the user has ever sent",
    "sent_fen": "what they held",
    "received_shares": "shares that were ever credited to the user",
    "received_fen": "what they held",
    "reactions": "reactions that are remembered: the newest of each of the user's groups, at most 31 each",
    "reaction_median_ms": "their median: milliseconds from a post of a packet to the user's grab",
    "reaction_spread_ms": "their ninth decile less their first",
    "grabs": "packets that the user has grabbed in the groups that they are in",
    "first_places_percent": "of these, the part in which no other user was faster",
    "partners_1d": "others who got shares or transfers of the user, or gave some to the user, in the last 24 hours",
    "flow_fen_1d": "what went between them and the user, both ways: transfers, and shares as averages of packets",
    "mutual_percent_1d": "of that, the part that came back from the same partner",
    "pair_shares_1m": "shares and transfers of both in the last minute, both ways; the partner with most",
    "pair_shares_1h": "the same in the last hour",
    "pair_shares_1d": "the same in the last 24 hours",
    "pair_fen_1d": "what these moved, each share as the average of its packet; of all partners most",
    "group_opens_1m": "shares credited to the user in one group in the last minute; the group with most",
    "group_opens_1h": "the same in the last hour",
    "group_opens_1d": "the same in the last 24 hours",
    "circle_users_1d": "users of the circle through the user round which most went in 24 hours: 2 to 6, 0 for none",
    "circle_fen_1d": "what went round it: the smallest of its flows",
    "circle_percent_1d": "which part that is of all that others got of the user",
    **_of_mark("device", "seen on a device of the user in the last 30 days"),
    **_of_mark("address", "seen at an address of the user in the last 24 hours"),
    **_of_mark("card", "who have bound a card of the user"),
}
