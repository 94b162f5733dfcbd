"""What becomes of each row of a file: in all formats, whatever the other rows are like."""

import json
import time

import pytest
from exchange.conftest import URL, document, read, results

from sora2api.accounts.exchange import Defaults
from sora2api.errors import InvalidValue

DEFAULTS = Defaults(driver="openai", base_url=URL)


def account(**more: object) -> dict[str, object]:
    return {"driver": "openai", "base_url": URL, **more}


async def test_everything_that_can_be_said_of_an_account_comes_in(books):
    said = account(
        name="one",
        token="sk-1",
        proxy="socks5h://ann:sesame@127.0.0.1:1080",
        image_slots=0,
        video_slots=7,
        weight=2.5,
        remake_lost=True,
        settings={"dialect": "sandbox", "polls_at_once": 2},
        enabled=False,
        groups=["gold", "eu"],
        priority=-3,
        calls_a_minute=60,
        daily_images=100,
        daily_videos=0,
        expires_at=4_000_000_000.0,
        refresh_token="rt-1",
        refresh_url="https://auth.example.org/token",
        client_id="app",
    )

    outcomes = await books.bring_in(document(said))

    assert results(outcomes) == [(1, "one", "added")]
    await books.accounts.load()
    found = books.accounts.named("one")
    assert {name: getattr(found, name) for name in said} == said | {"groups": ("gold", "eu")}


BAD = [
    ("no object", "It is no JSON object."),
    ({"base_url": URL}, "driver"),
    (account(base_url="ftp://engine"), "no http or https URL"),
    (account(driver="none"), "There is no driver 'none'"),
    (account(image_slots=-1), "image_slots"),
    (account(weight="heavy"), "weight"),
    (account(settings={"colour": "red"}), "knows no colour"),
    (account(settings={"dialect": 5}), "settings"),
    (account(proxy="gopher://127.0.0.1:1"), "proxy"),
    (account(proxy="unlisted"), "unlisted"),
    (account(token="sk-1\nX-Evil: 1"), "token has characters"),
    (account(surprise=1), "surprise"),
    (account(name="x" * 101), "name"),
]


async def test_a_bad_row_loses_no_good_one(books):
    good = [account(name=f"good {number}", token=f"sk-{number}") for number in range(len(BAD) + 1)]
    rows = [good[0]]
    for (bad, _), following in zip(BAD, good[1:], strict=True):
        rows += [bad, following]

    outcomes = await books.bring_in(document(*rows))

    assert [outcome.result for outcome in outcomes] == ["added", *(["failed", "added"] * len(BAD))]
    assert [account.name for account in books.accounts.all()] == [row["name"] for row in good]


@pytest.mark.parametrize(("bad", "why"), BAD)
async def test_a_row_that_fails_says_why(books, bad, why):
    (outcome,) = await books.bring_in(document(bad))

    assert outcome.result == "failed"
    assert why in outcome.why


async def test_one_token_a_line_takes_driver_and_url_from_the_command(books):
    outcomes = await books.bring_in("sk-1\n\n  sk-2  \r\nsk-1\n", defaults=DEFAULTS, prefix="rented")

    assert results(outcomes) == [(1, "rented-1", "added"), (3, "rented-2", "added"), (4, "rented-1", "skipped")]
    assert [account.token for account in books.accounts.all()] == ["sk-1", "sk-2"]


async def test_the_same_list_twice_adds_nothing_and_a_longer_one_what_is_new(books):
    await books.bring_in("sk-1\nsk-2", defaults=DEFAULTS)

    again = await books.bring_in("sk-1\nsk-2\nsk-3", defaults=DEFAULTS)

    assert [outcome.result for outcome in again] == ["skipped", "skipped", "added"]
    assert again[2].name == "127.0.0.1-3"


def test_tokens_without_a_driver_are_refused_at_once():
    with pytest.raises(InvalidValue, match="needs a driver and a base URL"):
        read("sk-1\nsk-2")


