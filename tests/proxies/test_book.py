"""The list of proxies, and which of them an account goes through."""

import asyncio
import shutil
from collections import Counter

import pytest

from sora2api.accounts import ProxyBook
from sora2api.accounts.standing import FAILURES, LONGEST, Standing
from sora2api.egress import Route
from sora2api.errors import InvalidValue, NotFound, ProxyFault
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate
from sora2api.store.secrets import Secrets

ACCOUNTS = [f"acc_{number}" for number in range(12)]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """An empty database, made once."""
    folder = tmp_path_factory.mktemp("template")
    migrate(folder)
    return folder / FILE


@pytest.fixture
async def database(template, tmp_path):
    shutil.copy(template, tmp_path)
    database = Database(tmp_path / FILE)
    yield database
    await database.close()


@pytest.fixture
def book(database, tmp_path):
    """Make a book on the same data, as a new process would."""

    def made(**options) -> ProxyBook:
        return ProxyBook(database, Secrets.open(tmp_path), **options)

    return made


async def _listed(book: ProxyBook, *names: str) -> None:
    for name in names:
        await book.add(name, f"socks5://me:secret@127.0.0.1:{1000 + len(book.all())}")


def _fail(book: ProxyBook, name: str) -> None:
    for _ in range(FAILURES):
        book.blocked(book.named(name).route, ProxyFault())


def _mend(book: ProxyBook, name: str) -> None:
    book.standing(book.named(name).url).passed(0.1)


def _taken(book: ProxyBook) -> dict[str, str | None]:
    return {account: book.route("spread", whose=account).name for account in ACCOUNTS}


async def test_a_proxy_that_was_added_is_known_to_the_next_process_and_sealed_on_disk(book, tmp_path):
    await _listed(book(), "one")

    again = book()
    await again.load()

    assert again.route("one", whose="a") == Route("socks5://me:secret@127.0.0.1:1000", "one")
    assert b"secret@" not in b"".join(path.read_bytes() for path in tmp_path.glob("sora2api.db*"))


async def test_a_change_holds_for_the_next_call_and_a_removed_name_can_be_given_again(book):
    proxies = book()
    await _listed(proxies, "one")
    first = proxies.named("one")

    await proxies.change(first.id, url="http://127.0.0.1:8080")
    changed = proxies.route("one", whose="a")
    await proxies.remove(first.id)
    with pytest.raises(NotFound):
        proxies.named("one")
    await _listed(proxies, "one")

    assert changed.url == "http://127.0.0.1:8080"
    assert proxies.named("one").id != first.id


async def test_a_removed_proxy_stays_off_the_list_though_the_list_was_being_read(book):
    proxies = book()
    for number in range(50):
        await _listed(proxies, f"one of {number}")
        await asyncio.gather(proxies.load(), proxies.remove(proxies.named(f"one of {number}").id))

        assert proxies.all() == ()


@pytest.mark.parametrize("name", ["", "spread", "none", "http://one", "one"])
async def test_a_name_that_would_be_understood_otherwise_is_refused(book, name):
    proxies = book()
    await _listed(proxies, "one")

    with pytest.raises(InvalidValue):
        await proxies.add(name, "socks5://127.0.0.1:1")


async def test_what_is_no_proxys_url_is_not_listed(book):
    with pytest.raises(InvalidValue):
        await book().add("one", "ftp://127.0.0.1:21")


@pytest.mark.parametrize("word", ["two", "ftp://127.0.0.1:21", "127.0.0.1:1080"])
async def test_an_account_cannot_say_what_is_no_proxy(book, word):
    proxies = book()
    await _listed(proxies, "one")

    for right in ("one", "spread", "socks5h://127.0.0.1:1"):
        proxies.check_word(right)
    with pytest.raises(InvalidValue):
        proxies.check_word(word)


@pytest.mark.parametrize("word", ["socks5://u:p@127.0.0.1:9", "one", "spread"])
async def test_the_default_is_for_accounts_that_say_nothing_and_takes_the_same_words(book, word):
    proxies = book(default=word)
    await _listed(proxies, "one")

    assert proxies.route(None, whose="a") == proxies.route(word, whose="a")
    assert proxies.route("http://127.0.0.1:3", whose="a").name == "http://127.0.0.1:3"


async def test_with_no_word_at_all_an_account_goes_direct(book):
    assert book().route(None, whose="a") == Route()


async def test_accounts_are_spread_evenly_and_stay_where_they_are(book):
    proxies = book()
    await _listed(proxies, "one", "two", "three")

    taken = _taken(proxies)
    await proxies.keep(spread=ACCOUNTS, urls=())
    again = book()
    await again.load()
    await _listed(again, "four")

    assert Counter(taken.values()) == {"one": 4, "two": 4, "three": 4}
    assert _taken(again) == taken


