"""The one way from a request to typed values: its body and its query as :class:`Params`.

Fields of the body win over the query's.
"""

from aiohttp import web

from edge.api.body import read_body
from edge.api.context import API
from edge.model.params import FALSE as FALSE
from edge.model.params import LONGEST_TEXT as LONGEST_TEXT
from edge.model.params import TRUE as TRUE
from edge.model.params import Params as Params
from edge.model.params import parse_time as parse_time
from edge.model.params import rfc1123 as rfc1123


async def read(request: web.Request) -> Params:
    """The parameters of a request; raises TooLarge, and CallerError for a body nobody can read."""
    fields = await read_body(request, request.config_dict[API].max_body)
    body = set(fields.texts)
    for name, value in request.query.items():
        if name.removesuffix("[]") not in body:
            fields.add(name, value)
    return Params(fields)
