"""`/admin/api/settings`: the options that operators can change while the server is running."""

from aiohttp import web

from sora_proxy.api.admin.bodies import read_body
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.context import OPERATOR, SETTINGS
from sora_proxy.api.reference.described import Description, described
from sora_proxy.api.reference.operator_answers import Options
from sora_proxy.operators.runtime_settings import FIELDS, redacted


@described(Description(answer=Options))
async def retrieve(request: web.Request) -> web.Response:
    """List the options with their values and sources, without secrets."""
    runtime = request.app[SETTINGS]
    options = {
        option: {"value": redacted(runtime.current, option), "source": runtime.source(option)} for option in FIELDS
    }
    return json_response({"settings": options})


@described(Description(example={"IMAGE_LOCALIZATION": True}, answer=Options))
async def change(request: web.Request) -> web.Response:
    """Change all given options, or none if one is invalid; null restores the environment's value or the default."""
    changes = await read_body(request, dict)
    await request.app[SETTINGS].change(changes, request[OPERATOR])
    return await retrieve(request)
