"""The review desk in numbers: what waits, what was done, and how soon."""

from __future__ import annotations

from handlers.protocol.figures_json import figures_json
from handlers.protocol.query_arguments import read_period
from handlers.small_body import SmallBodyHandler
from storage.domain.people import REVIEWERS


class FiguresHandler(SmallBodyHandler):
    """GET /multilevel/manual-reviews/stats/: everybody's totals; of the reviewers an admin sees all, a reviewer
    themselves."""

    access = REVIEWERS

    async def get(self) -> None:
        services = self.services
        asked = read_period(
            lambda name: self.get_query_argument(name, None), "since", "until", services.time_zone
        )
        figures = await services.figures.of(asked)
        self.write_json(figures_json(figures, services.time_zone.key, self.principal))
