"""Chapter 4: tables, amounts, what happens when a packet is sent and opened, questions and answers."""

from __future__ import annotations

from typing import Final

from tests.customer.row import Row

BACKEND: Final = (
    Row(
        "001 4.2",
        "Amounts are not drawn before: the n-th amount is computed from a seed when the n-th share is opened.",
        (
            "core/amounts::the_server_computes_the_vectors",
            "core/packet::packet_loaded_from_its_records_continues_like_the_original",
        ),
    ),
    Row(
        "001 4.2",
        "The seed is the id of the packet.",
        (
            "core/packet::amounts_do_not_depend_on_the_packet_id",
            "core/seeds::vector_follows_from_the_documented_formula",
        ),
        "an id can be guessed, and with it all amounts: the seed is secret, committed to first and revealed later",
    ),
    Row(
        "001 4.2",
        "A share of a lucky packet is 0.01 yuan at least, and at most twice the mean of what is left.",
        (
            "core/amounts::every_share_is_within_its_caps_and_the_sum_is_exact",
            "core/amounts::middle_of_the_bounds_is_within_half_a_fen_of_the_mean_and_equal_on_average",
        ),
    ),
    Row(
        "001 4.2",
        "A share of a shake is 2.00 yuan at least, and at most n times the mean of what is left.",
        (
            "core/campaign_pools::blocks_of_draws_are_drawn_as_the_shares_of_a_lucky_packet",
            "core/campaign_pools::pool_of_draws_has_its_planted_amounts_its_limits_and_its_sum",
        ),
    ),
    Row(
        "001 4.2, scheme 1",
        "Bands of amounts have set odds (2 to 5 yuan 85 %, 5 to 20 10 %, 20 to 50 4.99 %, 618 yuan 0.01 %).",
        (
            "core/campaign_pools::pool_of_bands_deals_each_place_once",
            "core/campaign_pools::bands_come_at_their_odds_in_every_part_of_a_pool",
            "core/campaign_decks::quotas_are_the_exact_shares_rounded_to_a_neighbour",
        ),
    ),
    Row(
        "001 4.2, scheme 2",
        "Shares are drawn, and some of 618 yuan are planted among them.",
        (
            "core/campaign_decks::draw_deck_sets_planted_numbers_apart",
            "core/campaign_pools::pool_of_draws_has_its_planted_amounts_its_limits_and_its_sum",
        ),
    ),
    Row(
        "001 4.3 (1)",
        "To send: a record with an end of its time, and a counter of shares in memory.",
        (
            "services/sends::send_debits_the_wallet_and_pushes_the_packet",
            "core/packet::open_at_the_moment_of_expiry_is_expired",
        ),
    ),
    Row(
        "001 4.3 (2)",
        "Grabbing and opening are two steps; the first is answered from memory by a counter with compare-and-swap.",
        (
            "core/packet::opens_get_indexes_in_order_of_arrival",
            "core/small_worlds::packet_in_every_interleaving_equals_the_model",
        ),
    ),
    Row(
        "001 4.3 (2)",
        "Some who have grabbed find nothing when they open; few requests get so far.",
        (
            "services/hoarding::eight_users_who_hoard_keep_twenty_others_out_for_less_than_four_seconds",
            "core/tickets::grab_takes_the_oldest_ticket_and_leaves_the_others",
        ),
    ),
    Row(
        "001 4.3 (2)",
        "To open: one transaction adds to number and amount, and inserts a claim; the wallet is credited later.",
        (
            "services/settlement::claims_reach_wallets_and_are_pushed",
            "services/settlement::claim_is_uncredited_until_its_own_transfer",
            "services/settlement::settlement_goes_on_after_a_restart",
        ),
    ),
    Row(
        "001 4.3 (2)",
        "The amount is between 1 fen and twice the mean of the rest; the largest packet share is 2 M / N.",
        (
            "core/amounts::every_amount_within_the_bounds_is_equally_likely",
            "core/amounts::last_share_is_the_remaining_amount",
        ),
    ),
    Row(
        "001 4.3 (2)",
        "200,000 credits a second were prepared for, 80,000 came.",
        ("sets/full_path::rest_of_a_packet_goes_back_in_the_set_of_its_sender",),
        "docs/operations.md computes sets, workers and machines for these rates from what was measured",
    ),
    Row(
        "001 4.4 ①",
        "Why one may grab and still find nothing.",
        ("core/pages::open_page_agrees_with_the_answer_of_a_grab",),
    ),
    Row(
        "001 4.4 ②",
        "If cache or database fail: a standby, and checks of the books.",
        (
            "outages/postgresql/failover::users_who_open_packets_during_a_promotion_lose_nothing_that_they_were_told",
            "redis/failover::crowd_loses_no_claim_when_a_master_is_killed",
            "services/audit::planted_discrepancies_are_named",
        ),
    ),
    Row(
        "001 4.4 ③",
        "No packet is without shares and with money: the last share takes all, and a check follows.",
        ("core/amounts::last_share_is_the_remaining_amount", "services/audit::every_check_has_something_planted"),
    ),
    Row(
        "001 4.4 ④",
        "Each layer stops requests: most are answered from memory that all is gone.",
        ("outages/stores_away::packet_that_is_finished_is_answered_from_memory_alone",),
    ),
    Row(
        "001 4.4 ⑤",
        "Large amounts are credited first.",
        ("services/settlement::settle_takes_the_largest_claims_first",),
    ),
    Row(
        "001 4.4 ⑥",
        "The odds of shares are not proven to be equal.",
        (
            "core/amounts::every_share_has_exactly_the_same_expected_amount",
            "client_sim/kept_seeds::check_with_everything_kept_proves_the_choice_of_the_seed",
        ),
        "here they are: each turn has the same mean, and every user can check a packet",
    ),
    Row(
        "001 4.4 ⑦",
        "The money of the sender is taken at once, not frozen.",
        ("services/sends::send_debits_the_wallet_and_pushes_the_packet",),
    ),
    Row(
        "001 4.4 ⑧",
        "Computing amounts when they are needed costs one record for a packet.",
        ("core/packet::packet_loaded_from_its_records_continues_like_the_original",),
    ),
    Row(
        "001 4.4 ⑨",
        "The first page says only that something was left at that moment.",
        ("core/pages::open_page_agrees_with_the_answer_of_a_grab",),
    ),
    Row(
        "001 4.4 ⑩",
        "Both sides keep records of each payment; a third party compares them, and differences are corrected.",
        (
            "reconciliation/audits::auditor_of_the_docs_trusts_neither_book",
            "reconciliation/corrections::correction_moves_money_once_and_is_in_the_entries_the_pushes_and_the_audit",
        ),
    ),
    Row(
        "001 4.4 ⑪",
        "The counter of shares falls to 0; invalid requests do not reach the database.",
        (
            "core/packet::open_after_the_last_share_is_gone",
            "outages/stores_away::packet_that_is_finished_is_answered_from_memory_alone",
        ),
    ),
    Row(
        "001 4.4 ⑫",
        "Many writes a second: several primaries, each with its part.",
        ("sets/two_postgresqls::users_at_two_servers_open_packets_of_both_sets",),
    ),
    Row("001 4.4 ⑬", "Who has opened a packet is one read.", ("core/pages::result_page_has_all_fields",)),
    Row(
        "001 4.4 ⑭⑮",
        "A packet has no queue: it is one record with a counter, changed by compare-and-swap.",
        ("services/commit::two_servers_on_one_packet_give_each_index_once",),
    ),
    Row(
        "001 4.4 ⑯",
        "Number and amount are added up, a claim is inserted, and the credit follows by itself.",
        ("services/settlement::claims_reach_wallets_and_are_pushed",),
    ),
    Row(
        "001 4.4 ⑰",
        "If a credit fails: a last share that takes all, and a check of the books.",
        (
            "services/settlement::credit_in_doubt_is_found_by_the_time_of_its_batch",
            "services/settlement::settlements_at_the_same_time_take_different_claims",
        ),
    ),
)
