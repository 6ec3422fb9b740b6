"""Mailing lists and their members."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import list_members, lists
from edge.api.address_pages import PAGES
from edge.api.describing import (
    ANYTHING,
    COUNT,
    DATE,
    LIMIT_AND_SKIP,
    SWITCH,
    TEXT,
    Described,
    Operation,
    by_name,
    choice,
    list_of,
    number,
    page_of,
    said,
    shape,
    switch,
    text,
    upload,
    word,
)
from edge.store.lists import ACCESS_LEVELS, REPLY_PREFERENCES

TITLE: Final = "Mailing lists"

LIST: Final = shape(
    {
        "address": TEXT,
        "name": TEXT,
        "description": TEXT,
        "access_level": word(*ACCESS_LEVELS),
        "reply_preference": word(*REPLY_PREFERENCES),
        "created_at": DATE,
        "members_count": COUNT,
    },
    title="MailingList",
)
MEMBER: Final = shape(
    {"address": TEXT, "name": TEXT, "subscribed": SWITCH, "vars": by_name(ANYTHING)},
    title="Member",
)
STORED: Final = shape(
    {
        "message": word(
            "Mailing list has been updated", "Mailing list upload started in background"
        ),
        "list": LIST,
    },
    {"task-id": TEXT},
)

PAGE: Final = (
    choice("page", "Which page; next and previous are seen from address.", *PAGES),
    text("address", "The address from which next and previous are seen."),
    number("limit", "Items at most.", 1, 1000, 100),
)
_SUBSCRIBED: Final = switch("subscribed", "Only those that are, or are not.")
_LIST: Final = (
    text("name", "Its name for people."),
    text("description", "What it is for.", longest=lists.LONGEST_DESCRIPTION),
    choice("access_level", "Kept and shown: nobody posts to lists here.", *ACCESS_LEVELS),
    choice("reply_preference", "Kept and shown, as above.", *REPLY_PREFERENCES),
)
_MEMBER: Final = (
    text("name", "The name."),
    text("vars", "Variables as a JSON object."),
    switch("subscribed", "Whether mail to the list goes there; yes for a new one."),
)
_UPLOADS: Final = (
    switch("upsert", "Change those that are there, rather than leave them."),
    switch("subscribed", "For those that do not say it themselves."),
)

OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    lists.list_lists: Operation(
        summary="The mailing lists that the key may see",
        query=(*LIMIT_AND_SKIP, text("address", "Only the list with this address.", longest=320)),
        answer=list_of(LIST),
    ),
    lists.page_lists: Operation(summary="Mailing lists in pages", query=PAGE, answer=page_of(LIST)),
    lists.create_list: Operation(
        summary="A new mailing list",
        form=(text("address", "Its address, in a domain of yours.", required=True), *_LIST),
        answer=said("Mailing list has been created", {"list": LIST}),
    ),
    lists.get_list: Operation(summary="One mailing list", answer=shape({"list": LIST})),
    lists.change_list: Operation(
        summary="Change a mailing list",
        text="What is not given stays.",
        form=(text("address", "Another address."), *_LIST),
        answer=said("Mailing list has been updated", {"list": LIST}),
    ),
    lists.delete_list: Operation(
        summary="Remove a mailing list with its members",
        answer=said("Mailing list has been removed", {"address": TEXT}),
    ),
    list_members.list_all: Operation(
        summary="The members of a list",
        query=(*LIMIT_AND_SKIP, _SUBSCRIBED, text("address", "Only the member with this address.")),
        answer=list_of(MEMBER),
    ),
    list_members.page_members: Operation(
        summary="The members of a list in pages",
        query=(*PAGE, _SUBSCRIBED),
        answer=page_of(MEMBER),
    ),
    list_members.create_member: Operation(
        summary="A new member",
        form=(
            text("address", "Address, with or without a name.", required=True),
            *_MEMBER,
            switch("upsert", "Change the member if there is one, rather than refuse."),
        ),
        answer=said("Mailing list member has been created", {"member": MEMBER}),
    ),
    list_members.get_member: Operation(summary="One member", answer=shape({"member": MEMBER})),
    list_members.change_member: Operation(
        summary="Change a member",
        text="What is not given stays.",
        form=(text("address", "Another address."), *_MEMBER),
        answer=said("Mailing list member has been updated", {"member": MEMBER}),
    ),
    list_members.delete_member: Operation(
        summary="Remove a member",
        answer=said("Mailing list member has been deleted", {"member": shape({"address": TEXT})}),
    ),
    list_members.upload_json: Operation(
        summary="Up to 1,000 members at once",
        text="All of them or none; every mistake is told by its place.",
        form=(
            text("members", "JSON list of addresses, or of objects as of a member.", required=True),
            *_UPLOADS,
        ),
        answer=STORED,
    ),
    list_members.upload_csv: Operation(
        summary="A CSV file of members",
        text="The first line names the columns: address, name, subscribed, vars. Up to 5 MB.",
        form=(upload("members", "The file."), *_UPLOADS),
        answer=STORED,
    ),
}
