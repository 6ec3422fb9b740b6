"""A browser's forms as :class:`~edge.model.params.Params`."""

from typing import Final

from aiohttp import web
from aiohttp.web_request import FileField

from edge.model.errors import CallerError
from edge.model.params import Fields, File, Params

_LONGEST_QUERY: Final = 8_000


def query(request: web.Request) -> Params:
    """What the address says after its question mark."""
    fields = Fields()
    if len(request.query_string) > _LONGEST_QUERY:
        raise CallerError("The address is too long")
    for name, value in request.query.items():
        fields.add(name, value)
    return Params(fields)


async def body(request: web.Request) -> Params:
    """What a form says; raises CallerError for one that cannot be read.

    A browser writes line ends in a text as CR LF; they become LF.
    """
    fields = Fields()
    try:
        given = await request.post()
    except (ValueError, LookupError) as error:
        raise CallerError(f"The form cannot be read: {error}") from None
    for name, value in given.items():
        if isinstance(value, FileField):
            fields.counted(name)
            data = value.file.read()
            fields.files.append(File(name, value.filename, value.content_type, data))
        elif isinstance(value, str):
            fields.add(name, value.replace("\r\n", "\n"))
        else:
            raise CallerError("A part of the form is neither text nor a file")
    return Params(fields)
