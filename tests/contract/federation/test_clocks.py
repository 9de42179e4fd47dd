"""A site whose clock was ahead for a moment: what was said in that moment."""

from __future__ import annotations

from support.federation import PEOPLE, Run, SiteStore, exchange


async def in_ten_years(site: SiteStore) -> None:
    """Move the newest event of a site, as if its clock had been ahead when it was said."""
    await site.root.execute(
        "set session_replication_role = replica; update consent.event set at = at + interval '10 years' where seq = (select max(seq) from consent.event); "
        "set session_replication_role = origin"
    )


def test_a_yes_from_the_future_opens_nothing_that_was_closed_meanwhile(run: Run) -> None:
    """A site's clock was set ahead for a moment, by whom ever, and set right: what was said in that moment does not outlast what people say afterwards."""

    async def script(east: SiteStore, north: SiteStore, west: SiteStore) -> None:
        who = PEOPLE[0]
        await east.say("Given", who, "help")
        await exchange(east, north, west)
        await east.say("Renewed", who, "help")
        await in_ten_years(east)
        await west.say("Withdrawn", who, "help")
        await exchange(east, north, west)
        assert [(await site.standing("help"))[who][0] for site in (east, north, west)] == [False] * 3
        await east.say("Given", who, "help")
        await exchange(east, north, west)
        assert [(await site.standing("help"))[who][0] for site in (east, north, west)] == [True] * 3
        await north.say("Withdrawn", who, "help")
        await in_ten_years(north)
        await exchange(east, north, west)
        assert [(await site.standing("help"))[who][0] for site in (east, north, west)] == [False] * 3

    run(script)