async def test_csv_is_read_by_its_header_and_each_line_stands_alone(books):
    lines = [
        "name,token,video_slots,groups,settings,remake_lost",
        'one,sk-1,4,"gold, eu","{""dialect"": ""sandbox""}",true',
        'two,"sk-2,4,,,',
        "three,sk-3,,,,",
        "four,sk-4,many,,,",
        "five,sk-5,1,,,,surplus",
        "six,sk-6,1,,{broken,",
    ]

    outcomes = await books.bring_in("\ufeff" + "\r\n".join(lines), defaults=DEFAULTS)

    assert [(outcome.row, outcome.result) for outcome in outcomes] == [
        (2, "added"),
        (3, "failed"),
        (4, "added"),
        (5, "failed"),
        (6, "failed"),
        (7, "failed"),
    ]
    one = books.accounts.named("one")
    assert (one.video_slots, one.groups, one.settings, one.remake_lost) == (
        4,
        ("gold", "eu"),
        {"dialect": "sandbox"},
        True,
    )
    assert books.accounts.named("three").video_slots == 2


def test_a_csv_column_that_means_nothing_is_refused():
    with pytest.raises(InvalidValue, match="'colour'"):
        read("name,colour\none,red", form="csv")


async def test_the_predecessors_accounts_come_in_disabled_with_names_proxies_and_limits_and_no_token(books):
    item = {
        "access_token": "eyJ.a.b",
        "session_token": "st",
        "refresh_token": "rt",
        "client_id": "app_1",
        "is_active": True,
    }
    export = [
        item
        | {"email": "ann@example.org", "proxy_url": "http://127.0.0.1:1", "image_concurrency": 1, "remark": "lent"}
        | {"image_enabled": True, "video_enabled": True, "video_concurrency": 3},
        item | {"email": "bob@example.org", "video_enabled": False, "image_concurrency": -1, "proxy_url": None},
        item | {"email": "eve@example.org", "proxy_url": "127.0.0.1:1"},
    ]

    outcomes = await books.bring_in(json.dumps(export))

    assert [outcome.result for outcome in outcomes] == ["added", "added", "failed"]
    assert all("disabled" in outcome.why for outcome in outcomes[:2])
    assert "lent" in outcomes[0].why
    ann, bob = books.accounts.all()
    assert (ann.name, ann.proxy, ann.image_slots, ann.video_slots) == ("ann@example.org", "http://127.0.0.1:1", 1, 3)
    assert (bob.name, bob.proxy, bob.image_slots, bob.video_slots) == ("bob@example.org", None, 2, 0)
    assert [(a.driver, a.token, a.refresh_token, a.enabled) for a in (ann, bob)] == [("openai", None, None, False)] * 2


async def test_the_predecessors_limits_do_not_disable_what_works_here_since(books):
    await books.bring_in(document(account(name="ann@example.org", token="sk-1")))

    (outcome,) = await books.bring_in(json.dumps([{"email": "ann@example.org", "video_concurrency": 9}]), update=True)

    assert outcome.result == "updated"
    ann = books.accounts.named("ann@example.org")
    assert (ann.video_slots, ann.enabled, ann.base_url, ann.token) == (9, True, URL, "sk-1")


async def test_what_is_there_is_skipped_by_name_and_by_token(books):
    await books.bring_in(document(account(name="one", token="sk-1")))

    outcomes = await books.bring_in(
        document(account(name="one", token="sk-2"), account(name="two", token="sk-1"), account(token="sk-1"))
    )

    assert [(outcome.result, outcome.why) for outcome in outcomes] == [
        ("skipped", "There is an account of this name."),
        ("skipped", "Its token is that of one."),
        ("skipped", "Its token is that of one."),
    ]
    assert [account.token for account in books.accounts.all()] == ["sk-1"]


