"""The facts that a rule may name, with their meaning.

All are whole numbers; amounts in fen, 0 where nothing is known.
storage/postgres/risk/risk_facts.sql reads them.
"""

from __future__ import annotations

from typing import Final

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
    "partners_1d": "others who opened packets of the user, or whose packets the user opened, of the last 24 hours",
    "flow_fen_1d": "what went between them and the user, both ways, each share as the average of its packet",
    "mutual_percent_1d": "of that, the part that came back from the same partner",
    "card_users": "users of that one of the user's cards that most users have bound",
}
