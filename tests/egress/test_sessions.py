"""One session a proxy, closed when no longer used."""

import asyncio

from sora2api.egress import Sessions

PROXIES = [f"socks5://127.0.0.1:{port}" for port in range(1, 6)]


async def test_each_proxy_has_one_session(sessions):
    assert sessions.get(None) is sessions.get(None)
    assert sessions.get(PROXIES[0]) is sessions.get(PROXIES[0])
    assert sessions.get(PROXIES[0]) is not sessions.get(None)


async def test_the_least_recently_used_session_is_closed():
    sessions = Sessions(kept=2)
    first, second = sessions.get(PROXIES[0]), sessions.get(PROXIES[1])
    sessions.get(PROXIES[0])

    sessions.get(PROXIES[2])
    await asyncio.sleep(0)

    assert (first.closed, second.closed, len(sessions)) == (False, True, 2)
    await sessions.close()


async def test_a_session_in_use_stays_open_however_many_come():
    sessions = Sessions(kept=2)

    with sessions.use(PROXIES[0]) as held, sessions.use(PROXIES[0]):
        for proxy in PROXIES[1:]:
            sessions.get(proxy)
        await asyncio.sleep(0)

        assert not held.closed
        assert sessions.get(PROXIES[0]) is held
    for proxy in PROXIES[1:]:
        sessions.get(proxy)
    await sessions.close()

    assert held.closed


async def test_closing_closes_all(sessions):
    opened = [sessions.get(proxy) for proxy in (None, *PROXIES)]

    await sessions.close()

    assert all(session.closed for session in opened)
    assert len(sessions) == 0


async def test_cookies_of_one_account_do_not_reach_another(sessions, serve):
    from aiohttp import web

    async def bake(request):
        response = web.json_response(dict(request.cookies))
        response.set_cookie("who", "one")
        return response

    target = await serve(bake)
    session = sessions.get(None)
    async with session.get(target.url):
        pass
    async with session.get(target.url) as again:
        assert await again.json() == {}