async def test_an_update_changes_what_the_row_says_and_nothing_else(books):
    await books.bring_in(document(account(name="one", token="sk-1", video_slots=5, groups=["gold"])))
    before = books.accounts.named("one")

    outcomes = await books.bring_in(document(account(name="renamed", token="sk-1", weight=3)), update=True)
    again = await books.bring_in(document(account(name="renamed", token="sk-1", weight=3)), update=True)

    assert (outcomes[0].result, outcomes[0].why) == ("updated", "name, weight")
    assert (again[0].result, again[0].why) == ("skipped", "Nothing differs.")
    after = books.accounts.get(before.id)
    assert (after.name, after.weight, after.video_slots, after.groups) == ("renamed", 3, 5, ("gold",))


async def test_null_clears_what_was_set(books):
    await books.bring_in(document(account(name="one", proxy="http://127.0.0.1:1", daily_images=5)))

    await books.bring_in(document(account(name="one", proxy=None, daily_images=None)), update=True)

    one = books.accounts.named("one")
    assert (one.proxy, one.daily_images) == (None, None)


async def test_an_update_takes_no_name_that_another_has(books):
    await books.bring_in(document(account(name="one", token="sk-1"), account(name="two", token="sk-2")))

    (outcome,) = await books.bring_in(document(account(name="two", token="sk-1")), update=True)

    assert outcome.result == "failed"
    assert [account.name for account in books.accounts.all()] == ["one", "two"]


async def test_an_update_may_give_a_name_on(books):
    await books.bring_in(document(account(name="one", token="sk-1"), account(name="two", token="sk-2")))
    rows = [account(name="three", token="sk-2"), account(name="two", token="sk-1", weight=2)]

    outcomes = await books.bring_in(document(*rows), update=True)

    assert [outcome.result for outcome in outcomes] == ["updated", "updated"]
    assert [(account.name, account.token) for account in books.accounts.all()] == [("two", "sk-1"), ("three", "sk-2")]


async def test_another_token_takes_back_an_account_that_was_rejected(books):
    await books.bring_in(document(account(name="one", token="sk-1")))
    one = books.accounts.named("one")
    await books.accounts.note(one.id, set_aside="account_rejected", set_aside_at=time.time())

    await books.bring_in(document(account(name="one", token="sk-2")), update=True)

    assert books.accounts.get(one.id).ready(time.time())


async def test_an_engine_is_asked_anew_when_it_is_another_and_only_then(books):
    await books.bring_in(document(account(name="one", token="sk-1")))
    one = books.accounts.named("one")
    await books.accounts.note(one.id, checked_at=1.0)

    await books.bring_in(document(account(name="one", token="sk-1", weight=2)), update=True)
    same = books.accounts.get(one.id).checked_at
    await books.bring_in(document(account(name="one", token="sk-1", base_url="http://127.0.0.1:10/v1")), update=True)

    assert (same, books.accounts.get(one.id).checked_at) == (1.0, None)


async def test_one_file_may_say_more_of_its_own_rows(books):
    rows = [account(name="one", token="sk-1"), account(name="one", token="sk-1", weight=4)]

    outcomes = await books.bring_in(document(*rows), update=True)

    assert [outcome.result for outcome in outcomes] == ["added", "updated"]
    assert books.accounts.named("one").weight == 4


async def test_a_name_is_free_again_when_its_account_was_removed(books):
    await books.bring_in(document(account(name="one", token="sk-1")))
    await books.accounts.remove(books.accounts.named("one").id)

    (outcome,) = await books.bring_in(document(account(name="one", token="sk-1")))

    assert outcome.result == "added"


@pytest.mark.parametrize(
    "data", ['{"sora2api": 2, "accounts": []}', '{"sora2api": 1}', '{"accounts": []}', "[1, ", '{"sora2api": 1', "{}"]
)
def test_a_file_that_is_none_of_ours_is_refused_whole(data):
    with pytest.raises(InvalidValue):
        read(data)


async def test_10000_rows_are_in_within_seconds(books):
    tokens = "\n".join(f"sk-{number}" for number in range(10_000))
    began = time.process_time()

    outcomes = await books.bring_in(tokens, defaults=DEFAULTS)

    assert time.process_time() - began < 10
    assert {outcome.result for outcome in outcomes} == {"added"}
    await books.accounts.load()
    assert [account.token for account in books.accounts.all()] == tokens.split("\n")
