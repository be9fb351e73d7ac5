"""The review desk in numbers: what waits, what was done, and how soon."""

from __future__ import annotations

from handlers.protocol.answer_models import Figures
from handlers.protocol.figures_json import figures_json
from handlers.protocol.operations import Documented, Json, Operation, bound
from handlers.protocol.query_arguments import read_period
from handlers.small_body import SmallBodyHandler
from storage.domain.people import REVIEWERS


class FiguresHandler(SmallBodyHandler):
    """GET /multilevel/manual-reviews/stats/: everybody's totals; of the reviewers an admin sees all, a reviewer
    themselves."""

    access = REVIEWERS
    documented = Documented(
        "/multilevel/manual-reviews/stats/",
        get=Operation(
            "The review desk in numbers",
            {200: Json(Figures)},
            description="Of the reviewers an admin sees all, a reviewer themselves.",
            parameters=(
                bound("since", "From when on checks count; by default 30 days before the end."),
                bound("until", "Up to when; by default until now. The period has 366 days at most."),
            ),
        ),
    )

    async def get(self) -> None:
        services = self.services
        asked = read_period(self.query_argument, "since", "until", services.time_zone)
        figures = await services.figures.of(asked)
        self.write_json(figures_json(figures, services.time_zone.key, self.principal))
