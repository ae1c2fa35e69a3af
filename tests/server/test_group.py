"""`hongbao group`: an operator shows groups, and makes and changes them as the chat backend does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from client_sim.sdk.names import user_id_of
from server.process import ServerProcess
from tests.clusters import data_folder
from tests.server.serving import here


@pytest.fixture(scope="module")
def data(cluster: Path) -> Iterator[Path]:
    """The data folder of a running server."""
    with data_folder(cluster) as folder, ServerProcess(folder):
        yield folder


def done(data: Path, *words: object) -> str:
    """What `hongbao group` prints."""
    ended = here("group", *words, "--data", data)
    assert (ended.code, ended.stderr) == (0, "")
    return ended.stdout


def members(data: Path, group_id: str) -> int:
    return int(json.loads(done(data, "show", group_id, "--json"))["members"])


def test_group_put_twice_is_one_group_with_the_newer_name(data: Path) -> None:
    made = done(data, "put", "room-1", "一家人", "--owner", "1001", "--create").strip()
    assert done(data, "put", "room-1", "一家 人").strip() == made
    shown = json.loads(done(data, "show", made, "--json"))
    assert (shown["name"], shown["owner_id"], shown["members"]) == ("一家 人", 0, 0)
    assert done(data, "put", "room-2", "同事").strip() != made


def test_group_members_are_added_removed_and_synced(data: Path, tmp_path: Path) -> None:
    group_id = done(data, "put", "room-3", "一家人").strip()
    assert done(data, "add", group_id, "1001", "小梅", "--create") == "joined 2, left 0, members now 2\n"
    assert done(data, "remove", group_id, 1001, "小梅") == "joined 0, left 2, members now 0\n"
    listed = tmp_path / "members.txt"
    listed.write_text(f"{user_id_of('小梅')}\n\n阿强\n1003\n")
    assert done(data, "sync", group_id, listed, "--create") == "joined 3, left 0, members now 3\n"
    assert members(data, group_id) == 3


def test_group_change_with_an_older_version_changes_nothing(data: Path) -> None:
    group_id = done(data, "put", "room-4", "一家人").strip()
    assert done(data, "add", group_id, 1001, "--version", 5, "--create") == "joined 1, left 0, members now 1\n"
    assert done(data, "remove", group_id, 1001, "--version", 4) == "joined 0, left 0, members now 1\n"


def test_group_relay_is_set_and_shown(data: Path) -> None:
    group_id = done(data, "put", "room-relay", "一家人").strip()
    assert done(data, "relay", group_id) == "0\n"
    assert done(data, "relay", group_id, 2) == "2\n"
    assert done(data, "relay", group_id) == "2\n"
    refused = here("group", "relay", group_id, 4, "--data", data)
    assert refused.code == 2
    assert done(data, "relay", group_id, 0) == "0\n"


def test_group_delete_ends_it_for_good_and_repeated_changes_nothing(data: Path) -> None:
    group_id = done(data, "put", "room-gone", "一家人").strip()
    done(data, "add", group_id, 1001, "--create")
    for _ in range(2):
        assert done(data, "delete", "room-gone").strip() == group_id
    assert members(data, group_id) == 0
    late = here("group", "add", group_id, 1001, "--data", data)
    assert (late.code, late.stderr) == (1, "hongbao: 202 no_such_group\n")
    again = here("group", "put", "room-gone", "一家人", "--data", data)
    assert again.code == 1
    assert "external_id: the group was deleted: its id is not used again" in again.stderr


def test_group_delete_of_an_unknown_group_is_refused_in_one_line(data: Path) -> None:
    refused = here("group", "delete", "room-unknown", "--data", data)
    line = "hongbao: the server knows no group 'room-unknown': is it the id in your chat app?\n"
    assert (refused.code, refused.stdout, refused.stderr) == (1, "", line)


@pytest.mark.parametrize("words", [("put", "room-0", "一家人", "--owner"), ("add",), ("remove",), ("sync",)])
def test_group_command_with_a_mistyped_name_is_refused_and_changes_nothing(
    data: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    group_id = done(data, "put", "room-0", "同事").strip()
    done(data, "add", group_id, "小龙", "--create")
    monkeypatch.setattr("sys.stdin", io.StringIO("小龙\n小龍\n"))
    listed = {"put": ["小龍"], "sync": [group_id]}.get(words[0], [group_id, "小龙", "小龍"])
    refused = here("group", *words, *listed, "--data", data)
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert refused.stderr.startswith(f"hongbao: the server knows no user {user_id_of('小龍')}: is the name")
    assert ("--create" in refused.stderr) == (words[0] != "remove")
    shown = json.loads(done(data, "show", group_id, "--json"))
    assert (shown["name"], shown["owner_id"], shown["members"]) == ("同事", 0, 1)


def test_group_sync_reads_the_standard_input(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group_id = done(data, "put", "room-5", "一家人").strip()
    monkeypatch.setattr("sys.stdin", io.StringIO("1001\n1002\n"))
    assert done(data, "sync", group_id, "--create") == "joined 2, left 0, members now 2\n"


def test_group_sync_with_a_line_that_is_no_user_changes_nothing(data: Path, tmp_path: Path) -> None:
    group_id = done(data, "put", "room-6", "一家人").strip()
    listed = tmp_path / "members.txt"
    listed.write_text("1001\n99999999999999999\n")
    ended = here("group", "sync", group_id, listed, "--data", data)
    assert (ended.code, ended.stderr) == (
        1,
        "hongbao: '99999999999999999' is not a user: a user id is in 1…9007199254740991\n",
    )
    assert members(data, group_id) == 0


def test_group_that_does_not_exist_is_refused(data: Path) -> None:
    ended = here("group", "add", 2**60, 1001, "--create", "--data", data)
    assert (ended.code, ended.stderr.strip()) == (1, "hongbao: 202 no_such_group")


def test_group_list_begins_with_the_newest(data: Path) -> None:
    older = done(data, "put", "room-7", "older").strip()
    newer = done(data, "put", "room-8", "newer", "--audience", "signature").strip()
    done(data, "add", older, 1001, 1002, "--create")
    listed = json.loads(done(data, "list", "--most", 2, "--json"))["groups"]
    assert [(one["group"], one["external_id"], one["kind"], one["members"]) for one in listed] == [
        (newer, "room-8", "signed", 0),
        (older, "room-7", "group", 2),
    ]
    assert "room-8" in done(data, "list")


def test_group_with_only_an_id_shows_it_as_in_the_versions_before(data: Path) -> None:
    group_id = done(data, "put", "room-9", "一家人").strip()
    assert done(data, group_id) == done(data, "show", group_id)
    assert "一家人" in done(data, group_id)
