"""POST /dev/token: a token for anyone who asks, for demos on a developer's own machine (`auth.dev_login`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from handlers.auth import USER_ID
from handlers.protocol.answer_models import Access
from handlers.protocol.operations import Documented, Json, Operation
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import NotFound
from storage.domain.people import Person, Role

_TTL_SECONDS = 3600


def _is_user_id(text: str) -> str:
    if not USER_ID.fullmatch(text):
        raise ValueError("this cannot be a user id")
    return text


class TokenRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user_id: Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_is_user_id)]
    role: Role = Role.STUDENT
    name: Annotated[str, Field(max_length=200)] | None = None


class DevTokenHandler(SmallBodyHandler):
    """Body `{"user_id", "role", "name"}` → `{"access": JWT}`; 404 unless `auth.dev_login` is in force."""

    public = True
    documented = Documented(
        "/dev/token",
        tag="operation",
        post=Operation(
            "A token for anyone, on a developer's own machine",
            {200: Json(Access)},
            description="404 unless `auth.dev_login` is in force.",
            body=Json(TokenRequest, example={"user_id": "42", "role": "student", "name": "Ali Valiyev"}),
            refusals=(NotFound,),
        ),
    )

    async def admit(self) -> None:
        await super().admit()
        if not self.services.dev_login:
            raise NotFound

    def post(self) -> None:
        wanted = self.json_body(TokenRequest)
        token = self.services.auth.mint(Person(wanted.user_id, wanted.name), wanted.role, _TTL_SECONDS)
        self.write_json({"access": token})