async def test_new_accounts_go_where_the_fewest_are(book):
    proxies = book()
    await _listed(proxies, "one")
    for account in ACCOUNTS[:4]:
        proxies.route("spread", whose=account)
    await _listed(proxies, "two")

    newer = [proxies.route("spread", whose=account).name for account in ACCOUNTS[4:8]]

    assert newer == ["two"] * 4


async def test_the_place_of_an_account_that_is_gone_is_free(book):
    proxies = book()
    await _listed(proxies, "one", "two")
    taken = _taken(proxies)
    on_one = [account for account, name in taken.items() if name == "one"]

    await proxies.keep(spread=[account for account in ACCOUNTS if account not in on_one], urls=())
    newer = [proxies.route("spread", whose=f"new_{number}").name for number in range(6)]

    assert newer == ["one"] * 6


@pytest.mark.parametrize("word", ["one", "spread"])
async def test_accounts_of_a_failed_proxy_move_until_it_is_back(book, word):
    proxies = book(failure="move")
    await _listed(proxies, "one", "two", "three")
    before = {account: proxies.route(word, whose=account).name for account in ACCOUNTS}

    _fail(proxies, "one")
    moved = {account: proxies.route(word, whose=account).name for account in ACCOUNTS}
    _mend(proxies, "one")

    assert "one" not in moved.values()
    assert all(moved[account] == name for account, name in before.items() if name != "one")
    assert max(Counter(moved.values()).values()) == 6
    assert {account: proxies.route(word, whose=account).name for account in ACCOUNTS} == before


async def test_accounts_of_a_failed_proxy_rest_where_that_is_set(book):
    proxies = book(failure="rest")
    await _listed(proxies, "one", "two")

    _fail(proxies, "one")

    with pytest.raises(ProxyFault) as caught:
        proxies.route("one", whose="a")
    assert caught.value.retry_after
    assert proxies.route("two", whose="b").name == "two"


async def test_with_all_proxies_failed_nothing_goes_direct(book):
    proxies = book(failure="move")
    await _listed(proxies, "one", "two")
    for name in ("one", "two"):
        _fail(proxies, name)

    for word in ("one", "two", "spread"):
        with pytest.raises(ProxyFault):
            proxies.route(word, whose="a")


@pytest.mark.parametrize(("word", "names"), [("gone", ["one"]), ("spread", [])])
async def test_a_proxy_that_is_not_there_is_no_reason_to_go_direct_or_elsewhere(book, word, names):
    proxies = book(failure="move")
    await _listed(proxies, *names)

    with pytest.raises(ProxyFault):
        proxies.route(word, whose="a")


async def test_a_proxy_that_is_not_listed_rests_its_account_alone(book):
    proxies = book(failure="move")
    await _listed(proxies, "one")
    url = "socks5://me:secret@127.0.0.1:9"

    for _ in range(FAILURES):
        proxies.blocked(proxies.route(url, whose="a"), ProxyFault())

    with pytest.raises(ProxyFault) as caught:
        proxies.route(url, whose="a")
    assert "secret" not in str(caught.value)
    assert proxies.route("one", whose="b").name == "one"


async def test_nothing_goes_through_a_disabled_proxy(book):
    proxies = book(failure="move")
    await _listed(proxies, "one", "two")

    await proxies.change(proxies.named("one").id, enabled=False)

    assert proxies.route("one", whose="a").name == "two"
    assert set(_taken(proxies).values()) == {"two"}


async def test_fewer_failures_than_three_in_a_row_change_nothing(book):
    proxies = book(failure="rest")
    await _listed(proxies, "one")

    for _ in range(3):
        for _ in range(FAILURES - 1):
            proxies.blocked(proxies.named("one").route, ProxyFault())
        _mend(proxies, "one")

    assert proxies.route("one", whose="a").name == "one"


async def test_a_quarantine_holds_over_a_restart(book):
    proxies = book(failure="rest")
    await _listed(proxies, "one")
    _fail(proxies, "one")
    proxies.standing(proxies.named("one").url).missed("proxy_fault")
    await proxies.keep(spread=(), urls=())

    again = book(failure="rest")
    await again.load()

    with pytest.raises(ProxyFault):
        again.route("one", whose="a")


def test_the_latency_is_smoothed_and_a_miss_is_tried_again_ever_later():
    standing = Standing()
    for latency in (0.1, 1.1):
        standing.passed(latency)
    smoothed = standing.latency
    waits = []
    for _ in range(12):
        standing.missed("proxy_fault")
        waits.append(round(standing.wait()))

    assert 0.1 < smoothed < 0.6
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST
